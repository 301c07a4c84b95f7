"""Sensor: noise, and the largest value that a target keeps."""

import dataclasses
import math
from types import ModuleType
from typing import NamedTuple

import numpy as np

from hdrcnn.colour.transfer import Array
from training_code.camera.settings import check_number, check_range


class Noise(NamedTuple):
    """The sensor's part of `Settings`."""

    noise_sd: float
    noise_seed: int


@dataclasses.dataclass(frozen=True)
class Sensor:
    """The distribution of the noise. The defaults are the published ones."""

    noise_sd: tuple[float, float] = (0.0, 0.01)
    """Standard deviation of the Gaussian noise, in units of the clipping level, uniform."""
    peak: float = 2000.0
    """Targets are capped here, in units of the clipping level, so that one sun does not own the
    gradient."""

    def __post_init__(self) -> None:
        check_range("noise_sd", self.noise_sd, 0.0, 1.0)
        check_number("peak", self.peak, 1.0, math.inf)

    def draw(self, rng: np.random.Generator) -> Noise:
        """The noise of one photograph: its deviation, and the seed of its values."""
        return Noise(float(rng.uniform(*self.noise_sd)), int(rng.integers(1 << 32)))


def add_noise(linear: Array, noise_sd: Array, noise: Array, xp: ModuleType = np) -> Array:
    """linear + noise_sd * noise, held at 0 from below.

    linear, noise: any shape, the noise of standard deviation 1; noise_sd: a number, or shaped to
    broadcast against them, such as [N, 1, 1, 1].
    """
    return xp.maximum(linear + noise_sd * noise, 0.0)


def sense(linear: np.ndarray, noise_sd: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of `noise_sd` clipping levels; float32, any shape, the result is >= 0."""
    noise = rng.standard_normal(linear.shape, np.float32)
    return add_noise(linear, np.float32(noise_sd), noise)
