"""Compare time and memory of `hdrcnn stack` with those of `hdrcnn predict` on the same picture.

    python benchmarks/stack.py --megapixels 12

A synthetic photograph, 3:2, with noise and detail at every scale, is written as 8-bit PNG. Two
fifths of its codes are below 0.19 and three fifths below 0.3, which are those that the network for
dark parts restores; a twentieth is clipped. Wall time, processor time and peak memory are those of
the process of each command, including its start. The ratios are meaningful; seconds depend on the
machine, and processor seconds are roughly valid even if it does other work. If
`weights/exposure_stack.npz` or `exposure_gan.npz` is missing, an untrained network, which costs the
same, takes its place.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.fuse import measure
from hdrcnn.colour.transfer import srgb_encode
from hdrcnn.predict.exposure_stack import FILES, NETWORKS

CLIPPED, DARK = 0.05, 0.4
"""Shares of the picture that are clipped, and darker than `DARK_LIGHT`."""
DARK_LIGHT = 0.03
"""About the light of code 0.19, well below 0.3, from which on codes are not restored."""
RUN = (
    "import sys, pathlib\n"
    "from hdrcnn.predict.exposure_stack import FILES\n"
    "FILES.update({name: pathlib.Path(path) for name, path in zip(FILES, sys.argv[1:3])})\n"
    "del sys.argv[1:3]\n"
    "from hdrcnn.cli.main import entry\n"
    "entry()\n"
)
"""Program that runs the command with other weights files."""


def photograph(megapixels: float) -> np.ndarray:
    """Make the synthetic photograph: [H, W, 3] uint8."""
    rows = round(np.sqrt(megapixels * 1e6 / 1.5))
    columns = round(1.5 * rows)
    rng = np.random.default_rng(0)
    stops = np.zeros((rows, columns), np.float32)
    for cell, strength in ((4, 0.2), (40, 0.4), (400, 2.0)):
        noise = rng.normal(size=(rows // cell + 2, columns // cell + 2)).astype(np.float32)
        stops += strength * np.asarray(
            Image.fromarray(noise).resize((columns, rows), Image.Resampling.BICUBIC)
        )
    # Scale and shift so that two quantiles get the wanted light.
    low, high = np.quantile(stops[::8, ::8], (DARK, 1.0 - CLIPPED))
    scale = -np.log2(DARK_LIGHT) / (high - low)
    codes = np.empty((rows, columns, 3), np.uint8)
    for top in range(0, rows, 256):
        light = 2.0 ** ((stops[top : top + 256] - high) * np.float32(scale))
        tinted = light[..., None] * np.array([1.0, 0.95, 0.85], np.float32)
        noisy = tinted + rng.normal(0.0, 2e-3, tinted.shape).astype(np.float32)
        codes[top : top + 256] = np.round(255.0 * srgb_encode(np.clip(noisy, 0.0, 1.0)))
    return codes


def network_files(folder: Path) -> list[str]:
    """Paths of the shipped weights files, or of untrained ones where these are missing."""
    import keras

    from hdrcnn import weights

    found = []
    for name, path in FILES.items():
        if not path.is_file():
            keras.utils.set_random_seed(0)
            record, path = NETWORKS[name](), folder / path.name
            arrays = weights.collect(record.build())
            if name == "reconstruct":  # As initialised, it would change nothing.
                kernel = arrays["correction/kernel"]
                arrays["correction/kernel"] = np.random.default_rng(0).normal(0, 0.05, kernel.shape)
            weights.save(path, arrays, record)
        found.append(str(path))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--megapixels", type=float, default=12.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        picture = str(folder / "photograph.png")
        Image.fromarray(photograph(asked.megapixels)).save(picture, compress_level=1)
        command = [sys.executable, "-c", RUN, *network_files(folder)]
        cases = {
            "predict": ["predict", picture],
            "formula": ["stack", picture, "--method", "formula"],
            "reconstruct": ["stack", picture],
            "reconstruct, exr": ["stack", picture, "--format", "exr"],
            "reconstruct, 16 bits": ["stack", picture, "--bits", "16"],
            "gan": ["stack", picture, "--method", "gan"],
        }
        print(f"{asked.megapixels:g} megapixels, {os.cpu_count()} cores")
        print(f"{'':22}{'seconds':>10}{'core-s':>10}{'peak GB':>10}   ratios to predict")
        rows: dict[str, tuple[float, float, float]] = {}
        for name, words in cases.items():
            out = str(folder / name.replace(", ", "_").replace(" ", "_"))
            rows[name] = measure([*command, *words, "--out_dir", out], folder)
            ratios = [value / of for value, of in zip(rows[name], rows["predict"], strict=True)]
            told = "".join(f"{value:10.2f}" for value in rows[name])
            print(f"{name:22}{told}   {''.join(f'{ratio:8.2f}' for ratio in ratios)}", flush=True)


if __name__ == "__main__":
    main()
