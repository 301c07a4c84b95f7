"""Cuts: where one shot of a film ends and the next begins.

Two frames differ by their histograms and by their places. At a cut they differ much, and much more
than the frames around do: a pan or a zoom moves all the time, an exposure ramp goes on for many
frames, and after a flash everything is as before.
"""

from collections.abc import Sequence

import numpy as np

SIDE = 64
"""Pixels of the longer side of the frames that are compared."""
BINS = 16
NEIGHBOURS = 4
"""Frames on each side that a change is compared with."""
LEAST = 0.10
"""Difference of two frames, from 0 to about 1, below which there is no cut."""
RATIO = 3.0
"""Times the median difference of the frames around."""
RETURN = 0.5
"""Share of a difference below which the film is back after a flash of one frame."""
REACH = NEIGHBOURS + 1
"""Frames on each side of a frame that decide whether a cut is before it."""


def feature(reduced: np.ndarray) -> np.ndarray:
    """What two frames are compared by: [h, w, 3] codes in [0, 1] to [3 BINS + 3 h w] float32."""
    counts = [np.histogram(reduced[..., c], BINS, (0.0, 1.0))[0] for c in range(3)]
    shares = np.cumsum(np.asarray(counts, np.float32), axis=1) / reduced[..., 0].size
    return np.concatenate([shares.ravel(), reduced.ravel()]).astype(np.float32)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Of two frames by their features: 0 for the same, up to 1.

    The mean of how far brightness has moved between the histograms (the earth mover's distance)
    and of how much the pixels differ.
    """
    apart = np.abs(first - second)
    return 0.5 * float(apart[: 3 * BINS].mean() + apart[3 * BINS :].mean())


def is_cut(features: Sequence[np.ndarray | None]) -> bool:
    """Whether a cut is before the frame in the middle.

    features: of 2 REACH + 1 frames around it; None where the film has none.
    """
    here = REACH
    previous, current = features[here - 1], features[here]
    if previous is None or current is None:
        return False
    change = difference(previous, current)
    if change < LEAST:
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
