"""The camera as a whole: three parts, drawn apart, used one after the other."""

import dataclasses

import numpy as np

from training_code.camera import jpeg
from training_code.camera.development import (
    Development,
    develop,
    jitter_colour,
    white_balance,
)
from training_code.camera.exposure import Exposure, expose
from training_code.camera.sensor import Sensor, sense
from training_code.camera.settings import Key, Part, Settings, generator


@dataclasses.dataclass(frozen=True)
class Camera:
    """The distributions a photograph is drawn from. The defaults are the published ones."""

    exposure: Exposure = dataclasses.field(default_factory=Exposure)
    sensor: Sensor = dataclasses.field(default_factory=Sensor)
    development: Development = dataclasses.field(default_factory=Development)

    def draw(self, key: Key) -> Settings:
        """The settings of one photograph; each part has random numbers of its own."""
        noise = self.sensor.draw(generator(key, Part.SENSOR))
        look = self.development.draw(generator(key, Part.DEVELOPMENT))
        return Settings(
            unclipped=self.exposure.draw(generator(key, Part.EXPOSURE)),
            peak=self.sensor.peak,
            **noise._asdict(),
            **look._asdict(),
        )


def recolour(linear: np.ndarray, settings: Settings) -> np.ndarray:
    """White balance, hue and saturation of [H, W, 3] float32, >= 0. What is not changed costs
    nothing.
    """
    if settings.white_balance != (1.0, 1.0, 1.0):
        linear = white_balance(linear, np.array(settings.white_balance, np.float32))
    if settings.hue or settings.saturation:
        linear = jitter_colour(linear, settings.hue, settings.saturation)
    return linear


def photograph(linear: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """The whole chain.

    linear: [H, W, 3] float32, any unit, >= 0.
    Returns the picture, uint8 codes [H, W, 3], and its target, float32 [H, W, 3] linear with
    1.0 = clipping level, taken behind the sensor, white balance and colour jitter, capped at
    `settings.peak`. Raises TooBlackError where the image is too black to be exposed.
    """
    exposed = expose(linear, settings.unclipped)
    # The cheapest generator at hand: the noise is the dearest part of the camera.
    rng = np.random.Generator(np.random.SFC64(settings.noise_seed))
    target = recolour(sense(exposed, settings.noise_sd, rng), settings)
    codes = develop(target, settings.n, settings.s, settings.curve, settings.strength)
    if settings.jpeg_quality:
        codes = jpeg.round_trip(codes, settings.jpeg_quality, settings.subsampled)
    return codes, np.minimum(target, np.float32(settings.peak))
