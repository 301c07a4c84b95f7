"""Measure time and memory of converting one picture, by its size and its saturated share.

    python benchmarks/predict.py

prints a row for each case:

    size, saturated share, resolution
    seconds of the command, including its start, and its peak resident memory
    processor seconds, summed over all cores, for linearising, network and blend alone, in another
        process, the best of three
    their ratio to those of running the network over the whole picture in one piece, measured
        alternately in the same process, if that fits in memory
    for fully saturated pictures: the arithmetic rate of the network, as a share of the rate that a
        core reaches on matrix products in the same process

Processor seconds are roughly valid even if the machine does other work; seconds need an idle one.
"5 %" means discs with a radius of up to 200 pixels, each with a ramp at its rim.
"""

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import flags

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError
from hdrcnn.weights import WeightsError
from hdrcnn.writers.display import write_png
from training_code.console import run

SHARES = {"unsaturated": 0.0, "5 %": 0.05, "all": 1.0}
TIMES = 3
"""Number of repetitions; the first one has to allocate memory."""
MODES = ("auto", "native", "working")
FLAGS = flags.FLAGS
flags.DEFINE_multi_float("megapixels", [1.0, 4.0, 12.0, 24.0, 48.0], "Sizes; may be repeated.")
flags.DEFINE_multi_enum("saturated", list(SHARES), list(SHARES), "Saturated shares.")
flags.DEFINE_multi_enum("resolution", ["native", "auto"], MODES, "Modes.")
flags.DEFINE_enum("precision", "float32", ["auto", "float32", "bfloat16"], "Of the convolutions.")
flags.DEFINE_string("params", None, "Weights file. Default: the weights shipped with the tool.")
flags.DEFINE_integer("width", 0, "Use untrained weights of this width; 64: as published.", 0)
flags.DEFINE_float("dense_gigabytes", 6.0, "Run in one piece only what needs no more than this.")
flags.DEFINE_string("child", "", "Measure this picture in this process and print JSON.")
flags.DEFINE_bool("dense", False, "With --child: also run the network in one piece.")

# ru_maxrss is in kilobytes on Linux and in bytes on macOS.
UNIT = 1 if sys.platform == "darwin" else 1024
MULTIPLICATIONS = 112.6
"""Multiplications of the network per pixel, divided by its squared width, without the first and
last layers of three channels."""
WIDTH = 16
"""Width of the shipped network, from which the memory of one piece is estimated."""
BYTES = 30
"""Memory of the network in one piece, in bytes per pixel and unit of width."""


def picture(megapixels: float, share: float) -> np.ndarray:
    """Make a smooth picture, aspect 3:2, with saturated discs on `share` of it: [H, W, 3] uint8."""
    rows = round((megapixels * 1e6 / 1.5) ** 0.5)
    columns = round(1.5 * rows)
    if share == 1.0:
        return np.full((rows, columns, 3), 255, np.uint8)
    y, x = np.ogrid[0:rows, 0:columns]
    grey = 90 + 60 * np.sin(y / 97.0) * np.sin(x / 131.0)
    rng, code = np.random.default_rng(0), np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    left = share * rows * columns
    while left > 0:
        radius = min(rng.uniform(40, 200), (left / np.pi) ** 0.5 + 1)
        top, beside = (int(rng.random() * side) for side in (rows, columns))
        around = (
            slice(max(0, top - 220), top + 220),
            slice(max(0, beside - 220), beside + 220),
        )
        distance = np.hypot(y[around[0]] - top, x[:, around[1]] - beside)
        lamp = np.clip(255 - 12 * (distance - radius), 0, 255)[..., None].astype(np.uint8)
        left -= int((distance < radius).sum())
        code[around] = np.maximum(code[around], lamp)
    return code


def processor_seconds(of: Callable[[], object]) -> float:
    """Processor seconds of one run, summed over all cores."""
    begun = time.process_time()
    of()
    return time.process_time() - begun


def matrix_rate() -> float:
    """Multiplications per processor second on large float32 matrices."""
    import tensorflow as tf

    side = 3072
    matrix = tf.random.normal((side, side))
    product = functools.partial(tf.linalg.matmul, matrix, matrix)
    seconds = [processor_seconds(lambda: product().numpy()) for _ in range(TIMES)]
    return side**3 / min(seconds)


def fresh_weights(folder: Path) -> Path:
    """Write an untrained weights file of width --width; time and memory equal a trained one's."""
    from hdrcnn import weights
    from hdrcnn.models.metadata import Hdrcnn

    path = folder / "fresh.npz"
    facts = Hdrcnn(FLAGS.width, "mean_curve", "channel")
    arrays = weights.collect(facts.build())
    # Scaled down, because initial weights of a wide network make values overflow.
    weights.save(path, {name: 0.1 * array for name, array in arrays.items()}, facts)
    return path


def measure(source: Path, mode: str) -> dict[str, float]:
    """Measure conversion in this process, without reading and writing, with the weights' curve."""
    import hdrcnn
    from hdrcnn.predict.blend import reconstruct_light
    from hdrcnn.weights import SHIPPED

    with stderr_discarded():
        predictor = hdrcnn.load(FLAGS.params or SHIPPED, precision=FLAGS.precision)
    facts, image = predictor.metadata, hdrcnn.read(source)

    def in_parts() -> object:
        return predictor.reconstruct(image, resolution=mode, dtype=np.float16)

    def in_one_piece() -> object:
        code = image / np.float32(255.0)
        y = predictor.log_hdr(code)
        return reconstruct_light(code, y, facts.linearisation, facts.blend).astype(np.float16)

    ways = {"network": in_parts} | ({"whole": in_one_piece} if FLAGS.dense else {})
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TIMES):
        for name, way in ways.items():
            seconds[name].append(processor_seconds(way))
    found = {name: min(times) for name, times in seconds.items()}
    return found | {"rate": matrix_rate(), "width": float(facts.width)}


def passed_flags() -> list[str]:
    """Flags that are passed on to other processes."""
    params = [f"--params={FLAGS.params}"] if FLAGS.params else []
    return [f"--precision={FLAGS.precision}", *params]


def run_in_child(source: Path, mode: str, dense: bool) -> dict[str, float]:
    """Run `measure` in a new process. dense: also run the network in one piece."""
    command = [
        sys.executable,
        __file__,
        f"--child={source}",
        f"--resolution={mode}",
        *passed_flags(),
    ]
    command += ["--dense"] * dense
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{source.stem}, {mode}: {done.stderr.strip() or done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def run_command(source: Path, mode: str) -> dict[str, float]:
    """Run the command on one file; return its seconds and its peak memory in bytes."""
    out_dir = source.parent / "out" / mode
    command = [
        sys.executable,
        str(ROOT / "hdrcnn_predict.py"),
        f"--im_dir={source}",
        *passed_flags(),
    ]
    begun = time.perf_counter()
    child = subprocess.Popen(
        [*command, f"--out_dir={out_dir}", f"--resolution={mode}"], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{source.stem}, {mode}: the command failed")
    return {"seconds": time.perf_counter() - begun, "bytes": float(usage.ru_maxrss * UNIT)}


def line(name: str, mode: str, megapixels: float, found: dict[str, float]) -> str:
    """Format a row of the table."""
    products = MULTIPLICATIONS * found["width"] ** 2 * megapixels * 1e6
    ratio = f"x {found['network'] / found['whole']:.2f}" if "whole" in found else "-"
    # In all other cases the network skips a part of the picture.
    complete = name == "all" and mode == "native"
    share = f"{products / found['network'] / found['rate']:.0%}" if complete else "-"
    return (
        f"{megapixels:5g} MP  {name:12} {mode:8} {found['seconds']:7.1f} s "
        f"{found['bytes'] / 1e9:6.2f} GB   {found['network']:8.2f} core s {ratio:>8} {share:>6}"
    )


def table(folder: Path) -> None:
    """Measure all cases and print a line for each."""
    for megapixels in FLAGS.megapixels:
        width = FLAGS.width or WIDTH
        fits = BYTES * width * megapixels * 1e6 < FLAGS.dense_gigabytes * 1e9
        sources = {}
        for number, name in enumerate(FLAGS.saturated):
            sources[name] = folder / f"{megapixels:g}_{number}.png"
            write_png(sources[name], picture(megapixels, SHARES[name]))
        for name, source in sources.items():
            for mode in FLAGS.resolution:
                found = run_in_child(source, mode, fits) | run_command(source, mode)
                print(line(name, mode, megapixels, found), flush=True)


def main() -> int:
    """Print the table, or with --child one case of it. Returns the exit status."""
    if FLAGS.child:
        print(json.dumps(measure(Path(FLAGS.child), FLAGS.resolution[0])))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if FLAGS.width:
            FLAGS.params = str(fresh_weights(Path(folder)))
        table(Path(folder))
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, OSError)
