"""Rectangles and sizes of images: padding to multiples, cropping and resizing, and area-averaged
reduction of large images strip by strip.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

STRIP = 256
"""Rows that are processed at once."""


def strips(rows: int, step: int = STRIP) -> Iterator[slice]:
    """Yield the rows of an image from the top, `step` at a time."""
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
        """Intersection of two regions; empty where bottom <= top or right <= left."""
        return Region(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )

    def within(self, outer: "Region") -> tuple[slice, slice]:
        """Slices of rows and columns that select this region in an array that covers `outer`."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def moved(self, down: int, right: int) -> "Region":
        return Region(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def grown(self, by: int) -> "Region":
        """Extend the region by `by` pixels on all sides."""
        return Region(self.top - by, self.bottom + by, self.left - by, self.right + by)

    def divided(self, factor: int) -> "Region":
        """Region of all blocks of factor x factor pixels that this region touches, in blocks."""
        return Region(
            self.top // factor,
            -(-self.bottom // factor),
            self.left // factor,
            -(-self.right // factor),
        )

    def scaled(self, factor: int) -> "Region":
        """Multiply every coordinate by `factor`."""
        return Region(*(factor * value for value in dataclasses.astuple(self)))

    def strips(self, rows: int) -> Iterator["Region"]:
        """Yield the region in strips of `rows` rows; the last may have fewer."""
        for top in range(self.top, self.bottom, rows):
            bottom = min(top + rows, self.bottom)
            yield dataclasses.replace(self, top=top, bottom=bottom)


def pad_to_multiple(image: np.ndarray, multiple: int) -> np.ndarray:
    """Pad [H, W, C] by mirroring at right and bottom up to the next multiple of `multiple`."""
    rows, columns = image.shape[:2]
    return np.pad(
        image, ((0, -rows % multiple), (0, -columns % multiple), (0, 0)), mode="symmetric"
    )


def wanted_size(
    rows: int, columns: int, height: int | None, width: int | None
) -> tuple[int, int] | None:
    """Complete a requested size (height, width), where one alone keeps the aspect ratio; None if
    neither is given. rows, columns: size of the image.
    """
    if height is None and width is None:
        return None
    if height is None:
        assert width is not None
        height = max(1, round(rows * width / columns))
    if width is None:
        width = max(1, round(columns * height / rows))
    return height, width


def centred(rows: int, columns: int, height: int, width: int) -> Region:
    """Largest centred region of an image with the aspect ratio of height x width."""
    kept_rows = min(rows, max(1, round(columns * height / width)))
    kept_columns = min(columns, max(1, round(rows * width / height)))
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return Region(top, top + kept_rows, left, left + kept_columns)


def crop_to_aspect(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Crop [H, W, C] to its largest centred part with the aspect ratio of height x width."""
    rows, columns = image.shape[:2]
    return image[centred(rows, columns, height, width).within(Region(0, rows, 0, columns))]


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotate and mirror [H, W, ...] as the Exif orientation (1 to 8) requires; other values change
    nothing.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def resize(
    image: np.ndarray,
    height: int,
    width: int,
    kernel: Image.Resampling = Image.Resampling.BILINEAR,
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Resize [H, W, C] to [height, width, C] float32 by one of Pillow's kernels.

    The kernel is widened by the reduction factor, so nothing aliases; BOX and BILINEAR do not
    overshoot. box: left, top, right, bottom of the part to resize, in pixels of the image; the
    kernel also uses pixels outside it. Default: the whole image.
    """
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., channel], np.float32)).resize(
            (width, height), kernel, box
        )
        for channel in range(image.shape[-1])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def enlarge(image: np.ndarray, factor: int, region: Region) -> np.ndarray:
    """Enlarge one region of [h, w, C] float32 by a factor, bilinearly, without enlarging the rest.

    region: in pixels of the enlarged image, inside it.
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


def crop_and_resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Centre-crop [H, W, 3] float32 to the aspect ratio, then resize to exactly height x width.

    Values stay within their range.
    """
    image = crop_to_aspect(image, height, width)
    return image if image.shape[:2] == (height, width) else resize(image, height, width)


def size_within(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """Size (rows, columns) of an image reduced to fit height x width; keeps the aspect ratio and
    never enlarges.
    """
    scale = min(1.0, height / rows, width / columns)
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def resize_area(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Resize [H, W, C] to [rows, columns, C] float32 by area averaging."""
    return resize(values, rows, columns, Image.Resampling.BOX)


def block_means(values: np.ndarray, factor: int) -> np.ndarray:
    """Mean of each block of factor x factor pixels: [H, W, C], H and W multiples of `factor`, to
    [H / factor, W / factor, C] float32.
    """
    sums = np.add(values[0::factor], np.float32(0.0), dtype=np.float32)
    for row in range(1, factor):
        sums += values[row::factor]
    means = sums[:, 0::factor].copy()
    for column in range(1, factor):
        means += sums[:, column::factor]
    means /= np.float32(factor * factor)
    return means


def reduce_in_strips(
    part: Callable[[slice], np.ndarray], size: tuple[int, int], small: tuple[int, int]
) -> np.ndarray:
    """Reduce an image by area averaging without holding all of it: [rows, columns, C] float32.

    part: function that returns some rows as [rows, columns, C]. size, small: (rows, columns) of the
    image and of the result. Blocks of whole pixels are averaged first, to no less than twice the
    final size.
    """
    rows, columns = size
    factor = max(1, min(rows // small[0], columns // small[1]) // 2)
    step = factor * max(1, STRIP // factor)
    blocks = []
    for top in range(0, rows, step):
        values = part(slice(top, min(top + step, rows))).astype(np.float32)
        # The last blocks may extend over the border: they are padded with the edge pixels.
        fill = [(0, -side % factor) for side in values.shape[:2]]
        blocks.append(block_means(np.pad(values, (*fill, (0, 0)), mode="edge"), factor))
    return resize_area(np.concatenate(blocks), *small)
