"""How the codes of one frame become those of another of the same scene, exposed differently.

The intensity mapping function (M. D. Grossberg, S. K. Nayar, "Determining the camera response from
images: what is knowable?", TPAMI 2003): monotone, one for each channel, whatever the camera curve
and the exposures are. Clipped codes say nothing of it. Tables of 256 codes, NumPy alone.
"""

from collections.abc import Sequence

import numpy as np

CODES = 256
LOW, HIGH = 3, 252
"""Codes of 8 bits; below and above, or at them, a sample may be clipped."""
FEWEST = 20
"""Samples of a code from which on their median counts."""


def matched(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[256] float32: the mapping that gives one plane the histogram of another, both uint8.

    Needs no alignment (Grossberg and Nayar 2003, Section 5).
    """
    shares = [
        np.cumsum(np.bincount(plane.ravel(), minlength=CODES)) / plane.size
        for plane in (source, target)
    ]
    return np.interp(shares[0], shares[1], np.arange(CODES)).astype(np.float32)


def _medians(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each row of a joint histogram: the median code, and how many samples it has."""
    counts = joint.sum(axis=1)
    half = 0.5 * counts[:, None]
    below = np.cumsum(joint, axis=1)
    place = np.argmax(below >= np.maximum(half, 1e-9), axis=1)
    rows = np.arange(len(joint))
    before = below[rows, place] - joint[rows, place]
    inside = (half[:, 0] - before) / np.maximum(joint[rows, place], 1e-9)
    return place + np.clip(inside, 0.0, 1.0) - 0.5, counts


def _isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The nearest sequence that never falls."""
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(values, weights=weights).x)


def by_medians(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[256] float32: for each code of one plane the median of the other's codes at its pixels.

    source, target: [h, w] uint8, aligned. What moved counts little: it is no median. Between codes
    that are rare it is interpolated, towards the ends to 0 and 255.
    """
    joint = np.bincount(
        source.ravel().astype(np.int64) * CODES + target.ravel(), minlength=CODES * CODES
    ).reshape(CODES, CODES)
    medians, counts = _medians(joint.astype(np.float64))
    known = counts >= FEWEST
    known[[0, CODES - 1]] = False  # Clipped.
    codes = np.flatnonzero(known)
    if len(codes) < 2:
        return matched(source, target)
    mapped = _isotonic(medians[codes], counts[codes])
    ends = np.concatenate([[0], codes, [CODES - 1]])
    values = np.concatenate([[min(0.0, mapped[0])], mapped, [_end(codes, mapped)]])
    return np.interp(np.arange(CODES), ends, values).astype(np.float32)


def _end(codes: np.ndarray, mapped: np.ndarray) -> float:
    """What the largest code becomes: as the last known ones rise, at most 255."""
    last = codes >= codes[-1] - 24
    if last.sum() < 2 or codes[-1] >= CODES - 6:
        return float(min(mapped[-1], CODES - 1.0))
    rise = np.polyfit(codes[last], mapped[last], 1)[0]
    return float(min(mapped[-1] + max(rise, 0.0) * (CODES - 1 - codes[-1]), CODES - 1.0))


def mappings(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[3, 256] float32: `by_medians` of each channel of [h, w, 3] uint8."""
    return np.stack([by_medians(source[..., c], target[..., c]) for c in range(3)])


def mapped(code: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """[..., 3] float32 in [0, 255] by tables of [3, 256]: float32, linear between codes."""
    codes = np.arange(CODES, dtype=np.float32)
    planes = [np.interp(code[..., c], codes, table) for c, table in enumerate(tables)]
    return np.stack(planes, axis=-1).astype(np.float32)


def best_exposed(frames: Sequence[np.ndarray]) -> int:
    """The frame with the fewest clipped pixels, the nearer to the middle codes the better among
    equals. frames: K of [h, w, 3] uint8.
    """
    def cost(frame: np.ndarray) -> float:
        clipped = ((frame.max(axis=-1) > HIGH) | (frame.max(axis=-1) < 4 * LOW)).mean()
        return float(clipped) + 0.25 * abs(float(frame.mean()) / 255.0 - 0.45)

    return int(np.argmin([cost(frame) for frame in frames]))
