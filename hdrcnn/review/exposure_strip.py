"""One image that shows what was gained: photograph above result, both ever darker.

    as taken    -1 stop    -3 stops    -5 stops    photograph: what was clipped turns grey
    mask        -1 stop    -3 stops    -5 stops    result: it stays bright, and has structure

The mask, drawn over the photograph, shows where the light is reconstructed. The line at the top
says how many stops were gained, how much was clipped, and how bright the brightest place is now.
"""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hdrcnn.colour.clipping_level import THRESHOLD, saturation, scaled
from hdrcnn.colour.primaries import linear_to_rec709
from hdrcnn.colour.transfer import linearise, luminance, srgb_encode, to_display
from hdrcnn.tiles.geometry import reduce_in_strips, size_within, strips
from hdrcnn.writers.display import write_png
from hdrcnn.writers.picture import Picture, check_writable, code_strip, rec709

EXPOSURES = (-1, -3, -5)
"""Exposures in stops, at which white is 2, 8 and 32 times the clipping level."""
CELL = (360, 440)
"""Maximum height and width of a view, in pixels."""
NARROWEST = 220
"""Minimum width of a column: its heading has to fit."""
GAP, LINE = 10, 22
PAPER, INK, FAINT, ACCENT = (24, 25, 28), (240, 240, 238), (168, 170, 174), (255, 168, 64)
"""sRGB colours of background, text and lesser text, and of mask and gain."""


@dataclasses.dataclass(frozen=True)
class Gain:
    """What the reconstruction gained, in figures."""

    saturated: float
    """Share of pixels with a code above 0.95 in any channel and, with a gain map, clipped in it."""
    peak_before: float
    peak_after: float
    """Largest luminance before and after; 1.0 = clipping level."""

    @property
    def stops(self) -> float:
        """Stops by which the peak rose; 0 for a black image."""
        if self.peak_before <= 0.0 or self.peak_after <= 0.0:
            return 0.0
        return float(np.log2(self.peak_after / self.peak_before))


def _scaled(picture: Picture, rows: slice) -> np.ndarray:
    """Return the codes as they became light: [rows, W, 3]."""
    return scaled(code_strip(picture, rows), picture.scaling)


def _photograph_light(picture: Picture, rows: slice) -> np.ndarray:
    """Return the light that the photograph contains: [rows, W, 3] linear Rec. 709."""
    if picture.measured is not None:
        light = picture.measured.light[rows]
    else:
        light = linearise(_scaled(picture, rows), picture.curve or "srgb")
    return linear_to_rec709(light, picture.chromaticities)


def measured(picture: Picture) -> Gain:
    """Compute the figures of an image. Raises ValueError if it has no codes."""
    saturated, before, after = 0, 0.0, 0.0
    for rows in strips(len(picture.hdr)):
        above = _scaled(picture, rows) > THRESHOLD
        if picture.measured is not None:
            above &= picture.measured.clipped[rows] > 0
        saturated += int(above.any(axis=-1).sum())
        before = max(before, float(luminance(_photograph_light(picture, rows)).max()))
        after = max(after, float(luminance(rec709(picture, rows)).max()))
    return Gain(saturated / (picture.size[0] * picture.size[1]), before, after)


def _mask(picture: Picture, rows: slice) -> np.ndarray:
    """Return the largest share of any channel that is predicted: [rows, W, 1] in [0, 1]."""
    if picture.mask is None:
        share = saturation(_scaled(picture, rows))
        if picture.measured is not None:
            clipped = picture.measured.clipped[rows].max(axis=-1, keepdims=True)
            share = share * (clipped / np.float32(255.0))
        return share
    mask = np.atleast_3d(picture.mask[rows])
    return mask.max(axis=-1, keepdims=True).astype(np.float32)


def _overlay(light: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a dimmed grey image with the mask in colour: [h, w, 3] uint8."""
    grey = 0.45 * srgb_encode(np.clip(luminance(light), 0.0, 1.0))
    return np.asarray(np.round(255.0 * grey * (1 - mask) + np.array(ACCENT) * mask), np.uint8)


def _views(picture: Picture, small: tuple[int, int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the upper and the lower row of views, each [h, w, 3] uint8."""
    size = picture.size
    before = reduce_in_strips(lambda rows: _photograph_light(picture, rows), size, small)
    after = reduce_in_strips(lambda rows: rec709(picture, rows), size, small)
    mask = reduce_in_strips(lambda rows: _mask(picture, rows), size, small)
    photograph = reduce_in_strips(
        lambda rows: linear_to_rec709(
            linearise(code_strip(picture, rows), "srgb"), picture.chromaticities
        ),
        size,
        small,
    )
    upper = [to_display(photograph, 0), *(to_display(before, stops) for stops in EXPOSURES)]
    lower = [_overlay(before, mask), *(to_display(after, stops) for stops in EXPOSURES)]
    return upper, lower


def _words(gain: Gain) -> tuple[str, str]:
    """Return the gain, and what it means, in words."""
    if gain.saturated == 0.0:
        return "0 stops", "nothing is clipped here: nothing had to be reconstructed"
    times = gain.peak_after / gain.peak_before if gain.peak_before > 0 else 1.0
    stops = f"{gain.stops:+.1f} stops"
    share = f"{gain.saturated:.1%} of the picture is clipped"
    return stops, f"{share}; the brightest light, as reconstructed, is {times:.3g} times as bright"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Cut a text at its end if it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}\u2026") > width:
        text = text[:-1]
    return f"{text}\u2026"


def exposure_strip(picture: Picture, name: str = "") -> np.ndarray:
    """Return the strip, [h, w, 3] uint8, sRGB. name: of the photograph, shown at the top.

    Raises ValueError if there are no codes.
    """
    small = size_within(*picture.size, *CELL)
    rows, columns = small[0], max(small[1], NARROWEST)
    count = 1 + len(EXPOSURES)
    left = 122
    width = left + count * (columns + GAP)
    top = GAP + 44 + 3 * LINE
    sheet = Image.new("RGB", (width, top + 2 * (rows + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    stops, meaning = _words(measured(picture))
    big, plain, small_font = _font(36), _font(18), _font(15)
    draw.text((GAP, GAP), stops, ACCENT, big)
    beside = GAP + big.getlength(stops) + 18
    draw.text((beside, GAP + 14), _shortened(meaning, plain, width - beside - GAP), INK, plain)
    draw.text((GAP, GAP + 48), _shortened(name, small_font, width - 2 * GAP), FAINT, small_font)
    heads = ["as taken", *(f"{s} stop{'s' * (s < -1)}" for s in EXPOSURES)]
    lesser = ["", *(f"1/{2**-s} of the light" for s in EXPOSURES)]
    for index, (head, note) in enumerate(zip(heads, lesser, strict=True)):
        x = left + index * (columns + GAP)
        draw.text((x, top - LINE - 4), head, INK, plain)
        draw.text((x + plain.getlength(head) + 10, top - LINE - 1), note, FAINT, small_font)
    labels = (("photograph", ""), ("result", "orange:\nreconstructed"))
    for row, (views, (label, note)) in enumerate(zip(_views(picture, small), labels, strict=True)):
        y = top + row * (rows + GAP)
        draw.text((GAP, y), label, INK, plain)
        draw.text((GAP, y + LINE + 2), note, ACCENT, small_font)
        for index, view in enumerate(views):
            x = left + index * (columns + GAP) + (columns - small[1]) // 2
            sheet.paste(Image.fromarray(view), (x, y))
    return np.asarray(sheet)


def write_exposure_strip(
    path: Path, picture: Picture, name: str = "", software: str | None = None
) -> None:
    """Write the strip as a PNG, optionally with the name of the software. Raises ImageError."""
    check_writable(path, picture)
    write_png(path, exposure_strip(picture, name), software)
