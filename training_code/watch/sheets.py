"""Contact sheets: the results of a training on the same few crops, epoch after epoch.

    title: epoch and figures
    input |    0 stops     |    -2 stops    |    -4 stops    | error in the highlights
          | result | truth | result | truth | result | truth | blue too dark, red too bright

Each crop is one strip of these cells, ordered from the crop with the largest highlight error of the
input to that with almost none. Images are reduced by area averaging in linear light; the input is
linearised, so that at 0 stops all look alike where nothing is saturated. At -4 stops white is 16
times the clipping level.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hdrcnn.colour.transfer import to_display
from hdrcnn.tiles.geometry import resize_area
from hdrcnn.writers.display import write_png
from training_code.evaluation.panels import ERROR_RANGE, error_map
from training_code.watch.validation import SheetCrop

STOPS = (0, -2, -4)
CELL = 160
"""Width of a cell, pixels; its height follows from the aspect ratio of the crop."""
PAIR_GAP, GROUP_GAP = 1, 6
"""Gaps between result and truth, and between other neighbours, pixels."""
LINE = 20
"""Height of a line of text."""
TITLE = 28
SMALL, LARGE = ImageFont.load_default(12), ImageFont.load_default(16)
GROUND, PLAIN, DIM = (24, 24, 24), (255, 255, 255), (170, 170, 170)
UNKNOWN = np.array((96, 72, 112), np.uint8)
"""Colour where the truth is unknown, because its source is clipped too."""
BETTER, WORSE = (120, 200, 130), (255, 140, 90)
"""Colours of figures better and worse than doing nothing; the sign of the figure tells it too."""

COLUMNS = [
    "input",
    *("result", "truth") * len(STOPS),
    f"error, \N{PLUS-MINUS SIGN}{ERROR_RANGE:g} stops",
]


def lefts() -> list[int]:
    """Left edges of the cells of a strip, and its right end, pixels."""
    places = [0]
    for column in range(len(COLUMNS)):
        # Cells 1 and 2, 3 and 4, 5 and 6 belong together.
        gap = PAIR_GAP if COLUMNS[column] == "result" else GROUP_GAP
        places.append(places[-1] + CELL + gap)
    places[-1] -= GROUP_GAP
    return places


def strip(sheet_crop: SheetCrop) -> np.ndarray:
    """Draw one crop, with its figures above its cells: [LINE + height, W, 3] uint8."""
    size = (max(1, round(CELL * sheet_crop.code.shape[0] / sheet_crop.code.shape[1])), CELL)
    known = np.isfinite(sheet_crop.truth).all(axis=-1, keepdims=True)
    whole = np.where(known, sheet_crop.truth, sheet_crop.prediction)
    photograph, prediction, truth = (
        resize_area(image, *size) for image in (sheet_crop.photograph, sheet_crop.prediction, whole)
    )
    shown = resize_area(known.astype(np.float32), *size) >= 0.5
    cells = [to_display(photograph, 0)]
    for stops in STOPS:
        right = np.where(shown, to_display(truth, stops), UNKNOWN)
        cells += [to_display(prediction, stops), right]
    error = error_map(sheet_crop.code, sheet_crop.prediction, whole, size)
    cells.append(np.where(shown, error, UNKNOWN))
    places = lefts()
    image = Image.new("RGB", (places[-1], LINE + size[0]), GROUND)
    for left, cell in zip(places, cells, strict=False):
        image.paste(Image.fromarray(cell), (left, LINE))
    draw = ImageDraw.Draw(image)
    figures, nothing = sheet_crop.figures, sheet_crop.nothing
    colour = BETTER if figures.gain >= 0 else WORSE
    draw.text((2, LINE - 7), f"{figures.gain:+.1f} dB", colour, SMALL, anchor="ls")
    text = (
        f"to doing nothing ({sheet_crop.name})      "
        f"highlight RMSE {figures.highlight_rmse:.2f} stops "
        f"(input {nothing.highlight_rmse:.2f})      bias {figures.highlight_bias:+.2f} "
        f"({nothing.highlight_bias:+.2f})      peak {figures.peak_error:+.2f} "
        f"({nothing.peak_error:+.2f})"
    )
    draw.text((56, LINE - 7), text, DIM, SMALL, anchor="ls")
    return np.asarray(image)


def heading(title: str) -> np.ndarray:
    """Draw title and column names: [TITLE + 2 LINE, W, 3] uint8."""
    places = lefts()
    image = Image.new("RGB", (places[-1], TITLE + 2 * LINE), GROUND)
    draw = ImageDraw.Draw(image)
    draw.text((2, TITLE // 2), title, PLAIN, LARGE, anchor="lm")
    draw.text((places[-1] - 2, TITLE // 2), "violet: truth not known", DIM, SMALL, anchor="rm")
    first, second = TITLE + LINE // 2, TITLE + LINE + LINE // 2
    for index, stops in enumerate(STOPS):
        middle = places[2 + 2 * index]
        draw.text((middle, first), f"{stops} stops", PLAIN, SMALL, anchor="mm")
    middle = places[-2] + CELL // 2
    draw.text((middle, first), "blue dark, red bright", PLAIN, SMALL, anchor="mm")
    for left, name in zip(places, COLUMNS, strict=False):
        draw.text((left + CELL // 2, second), name, PLAIN, SMALL, anchor="mm")
    return np.asarray(image)


def contact_sheet(sheet_crops: list[SheetCrop], title: str) -> np.ndarray:
    """Heading, and a strip for each crop: [H, W, 3] uint8, sRGB."""
    return np.concatenate([heading(title), *map(strip, sheet_crops)])


def write_sheet(path: Path, sheet_crops: list[SheetCrop], title: str) -> None:
    """Write the contact sheet as a PNG file, completely or not at all; create its folder.

    Raises ImageError if the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, contact_sheet(sheet_crops, title))
