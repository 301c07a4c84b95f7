"""Exact Euclidean distances in a map, by NumPy alone.

In two steps, as P. Felzenszwalb and D. Huttenlocher, "Distance transforms of sampled functions",
2012: within each row, and from those the smallest sum of squares in each column. Where in a column
that is found never moves back from row to row, so the rows between two that are known have only
what lies between to look through (A. Aggarwal et al., "Geometric applications of a matrix-searching
algorithm", 1987): all columns at once, first every other row of a few, then the ones in between.
"""

import numpy as np

SAMPLES = 1 << 16
"""Of the map that are worked on at once."""
BITS = 20
"""For the number of a row."""


def _along(inside: np.ndarray, far: int) -> np.ndarray:
    """[h, w] int32: cells to the nearest outside one of the same row, at most `far`."""
    at = np.arange(inside.shape[1], dtype=np.int32)
    before = np.maximum.accumulate(np.where(inside, np.int32(-far), at), axis=1)
    after = np.minimum.accumulate(np.where(inside, np.int32(2 * far), at)[:, ::-1], axis=1)
    return np.minimum(np.minimum(at - before, after[:, ::-1] - at), far)


def to_outside(inside: np.ndarray, closed: bool = False) -> np.ndarray:
    """[h, w] float32: from each cell to the nearest that is not inside, in cells; 0 for these.

    inside: [h, w] bool, not all True, fewer than 2^20 rows; closed: the left side meets the right.
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
    """[n, h]: of each place in a line the smallest of `squared` plus the squared way there.

    squared, reach: [n, h] int64, lines; no place further than `reach` need be looked at.
    """
    lines, count = squared.shape
    found = np.empty_like(squared)
    # Where each was found; first and last: what lies before and after all of them.
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
        # The place in the lowest bits: the first of equal ones is taken.
        least = np.minimum.reduceat((sums + way * way << BITS) + places, starts)
        least = least.reshape(lines, -1)
        found[:, here], where[:, here + 1] = least >> BITS, least & (1 << BITS) - 1
        stride >>= 1
    return found
