"""An image as a network sees it: padded, any part of it on demand, never copied as a whole."""

import dataclasses
from collections.abc import Callable
from functools import cached_property

import numpy as np

from hdrcnn.tiles.geometry import STRIP, Region, block_means


def _take(array: np.ndarray, index: np.ndarray, axis: int) -> np.ndarray:
    """Like np.take, but returns a view where the indices are consecutive."""
    first, last = int(index[0]), int(index[-1])
    if last - first == len(index) - 1 and (np.diff(index) == 1).all():
        return array[first : last + 1] if axis == 0 else array[:, first : last + 1]
    return np.take(array, index, axis=axis)


def as_codes(image: np.ndarray) -> np.ndarray:
    """Convert uint8 or uint16 codes, or float32 in [0, 1], to float32 in [0, 1]; any shape."""
    if image.dtype == np.float32:
        return image
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


@dataclasses.dataclass(frozen=True)
class Frame:
    """An image and how it continues beyond its borders. Coordinates are those of the image."""

    image: np.ndarray
    """[H, W, 3], display-encoded: uint8, uint16, or float32 in [0, 1]."""
    multiple: int
    """Rows and columns of the frame are padded to a multiple of this, by mirroring at right and
    bottom."""
    scaling: float | tuple[float, float, float] = 1.0
    """Factor of the codes, or one per channel; results above 1 are clipped."""
    transform: Callable[[np.ndarray], np.ndarray] | None = None
    """Function applied to codes before a network sees them."""
    threshold: float = 1.0
    """Codes above it are saturated; by default none are."""
    closed: bool = False
    """Whether left and right side meet; the image then continues across them instead of being
    mirrored."""
    halo: int = 0
    """Columns, a multiple of `multiple`, by which a closed image is extended at both sides."""
    margin: int = 0
    """Pixels, a multiple of `multiple`, by which the image is mirrored at each border that is not
    closed: to a network that pads with zeros, the border of an image looks like an edge."""

    @cached_property
    def bounds(self) -> Region:
        """Region of the frame in coordinates of the image; begins above and left of it with a
        margin or halo.
        """
        rows, columns = self.image.shape[:2]
        left = self.halo if self.closed else self.margin
        height, width = rows + 2 * self.margin, columns + 2 * left
        return Region(
            -self.margin,
            height + -height % self.multiple - self.margin,
            -left,
            width + -width % self.multiple - left,
        )

    @property
    def picture(self) -> Region:
        rows, columns = self.image.shape[:2]
        return Region(0, rows, 0, columns)

    @cached_property
    def _rows(self) -> np.ndarray:
        """Row of the image for every row of the frame."""
        rows, bounds = len(self.image), self.bounds
        beyond = (-bounds.top, bounds.bottom - rows)
        return np.pad(np.arange(rows), beyond, mode="symmetric")

    @cached_property
    def _columns(self) -> np.ndarray:
        """Column of the image for every column of the frame."""
        columns, bounds = self.image.shape[1], self.bounds
        if self.closed:
            return np.arange(bounds.left, bounds.right) % columns
        beyond = (-bounds.left, bounds.right - columns)
        return np.pad(np.arange(columns), beyond, mode="symmetric")

    def codes(self, region: Region) -> np.ndarray:
        """Scaled codes of a region of the frame, [rows, columns, 3] float32 in [0, 1]."""
        top, left = self.bounds.top, self.bounds.left
        part = _take(self.image, self._rows[region.top - top : region.bottom - top], 0)
        part = _take(part, self._columns[region.left - left : region.right - left], 1)
        part = as_codes(part)
        if self.scaling == 1.0:
            return part
        return np.minimum(part * np.asarray(self.scaling, np.float32), np.float32(1.0))

    def shown(self, region: Region) -> np.ndarray:
        """Input of the network in a region: the codes after `transform`."""
        codes = self.codes(region)
        return codes if self.transform is None else self.transform(codes)

    def _means(
        self, factor: int, means: np.ndarray, of: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Fill the array `means` with the mean over each block of factor x factor pixels.

        of: function from codes [rows, columns, 3] float32 to the values averaged,
        [rows, columns, C].
        """
        whole = dataclasses.replace(self, multiple=factor, halo=0, margin=0)
        for strip in whole.bounds.strips(factor * max(1, STRIP // factor)):
            top, bottom = strip.top // factor, strip.bottom // factor
            means[top:bottom] = block_means(of(whole.codes(strip)), factor)
        return means

    def _blocks(self, factor: int) -> tuple[int, int]:
        """Number of blocks in both directions; the last ones may be padded."""
        rows, columns = self.image.shape[:2]
        return -(-rows // factor), -(-columns // factor)

    def reduced(self, factor: int) -> "Frame":
        """Frame of the image reduced by a factor: means of factor x factor pixels, as uint16."""
        image = np.empty((*self._blocks(factor), 3), np.uint16)
        limit = np.float32(np.iinfo(np.uint16).max)
        image = self._means(factor, image, lambda code: limit * code + np.float32(0.5))
        return dataclasses.replace(self, image=image, scaling=1.0)

    def saturated(self, factor: int) -> np.ndarray:
        """Saturated share of each block of factor x factor pixels, that is, of pixels whose largest
        channel is above `threshold`: [ceil(H / factor), ceil(W / factor)] float16.
        """
        limit = np.float32(self.threshold)

        def above(code: np.ndarray) -> np.ndarray:
            highest = np.maximum(np.maximum(code[..., 0], code[..., 1]), code[..., 2])
            return (highest > limit)[..., None]

        share = np.empty((*self._blocks(factor), 1), np.float16)
        return self._means(factor, share, above)[..., 0]
