"""The highlight shoulder of a camera, added to the light of scenes or removed from photographs.

A camera compresses bright light before it clips. A JPEG decoded as sRGB is therefore a lower bound
of the true light, and a network trained on photographs as well as HDR scenes memorises which of
them are compressed. So a shoulder is added to some views of HDR scenes and removed from some
photographs: then only the tones below a highlight tell how bright it was.

    compressed(x) = t + (1 - t) / m (1 - exp(-m (x - t) / (1 - t)))    x above the knee t
    expanded(x)     its inverse

Both functions are monotonic and smooth at the knee; such a camera clips at about 1. Pure functions
on NumPy arrays or, with `xp=keras.ops`, on tensors.
"""

import dataclasses
from types import ModuleType
from typing import NamedTuple

import numpy as np

from hdrcnn.colour.transfer import Array
from training_code.camera.settings import check_number

KNEE = (0.1, 0.7)
"""Range of the knee t, the light at which a shoulder begins, uniform."""
UNCLIPPED = (0.9, 0.998)
"""Range of the share of a view's samples exposed below 1.0 before a shoulder is added, uniform."""
GAIN = (0.5, 1.0)
"""Range of the gain applied after that exposure, before a shoulder is added, uniform."""
STEEPNESS = (0.6, 0.985)
"""Range of the m of a removed shoulder, uniform: 1.0 moves 1.5 to 4.3 times as far away from the
knee."""
MOST = 0.999
"""Largest share of the way from the knee to the end of a shoulder that is expanded; the end itself
could be any light."""


class Shoulder(NamedTuple):
    """The shoulder of one picture; these are fields of its `shots.Shot`."""

    knee: float
    """The t of the shoulder; 1 if none is added or removed."""
    steepness: float
    """The m of the shoulder; 1 if it is added."""
    shoulder_unclipped: float
    """Share of the samples exposed below 1.0 before a shoulder is added; 0 if none is."""
    gain: float
    """Gain on that exposed light, before the shoulder is added."""
    highlight_scale: float
    """Exponent applied to the target above the clipping level."""


NEUTRAL = Shoulder(1.0, 1.0, 0.0, 1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Tones:
    """How often shoulders are added or removed. The defaults, which are published: never."""

    compressed: float = 0.0
    """Share of the pictures of HDR scenes to which a camera's shoulder is added."""
    expanded: float = 0.0
    """Share of the pictures of linearised photographs from which a shoulder is removed."""
    held: float = 1.0
    """Factor on the stops above the clipping level in the targets of all other pictures of
    linearised photographs. A network predicts photographs it was trained on better than unseen
    ones; trained to predict less on them, it exaggerates less on others."""

    def __post_init__(self) -> None:
        for name in ("compressed", "expanded", "held"):
            check_number(name, getattr(self, name), 0.0, 1.0)

    @property
    def neutral(self) -> bool:
        """Whether tones and targets stay unchanged in all pictures."""
        return self == Tones()

    def check(self, photographs: bool, scenes: bool) -> None:
        """Raise ValueError naming a setting that has no effect because there are no linearised
        photographs, or no HDR scenes.
        """
        for name, asked, there, lack in (
            ("compressed", self.compressed > 0.0, scenes, "HDR scenes"),
            ("expanded", self.expanded > 0.0, photographs, "photographs"),
            ("held", self.held != 1.0, photographs, "photographs"),
        ):
            if asked and not there:
                raise ValueError(f"tones.{name} changes nothing without {lack}; leave it out")

    def draw(self, rng: np.random.Generator, linearised: bool) -> Shoulder:
        """Draw the shoulder of one picture. linearised: whether of a linearised photograph."""
        which, knee, steepness, unclipped, gain = (float(value) for value in rng.random(5))
        knee = _between(KNEE, knee)
        if linearised:
            if which < self.expanded:
                return NEUTRAL._replace(knee=knee, steepness=_between(STEEPNESS, steepness))
            return NEUTRAL._replace(highlight_scale=self.held)
        if which < self.compressed:
            return NEUTRAL._replace(
                knee=knee,
                shoulder_unclipped=_between(UNCLIPPED, unclipped),
                gain=_between(GAIN, gain),
            )
        return NEUTRAL


def _between(limits: tuple[float, float], share: float) -> float:
    return limits[0] + (limits[1] - limits[0]) * share


def compress(light: Array, knee: Array, steepness: Array = 1.0, xp: ModuleType = np) -> Array:
    """Add a shoulder to light >= 0 of any shape; the result is at most knee + (1 - knee) /
    steepness.

    knee in [0, 1) and steepness above 0: numbers, or arrays that broadcast.
    """
    above = xp.maximum(light - knee, 0.0)
    room = (1.0 - knee) / steepness
    return xp.minimum(light, knee) + room * (1.0 - xp.exp(-above / room))


def expand(light: Array, knee: Array, steepness: Array, xp: ModuleType = np) -> Array:
    """Remove a shoulder: the inverse of `compress`, with the same arguments. Light beyond the share
    `MOST` of the way to the end of the shoulder is treated as if it were there.
    """
    room = (1.0 - knee) / steepness
    share = xp.minimum(xp.maximum(light - knee, 0.0) / room, MOST)
    return xp.minimum(light, knee) - room * xp.log(1.0 - share)


def scale_highlights(target: Array, scale: Array, xp: ModuleType = np) -> Array:
    """Multiply the stops of a target above the clipping level, 1.0, by `scale`; values below are
    kept.
    """
    return xp.minimum(target, 1.0) * xp.power(xp.maximum(target, 1.0), scale)
