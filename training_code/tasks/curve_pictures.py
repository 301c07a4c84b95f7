"""Pictures with known camera curves, as rows of statistics: training data of the curve network.

A view of a scene is rendered once and photographed several times. To keep the network from relying
on artefacts of the virtual camera, views vary in sharpness, noise is of several kinds, and some
pictures are resized or sharpened after the curve, as programs do. Scenes are panoramas, HDR
photographs, and ordinary photographs linearised by the inverse sRGB curve.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from hdrcnn.colour.transfer import inverse_camera_curve, srgb_encode
from hdrcnn.predict.curve_statistics import statistics
from training_code.camera import (
    CURVES,
    Camera,
    Development,
    Exposure,
    Sensor,
    Settings,
    TooBlackError,
    jpeg,
    picture_style,
)
from training_code.camera.camera import exposure_gain, recolour, stored
from training_code.camera.projection import perspective_view, resized_crop
from training_code.camera.settings import check_number, check_range
from training_code.evaluation.protocol import FixedViews
from training_code.scenes.collection import Scene
from training_code.scenes.views import KINDS as SCENES, Views

CAMERA = Camera(
    Exposure((0.85, 0.999)),
    Sensor((0.0, 0.01)),
    Development(white_balance_sd=0.2, curves=(1 / 3, 1 / 3, 1 / 3)),
)
"""The virtual camera. Everything the camera curve does not depend on varies more than in the
published training. An ordinary photograph exposed so that almost nothing clips is nearly restored
to its own file by the sRGB curve. How frequent each curve is in users' photographs is taken into
account where the curve is chosen, not here.
"""

ATTEMPTS = 100
"""Number of consecutive views too black to be exposed after which an error is raised."""

ORDINARY = SCENES.index("linearised photographs")

KINDS = ("constant", "shot", "none")
"""Kinds of noise: equal at all levels, proportional to the square root of light, none."""


@dataclasses.dataclass(frozen=True)
class Pictures:
    """How the pictures are taken. Ranges are uniform unless stated otherwise."""

    longest: int = 480
    """Longest side, pixels."""
    fov: tuple[float, float] = (35.0, 100.0)
    """Horizontal field of view in a panorama, degrees, uniform in its logarithm."""
    enlargement: tuple[float, float] = (0.9, 5.0)
    """Pixels of a picture per pixel of a panorama, uniform in its logarithm."""
    crop: tuple[float, float] = (0.5, 1.0)
    """Size of a crop as a share of each side of a photograph."""
    native: float = 0.4
    """Share of the views of photographs that are crops of `longest` pixels, not resized."""
    blur: float = 1.2
    """Largest standard deviation of the blur in light, pixels. Half of the views have none, of
    crops that are not resized three quarters."""
    jpeg: float = 0.4
    """Share of the pictures that are compressed as JPEG, at qualities 60 to 98."""
    resized: float = 0.25
    """Share of the pictures that are resized after the curve, by 0.4 to 0.9."""
    sharpened: float = 0.25
    """Share of the pictures that are sharpened after the curve."""
    repeats: int = 4
    """Number of pictures taken of a view."""
    ordinary: float = 0.5
    """Share of the views that are of linearised photographs, if there are both these and other
    scenes."""

    def __post_init__(self) -> None:
        check_number("longest", self.longest, 16, 10_000)
        check_range("enlargement", self.enlargement, 0.1, 100.0)
        check_number("blur", self.blur, 0.0, 100.0)
        check_number("repeats", self.repeats, 1, 1000)
        for name in ("native", "jpeg", "resized", "sharpened", "ordinary"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        Views(self.fov, crop=self.crop)  # Raises ValueError.

    @property
    def views(self) -> FixedViews:
        """The views to whose needs panoramas are reduced when they are read; those 1024 pixels wide
        are not reduced.
        """
        return FixedViews(fov=self.fov, width=self.longest)


@dataclasses.dataclass(frozen=True)
class Row:
    """One picture."""

    statistics: np.ndarray
    """[curve_statistics.SIZE] float32."""
    light: np.ndarray
    """[256] float32: the true light of each code."""
    codes: np.ndarray
    """[256] float32: shares of the codes in the picture."""
    family: str
    """Family of the scene."""
    kind: int
    """Kind of the scene: index into `views.KINDS`."""
    curve: int
    processed: bool
    """Whether the picture was resized, sharpened or compressed after the curve."""


def true_light(settings: Settings) -> np.ndarray:
    """The light of each code under the camera curve of the settings, [256] float32 in [0, 1]."""
    code = np.arange(256) / 255.0
    if CURVES[settings.curve] == "published":
        return inverse_camera_curve(code, settings.n, settings.s).astype(np.float32)
    light = np.linspace(0.0, 1.0, 1 << 14) ** 2
    styled = picture_style(srgb_encode(light), settings.strength)
    return np.interp(code, styled, light).astype(np.float32)


def view(scene: Scene, pictures: Pictures, rng: np.random.Generator) -> np.ndarray:
    """Draw a view of a scene, [H, W, 3] float32, linear, in the scene's unit."""
    aspect = float(rng.choice((2 / 3, 3 / 4, 9 / 16, 3 / 2)))
    if scene.is_panorama:
        fov = np.exp(rng.uniform(*np.log(pictures.fov)))
        larger = np.exp(rng.uniform(*np.log(pictures.enlargement)))
        width = larger * scene.shape[1] * fov / 360.0
        shrink = min(1.0, pictures.longest / (width * max(1.0, aspect)))
        width = max(96, round(width * shrink))
        height = max(64, round(width * aspect))
        yaw, pitch = rng.uniform(-180.0, 180.0), rng.uniform(-20.0, 20.0)
        linear = perspective_view(scene.pixels, yaw, pitch, fov, height, width)
    else:
        rows, columns = (round(side * rng.uniform(*pictures.crop)) for side in scene.shape)
        native = bool(rng.random() < pictures.native)
        if native:
            rows, columns = (min(side, pictures.longest) for side in scene.shape)
        places = zip(scene.shape, (rows, columns), strict=True)
        top, left = (int(rng.integers(a - b + 1)) for a, b in places)
        shrink = 1.0 if native else pictures.longest / max(rows, columns) * rng.uniform(0.5, 1.0)
        height, width = (max(64, min(side, round(side * shrink))) for side in (rows, columns))
        linear = resized_crop(scene.pixels, top, left, rows, columns, height, width)
    # Crops that are not resized are there for their sharpness, so fewer of them are blurred.
    if rng.random() < (0.25 if not scene.is_panorama and native else 0.5):
        sigma = rng.uniform(0.0, pictures.blur)
        linear = gaussian_filter(linear, (sigma, sigma, 0.0))
    return linear[:, ::-1] if rng.random() < 0.5 else linear


def grain(light: np.ndarray, sd: float, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Add noise to light. sd: standard deviation at the clipping level; kind: one of `KINDS`."""
    if kind == "none":
        return light
    deviation = sd * np.sqrt(np.minimum(light, 1.0)) if kind == "shot" else np.float32(sd)
    return np.maximum(light + deviation * rng.standard_normal(light.shape, np.float32), 0.0)


def processed(codes: np.ndarray, pictures: Pictures, rng: np.random.Generator) -> np.ndarray:
    """Randomly resize, sharpen and compress codes, as programs do after the curve: uint8
    [H, W, 3].
    """
    resize, sharpen, compress = rng.random(3) < (
        pictures.resized,
        pictures.sharpened,
        pictures.jpeg,
    )
    image = Image.fromarray(codes)
    if resize:
        factor = rng.uniform(0.4, 0.9)
        width, height = (max(48, round(factor * side)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    if sharpen:
        amount = round(rng.uniform(20, 120))
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(0.5, 1.5), amount, 0))
    codes = np.asarray(image)
    if compress:
        codes = jpeg.round_trip(codes, int(rng.integers(60, 99)), bool(rng.random() < 0.7))
    return codes


def pictures_of_view(
    scenes: Sequence[Scene], pictures: Pictures, seed: int, index: int
) -> list[Row]:
    """Take the pictures of view `index`, which depend only on the arguments. scenes: sorted as by
    `in_order`.

    Raises ValueError if `ATTEMPTS` views in a row cannot be exposed.
    """
    rng = np.random.default_rng((seed, index))
    sides = [[s for s in scenes if (s.kind == ORDINARY) is side] for side in (True, False)]
    for _ in range(ATTEMPTS):
        chosen = sides[int(rng.random() >= pictures.ordinary)] if all(sides) else scenes
        family = str(rng.choice(sorted({scene.family for scene in chosen})))
        of_family = [scene for scene in chosen if scene.family == family]
        scene = of_family[int(rng.integers(len(of_family)))]
        linear = view(scene, pictures, rng)
        known = scene.known(linear)[..., 0]
        if not known.any():
            continue
        place = (scene.family, scene.kind)
        try:
            return [
                take(linear, known, place, pictures, (seed, 0, index, item, 0))
                for item in range(pictures.repeats)
            ]
        except TooBlackError:
            continue
    raise ValueError(f"{ATTEMPTS} views in a row are too black to be exposed")


def take(
    linear: np.ndarray,
    known: np.ndarray,
    place: tuple[str, int],
    pictures: Pictures,
    key: tuple[int, int, int, int, int],
) -> Row:
    """Take one picture of a view.

    known: [H, W] bool, the pixels that were not clipped in the source, for which the exposure is
    set; place: family and kind of the scene. Raises TooBlackError.
    """
    rng = np.random.default_rng((*key, 9))
    settings = CAMERA.draw(key)
    kind = KINDS[int(np.searchsorted((0.5, 0.85), rng.random()))]
    exposed = linear * exposure_gain(linear[known], settings.unclipped)
    light = grain(exposed, settings.noise_sd, kind, rng)
    codes = stored(recolour(light, settings), settings)
    changed = processed(codes, pictures, rng)
    shares = np.bincount(changed.ravel(), minlength=256) / changed.size
    return Row(
        statistics(changed),
        true_light(settings),
        shares.astype(np.float32),
        *place,
        settings.curve,
        not np.array_equal(changed, codes),
    )
