"""What one photograph depends on, and where its random numbers come from."""

import dataclasses
import enum
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Key: TypeAlias = tuple[int, int, int, int, int]
"""(seed, epoch, index of the batch, item in the batch, attempt)."""


class Part(enum.IntEnum):
    """What is drawn from a generator of its own, so that nothing changes the draws of another."""

    VIEW = 0
    EXPOSURE = 1
    SENSOR = 2
    DEVELOPMENT = 3
    MOTION = 4
    TONES = 5


def generator(key: Key, part: Part) -> np.random.Generator:
    """The random numbers of one part of one picture."""
    return np.random.default_rng((*key, int(part)))


@dataclasses.dataclass(frozen=True)
class Stored:
    """How light becomes the codes of a file. All are plain Python numbers."""

    curve: int
    """Index into `development.CURVES`."""
    n: float
    """Exponent of the published curve."""
    s: float
    """Shoulder of the published curve."""
    strength: float
    """Of the picture style; 0 for curves without one."""
    jpeg_quality: int
    """1 to 100; 0: no JPEG."""
    subsampled: bool
    """JPEG stores chroma at half size (4:2:0), else at full size (4:4:4)."""


@dataclasses.dataclass(frozen=True)
class Settings(Stored):
    """Every number the camera uses for one photograph. All are plain Python numbers."""

    unclipped: float
    """Share of the samples below the clipping level, after the exposure."""
    noise_sd: float
    """Of the sensor, in clipping levels."""
    noise_seed: int
    """Below 2^32."""
    peak: float
    """Targets are capped here, in clipping levels."""
    white_balance: tuple[float, float, float]
    """Gains on linear R, G, B."""
    hue: float
    """Turn of the hue, degrees."""
    saturation: float
    """Added to the saturation."""


def check_range(
    name: str, value: Sequence[float], low: float, high: float, *, open_ends: bool = False
) -> None:
    """Raises ValueError unless `value` is two rising numbers within [low, high], or (low, high)."""
    if isinstance(value, tuple | list) and len(value) == 2 and value[0] <= value[1]:
        inside = low < value[0] and value[1] < high
        if inside or (not open_ends and low <= value[0] and value[1] <= high):
            return
    within = f"between {low:g} and {high:g}" if open_ends else f"in {low:g}..{high:g}"
    raise ValueError(f"{name} {value}: two rising numbers {within} are needed")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Raises ValueError unless `value` is a number in [low, high]."""
    if not (isinstance(value, int | float) and low <= value <= high):
        raise ValueError(f"{name} {value}: a number in {low:g}..{high:g} is needed")
