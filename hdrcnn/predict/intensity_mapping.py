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
DARK = 28
"""Code up to which a pixel, brought to a longer exposure, is mostly noise."""
SHARED = 6.0
"""Codes of 8 bits."""
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


def isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The nearest sequence that never falls, by least squares: [n] float64.

    values, weights: [n], weights above 0. Pool adjacent violators: M. Ayer et al., "An empirical
    distribution function for sampling with incomplete information", 1955.
    """
    pools: list[tuple[float, float, int]] = []  # Mean, weight, how many.
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        count = 1
        while pools and pools[-1][0] >= value:
            mean, more, members = pools.pop()
            value = (mean * more + value * weight) / (more + weight)
            weight, count = more + weight, count + members
        pools.append((value, weight, count))
    return np.repeat([mean for mean, _, _ in pools], [count for _, _, count in pools])


def _joint(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[256, 256] float64: how often each pair of codes occurs. Planes uint8, of one shape."""
    pairs = source.ravel().astype(np.int64) * CODES + target.ravel()
    return np.bincount(pairs, minlength=CODES * CODES).reshape(CODES, CODES).astype(np.float64)


def _table(joint: np.ndarray) -> np.ndarray | None:
    """[256] float32: the median code of each row that has enough samples, between them linear;
    None where too few have.
    """
    medians, counts = _medians(joint)
    known = counts >= FEWEST
    known[[0, CODES - 1]] = False  # Clipped.
    codes = np.flatnonzero(known)
    if len(codes) < 2:
        return None
    mapped = isotonic(medians[codes], counts[codes])
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


def mappings(
    source: np.ndarray, target: np.ndarray, usable: np.ndarray | None = None
) -> np.ndarray:
    """[3, 256] float32, one table for each channel: for each code of one frame the median of the
    other's codes at its pixels, rising, towards the ends to 0 and 255.

    source, target: [h, w, 3] uint8, aligned; usable: [h, w] bool, the pixels that count. What
    moved is no median. A camera has one curve for all channels: they share their table unless
    their own ones differ from it by more than `SHARED` codes, as after a change of white balance.
    """
    if usable is not None and usable.sum() > FEWEST * CODES:
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
    """[..., 3] float32 in [0, 255] by tables of [3, 256]: float32, linear between codes."""
    codes = np.arange(CODES, dtype=np.float32)
    planes = [np.interp(code[..., c], codes, table) for c, table in enumerate(tables)]
    return np.stack(planes, axis=-1).astype(np.float32)


def best_exposed(frames: Sequence[np.ndarray]) -> int:
    """The frame with the fewest clipped pixels, the nearer to the middle codes the better among
    equals. frames: K of [h, w, 3] uint8.
    """

    def cost(frame: np.ndarray) -> float:
        clipped = ((frame.max(axis=-1) > HIGH) | (frame.max(axis=-1) <= DARK)).mean()
        return float(clipped) + 0.25 * abs(float(frame.mean()) / 255.0 - 0.45)

    return int(np.argmin([cost(frame) for frame in frames]))
