"""Compare speed, memory and results of all libraries that can run the network.

    python benchmarks/backends.py

prints a Markdown table with a row for each library and precision. Times are ratios to TensorFlow in
float32, or to the first of --only if that leaves TensorFlow out; its absolute times are printed
below the table:

    5 %, all    processor seconds, summed over all cores, for linearising, network and blend of a
                2-megapixel picture, 5 % or all of it saturated, at its own size
    start       processor seconds of `hdrcnn predict` on a tiny picture, from start to end
    memory      peak resident memory of the process that computed the two pictures
    largest,    difference from the same row, in stops, over all samples of the pictures in `data`
    RMS         that the network predicts
    installed   size of the extra and everything it requires, as installed in this environment,
                without bytecode

Each library is measured in processes of its own, alternating with the others, and the best of
--times runs counts. A process computes each picture twice, because the first time includes
compilation. Processor seconds are roughly valid even if the machine does other work.
"""

import functools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.predict import UNIT, picture, processor_seconds
from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError
from hdrcnn.predict.backend import VARIABLE
from hdrcnn.weights import SHIPPED, WeightsError
from hdrcnn.writers.display import write_png
from training_code.console import run


class Runtime(NamedTuple):
    """A library and the precision in which it computes."""

    backend: str
    """Key of `backend.NEEDS`, which is also the name of an extra."""
    precision: str


RUNTIMES = {
    "TensorFlow, float32": Runtime("tensorflow", "float32"),
    "TensorFlow, bfloat16": Runtime("tensorflow", "bfloat16"),
    "JAX, float32": Runtime("jax", "float32"),
    "onnxruntime, float32": Runtime("onnx", "float32"),
    "onnxruntime, int8": Runtime("onnx", "int8"),
}
FIRST = next(iter(RUNTIMES))
MEGAPIXELS = 2.0
SHARES = {"some": 0.05, "all": 1.0}
TIMED = (*SHARES, "start")
FLAGS = flags.FLAGS
flags.DEFINE_integer("times", 3, "Processes per library; the best counts.", 1)
flags.DEFINE_multi_enum("only", list(RUNTIMES), list(RUNTIMES), "Rows; may be given repeatedly.")
flags.DEFINE_string(
    "weights_dir",
    None,
    "Folder for a copy of the shipped weights and their ONNX files, which are written there if "
    "they are missing. Default: a temporary one.",
)
flags.DEFINE_enum("measure", None, ["speed", "light"], "Measure in this process and print JSON.")
flags.DEFINE_string("result", None, "With --measure=light: file for the light.")


def _photographs() -> Iterator[Path]:
    """Yield the paths of the pictures in `data`."""
    yield from sorted(p for p in (ROOT / "data").iterdir() if p.suffix in (".png", ".jpg"))


def _params() -> Path:
    return Path(FLAGS.weights_dir) / SHIPPED.name


def speed(precision: str) -> dict[str, float]:
    """Processor seconds for each of `SHARES`, and peak memory in bytes, of this process."""
    import hdrcnn

    with stderr_discarded():
        predictor = hdrcnn.load(_params(), precision=precision)
    found = {}
    for name, share in SHARES.items():
        image = picture(MEGAPIXELS, share)
        reconstruct = functools.partial(
            predictor.reconstruct, image, scaling=1.0, resolution="native", dtype=np.float16
        )
        found[name] = min(processor_seconds(reconstruct) for _ in range(2))
    return found | {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * float(UNIT)}


def light(precision: str) -> dict[str, float]:
    """Write the light, in stops, of all samples in `data` that the network predicts to --result."""
    import hdrcnn
    from hdrcnn.predict.blend import mask

    with stderr_discarded():
        predictor = hdrcnn.load(_params(), precision=precision)
    stops = []
    for path in _photographs():
        code = hdrcnn.read(path)
        hdr = predictor.reconstruct(code, scaling=1.0, camera_curve="srgb", resolution="native")
        stops.append(np.log2(hdr[mask(code, predictor.metadata.blend) > 0.0]))
    np.save(FLAGS.result, np.concatenate(stops))
    return {"samples": float(sum(map(len, stops)))}


def _started(name: str, *command: str | Path) -> tuple[str, float]:
    """Run a Python command with the backend of a row; return its output and processor seconds."""
    environment = {**os.environ, VARIABLE: RUNTIMES[name].backend}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, *map(str, command)], env=environment, cwd=ROOT, stdout=said
        )
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            sys.exit(f"{name}: failed: {' '.join(map(str, command))}")
        said.seek(0)
        return said.read().decode(), usage.ru_utime + usage.ru_stime


def _measured(name: str, measure: str, *more: str) -> dict[str, float]:
    printed, _ = _started(
        name, __file__, f"--measure={measure}", f"--only={name}",
        f"--weights_dir={FLAGS.weights_dir}", *more,
    )  # fmt: skip
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def _start(name: str, folder: Path) -> float:
    """Processor seconds of `hdrcnn predict` on a tiny picture."""
    tiny = folder / "tiny.png"
    if not tiny.is_file():
        write_png(tiny, picture(0.006, 0.2))
    return _started(
        name, "-m", "hdrcnn", "predict", tiny, "--out_dir", folder / "out", "--overwrite",
        "--quiet", "--params", _params(), "--precision", RUNTIMES[name].precision,
    )[1]  # fmt: skip


def _onnx_files() -> None:
    """Write the ONNX files that are missing in --weights_dir."""
    if not _params().is_file():
        shutil.copy(SHIPPED, _params())
    for precision, more in (("float32", ()), ("int8", ("--calibration", ROOT / "data"))):
        from hdrcnn.predict.backend import exported

        try:
            exported(_params(), precision)
        except WeightsError:
            _started(
                FIRST, "-m", "hdrcnn", "export", _params(), "--overwrite",
                "--precision", precision, *more,
            )  # fmt: skip


def installed(extra: str) -> float | None:
    """Megabytes of all packages that this one requires with an extra; None if any is missing."""
    import tomllib  # Since Python 3.11.

    listed = (ROOT / "requirements-base.txt").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [*listed, *project["optional-dependencies"][extra]]
    sizes: dict[str, float] = {}
    while waiting:
        wanted = Requirement(waiting.pop())
        if wanted.name in sizes or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        try:
            package = distribution(wanted.name)
        except PackageNotFoundError:
            return None
        waiting += package.requires or []
        places = [Path(str(file.locate())) for file in package.files or []]
        sizes[wanted.name] = sum(
            place.stat().st_size for place in places if place.suffix != ".pyc" and place.is_file()
        )
    return sum(sizes.values()) / 1e6


def compared_with(rows: Sequence[str]) -> str:
    """Name of the row that the others are compared with: `FIRST`, or without it the first given."""
    return FIRST if FIRST in rows else rows[0]


def _row(
    name: str, found: dict[str, float], first: dict[str, float], off: np.ndarray | None
) -> str:
    """One row; off: differences in stops from the row compared with, None for that row itself."""
    times = [f"x {found[key] / first[key]:.2f}" for key in TIMED]
    size = installed(RUNTIMES[name].backend)
    stops = ["—", "—"]
    if off is not None:
        stops = [f"{np.abs(off).max():.4f}", f"{np.sqrt(np.mean(np.square(off))):.4f}"]
    cells = [name, *times, f"{found['bytes'] / 1e6:.0f} MB", *stops,
             "—" if size is None else f"{size:.0f} MB"]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def table(folder: Path) -> None:
    """Measure all rows and print the table."""
    _onnx_files()
    best: dict[str, dict[str, float]] = {name: {} for name in FLAGS.only}
    stops = {}
    for name in FLAGS.only:
        _measured(name, "light", f"--result={folder / 'light.npy'}")
        stops[name] = np.load(folder / "light.npy").astype(np.float64)
    for _ in range(FLAGS.times):
        for name in FLAGS.only:
            found = _measured(name, "speed") | {"start": _start(name, folder)}
            said = ", ".join(f"{key} {value:.2f}" for key, value in found.items())
            print(f"{name}: {said}", file=sys.stderr, flush=True)
            for key, value in found.items():
                best[name][key] = min(value, best[name].get(key, np.inf))
    reference = compared_with(FLAGS.only)
    first = best[reference]
    print("| | 5 % | all | start | memory | largest | RMS | installed |")
    print("| --- " * 8 + "|")
    for name, found in best.items():
        off = None if name == reference else stops[name] - stops[reference]
        print(_row(name, found, first, off))
    times = ", ".join(f"{first[key]:.2f}" for key in TIMED)
    print(
        f"\nx 1 is {reference}: {times} processor seconds; {len(stops[reference])} samples of "
        f"{len(list(_photographs()))} pictures are predicted."
    )


def main() -> int:
    """Print the table, or with --measure one case of it. Returns the exit status."""
    if FLAGS.measure:
        measure = {"speed": speed, "light": light}[FLAGS.measure]
        print(json.dumps(measure(RUNTIMES[FLAGS.only[0]].precision)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        FLAGS.weights_dir = FLAGS.weights_dir or folder
        Path(FLAGS.weights_dir).mkdir(parents=True, exist_ok=True)
        table(Path(folder))
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, OSError)
