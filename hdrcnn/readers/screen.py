"""The first picture of an animation on its screen (GIF), or canvas (WebP).

It may be smaller; what it leaves free is transparent, as browsers show it. Sources: CompuServe,
"Graphics Interchange Format" 89a; RFC 9649 (WebP), clause 2.7.1.1.
"""

from typing import Any

import numpy as np

from hdrcnn.readers.decoded import NotReadError
from hdrcnn.readers.kinds import webp_frame

_MOST = 24_000_000
"""Pixels of a screen of which the first picture may be any part, however small."""


def frame(image: Any, data: bytes) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the first picture of a GIF or of a WebP film on its screen;
    None if it fills it.

    Raises NotReadError if the screen is that much larger that only the file's word makes it so;
    ValueError if the file is too short for its pixels.
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
    if image.format == "GIF" and size > 4096 * len(data):  # A code gives 4096 pixels at most.
        raise ValueError("it is too short for its pixels")
    return None if box == (0, 0, *image.size) else (left, top, right, bottom)


def only_inside(
    box: tuple[int, int, int, int], colours: np.ndarray, alpha: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Colours and alpha of what is black and transparent outside a box."""
    inside = np.s_[max(box[1], 0) : max(box[3], 0), max(box[0], 0) : max(box[2], 0)]
    kept, shares_kept = np.zeros_like(colours), np.zeros(colours.shape[:2], np.float32)
    kept[inside] = colours[inside]
    shares_kept[inside] = 1.0 if alpha is None else alpha[inside]
    return kept, shares_kept
