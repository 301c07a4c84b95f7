"""Simulated exposure brackets: one scene, several exposures, held by a hand, with things that move.

    light [H, W, 3]  linear, any unit
      -> a mover, cut out of other light, at another place in each frame
      -> hand shake: a homography for each frame, none for the reference
      -> exposure: gain x 2^stops, 1.0 = clipping level
      -> sensor noise, camera curve, 8 bits, and at times JPEG     as `camera.development` has them
      -> frames [K, h, w, 3] uint8, darkest first

Everything that is drawn is drawn from one generator, everything else is pure. A photograph that
was linearised serves as light too: decoded, exposed and clipped again, it loses what a camera would
lose. A power of its codes would destroy nothing and train nothing.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter, minimum_filter

from training_code.camera.camera import PhotonCamera, PhotonShot, TooBlackError
from training_code.camera.development import CURVES, develop
from training_code.camera.settings import check_number, check_range

MOST_FRAMES = 9
MIDDLE_GREY = 0.18
"""Linear light, 1.0 = clipping level, that the scene's median is exposed to at 0 stops."""


@dataclasses.dataclass(frozen=True)
class Brackets(PhotonCamera):
    """The distribution of brackets. Ranges are uniform where nothing else is said."""

    frames: tuple[int, int] = (2, 5)
    """Fewest and most frames, 2 to 9."""
    under: tuple[float, float] = (1.5, 3.0)
    """Stops of the darkest frame below the metered exposure."""
    over: tuple[float, float] = (1.5, 3.0)
    """Stops of the brightest frame above it."""
    metering_sd: float = 0.5
    """Standard deviation of the metered exposure, stops."""
    shaken_share: float = 0.0
    """Of the brackets that are hand-held."""
    rotation: float = 1.0
    """Of a shaken frame, degrees, at most."""
    shift: float = 0.01
    """Of a shaken frame, in shares of the shorter side, at most."""
    perspective: float = 0.01
    """How far a corner of a shaken frame moves beside that, likewise."""
    moving_share: float = 0.0
    """Of the brackets in which something moves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("frames", self.frames, 2, MOST_FRAMES)
        check_range("under", self.under, 0.0, 10.0)
        check_range("over", self.over, 0.0, 10.0)
        for name in ("shaken_share", "moving_share"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        check_number("rotation", self.rotation, 0.0, 10.0)
        check_number("shift", self.shift, 0.0, 0.1)
        check_number("perspective", self.perspective, 0.0, 0.1)


class Mover(NamedTuple):
    """Something that moves across the picture: an ellipse cut out of other light."""

    place: tuple[float, float]
    """Of its centre in the first frame, in shares of rows and columns."""
    motion: tuple[float, float]
    """From frame to frame, likewise."""
    radii: tuple[float, float]
    """Likewise, of the shorter side."""
    gain: float
    """Of its light, so that its median is the scene's times this."""


@dataclasses.dataclass(frozen=True)
class Bracket(PhotonShot):
    """Every number that one bracket depends on."""

    stops: tuple[float, ...]
    """Of each frame, rising, relative to the metered exposure."""
    metering: float
    """Stops that are added to all of them."""
    homographies: tuple[tuple[float, ...], ...]
    """Of each frame, 9 numbers by rows: from a place (x, y, 1) of the frame, in shorter sides from
    the centre, to that of the scene."""
    mover: Mover | None = None

    @property
    def reference(self) -> int:
        """The frame that is not shaken: the middle one, of two the darker."""
        return (len(self.stops) - 1) // 2

    @property
    def still(self) -> bool:
        """Whether all frames show the same places."""
        return self.mover is None and len(set(self.homographies)) == 1

    def held_still(self, frame: int | None = None) -> "Bracket":
        """The same bracket on a tripod, of what a frame shows; None: the reference frame."""
        frame = self.reference if frame is None else frame
        mover = self.mover
        if mover is not None:
            place = [p + frame * m for p, m in zip(mover.place, mover.motion, strict=True)]
            mover = mover._replace(place=(place[0], place[1]), motion=(0.0, 0.0))
        still = (self.homographies[frame],) * len(self.stops)
        return dataclasses.replace(self, homographies=still, mover=mover)


IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def draw_bracket(
    distribution: Brackets, rng: np.random.Generator, count: int | None = None
) -> Bracket:
    """The numbers of one bracket. Frames are equally many stops apart. count: of frames, instead of
    one that is drawn.
    """
    d = distribution
    drawn = int(rng.integers(d.frames[0], d.frames[1] + 1))
    count = drawn if count is None else count
    stops = np.linspace(-rng.uniform(*d.under), rng.uniform(*d.over), count)
    metering = float(d.metering_sd * rng.standard_normal())
    look = d.development.draw(rng)
    noise_sd = float(rng.uniform(*d.noise_sd))
    photons = float(np.exp(rng.uniform(*np.log(d.photons))))
    seed = int(rng.integers(1 << 32))
    compressed, shaken, moving = rng.random(3) < (d.jpeg_share, d.shaken_share, d.moving_share)
    homographies = [IDENTITY if not shaken else _shake(d, rng) for _ in range(count)]
    homographies[(count - 1) // 2] = IDENTITY
    return Bracket(
        stops=tuple(float(s) for s in stops),
        metering=metering,
        homographies=tuple(homographies),
        noise_sd=noise_sd,
        photons=photons,
        noise_seed=seed,
        curve=look.curve,
        n=look.n,
        s=look.s,
        strength=look.strength,
        jpeg_quality=look.jpeg_quality if compressed else 0,
        subsampled=look.subsampled,
        mover=_mover(count, rng) if moving else None,
    )


def _shake(d: Brackets, rng: np.random.Generator) -> tuple[float, ...]:
    """A homography: a rotation and a shift, and a tilt that moves the corners."""
    angle = np.radians(rng.uniform(-d.rotation, d.rotation))
    x, y = rng.uniform(-d.shift, d.shift, 2)
    # At a corner, (0.5, 0.5), the denominator moves a place of length 0.7 by about 0.35 tilt.
    tilt_x, tilt_y = rng.uniform(-d.perspective, d.perspective, 2) / 0.35
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return cos, -sin, float(x), sin, cos, float(y), float(tilt_x), float(tilt_y), 1.0


def _mover(count: int, rng: np.random.Generator) -> Mover:
    """An ellipse that crosses a part of the picture and stays inside of it."""
    begin, end = rng.uniform(0.2, 0.8, 2), rng.uniform(0.2, 0.8, 2)
    way = float(np.hypot(*(end - begin)))
    if way < 0.15:  # It would stay where it is.
        end = begin + np.array([0.0, 0.25 if begin[1] < 0.5 else -0.25])
    motion = (end - begin) / (count - 1)
    radii = rng.uniform(0.04, 0.15, 2)
    return Mover(
        (float(begin[0]), float(begin[1])),
        (float(motion[0]), float(motion[1])),
        (float(radii[0]), float(radii[1])),
        float(2.0 ** rng.uniform(-1.5, 1.5)),
    )


def metered(light: np.ndarray) -> np.float32:
    """The gain that takes the median of light [H, W, 3] to middle grey.

    Raises TooBlackError if that median is 0.
    """
    median = float(np.median(light.max(axis=-1)))
    if not median > 0.0:
        raise TooBlackError("more than half of it is black: nothing to expose for")
    return np.float32(MIDDLE_GREY / median)


def shaken(light: np.ndarray, homography: tuple[float, ...]) -> np.ndarray:
    """Light [H, W, C] as a frame with this homography sees it, cubic B-splines within the least and
    the most of the pixels around; the same size, mirrored beyond the borders.
    """
    if homography == IDENTITY:
        return light
    rows, columns = light.shape[:2]
    shorter = min(rows, columns)
    y, x = np.indices((rows, columns), np.float64)
    x, y = (x - (columns - 1) / 2) / shorter, (y - (rows - 1) / 2) / shorter
    h = np.array(homography).reshape(3, 3)
    u, v, w = (h[i, 0] * x + h[i, 1] * y + h[i, 2] for i in range(3))
    places = [v / w * shorter + (rows - 1) / 2, u / w * shorter + (columns - 1) / 2]

    def seen(plane: np.ndarray) -> np.ndarray:
        smooth = map_coordinates(plane, places, order=3, mode="mirror")
        # Beside a lamp, thousands of times brighter, splines swing below everything that is there.
        least, most = (
            map_coordinates(around(plane, 3, mode="mirror"), places, order=0, mode="mirror")
            for around in (minimum_filter, maximum_filter)
        )
        return np.clip(smooth, least, most)

    channels = [seen(light[..., c]) for c in range(light.shape[-1])]
    return np.stack(channels, axis=-1).astype(np.float32)


def moved_in(light: np.ndarray, other: np.ndarray, mover: Mover, frame: int) -> np.ndarray:
    """Light [H, W, 3] with the mover at its place in a frame, cut out of the middle of `other`,
    light of the same shape; its edges are a pixel soft.
    """
    rows, columns = light.shape[:2]
    centre = [
        (mover.place[axis] + frame * mover.motion[axis]) * (rows, columns)[axis] for axis in (0, 1)
    ]
    y, x = np.indices((rows, columns), np.float32)
    radii = [r * min(rows, columns) for r in mover.radii]
    inside = ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1.0
    mask = gaussian_filter(inside.astype(np.float32), 0.7)[..., None]
    offset = [round(centre[0] - rows / 2), round(centre[1] - columns / 2)]
    brought = np.roll(other, offset, axis=(0, 1))
    level = float(np.median(other)) or 1.0
    gain = np.float32(mover.gain * float(np.median(light)) / level)
    return light + mask * (gain * brought - light)


def exposed(light: np.ndarray, gain: float, bracket: Bracket, frame: int) -> np.ndarray:
    """Light times gain and 2^stops of a frame: linear, 1.0 = clipping level, not clipped."""
    return light * np.float32(gain * 2.0 ** (bracket.metering + bracket.stops[frame]))


def take(light: np.ndarray, bracket: Bracket, other: np.ndarray | None = None) -> np.ndarray:
    """The frames of a bracket, [K, H, W, 3] uint8.

    light: [H, W, 3] float32, linear, >= 0, any unit; other: likewise, of which a mover is cut out;
    needed where there is one. Raises TooBlackError if the light cannot be metered.
    """
    gain, rng, frames = float(metered(light)), bracket.rng, []
    for index, homography in enumerate(bracket.homographies):
        scene = light
        if bracket.mover is not None:
            if other is None:
                raise ValueError("a mover is cut out of other light; give some")
            scene = moved_in(light, other, bracket.mover, index)
        linear = exposed(shaken(scene, homography), gain, bracket, index)
        frames.append(bracket.photograph(linear, rng))
    return np.stack(frames)


def scene_codes(light: np.ndarray, bracket: Bracket) -> np.ndarray:
    """The scene at the metered exposure, well exposed, by the bracket's curve, without noise,
    shake, movers and JPEG: [H, W, 3] uint8. Truth for display-referred fusion of a darker and a
    brighter frame; no radiance.
    """
    linear = light * np.float32(float(metered(light)) * 2.0**bracket.metering)
    return develop(linear, bracket.n, bracket.s, bracket.curve, bracket.strength)


def plain(stops: tuple[float, ...]) -> Bracket:
    """A bracket without noise, shake, movers or JPEG, through the sRGB curve."""
    return Bracket(
        stops=stops,
        metering=0.0,
        homographies=(IDENTITY,) * len(stops),
        noise_sd=0.0,
        photons=float("inf"),
        noise_seed=0,
        curve=CURVES.index("srgb"),
        n=1.0,
        s=1.0,
        strength=0.0,
        jpeg_quality=0,
        subsampled=False,
    )
