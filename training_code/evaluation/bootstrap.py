"""Confidence intervals over scenes: how far would a difference hold on other scenes?

The unit of resampling is a family of scenes, that is, a place: views of one place are not
independent, and a place photographed five times must not count five times. The values of each place
are first averaged to one.

The percentile bootstrap: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", 1993,
chapter 13. Paired: both methods are always resampled together.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 10_000
SEED = 20_170_601

MIN_UNITS = 6
"""Smallest number of units for which a win or a loss is declared: with five, all differences have
the same sign by chance in more than one case of twenty (2 / 2^5)."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean over units and its confidence interval of level `LEVEL`."""

    mean: float
    low: float
    high: float
    units: int


def unit_means(values: Sequence[float], units: Sequence[str]) -> FloatArray:
    """Mean of the values of each unit, sorted by the names of the units."""
    grouped: dict[str, list[float]] = {}
    for value, unit in zip(values, units, strict=True):
        grouped.setdefault(unit, []).append(value)
    return np.array([np.mean(grouped[unit]) for unit in sorted(grouped)])


def interval(values: npt.ArrayLike, resamples: int = RESAMPLES, seed: int = SEED) -> Interval:
    """Mean of `values`, one per unit, [N], with its bootstrap interval; deterministic.

    The bounds are resampled means, not interpolated, so that infinite values give infinite bounds.
    Raises ValueError if there are no values.
    """
    units = np.asarray(values, np.float64)
    if units.ndim != 1 or not units.size:
        raise ValueError(f"values of shape [N], N > 0, are needed, not {units.shape}")
    drawn = np.random.default_rng(seed).integers(units.size, size=(resamples, units.size))
    means = np.sort(units[drawn].mean(axis=1))
    tail = (1.0 - LEVEL) / 2.0
    low, high = (means[round(share * (resamples - 1))] for share in (tail, 1.0 - tail))
    return Interval(float(units.mean()), float(low), float(high), units.size)


def paired(first: npt.ArrayLike, second: npt.ArrayLike) -> Interval:
    """Interval of the mean of `first` - `second`, [N] each, paired unit by unit."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"as many values of both are needed, not {first.shape}, {second.shape}")
    return interval(first - second)


def verdict(difference: Interval) -> str:
    """Return `win` or `loss` if the interval excludes zero, else `tie`; an empty string if there
    are fewer than `MIN_UNITS` units.
    """
    if difference.units < MIN_UNITS:
        return ""
    if difference.low > 0.0:
        return "win"
    return "loss" if difference.high < 0.0 else "tie"
