"""Memory and time of reconstructing one picture with the shipped weights, by its size.

    python benchmarks/memory.py

prints a line for each size: megapixels, peak memory of a fresh process in GB, that memory less
what is there before the picture, in bytes a pixel, and seconds relative to the first size.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from absl import flags

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.command_line import quietly, run

FLAGS = flags.FLAGS
flags.DEFINE_multi_float("megapixels", [1.0, 4.0, 12.0], "Sizes; may be given several times.")
flags.DEFINE_string("params", None, "Weights file. Default: the weights shipped with the tool.")
flags.DEFINE_bool("child", False, "Measure the first size in this process and print JSON.")

# ru_maxrss is in kilobytes on Linux and in bytes on macOS.
UNIT = 1 if sys.platform == "darwin" else 1024


def peak() -> int:
    """Largest memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def measure(megapixels: float) -> dict[str, float]:
    """One picture of random codes, aspect 3:2, in this process."""
    import numpy as np

    from hdrcnn import load

    with quietly():
        predictor = load(FLAGS.params)
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    picture = np.random.default_rng(0).random((height, round(1.5 * height), 3), np.float32)
    before, begun = peak(), time.perf_counter()
    predictor.reconstruct(picture)
    seconds = time.perf_counter() - begun
    pixels = picture.shape[0] * picture.shape[1]
    return {"bytes": peak(), "per_pixel": (peak() - before) / pixels, "seconds": seconds}


def main() -> int:
    """A fresh process for each size. Returns the exit status."""
    if FLAGS.child:
        print(json.dumps(measure(FLAGS.megapixels[0])))
        return 0
    first = 0.0
    for megapixels in FLAGS.megapixels:
        command = [sys.executable, __file__, "--child", f"--megapixels={megapixels}"]
        command += [f"--params={FLAGS.params}"] if FLAGS.params else []
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{megapixels:g} megapixels: {done.stderr.strip() or done.returncode}")
        figures = json.loads(done.stdout)
        first = first or figures["seconds"]
        print(
            f"{megapixels:6g} megapixels  peak {figures['bytes'] / 1e9:6.2f} GB  "
            f"{figures['per_pixel']:6.0f} bytes a pixel  time x {figures['seconds'] / first:.2f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    run(main)
