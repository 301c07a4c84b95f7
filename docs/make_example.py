"""Make docs/example.png: photograph, result and truth of a computed scene at three exposures.

python docs/make_example.py
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.colour.transfer import linearise, to_display
from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.tiles.geometry import crop_and_resize
from hdrcnn.writers.display import write_png
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_string("scene", "night_market", "Name of a computed scene in data/.")
flags.DEFINE_string("params", None, "Weights file. Default: the weights shipped with the tool.")
flags.DEFINE_string("out", str(ROOT / "docs" / "example.png"), "File to write.")

STOPS: tuple[float, ...] = (0, -2, -4)
PANEL_WIDTH = 320
MARGIN = 28


def labelled_grid(
    rows: dict[str, np.ndarray], stops: tuple[float, ...] = STOPS, width: int = PANEL_WIDTH
) -> np.ndarray:
    """Sheet of linear images [H, W, 3] of one size, each a labelled row of all stops: uint8.

    width: of a panel, pixels. Returns [H', W', 3].
    """
    size = next(iter(rows.values())).shape
    height = round(width * size[0] / size[1])
    sheet = Image.new("RGB", (MARGIN + len(stops) * width, MARGIN + len(rows) * height))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, exposure in enumerate(stops):
        place = (MARGIN + column * width + width // 2, MARGIN // 2)
        draw.text(place, f"{exposure:g} stops", "white", font, anchor="mm")
    for row, (label, image) in enumerate(rows.items()):
        text = Image.new("RGB", (height, MARGIN))
        ImageDraw.Draw(text).text((height // 2, MARGIN // 2), label, "white", font, anchor="mm")
        sheet.paste(text.transpose(Image.Transpose.ROTATE_90), (0, MARGIN + row * height))
        small = crop_and_resize(image.astype(np.float32), height, width)
        for column, exposure in enumerate(stops):
            panel = Image.fromarray(to_display(small, exposure))
            sheet.paste(panel, (MARGIN + column * width, MARGIN + row * height))
    return np.asarray(sheet)


def main() -> int:
    """Reconstruct one sample and write the sheet. Returns the exit status."""
    from hdrcnn import load

    code = read_ldr(ROOT / "data" / f"{FLAGS.scene}.png")
    with stderr_discarded():
        predictor = load(FLAGS.params, precision="float32")
    curve = predictor.curve(code)
    rows = {
        "photograph": linearise(code, curve),
        "result": predictor.reconstruct(code, camera_curve=curve),
        "truth": read_exr(ROOT / "data" / "truth" / f"{FLAGS.scene}.exr"),
    }
    write_png(Path(FLAGS.out), labelled_grid(rows))
    print(f"wrote {FLAGS.out}")
    return 0


if __name__ == "__main__":
    run(main, ImageError, OSError)
