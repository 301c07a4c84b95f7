"""Simulated exposure brackets of one scene, optionally hand-held and with moving objects.

    light [H, W, 3]  linear, any unit
      -> a moving object, cut out of other light, at another place in each frame
      -> hand shake: a homography for each frame, none for the reference
      -> exposure: gain x 2^stops, 1.0 = clipping level
      -> sensor noise, camera curve, 8 bits, and optionally JPEG: see `camera.development`
      -> frames [K, H, W, 3] uint8, darkest first

All random numbers come from one generator; everything else is pure. Linearised photographs can
serve as light too: decoded, exposed and clipped again, they lose what a camera would lose. Merely
raising their codes to a power would lose nothing, and a network would learn nothing from it.
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
"""Linear light, 1.0 = clipping level, to which the metered exposure brings the scene's median."""


@dataclasses.dataclass(frozen=True)
class Brackets(PhotonCamera):
    """Distribution of brackets. Ranges are uniform unless stated otherwise."""

    frames: tuple[int, int] = (2, 5)
    """Smallest and largest number of frames, within 2 to 9."""
    under: tuple[float, float] = (1.5, 3.0)
    """Stops of the darkest frame below the metered exposure."""
    over: tuple[float, float] = (1.5, 3.0)
    """Stops of the brightest frame above the metered exposure."""
    metering_sd: float = 0.5
    """Standard deviation of the error of the metered exposure, stops."""
    shaken_share: float = 0.0
    """Share of the brackets that are hand-held."""
    rotation: float = 1.0
    """Largest rotation of a shaken frame, degrees."""
    shift: float = 0.01
    """Largest shift of a shaken frame along each axis, as a share of the shorter side."""
    perspective: float = 0.01
    """Largest displacement of a corner of a shaken frame by the tilt about each axis, as a share
    of the shorter side."""
    moving_share: float = 0.0
    """Share of the brackets in which something moves."""

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
    """A moving object: an ellipse cut out of other light."""

    place: tuple[float, float]
    """Centre in the first frame, as shares of rows and columns."""
    motion: tuple[float, float]
    """Displacement from frame to frame, as shares of rows and columns."""
    radii: tuple[float, float]
    """Vertical and horizontal radius, as shares of the shorter side."""
    gain: float
    """Median of the other light, once scaled, relative to the median of the scene."""


@dataclasses.dataclass(frozen=True)
class Bracket(PhotonShot):
    """Every number that one bracket depends on."""

    stops: tuple[float, ...]
    """Exposure of each frame relative to the metered exposure, in ascending order."""
    metering: float
    """Error of the metered exposure, stops, added to all frames."""
    homographies: tuple[tuple[float, ...], ...]
    """Homography of each frame, 9 numbers row by row. It maps a position (x, y, 1) in the frame to
    a position in the scene, both relative to the centre and in units of the shorter side."""
    mover: Mover | None = None

    @property
    def reference(self) -> int:
        """Index of the frame without shake: the middle one, or the darker of the middle two."""
        return (len(self.stops) - 1) // 2

    @property
    def still(self) -> bool:
        """Whether nothing moves between the frames."""
        return self.mover is None and len(set(self.homographies)) == 1

    def held_still(self, frame: int | None = None) -> "Bracket":
        """The same bracket on a tripod: all frames show what the given frame shows. None: the
        reference frame.
        """
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
    """Draw the numbers of one bracket with equally spaced exposures. count: number of frames; None:
    drawn.
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
    """Draw a homography: a rotation, a shift, and a tilt that moves the corners."""
    angle = np.radians(rng.uniform(-d.rotation, d.rotation))
    x, y = rng.uniform(-d.shift, d.shift, 2)
    # A tilt changes the denominator at a corner, (0.5, 0.5), by 0.5 tilt. The corner is 0.7 from
    # the centre, so it moves by about 0.35 tilt.
    tilt_x, tilt_y = rng.uniform(-d.perspective, d.perspective, 2) / 0.35
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return cos, -sin, float(x), sin, cos, float(y), float(tilt_x), float(tilt_y), 1.0


def _mover(count: int, rng: np.random.Generator) -> Mover:
    """Draw an ellipse whose centre crosses a part of the picture and stays within it."""
    begin, end = rng.uniform(0.2, 0.8, 2), rng.uniform(0.2, 0.8, 2)
    way = float(np.hypot(*(end - begin)))
    if way < 0.15:  # It would hardly move.
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
    """Gain that brings the median over pixels of the largest channel of light [H, W, 3] to
    `MIDDLE_GREY`.

    Raises TooBlackError if that median is 0.
    """
    median = float(np.median(light.max(axis=-1)))
    if not median > 0.0:
        raise TooBlackError("more than half of it is black: nothing to expose for")
    return np.float32(MIDDLE_GREY / median)


def shaken(light: np.ndarray, homography: tuple[float, ...]) -> np.ndarray:
    """Warp light [H, W, C] by the homography of a frame; the result has the same shape.

    Interpolates by cubic B-splines, clipped to the range of the 3x3 pixels around, and mirrors
    beyond the borders.
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
        # Beside a lamp thousands of times brighter, splines undershoot far below all pixels.
        least, most = (
            map_coordinates(around(plane, 3, mode="mirror"), places, order=0, mode="mirror")
            for around in (minimum_filter, maximum_filter)
        )
        return np.clip(smooth, least, most)

    channels = [seen(light[..., c]) for c in range(light.shape[-1])]
    return np.stack(channels, axis=-1).astype(np.float32)


def moved_in(light: np.ndarray, other: np.ndarray, mover: Mover, frame: int) -> np.ndarray:
    """Insert the mover into light [H, W, 3] at its place in a frame, cut out of the middle of
    `other`, light of the same shape. Its edges are about a pixel soft.
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
    """Light times `gain` and 2^stops of a frame: linear, 1.0 = clipping level, not clipped."""
    return light * np.float32(gain * 2.0 ** (bracket.metering + bracket.stops[frame]))


def take(light: np.ndarray, bracket: Bracket, other: np.ndarray | None = None) -> np.ndarray:
    """Photograph the frames of a bracket, [K, H, W, 3] uint8.

    light: [H, W, 3] float32, linear, >= 0, any unit. other: light of the same shape from which the
    mover is cut out, required if the bracket has one. Raises TooBlackError if the light cannot be
    metered, ValueError if `other` is missing.
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
    """The scene at the metered exposure, well exposed, through the bracket's curve, without noise,
    shake, movers and JPEG: [H, W, 3] uint8. The truth for display-referred fusion of a darker and a
    brighter frame; it is not radiance.
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
