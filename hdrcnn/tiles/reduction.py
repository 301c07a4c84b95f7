"""Large pictures made small by area, strip by strip, for sheets and reports."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from hdrcnn.tiles.frame import block_means

STRIP = 256
"""Rows that are worked on together, about."""


def fitting(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of a picture that fits into a box, its aspect kept; never enlarged."""
    scale = min(1.0, height / rows, width / columns)
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def resized(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """[H, W, C] to [rows, columns, C] float32, by area."""
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(values[..., index], np.float32)).resize(
                (columns, rows), Image.Resampling.BOX
            )
        )
        for index in range(values.shape[-1])
    ]
    return np.stack(planes, axis=-1)


def reduced(
    part: Callable[[slice], np.ndarray], size: tuple[int, int], small: tuple[int, int]
) -> np.ndarray:
    """A picture of `size` (rows, columns) made `small`, by area: [rows, columns, C] float32.

    part: rows to [rows, columns, C]. Blocks of whole pixels are averaged first, down to twice
    what is asked for at most, so that the picture is never held whole.
    """
    rows, columns = size
    factor = max(1, min(rows // small[0], columns // small[1]) // 2)
    step = factor * max(1, STRIP // factor)
    blocks = []
    for top in range(0, rows, step):
        values = part(slice(top, min(top + step, rows))).astype(np.float32)
        # The last blocks may stand over the border: they are filled with what is there.
        fill = [(0, -side % factor) for side in values.shape[:2]]
        blocks.append(block_means(np.pad(values, (*fill, (0, 0)), mode="edge"), factor))
    return resized(np.concatenate(blocks), *small)
