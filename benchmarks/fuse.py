"""Compare time and memory of `hdrcnn fuse` with those of enfuse, on the same frames.

    python benchmarks/fuse.py --megapixels 50 --frames 3

Synthetic frames, two stops apart, with noise and detail at every scale, are written as 8-bit TIFF.
Each program reads them and writes a TIFF; wall time, processor time and peak memory are those of
its process. The ratios to enfuse are meaningful; the seconds depend on the machine. `fused alone`
is without alignment and ghost removal, like enfuse; `as by default` is with both, and compares with
`align_image_stack` (measured with `--align`) plus enfuse. These take a while.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.colour.transfer import srgb_encode

HDRCNN = [sys.executable, "-c", "from hdrcnn.cli.main import entry; entry()", "fuse"]
STRIP = 256


def write_frames(folder: Path, megapixels: float, count: int) -> list[Path]:
    """Write the frames of a bracket, aspect 3:2, from dark to bright; return their paths."""
    rows = round(np.sqrt(megapixels * 1e6 / 1.5))
    columns = round(1.5 * rows)
    rng = np.random.default_rng(0)
    stops = np.zeros((rows, columns), np.float32)
    for cell, strength in ((4, 0.7), (40, 1.0), (400, 2.0)):
        noise = rng.normal(size=(rows // cell + 2, columns // cell + 2)).astype(np.float32)
        large = Image.fromarray(noise).resize((columns, rows), Image.Resampling.BICUBIC)
        stops += strength * np.asarray(large)
    paths = []
    for index in range(count):
        ev = 2.0 * (index - (count - 1) / 2) - 3.0
        codes = np.empty((rows, columns, 3), np.uint8)
        for top in range(0, rows, STRIP):
            light = 2.0 ** (stops[top : top + STRIP] + np.float32(ev))
            tinted = np.minimum(light[..., None] * np.array([1.0, 0.9, 0.75], np.float32), 1.0)
            noisy = tinted + rng.normal(0, 2e-3, tinted.shape).astype(np.float32)
            codes[top : top + STRIP] = np.round(255 * srgb_encode(np.clip(noisy, 0.0, 1.0)))
        paths.append(folder / f"frame_{index + 1}.tif")
        tifffile.imwrite(paths[-1], codes, photometric="rgb")
    return paths


def measure(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Run a command, which must succeed; return wall seconds, processor seconds and peak GB."""
    begun = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed: {(folder / 'said.txt').read_text()[-500:]}")
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--megapixels", type=float, default=50.0)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--align", action="store_true", help="also measure align_image_stack")
    asked = parser.parse_args()
    if shutil.which("enfuse") is None:
        raise SystemExit("enfuse is missing; apt-get install enfuse hugin-tools")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        frames = [str(path) for path in write_frames(folder, asked.megapixels, asked.frames)]
        per = [*frames, "--per", str(asked.frames), "--out_dir"]
        rows = {
            "enfuse": measure(["enfuse", "-o", str(folder / "enfuse.tif"), *frames], folder),
            "fused alone": measure(
                [*HDRCNN, *per, str(folder / "a"), "--align", "off", "--deghost", "off"], folder
            ),
        }
        if asked.align:
            stem = str(folder / "aligned_")
            rows["align_image_stack"] = measure(["align_image_stack", "-a", stem, *frames], folder)
        rows["as by default"] = measure([*HDRCNN, *per, str(folder / "b")], folder)
    base = rows["enfuse"]
    print(
        f"{asked.frames} frames of {asked.megapixels:g} megapixels, 8 bits, {os.cpu_count()} cores"
    )
    print(f"{'':20}{'seconds':>10}{'core-s':>10}{'peak GB':>10}   ratios to enfuse")
    for name, row in rows.items():
        ratios = "".join(f"{value / of:8.2f}" for value, of in zip(row, base, strict=True))
        print(
            f"{name:20}" + "".join(f"{value:10.2f}" for value in row) + f"   {ratios}", flush=True
        )


if __name__ == "__main__":
    main()
