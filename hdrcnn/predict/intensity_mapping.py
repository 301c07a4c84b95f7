"""Intensity mapping between two frames of the same scene with different exposures.

The intensity mapping function (M. D. Grossberg, S. K. Nayar, "Determining the camera response from
images: what is knowable?", TPAMI 2003) maps the codes of one frame to those of the other. It is
monotone, one function per channel, whatever the camera curve and the exposures. Clipped codes
carry no information about it. Stored as tables of 256 codes; NumPy only.
"""

from collections.abc import Sequence

import numpy as np

CODES = 256
LOW, HIGH = 3, 252
"""8-bit codes; a sample at or below `LOW`, or at or above `HIGH`, may be clipped."""
DARK = 28
"""Largest code of a pixel that is mostly noise when mapped to a longer exposure."""
SHARED = 6.0
"""Mean difference, in 8-bit codes, from which on a channel keeps a table of its own."""
MIN_SAMPLES = 20
"""Smallest number of samples of a code for their median to count."""


def matched(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mapping, [256] float32, that gives one uint8 plane the histogram of another.

    Works without alignment (Grossberg and Nayar 2003, Section 5).
    """
    shares = [
        np.cumsum(np.bincount(plane.ravel(), minlength=CODES)) / plane.size
        for plane in (source, target)
    ]
    return np.interp(shares[0], shares[1], np.arange(CODES)).astype(np.float32)


def _medians(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median code and number of samples of each row of a joint histogram."""
    counts = joint.sum(axis=1)
    half = 0.5 * counts[:, None]
    below = np.cumsum(joint, axis=1)
    place = np.argmax(below >= np.maximum(half, 1e-9), axis=1)
    rows = np.arange(len(joint))
    before = below[rows, place] - joint[rows, place]
    inside = (half[:, 0] - before) / np.maximum(joint[rows, place], 1e-9)
    return place + np.clip(inside, 0.0, 1.0) - 0.5, counts


def isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Isotonic regression: the nearest non-decreasing sequence, by weighted least squares.

    values, weights: [n], weights above 0. Returns [n] float64. Pool adjacent violators: M. Ayer et
    al., "An empirical distribution function for sampling with incomplete information", 1955.
    """
    pools: list[tuple[float, float, int]] = []  # Mean, weight, count.
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        count = 1
        while pools and pools[-1][0] >= value:
            mean, more, members = pools.pop()
            value = (mean * more + value * weight) / (more + weight)
            weight, count = more + weight, count + members
        pools.append((value, weight, count))
    return np.repeat([mean for mean, _, _ in pools], [count for _, _, count in pools])


def _joint(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Joint histogram, [256, 256] float64, of two uint8 planes of one shape."""
    pairs = source.ravel().astype(np.int64) * CODES + target.ravel()
    return np.bincount(pairs, minlength=CODES * CODES).reshape(CODES, CODES).astype(np.float64)


def _table(joint: np.ndarray) -> np.ndarray | None:
    """Table, [256] float32, of the median code of each row; None if too few rows have one.

    Rows without enough samples are interpolated linearly.
    """
    medians, counts = _medians(joint)
    known = counts >= MIN_SAMPLES
    known[[0, CODES - 1]] = False  # Clipped.
    codes = np.flatnonzero(known)
    if len(codes) < 2:
        return None
    mapped = isotonic(medians[codes], counts[codes])
    ends = np.concatenate([[0], codes, [CODES - 1]])
    values = np.concatenate([[min(0.0, mapped[0])], mapped, [_end(codes, mapped)]])
    return np.interp(np.arange(CODES), ends, values).astype(np.float32)


def _end(codes: np.ndarray, mapped: np.ndarray) -> float:
    """Mapped value of the largest code, extrapolated from the last known codes, at most 255."""
    last = codes >= codes[-1] - 24
    if last.sum() < 2 or codes[-1] >= CODES - 6:
        return float(min(mapped[-1], CODES - 1.0))
    rise = np.polyfit(codes[last], mapped[last], 1)[0]
    return float(min(mapped[-1] + max(rise, 0.0) * (CODES - 1 - codes[-1]), CODES - 1.0))


def mappings(
    source: np.ndarray, target: np.ndarray, usable: np.ndarray | None = None
) -> np.ndarray:
    """Estimate the intensity mapping of each channel: [3, 256] float32.

    source, target: [h, w, 3] uint8, aligned; usable: [h, w] bool, the pixels that count.
    For each code of the source, the median of the target's codes at the same pixels, made
    non-decreasing and extrapolated towards the ends. Medians ignore the few pixels that moved. A
    camera has one curve for all channels, so they share a table; a channel whose own table differs
    from it by `SHARED` codes or more on average, as after a change of white balance, keeps its own.
    """
    if usable is not None and usable.sum() > MIN_SAMPLES * CODES:
        source, target = source[usable], target[usable]
    joints = [_joint(source[..., c], target[..., c]) for c in range(3)]
    shared = _table(np.sum(joints, axis=0))
    if shared is None:
        return np.stack([matched(source[..., c], target[..., c]) for c in range(3)])
    tables = []
    for joint in joints:
        own = _table(joint)
        counts = joint.sum(axis=1)
        counts[: LOW + 1], counts[HIGH:] = 0.0, 0.0
        if own is None or np.average(np.abs(own - shared), weights=counts + 1e-9) < SHARED:
            own = shared
        tables.append(own)
    return np.stack(tables)


def mapped(code: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Apply tables [3, 256] to codes [..., 3] float32 in [0, 255], interpolated linearly."""
    codes = np.arange(CODES, dtype=np.float32)
    planes = [np.interp(code[..., c], codes, table) for c, table in enumerate(tables)]
    return np.stack(planes, axis=-1).astype(np.float32)


def best_exposed(frames: Sequence[np.ndarray]) -> int:
    """Index of the best exposed frame. frames: K of [h, w, 3] uint8.

    It has the smallest sum of the share of clipped and dark pixels and a quarter of the distance of
    its mean from 0.45.
    """

    def cost(frame: np.ndarray) -> float:
        clipped = ((frame.max(axis=-1) >= HIGH) | (frame.max(axis=-1) <= DARK)).mean()
        return float(clipped) + 0.25 * abs(float(frame.mean()) / 255.0 - 0.45)

    return int(np.argmin([cost(frame) for frame in frames]))
