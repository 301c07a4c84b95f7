"""Frames of a bracket blended by weight maps, per pixel or in a Laplacian pyramid.

    frames   K images of one size, display-encoded
    maps     K weights for each pixel, or for each of its samples, summing to 1, requested a few
             rows at a time

T. Mertens, J. Kautz, F. Van Reeth, "Exposure Fusion", Pacific Graphics 2007, Section 3.2: each
level of the result is the sum of the frames' Laplacian levels times the weights' Gaussian levels.
P. Burt, E. Adelson, "A multiresolution spline with application to image mosaics", 1983: the
filters, as OpenCV implements them.

The finest level, with three quarters of all samples, is never stored but computed in strips. Stored
are the frames as they are and the coarser levels of each frame, 16 bits, a third of its pixels.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hdrcnn.predict.opencv import opencv

STRIP = 256
"""Number of rows processed at a time; even."""
FULL = np.float32(65535.0)

Rows = Callable[[int, int], np.ndarray]
"""Function that returns rows [top, bottom) of a level."""


def depth(rows: int, columns: int) -> int:
    """Number of times the size is halved: down to 2 to 4 pixels on the shorter side.

    The networks are trained with this depth. With halving down to one pixel, whole images become
    brighter and clip.
    """
    return max(0, int(np.log2(min(rows, columns))) - 1)


def _strips(rows: int) -> Iterator[tuple[int, int]]:
    for top in range(0, rows, STRIP):
        yield top, min(top + STRIP, rows)


def expanded_rows(read: Rows, rows: int, columns: int, top: int, bottom: int) -> np.ndarray:
    """Rows [top, bottom) of a level of [rows, columns] pixels, interpolated from the next coarser.

    read: returns rows of the coarser level. Returns float32.
    """
    coarse = (rows + 1) // 2
    first, last = max(0, top // 2 - 1), min(coarse, (bottom + 1) // 2 + 1)
    height = 2 * (last - first) - (rows % 2 if last == coarse else 0)
    part = np.ascontiguousarray(read(first, last), np.float32)
    part = opencv().pyrUp(part, dstsize=(columns, height))
    return part[top - 2 * first : bottom - 2 * first]


def _as_full(part: np.ndarray) -> np.ndarray:
    """Codes of any type as float32 in 0..65535."""
    if part.dtype == np.uint8:
        return part.astype(np.float32) * np.float32(257.0)
    return part.astype(np.float32) if part.dtype == np.uint16 else part * FULL


def _as_uint16(part: np.ndarray) -> np.ndarray:
    if part.dtype == np.uint16:
        return part
    if part.dtype == np.uint8:
        return part.astype(np.uint16) * np.uint16(257)
    return np.round(part * FULL).astype(np.uint16)


def _accumulate(part: np.ndarray, weight: np.ndarray, total: np.ndarray) -> None:
    """Add part [rows, W, 3] times weight [rows, W] or [rows, W, 3] to a total, all float32."""
    weights = weight if weight.ndim == 3 else opencv().merge([weight] * 3)
    opencv().accumulateProduct(part, weights, total)


class _Level:
    """A level of all frames and weights; `read` and `maps` may compute their rows on demand."""

    def __init__(self, read: Sequence[Rows], maps: Rows, rows: int, columns: int) -> None:
        self.read, self.maps, self.rows, self.columns = read, maps, rows, columns

    def coarser(self) -> "_Level":
        """The next Gaussian level, in memory: uint16 for the frames, float32 for the weights."""
        count, rows, columns = len(self.read), (self.rows + 1) // 2, (self.columns + 1) // 2
        frames = [np.empty((rows, columns, 3), np.uint16) for _ in range(count)]
        shape = self.maps(0, 1).shape[3:]
        weights = np.empty((count, rows, columns, *shape), np.float32)
        for top, bottom in _strips(rows):
            first, last = max(0, 2 * top - 2), min(self.rows, 2 * bottom + 1)
            inside = slice(top - first // 2, bottom - first // 2)
            for weight, finer in zip(weights, self.maps(first, last), strict=True):
                weight[top:bottom] = opencv().pyrDown(finer)[inside]
            for frame, read in zip(frames, self.read, strict=True):
                frame[top:bottom] = opencv().pyrDown(_as_uint16(read(first, last)))[inside]
        held = [lambda a, b, frame=frame: frame[a:b] for frame in frames]
        return _Level(held, lambda a, b: weights[:, a:b], rows, columns)

    def weighted(self, top: int, bottom: int) -> np.ndarray:
        """Sum of weight times frame, [bottom - top, columns, 3] float32 in 0..65535."""
        total = np.zeros((bottom - top, self.columns, 3), np.float32)
        for read, weight in zip(self.read, self.maps(top, bottom), strict=True):
            _accumulate(_as_full(read(top, bottom)), weight, total)
        return total

    def blended(self, coarse: "_Level", below: np.ndarray, top: int, bottom: int) -> np.ndarray:
        """Rows of the result at this level; coarse: the next level, below: its result."""
        size = self.rows, self.columns
        total = np.ascontiguousarray(expanded_rows(lambda a, b: below[a:b], *size, top, bottom))
        frames = zip(self.read, coarse.read, self.maps(top, bottom), strict=True)
        for read, read_coarse, weight in frames:
            detail = _as_full(read(top, bottom))
            detail -= expanded_rows(read_coarse, *size, top, bottom)
            _accumulate(detail, weight, total)
        return total


def _extremes(read: Sequence[Rows], top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest sample of all frames at each position, float32 in 0..65535."""
    cv2 = opencv()
    least = most = read[0](top, bottom)
    for read_rows in read[1:]:
        part = read_rows(top, bottom)
        least, most = cv2.min(least, part), cv2.max(most, part)
    return _as_full(least), _as_full(most)


def blend(
    frames: Sequence[np.ndarray],
    maps: Rows,
    *,
    pyramid: bool = True,
    bounded: bool = True,
    levels: int | None = None,
) -> np.ndarray:
    """Blend K frames into one image, [H, W, 3] uint16, display-encoded as they are.

    frames: K of [H, W, 3], all uint8, uint16, or float32 in [0, 1].
    maps: returns rows [top, bottom) of the weights, [K, rows, W] or [K, rows, W, 3] float32, at
        least 0, summing to 1 over K.
    pyramid: blend in a Laplacian pyramid, so that no seam shows where weights change quickly;
        otherwise pixel by pixel.
    bounded: limit every sample of the pyramid's result to the range of the frames' samples at its
        position, which prevents overshoot beside edges. Without a pyramid this holds anyway.
    levels: number of times the size is halved; None: `depth`.
    Raises ValueError for frames of different size or type.
    """
    rows, columns = frames[0].shape[:2]
    if any(frame.shape != frames[0].shape or frame.dtype != frames[0].dtype for frame in frames):
        raise ValueError("frames differ in size or type")
    read = [lambda a, b, frame=frame: frame[a:b] for frame in frames]
    halvings = (depth(rows, columns) if levels is None else levels) if pyramid else 0
    held = [_Level(read, maps, rows, columns)]
    for _ in range(halvings):
        held.append(held[-1].coarser())
    below = held[-1].weighted(0, held[-1].rows) if len(held) > 1 else np.empty(0)
    for level, coarse in zip(held[-2:0:-1], held[:1:-1], strict=True):
        result = np.empty((level.rows, level.columns, 3), np.float32)
        for top, bottom in _strips(level.rows):
            result[top:bottom] = level.blended(coarse, below, top, bottom)
        below = result
    fused = np.empty((rows, columns, 3), np.uint16)
    for top, bottom in _strips(rows):
        if len(held) == 1:
            part = held[0].weighted(top, bottom)
        else:
            part = held[0].blended(held[1], below, top, bottom)
        if pyramid and bounded:
            np.clip(part, *_extremes(read, top, bottom), out=part)
        fused[top:bottom] = np.round(np.clip(part, 0.0, FULL))
    return fused
