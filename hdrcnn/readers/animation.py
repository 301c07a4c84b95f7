"""Place the first frame of an animated GIF or WebP on its canvas, and read the chunks of WebP.

The frame may be smaller than the canvas; the rest is transparent, as in browsers. Sources:
CompuServe, "Graphics Interchange Format" 89a; RFC 9649 (WebP), clause 2.7.1.1.
"""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from hdrcnn.readers.decoded import NotReadError

_MOST = 24_000_000
"""Number of pixels of a canvas of which the first frame may be any part, however small."""


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield name and contents offset of each chunk, including those inside animation frames."""
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        yield name, at + 8
        # In an animation frame 16 bytes precede the image.
        at += 8 + 16 if name == b"ANMF" else 8 + size + size % 2


def lossy_webp(data: bytes) -> bool:
    """Whether the first image of a WebP file is compressed with losses (VP8, not VP8L)."""
    kinds = (name for name, _ in _webp_chunks(data) if name in (b"VP8 ", b"VP8L"))
    return next(kinds, b"") == b"VP8 "


def webp_frame(data: bytes) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of an animated WebP's first frame; else None."""
    for name, at in _webp_chunks(data):
        if name == b"ANMF" and at + 12 <= len(data):
            numbers = (int.from_bytes(data[at + n : at + n + 3], "little") for n in (0, 3, 6, 9))
            left, top, width, height = numbers
            return 2 * left, 2 * top, 2 * left + width + 1, 2 * top + height + 1
    return None


def frame(image: Any, data: bytes) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of the first frame of a GIF or WebP on its canvas.

    None if it fills the canvas. Raises NotReadError if the canvas is so much larger than the frame
    that only the header supports its size; ValueError if the file is too short for its pixels.
    """
    if image.format == "GIF":
        box = tuple(image.tile[0][1]) if image.tile else (0, 0, 0, 0)
    else:
        box = webp_frame(data) or (0, 0, *image.size)
    left, top, right, bottom = box
    size = max(right - left, 0) * max(bottom - top, 0)
    if image.width * image.height > max(_MOST, 16 * size):
        raise NotReadError(
            f"a picture of {right - left}x{bottom - top} on a screen of "
            f"{image.width}x{image.height}; save it without what is around it"
        )
    if image.format == "GIF" and size > 4096 * len(data):  # One code gives at most 4096 pixels.
        raise ValueError("it is too short for its pixels")
    return None if box == (0, 0, *image.size) else (left, top, right, bottom)


def only_inside(
    box: tuple[int, int, int, int], colours: np.ndarray, alpha: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return colours and alpha that are black and transparent outside a box."""
    inside = np.s_[max(box[1], 0) : max(box[3], 0), max(box[0], 0) : max(box[2], 0)]
    kept, shares_kept = np.zeros_like(colours), np.zeros(colours.shape[:2], np.float32)
    kept[inside] = colours[inside]
    shares_kept[inside] = 1.0 if alpha is None else alpha[inside]
    return kept, shares_kept
