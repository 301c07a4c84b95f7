"""Exact Euclidean distance transform in NumPy.

Two passes, as in P. Felzenszwalb and D. Huttenlocher, "Distance transforms of sampled functions",
2012: distances within each row, then the smallest sum of squares within each column. The position
of that minimum in a column never decreases from row to row, so the rows between two solved rows
have to search only between the two positions found (A. Aggarwal et al., "Geometric applications of
a matrix-searching algorithm", 1987). All columns are solved at once, widely spaced rows first, then
the rows between them.
"""

import numpy as np

SAMPLES = 1 << 16
"""Number of cells of the map that are processed at once."""
BITS = 20
"""Number of bits that hold a row index."""


def _along(inside: np.ndarray, far: int) -> np.ndarray:
    """[h, w] int32 distance within a row to the nearest cell not inside, at most `far`."""
    at = np.arange(inside.shape[1], dtype=np.int32)
    before = np.maximum.accumulate(np.where(inside, np.int32(-far), at), axis=1)
    after = np.minimum.accumulate(np.where(inside, np.int32(2 * far), at)[:, ::-1], axis=1)
    return np.minimum(np.minimum(at - before, after[:, ::-1] - at), far)


def distance_transform(inside: np.ndarray, closed: bool = False) -> np.ndarray:
    """[h, w] float32 distance in cells from each cell to the nearest one that is not inside.

    inside: [h, w] bool, not all True, with fewer than 2^20 rows. closed: left and right side meet.
    """
    rows, columns = inside.shape
    beside = columns // 2 + 1 if closed else 0
    wide = np.pad(inside, ((0, 0), (beside, beside)), mode="wrap") if closed else inside
    far = 2 * (rows + wide.shape[1])
    across = _along(wide, far)[:, beside : beside + columns]
    found = np.zeros(inside.shape, np.float32)
    some = np.flatnonzero(inside.any(axis=0))
    step = max(1, SAMPLES // rows)
    for part in (some[start : start + step] for start in range(0, len(some), step)):
        beyond = across[:, part].T.astype(np.int64)
        reach = np.minimum(beyond, _along(inside[:, part].T, far))
        found[:, part] = np.sqrt(_smallest_sums(beyond * beyond, reach)).T
    return found


def _smallest_sums(squared: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """[n, h]: for each position i of a line, the minimum over j of squared[j] + (i - j)^2.

    squared, reach: [n, h] int64, one line per row; only |i - j| <= reach[i] is searched.
    """
    lines, count = squared.shape
    found = np.empty_like(squared)
    # Positions of the minima, with sentinels before the first and after the last.
    where = np.zeros((lines, count + 2), np.int64)
    where[:, -1] = count - 1
    begin = np.arange(lines)[:, None] * count
    stride = 1 << count.bit_length() - 1
    while stride:
        here = np.arange(stride - 1, count, 2 * stride)
        first = np.maximum(where[:, here + 1 - stride], here - reach[:, here])
        last = np.minimum(where[:, np.minimum(here + 1 + stride, count + 1)], here + reach[:, here])
        lengths = (last - first + 1).ravel()
        starts = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) - np.repeat(starts - first.ravel(), lengths)
        way = places - np.repeat(np.tile(here, lines), lengths)
        sums = squared.ravel()[places + np.repeat(begin, lengths.reshape(lines, -1).sum(axis=1))]
        # With the position in the lowest bits, the first of equal minima is taken.
        least = np.minimum.reduceat((sums + way * way << BITS) + places, starts)
        least = least.reshape(lines, -1)
        found[:, here], where[:, here + 1] = least >> BITS, least & (1 << BITS) - 1
        stride >>= 1
    return found
