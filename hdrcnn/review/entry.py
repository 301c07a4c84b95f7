"""One image as the report stores it.

The light is stored as a photograph and a gain map, as in Ultra HDR: 8 bits each, yet light of any
brightness, decoded in the page.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from hdrcnn.colour.primaries import linear_to_rec709
from hdrcnn.colour.transfer import srgb_decode, to_display
from hdrcnn.review.exposure_strip import Gain, measured
from hdrcnn.tiles.geometry import reduce_in_strips, resize_area, size_within
from hdrcnn.writers.gain_map import GainMap, gain_map
from hdrcnn.writers.jpeg_segments import encoded
from hdrcnn.writers.picture import Picture, code_strip, shown

LARGEST_SIDE = 640
"""Maximum side of a view, in pixels."""
SMALLEST_SIDE = 24
QUALITY = 85
ROOM_FOR_WORDS = 2000
"""Approximate number of bytes that an entry's name, figures and links take."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """What the page shows of one image."""

    name: str
    width: int
    height: int
    """Size of the result, in pixels."""
    gain: Gain
    files: Mapping[str, str]
    """Label of each link, such as EXR, to its path relative to the page."""
    photograph: bytes
    """A small JPEG, sRGB."""
    gain_map: bytes
    """A JPEG of the same size."""
    low: float
    high: float
    """log2 of the gains at codes 0 (`low`) and 255 of the gain map."""


def _displayed_photograph(picture: Picture, rows: slice) -> np.ndarray:
    """Return the photograph as a display shows it: [rows, W, 3] linear Rec. 709."""
    linear = srgb_decode(code_strip(picture, rows))
    return linear_to_rec709(linear, picture.chromaticities)


def _coded(before: np.ndarray, after: np.ndarray) -> tuple[bytes, bytes, GainMap]:
    """Encode photograph and result, both linear, as two JPEGs: photograph and gain map.

    Returns the gain map's numbers as well.
    """
    rows, columns = before.shape[:2]
    codes = to_display(before, 0)
    # The gain is relative to what the page will decode.
    base = srgb_decode(codes / np.float32(255.0))
    unchanged = np.abs(after - before) <= 0.01 * before
    after = np.where(unchanged, base, np.maximum(after, base))
    found = gain_map(rows, columns, lambda part: (base[part], after[part]))
    return encoded(codes, QUALITY), encoded(found.codes, QUALITY), found


def entry(picture: Picture, name: str, files: Mapping[str, str], room: int) -> Entry:
    """Return the entry of an image with codes, small enough for `room` bytes in the page.

    Raises ValueError if there are no codes, or if `room` is too small for any image.
    """
    side = LARGEST_SIDE
    small = size_within(*picture.size, side, side)
    before = reduce_in_strips(
        lambda rows: _displayed_photograph(picture, rows), picture.size, small
    )
    after = reduce_in_strips(lambda rows: shown(picture, rows, "photograph"), picture.size, small)
    while side >= SMALLEST_SIDE:
        small = size_within(*picture.size, side, side)
        photograph, gains, found = _coded(resize_area(before, *small), resize_area(after, *small))
        # Base64 turns three bytes into four characters.
        if (len(photograph) + len(gains)) * 4 / 3 + ROOM_FOR_WORDS <= room:
            rows, columns = picture.size
            return Entry(
                name, columns, rows, measured(picture), dict(files), photograph, gains,
                found.low, found.high,
            )  # fmt: skip
        side = side * 3 // 4
    raise ValueError(f"{name}: no room for it in {room} bytes")
