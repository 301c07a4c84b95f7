"""Detection of cuts, where one shot of a film ends and the next begins.

Frames are compared by their histograms and pixel by pixel. At a cut, two frames differ a lot, and
much more than their neighbours do: a pan or a zoom moves steadily, an exposure ramp takes many
frames, and after a flash the frames look as before.
"""

from collections.abc import Sequence

import numpy as np

SIDE = 64
"""Longer side, in pixels, of the reduced frames that are compared."""
BINS = 16
NEIGHBOURS = 4
"""Number of changes on each side that a change is compared with."""
MIN_DIFFERENCE = 0.10
"""Difference of two frames, from 0 to 1, below which there is no cut."""
RATIO = 3.0
"""Least ratio of the difference at a cut to the median of the differences around it."""
RETURN = 0.5
"""Fraction of the difference below which the frames before and after a single frame count as alike:
that frame is a flash, not a cut."""
REACH = NEIGHBOURS + 1
"""Number of frames needed on each side of a frame to decide whether it begins a shot."""


def feature(reduced: np.ndarray) -> np.ndarray:
    """Return the features by which frames are compared.

    reduced: [h, w, 3] codes in [0, 1]. Returns [3 BINS + 3 h w] float32: the cumulative histogram
    of each channel, followed by the codes themselves.
    """
    counts = [np.histogram(reduced[..., c], BINS, (0.0, 1.0))[0] for c in range(3)]
    shares = np.cumsum(np.asarray(counts, np.float32), axis=1) / reduced[..., 0].size
    return np.concatenate([shares.ravel(), reduced.ravel()]).astype(np.float32)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the difference of two frames from their features, from 0 (equal) to 1.

    The mean of the distance between their histograms (earth mover's distance) and of the mean
    absolute difference of their pixels.
    """
    apart = np.abs(first - second)
    return 0.5 * float(apart[: 3 * BINS].mean() + apart[3 * BINS :].mean())


def is_cut(features: Sequence[np.ndarray | None]) -> bool:
    """Whether there is a cut right before the frame in the middle.

    features: those of 2 REACH + 1 consecutive frames; None beyond the ends of the film.
    """
    here = REACH
    previous, current = features[here - 1], features[here]
    if previous is None or current is None:
        return False
    change = difference(previous, current)
    if change < MIN_DIFFERENCE:
        return False
    others = []
    for index in range(here - NEIGHBOURS, here + NEIGHBOURS + 1):
        before, after = features[index - 1], features[index]
        if index != here and before is not None and after is not None:
            others.append(difference(before, after))
    if others and change < RATIO * float(np.median(others)):
        return False
    for first, second in ((here - 2, here), (here - 1, here + 1)):
        before, after = features[first], features[second]
        known = before is not None and after is not None
        if known and difference(before, after) < RETURN * change:  # type: ignore[arg-type]
            return False
    return True
