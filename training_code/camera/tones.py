"""The tones that a camera has already bent: its shoulder, put on light or taken off it.

A camera's JPEG draws bright light together before it clips. Decoded as sRGB it looks like light,
but is a lower bound of it, and a network that is shown photographs as truth beside HDR scenes
learns by heart which of them are bent. So some views of scenes are bent as cameras do, and the
shoulder is taken off some photographs: then how bright a highlight was is told by the tones below
it, and by nothing else.

    compressed(x) = t + (1 - t) / m (1 - exp(-m (x - t) / (1 - t)))    x above the knee t
    expanded(x)     its inverse

Both rise, are smooth at the knee, and 1 is about where such a camera clips. Pure functions on NumPy
arrays or, with `xp=keras.ops`, on tensors.
"""

import dataclasses
from types import ModuleType
from typing import NamedTuple

import numpy as np

from hdrcnn.colour.transfer import Array
from training_code.camera.settings import check_number

KNEE = (0.1, 0.7)
"""Light from which a shoulder bends, uniform."""
LEVEL = (0.9, 0.998)
"""Share of the samples of a view that lie below 1.0 before it is bent, uniform."""
GAIN = (0.5, 1.0)
"""What these are multiplied by, uniform."""
STEEP = (0.6, 0.985)
"""The m of a shoulder that is taken off, uniform: what lies between knee and 1.0 ends 1.5 to 4.3
times as far above the knee."""
MOST = 0.999
"""Of the share of a shoulder's end that is expanded: the end itself stands for any light."""


class Tone(NamedTuple):
    """Of one picture: a part of its `shots.Shot`."""

    knee: float
    """The t of the shoulder; 1 where none is put on or taken off."""
    steep: float
    """Its m; 1 of one that is put on."""
    level: float
    """Share of the samples below 1.0 before a shoulder is put on; 0 where none is."""
    gain: float
    """On light before that."""
    held: float
    """Power of the target above the clipping level."""


NEUTRAL = Tone(1.0, 1.0, 0.0, 1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Tones:
    """How often tones are bent. The defaults, which are published, bend none."""

    compressed: float = 0.0
    """Share of the pictures of HDR scenes whose light gets a camera's shoulder."""
    expanded: float = 0.0
    """Share of the pictures of linearised photographs that a shoulder is taken off."""
    held: float = 1.0
    """In the other pictures of linearised photographs targets have so much of their stops above the
    clipping level. A network knows its own photographs better than those of others: held to less
    on its own, it claims less on others."""

    def __post_init__(self) -> None:
        for name in ("compressed", "expanded", "held"):
            check_number(name, getattr(self, name), 0.0, 1.0)

    @property
    def neutral(self) -> bool:
        """Nothing is bent."""
        return self == Tones()

    def check(self, photographs: bool, scenes: bool) -> None:
        """Raises ValueError naming a setting of which nothing is there: linearised photographs, or
        HDR scenes.
        """
        for name, asked, there, lack in (
            ("compressed", self.compressed > 0.0, scenes, "HDR scenes"),
            ("expanded", self.expanded > 0.0, photographs, "photographs"),
            ("held", self.held != 1.0, photographs, "photographs"),
        ):
            if asked and not there:
                raise ValueError(f"tones.{name} changes nothing without {lack}; leave it out")

    def draw(self, rng: np.random.Generator, linearised: bool) -> Tone:
        """Of one picture; linearised: of an ordinary photograph."""
        which, knee, steep, level, gain = (float(value) for value in rng.random(5))
        knee = _between(KNEE, knee)
        if linearised:
            if which < self.expanded:
                return NEUTRAL._replace(knee=knee, steep=_between(STEEP, steep))
            return NEUTRAL._replace(held=self.held)
        if which < self.compressed:
            return NEUTRAL._replace(
                knee=knee, level=_between(LEVEL, level), gain=_between(GAIN, gain)
            )
        return NEUTRAL


def _between(limits: tuple[float, float], share: float) -> float:
    return limits[0] + (limits[1] - limits[0]) * share


def compress(light: Array, knee: Array, steep: Array = 1.0, xp: ModuleType = np) -> Array:
    """A shoulder put on: [...] >= 0 to the same shape, at most knee + (1 - knee) / steep.

    knee in [0, 1), steep above 0: numbers, or shaped to broadcast.
    """
    above = xp.maximum(light - knee, 0.0)
    room = (1.0 - knee) / steep
    return xp.minimum(light, knee) + room * (1.0 - xp.exp(-above / room))


def expand(light: Array, knee: Array, steep: Array, xp: ModuleType = np) -> Array:
    """A shoulder taken off, the inverse of `compress`, arguments alike. Light nearer to the end of
    the shoulder than `MOST` counts as being there.
    """
    room = (1.0 - knee) / steep
    share = xp.minimum(xp.maximum(light - knee, 0.0) / room, MOST)
    return xp.minimum(light, knee) - room * xp.log(1.0 - share)


def hold(target: Array, held: Array, xp: ModuleType = np) -> Array:
    """Targets, 1.0 = clipping level, with `held` of their stops above it; below it as they were."""
    return xp.minimum(target, 1.0) * xp.power(xp.maximum(target, 1.0), held)
