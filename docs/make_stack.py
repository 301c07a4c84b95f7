"""Make docs/stack.png: five exposures of a JPEG by formula, by `hdrcnn stack`, and of the truth.

python docs/make_stack.py
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.make_example import labelled_grid
from hdrcnn.cli.main import run
from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.console import stderr_discarded
from hdrcnn.predict import exposure_stack
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.writers.display import write_png

SCENE = "night_market"
PART = np.s_[60:280, 20:240]
"""Rows and columns that are shown, at original size."""


def main() -> int:
    """Reconstruct one sample and write the sheet. Returns the exit status."""
    from hdrcnn import load

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--out", default=str(ROOT / "docs" / "stack.png"), help="file to write")
    asked = parser.parse_args()
    code = read_ldr(ROOT / "data" / f"{SCENE}_q92.jpg")
    with stderr_discarded():
        predictor = load(lossy=True, precision="float32")
        network = exposure_stack.load("reconstruct")
    lights = {
        "formula": srgb_decode(code),
        "reconstruct": exposure_stack.reconstructed(predictor, network, code),
        "truth": read_exr(ROOT / "data" / "truth" / f"{SCENE}.exr"),
    }
    rows = {name: light[PART] for name, light in lights.items()}
    write_png(Path(asked.out), labelled_grid(rows, exposure_stack.STOPS, 220))
    print(f"wrote {asked.out}")
    return 0


if __name__ == "__main__":
    run(main, OSError)
