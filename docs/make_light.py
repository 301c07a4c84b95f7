"""Make docs/light.png: two spheres on a table, lit by a panorama: photograph, result and truth.

python docs/make_light.py

All three pictures are at the same exposure; see `docs/lighting.py` for how they are rendered.
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.lighting import ALBEDO, SIZE, irradiance, render
from hdrcnn.colour.transfer import linearise, luminance, to_display
from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_photograph
from hdrcnn.writers.display import write_png
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_string("scene", "room_panorama", "Name of a computed panorama in data/.")
flags.DEFINE_string("params", None, "Weights file. Default: the weights shipped with the tool.")
flags.DEFINE_string("out", str(ROOT / "docs" / "light.png"), "File to write.")

MARGIN = 26


def main() -> int:
    """Render the spheres in all three lights and write the sheet. Returns the exit status."""
    from hdrcnn import load

    photograph = read_photograph(ROOT / "data" / f"{FLAGS.scene}.png")
    with stderr_discarded():
        predictor = load(FLAGS.params, precision="float32")
    code, curve = photograph.code, predictor.curve(photograph.code)
    panoramas = {
        "photograph": linearise(code, curve),
        "result": predictor.reconstruct(
            code, camera_curve=curve, panorama=photograph.panorama is not None
        ),
        "truth": read_exr(ROOT / "data" / "truth" / f"{FLAGS.scene}.exr"),
    }
    sheet = Image.new("RGB", (SIZE[1] * len(panoramas), MARGIN + SIZE[0]))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    table = np.array([[0.0, 0.0, 3.0]], np.float32)
    falling = {
        name: float(
            luminance(irradiance(light, table, np.array([[0.0, 1.0, 0.0]], np.float32)))[0, 0]
        )
        for name, light in panoramas.items()
    }
    stops = -float(np.log2(ALBEDO / np.pi * falling["truth"] / 0.35))
    for index, (name, panorama) in enumerate(panoramas.items()):
        picture = render(panorama.astype(np.float32))
        sheet.paste(Image.fromarray(to_display(picture, stops)), (index * SIZE[1], MARGIN))
        loss = np.log2(falling[name] / falling["truth"])
        words = name if name == "truth" else f"{name}: {loss:+.1f} stops of light on the table"
        draw.text((index * SIZE[1] + SIZE[1] // 2, MARGIN // 2), words, "white", font, anchor="mm")
    write_png(Path(FLAGS.out), np.asarray(sheet))
    print(f"wrote {FLAGS.out}")
    return 0


if __name__ == "__main__":
    run(main, ImageError, OSError)
