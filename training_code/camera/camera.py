"""The complete camera: three parts, drawn independently and applied in sequence.

Exposure: how much of a scene is clipped. Sensor: noise, and the cap on target values. Development,
in `development.py`: colours, camera curve, codes.
"""

import dataclasses
import math
from types import ModuleType
from typing import NamedTuple

import numpy as np

from hdrcnn.colour.transfer import Array
from training_code.camera import jpeg
from training_code.camera.development import (
    Development,
    develop,
    jitter_colour,
    white_balance,
)
from training_code.camera.settings import (
    Key,
    RandomStream,
    Settings,
    Stored,
    check_number,
    check_range,
    generator,
)
from training_code.camera.tones import Tones

ATTEMPTS = 1000
"""Number of consecutive views too black to be exposed after which an error is raised."""


class TooBlackError(ValueError):
    """Raised for an image without enough light to set an exposure."""


@dataclasses.dataclass(frozen=True)
class Exposure:
    """Distribution of exposures. The default is published."""

    unclipped: tuple[float, float] = (0.85, 0.95)
    """Range of the share of samples (R, G and B values) that stay below the clipping level,
    uniform."""

    def __post_init__(self) -> None:
        check_range("unclipped", self.unclipped, 0.0, 1.0, open_ends=True)

    def draw(self, rng: np.random.Generator) -> float:
        """The unclipped share of one photograph, in (0, 1)."""
        return float(rng.uniform(*self.unclipped))


def expose(linear: np.ndarray, unclipped: float) -> np.ndarray:
    """Scale an image so that the share `unclipped` in (0, 1) of its samples lies below 1.0.

    linear: [H, W, 3] float32, any unit, >= 0. Returns the same shape, 1.0 = clipping level.
    Raises TooBlackError if that quantile of the samples is 0.
    """
    return linear * exposure_gain(linear, unclipped)


def exposure_gain(linear: np.ndarray, unclipped: float) -> np.float32:
    """The factor by which `expose` scales. linear: any shape. Raises TooBlackError."""
    samples = linear.reshape(-1)
    index = min(int(unclipped * samples.size), samples.size - 1)
    level = float(np.partition(samples, index)[index])
    if not level > 0:
        raise TooBlackError(f"black up to its {unclipped:.0%} quantile: nothing to expose for")
    return np.float32(1.0 / level)


class Noise(NamedTuple):
    """The fields of `Settings` drawn by `Sensor`."""

    noise_sd: float
    noise_seed: int


@dataclasses.dataclass(frozen=True)
class Sensor:
    """Distribution of the sensor noise, and the cap on targets. The defaults are published."""

    noise_sd: tuple[float, float] = (0.0, 0.01)
    """Range of the standard deviation of the Gaussian noise, in units of the clipping level,
    uniform."""
    peak: float = 2000.0
    """Cap on target values, in units of the clipping level, so that a single sun does not dominate
    the gradient."""

    def __post_init__(self) -> None:
        check_range("noise_sd", self.noise_sd, 0.0, 1.0)
        check_number("peak", self.peak, 1.0, math.inf)

    def draw(self, rng: np.random.Generator) -> Noise:
        """The noise of one photograph: standard deviation and seed."""
        return Noise(float(rng.uniform(*self.noise_sd)), int(rng.integers(1 << 32)))


def add_noise(linear: Array, noise_sd: Array, noise: Array, xp: ModuleType = np) -> Array:
    """max(linear + noise_sd * noise, 0).

    linear, noise: any shape; noise has standard deviation 1. noise_sd: a number, or an array that
    broadcasts against them, such as [N, 1, 1, 1].
    """
    return xp.maximum(linear + noise_sd * noise, 0.0)


def sense(linear: np.ndarray, noise_sd: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise with a standard deviation of `noise_sd` clipping levels. float32, any
    shape; the result is >= 0.
    """
    noise = rng.standard_normal(linear.shape, np.float32)
    return add_noise(linear, np.float32(noise_sd), noise)


@dataclasses.dataclass(frozen=True)
class PhotonCamera:
    """Distribution of cameras with photon noise and without colour jitter, as used for brackets and
    exposure stacks. Ranges are uniform unless stated otherwise.
    """

    noise_sd: tuple[float, float] = (0.0, 0.006)
    """Standard deviation of the read noise, in units of the clipping level."""
    photons: tuple[float, float] = (5e3, 1e5)
    """Electrons at the clipping level, uniform in the logarithm. The variance of the photon noise
    is the light divided by this number."""
    curves: tuple[float, float, float] = (0.4, 0.3, 0.3)
    """Shares of the camera curves, see `development.CURVES`."""
    jpeg: tuple[float, float] = (85, 95)
    """JPEG qualities, uniform over the whole numbers."""
    jpeg_share: float = 0.5
    """Share of the brackets or stacks stored as JPEG."""

    def __post_init__(self) -> None:
        check_range("noise_sd", self.noise_sd, 0.0, 1.0)
        check_range("photons", self.photons, 1.0, 1e9)
        check_range("jpeg", self.jpeg, 1, 100)
        check_number("jpeg_share", self.jpeg_share, 0.0, 1.0)
        _ = self.development  # Raises ValueError.

    @property
    def development(self) -> Development:
        """The distribution that curve and JPEG settings are drawn from."""
        return Development(curves=self.curves, jpeg=self.jpeg, hue_sd=0.0, saturation_sd=0.0)


@dataclasses.dataclass(frozen=True)
class PhotonShot(Stored):
    """Every number that one photograph of a `PhotonCamera` depends on, as plain Python numbers."""

    noise_sd: float
    photons: float
    noise_seed: int

    @property
    def rng(self) -> np.random.Generator:
        """Generator of the noise, SFC64, the fastest in NumPy."""
        return np.random.Generator(np.random.SFC64(self.noise_seed))

    def photograph(self, linear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 codes of light [H, W, 3] float32, >= 0, 1.0 = clipping level."""
        spread = np.sqrt(self.noise_sd**2 + np.minimum(linear, 1.0) / self.photons)
        noise = rng.standard_normal(linear.shape, np.float32)
        return stored(add_noise(linear, spread, noise).astype(np.float32), self)


@dataclasses.dataclass(frozen=True)
class Camera:
    """The distributions that a photograph is drawn from. The defaults are published."""

    exposure: Exposure = dataclasses.field(default_factory=Exposure)
    sensor: Sensor = dataclasses.field(default_factory=Sensor)
    development: Development = dataclasses.field(default_factory=Development)
    tones: Tones = dataclasses.field(default_factory=Tones)

    def draw(self, key: Key) -> Settings:
        """The settings of one photograph. Each part is drawn from a generator of its own. `tones`
        is drawn by `shots.draw_shot`.
        """
        noise = self.sensor.draw(generator(key, RandomStream.SENSOR))
        look = self.development.draw(generator(key, RandomStream.DEVELOPMENT))
        return Settings(
            unclipped=self.exposure.draw(generator(key, RandomStream.EXPOSURE)),
            peak=self.sensor.peak,
            **noise._asdict(),
            **look._asdict(),
        )


def recolour(linear: np.ndarray, settings: Settings) -> np.ndarray:
    """Apply white balance, hue and saturation to [H, W, 3] float32, >= 0. Skips what the settings
    leave unchanged.
    """
    if settings.white_balance != (1.0, 1.0, 1.0):
        linear = white_balance(linear, np.array(settings.white_balance, np.float32))
    if settings.hue or settings.saturation:
        linear = jitter_colour(linear, settings.hue, settings.saturation)
    return linear


def stored(linear: np.ndarray, settings: Stored) -> np.ndarray:
    """uint8 codes that a file stores of light [H, W, 3] float32, 1.0 = clipping level."""
    codes = develop(linear, settings.n, settings.s, settings.curve, settings.strength)
    if settings.jpeg_quality:
        codes = jpeg.round_trip(codes, settings.jpeg_quality, settings.subsampled)
    return codes


def photograph(linear: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Photograph light: exposure, noise, white balance, jitter, camera curve and JPEG.

    linear: [H, W, 3] float32, any unit, >= 0.
    Returns the picture, uint8 codes [H, W, 3], and its target, float32 [H, W, 3], linear, 1.0 =
    clipping level, taken after the sensor, white balance and colour jitter, and capped at
    `settings.peak`. Raises TooBlackError if the image is too black to be exposed.
    """
    exposed = expose(linear, settings.unclipped)
    # The fastest generator in NumPy: noise is the most expensive part of the camera.
    rng = np.random.Generator(np.random.SFC64(settings.noise_seed))
    target = recolour(sense(exposed, settings.noise_sd, rng), settings)
    return stored(target, settings), np.minimum(target, np.float32(settings.peak))
