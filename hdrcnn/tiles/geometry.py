"""Sizes: padding to what a network takes, and fitting a picture into a wanted size."""

import numpy as np
from PIL import Image

from hdrcnn.tiles.regions import Region


def pad_to_multiple(image: np.ndarray, multiple: int) -> np.ndarray:
    """[H, W, C] mirrored at right and bottom up to the next multiple in both directions."""
    rows, columns = image.shape[:2]
    return np.pad(
        image, ((0, -rows % multiple), (0, -columns % multiple), (0, 0)), mode="symmetric"
    )


def wanted_size(
    rows: int, columns: int, height: int | None, width: int | None
) -> tuple[int, int] | None:
    """(height, width) asked for, one alone keeping the aspect; None where neither is given."""
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
