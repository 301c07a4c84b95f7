"""Rectangles and sizes of pictures: padding to what a network takes, fitting into a wanted size,
and large pictures reduced by area, strip by strip.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

STRIP = 256
"""Rows that are worked on together."""


def strips(rows: int, step: int = STRIP) -> Iterator[slice]:
    """The rows of a picture, from the top, a few at a time."""
    for top in range(0, rows, step):
        yield slice(top, min(top + step, rows))


@dataclasses.dataclass(frozen=True)
class Region:
    """Rows [top, bottom) and columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    def __and__(self, other: "Region") -> "Region":
        """What two have in common; empty where bottom <= top or right <= left."""
        return Region(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )

    def within(self, outer: "Region") -> tuple[slice, slice]:
        """Where it lies in an array of `outer`: rows, columns."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def moved(self, down: int, right: int) -> "Region":
        return Region(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def grown(self, by: int) -> "Region":
        """Larger on all sides."""
        return Region(self.top - by, self.bottom + by, self.left - by, self.right + by)

    def divided(self, factor: int) -> "Region":
        """In blocks of factor x factor pixels: all that it touches."""
        return Region(
            self.top // factor,
            -(-self.bottom // factor),
            self.left // factor,
            -(-self.right // factor),
        )

    def scaled(self, factor: int) -> "Region":
        """The same with every coordinate multiplied."""
        return Region(*(factor * value for value in dataclasses.astuple(self)))

    def strips(self, rows: int) -> Iterator["Region"]:
        """The same in strips, each of so many rows; the last may have fewer."""
        for top in range(self.top, self.bottom, rows):
            bottom = min(top + rows, self.bottom)
            yield dataclasses.replace(self, top=top, bottom=bottom)


def pad_to_multiple(image: np.ndarray, multiple: int) -> np.ndarray:
    """[H, W, C] mirrored at right and bottom up to the next multiple in both directions."""
    rows, columns = image.shape[:2]
    return np.pad(
        image, ((0, -rows % multiple), (0, -columns % multiple), (0, 0)), mode="symmetric"
    )


def wanted_size(
    rows: int, columns: int, height: int | None, width: int | None
) -> tuple[int, int] | None:
    """(height, width) asked for, one alone keeping the aspect; None if neither is given."""
    if height is None and width is None:
        return None
    if height is None:
        assert width is not None
        height = max(1, round(rows * width / columns))
    if width is None:
        width = max(1, round(columns * height / rows))
    return height, width


def centred(rows: int, columns: int, height: int, width: int) -> Region:
    """The largest centred part of a picture with the aspect of height x width."""
    kept_rows = min(rows, max(1, round(columns * height / width)))
    kept_columns = min(columns, max(1, round(rows * width / height)))
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return Region(top, top + kept_rows, left, left + kept_columns)


def crop_to_aspect(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest centred part of [H, W, C] with the aspect of height x width."""
    rows, columns = image.shape[:2]
    return image[centred(rows, columns, height, width).within(Region(0, rows, 0, columns))]


def resize(
    image: np.ndarray,
    height: int,
    width: int,
    kernel: Image.Resampling = Image.Resampling.BILINEAR,
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """[H, W, C] to [height, width, C] float32 by one of Pillow's kernels, as wide as the
    reduction: nothing aliases; with BOX and BILINEAR nothing overshoots.

    box: left, top, right, bottom in pixels of the image, of the part to be resized; what lies
    beside it is seen by the kernel. Default: the whole.
    """
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., channel], np.float32)).resize(
            (width, height), kernel, box
        )
        for channel in range(image.shape[-1])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def enlarge(image: np.ndarray, factor: int, region: Region) -> np.ndarray:
    """A region of [h, w, C] float32 enlarged by a factor, bilinear, without enlarging the rest.

    region: in pixels of the enlarged image, within it.
    """
    whole = Region(0, image.shape[0], 0, image.shape[1])
    part = region.divided(factor).grown(1) & whole
    box = (
        region.left / factor - part.left,
        region.top / factor - part.top,
        region.right / factor - part.left,
        region.bottom / factor - part.top,
    )
    size = region.bottom - region.top, region.right - region.left
    return resize(image[part.within(whole)], *size, box=box)


def fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Centre-crop [H, W, 3] float32 to the aspect, then resize to exactly height x width.

    Codes stay in their range.
    """
    image = crop_to_aspect(image, height, width)
    return image if image.shape[:2] == (height, width) else resize(image, height, width)


def fitting(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of a picture that fits into a box, its aspect kept; never enlarged."""
    scale = min(1.0, height / rows, width / columns)
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def resized(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """[H, W, C] to [rows, columns, C] float32, by area."""
    return resize(values, rows, columns, Image.Resampling.BOX)


def block_means(values: np.ndarray, factor: int) -> np.ndarray:
    """[H, W, C] to [H / factor, W / factor, C] float32, whose sides divide H and W."""
    sums = np.add(values[0::factor], np.float32(0.0), dtype=np.float32)
    for row in range(1, factor):
        sums += values[row::factor]
    means = sums[:, 0::factor].copy()
    for column in range(1, factor):
        means += sums[:, column::factor]
    means /= np.float32(factor * factor)
    return means


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
