"""Non-linear least squares for a few parameters, in NumPy."""

from collections.abc import Callable

import numpy as np

STEPS = 100
"""Largest number of steps."""
ENOUGH = 1e-8
"""Relative reduction of the sum of squares below which a step is the last."""


def least_squares(
    residuals: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """Minimise the sum of squared residuals within bounds, starting at `start`.

    residuals: function from [n] float64 parameters within the bounds to [m] float64. start, low,
    high: [n] float64; the parameters should be of similar magnitude. Returns a local minimum,
    [n] float64 within [low, high].
    D. Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", 1963.
    Parameters held back by a bound are left out of a step.
    """
    at, damping = start, 1e-3
    values = residuals(at)
    for _ in range(STEPS):
        # Step away from the nearer bound, to stay within both.
        small = np.where(at - low < high - at, 1e-6, -1e-6)
        slope = np.stack(
            [(residuals(at + step) - values) / step.sum() for step in np.diag(small)], axis=-1
        )
        downhill = -slope.T @ values
        free = np.where(downhill > 0, at < high, at > low)
        normal = (slope.T @ slope)[np.ix_(free, free)]
        if not normal.size or not normal.any():
            break
        diagonal = np.diag(np.diag(normal) + 1e-12 * normal.max())
        while damping < 1e6:
            step = np.zeros_like(at)
            step[free] = np.linalg.solve(normal + damping * diagonal, downhill[free])
            there = np.clip(at + step, low, high)
            found = residuals(there)
            if found @ found < values @ values:
                break
            damping *= 4.0
        else:
            break
        gained = 1.0 - (found @ found) / (values @ values)
        at, values, damping = there, found, damping / 4.0
        if gained < ENOUGH:
            break
    return at
