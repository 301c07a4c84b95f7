"""The numbers that one photograph depends on, and the random generators they are drawn from."""

import dataclasses
import enum
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Key: TypeAlias = tuple[int, int, int, int, int]
"""(seed, epoch, index of the batch, item in the batch, attempt)."""


class RandomStream(enum.IntEnum):
    """One random generator for each part of a shot, so that the settings of one never
    change the draws of another.
    """

    VIEW = 0
    EXPOSURE = 1
    SENSOR = 2
    DEVELOPMENT = 3
    MOTION = 4
    TONES = 5


def generator(key: Key, stream: RandomStream) -> np.random.Generator:
    """Random generator for one part of one shot."""
    return np.random.default_rng((*key, int(stream)))


@dataclasses.dataclass(frozen=True)
class Stored:
    """How light becomes the codes of a file. All fields are plain Python numbers."""

    curve: int
    """Index into `development.CURVES`."""
    n: float
    """Exponent of the published curve."""
    s: float
    """Shoulder of the published curve."""
    strength: float
    """Strength of the picture style; 0 for curves without one."""
    jpeg_quality: int
    """1 to 100; 0: no JPEG."""
    subsampled: bool
    """Whether JPEG stores chroma at half size (4:2:0) rather than full size (4:4:4)."""


@dataclasses.dataclass(frozen=True)
class Settings(Stored):
    """Every number the camera uses for one photograph. All fields are plain Python numbers."""

    unclipped: float
    """Share of the samples below the clipping level, after the exposure."""
    noise_sd: float
    """Standard deviation of the sensor noise, in units of the clipping level."""
    noise_seed: int
    """Seed of the noise, below 2^32."""
    peak: float
    """Cap on target values, in units of the clipping level."""
    white_balance: tuple[float, float, float]
    """Gains on linear R, G, B."""
    hue: float
    """Rotation of the hue, degrees."""
    saturation: float
    """Amount added to the saturation."""


def check_range(
    name: str, value: Sequence[float], low: float, high: float, *, open_ends: bool = False
) -> None:
    """Raise ValueError unless `value` is two numbers in ascending order within [low, high], or
    within (low, high) with `open_ends`.
    """
    if isinstance(value, tuple | list) and len(value) == 2 and value[0] <= value[1]:
        inside = low < value[0] and value[1] < high
        if inside or (not open_ends and low <= value[0] and value[1] <= high):
            return
    within = f"between {low:g} and {high:g}" if open_ends else f"in {low:g}..{high:g}"
    raise ValueError(f"{name} {value}: two rising numbers {within} are needed")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless `value` is a number in [low, high]."""
    if not (isinstance(value, int | float) and low <= value <= high):
        raise ValueError(f"{name} {value}: a number in {low:g}..{high:g} is needed")
