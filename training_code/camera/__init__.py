"""Virtual camera: exposure, sensor and development turn scene light into 8-bit codes.

Follows Eilertsen et al. 2017, section 5.1. Each part is a record of distributions and a few pure
functions:

    linear light  [H, W, 3] float32, any unit
      -> tones.py         for some shots: a camera's highlight shoulder, added or removed
      -> camera.py        exposure: 1.0 becomes the clipping level; sensor: noise
      -> development.py   white balance, hue, saturation; the target is taken here;
                          then clipping, camera curve, 8 bits
      -> jpeg.py          JPEG round trip
      -> codes [H, W, 3] uint8

The target alone determines what is clipped: before JPEG, a code is 255 wherever its target is 1.0
or more, so a loss can tell from the target what the network has to reconstruct. White balance and
jitter are therefore applied before clipping; they move a few samples across the clipping level.
"""

from training_code.camera.camera import (
    ATTEMPTS,
    Camera,
    Exposure,
    Noise,
    Sensor,
    TooBlackError,
    add_noise,
    expose,
    photograph,
    sense,
)
from training_code.camera.development import (
    CURVES,
    Development,
    Look,
    curve_codes,
    develop,
    jitter_colour,
    picture_style,
    white_balance,
)
from training_code.camera.settings import Key, RandomStream, Settings, generator
from training_code.camera.tones import Tones

__all__ = [
    "ATTEMPTS",
    "CURVES",
    "Camera",
    "Development",
    "Exposure",
    "Key",
    "Look",
    "Noise",
    "RandomStream",
    "Sensor",
    "Settings",
    "Tones",
    "TooBlackError",
    "add_noise",
    "curve_codes",
    "develop",
    "expose",
    "generator",
    "jitter_colour",
    "photograph",
    "picture_style",
    "sense",
    "white_balance",
]
