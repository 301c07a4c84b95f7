"""Exposure: how much of a scene the camera clips."""

import dataclasses

import numpy as np

from training_code.camera.settings import check_range


class TooBlackError(ValueError):
    """A picture without enough light to be exposed for."""


@dataclasses.dataclass(frozen=True)
class Exposure:
    """The distribution of exposures. The default is the published one."""

    unclipped: tuple[float, float] = (0.85, 0.95)
    """Share of the samples (R, G and B values) that stay below the clipping level, uniform."""

    def __post_init__(self) -> None:
        check_range("unclipped", self.unclipped, 0.0, 1.0, open_ends=True)

    def draw(self, rng: np.random.Generator) -> float:
        """The share of one photograph, in (0, 1)."""
        return float(rng.uniform(*self.unclipped))


def expose(linear: np.ndarray, unclipped: float) -> np.ndarray:
    """Scale so that the share `unclipped` in (0, 1) of the samples lies below 1.0.

    linear: [H, W, 3] float32, any unit, >= 0. Returns the same shape, 1.0 = clipping level.
    Raises TooBlackError where that level of the image is black.
    """
    return linear * exposure_gain(linear, unclipped)


def exposure_gain(linear: np.ndarray, unclipped: float) -> np.float32:
    """The factor of `expose`. linear: any shape."""
    samples = linear.reshape(-1)
    index = min(int(unclipped * samples.size), samples.size - 1)
    level = float(np.partition(samples, index)[index])
    if not level > 0:
        raise TooBlackError(f"black up to its {unclipped:.0%} quantile: nothing to expose for")
    return np.float32(1.0 / level)
