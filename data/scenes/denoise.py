"""What is left of the Monte Carlo noise, taken off: dual-buffer non-local means.

Rousselle, Knaus and Zwicker 2012 (SIGGRAPH Asia): the image is rendered twice, with independent
noise; each half is averaged with weights taken from the other, so that no pixel chooses its
neighbours by its own noise. Where the halves agree, nothing is changed. Here patches are compared
as logarithms: an edge beside a lamp must not leak.
"""

import numpy as np
from scipy.ndimage import uniform_filter

from data.scenes.vectors import Array

WINDOW = 7
"""Pixels to each side from which a pixel is averaged."""
PATCH = 3
"""Pixels to each side that are compared."""
DAMPING = 0.5
"""k of the paper: differences of this many standard deviations begin to count."""
TILE_ROWS = 512


def _box(image: Array, radius: int) -> Array:
    return uniform_filter(image, size=(2 * radius + 1, 2 * radius + 1, 0), mode="nearest")


def _filter(guide: Array, other: Array, variance: Array, shifts: list[tuple[int, int]]) -> Array:
    """Average `other` with weights from the patches of `guide`: all [H, W, 3]."""
    total = other.copy()
    weights = np.ones((*other.shape[:2], 1), np.float32)
    height, width = other.shape[:2]
    for down, across in shifts:
        if down >= height or abs(across) >= width:
            continue
        # Pixel p and its partner q = p + shift, where both are inside.
        rows, columns = slice(0, height - down), slice(max(0, -across), width - max(0, across))
        p = (rows, columns)
        q = (slice(down, height), slice(max(0, across), width + min(0, across)))
        vp, vq = variance[p], variance[q]
        difference = np.square(guide[p] - guide[q]) - 2.0 * np.minimum(vp, vq)
        distance = difference / (1e-8 + DAMPING**2 * (vp + vq))
        distance = _box(np.mean(distance, axis=-1, keepdims=True), PATCH)
        weight = np.exp(-np.maximum(distance, 0.0))
        # Both ways at once: the weight is the same from p to q and from q to p.
        total[p] += weight * other[q]
        total[q] += weight * other[p]
        weights[p] += weight
        weights[q] += weight
    return total / weights


def denoise(first: Array, second: Array) -> Array:
    """Two renderings of one scene, [H, W, 3] linear >= 0, to one with less noise."""
    floor = 1e-3 * float(np.median(first)) + 1e-12
    logs = [np.log(image + np.float32(floor)) for image in (first, second)]
    variance = _box(0.5 * np.square(logs[0] - logs[1]), 2)
    shifts = [
        (down, across)
        for down in range(WINDOW + 1)
        for across in range(-WINDOW, WINDOW + 1)
        if down > 0 or across > 0
    ]
    result = np.empty_like(first)
    halo = WINDOW + PATCH
    for top in range(0, len(first), TILE_ROWS):
        start, end = max(0, top - halo), min(len(first), top + TILE_ROWS + halo)
        own = slice(top - start, min(top + TILE_ROWS, len(first)) - start)
        part = slice(start, end)
        halves = [
            _filter(logs[0][part], second[part], variance[part], shifts),
            _filter(logs[1][part], first[part], variance[part], shifts),
        ]
        result[top : top + TILE_ROWS] = 0.5 * (halves[0] + halves[1])[own]
    return result
