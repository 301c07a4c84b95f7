"""The protocol of the evaluation: fixed views of scenes under a fixed virtual camera.

Every method sees the same photographs. Random numbers are seeded by a name (through SHA-256), so
that a view is the same on every machine and in every folder.

A photograph is made by exposure, sensor noise, camera curve, 8-bit quantisation and a file. A
condition names what varies: the share of clipped samples, the file format and the curve:

    published    (1 + s) H^n / (H^n + s), n ~ N(0.9, 0.1), s ~ N(0.6, 0.1), drawn for each view:
                 Eilertsen et al. 2017, Eq. 7
    srgb         IEC 61966-2-1
    srgb_style   sRGB, then an S-shaped picture style: `picture_style`

Nothing else differs between conditions: the noise and, for `published`, the drawn curve depend on
the view alone. Truth is the light that reached the sensor, before its noise.
"""

import dataclasses
import hashlib
import io
import itertools

import numpy as np
from PIL import Image

from hdrcnn.colour.transfer import luminance, srgb_encode
from training_code.camera import CURVES, Development, develop, expose, picture_style, sense
from training_code.camera.camera import exposure_gain
from training_code.camera.projection import perspective_view, resized_crop
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views

FILES = {"png": ".png", "jpeg80": ".jpg", "jpeg95": ".jpg", "white240": ".png"}
"""File formats and their suffixes; `white240` is a PNG whose largest code is `WHITE`, as after a
highlight roll-off."""

WHITE = 240

QUALITIES = {"jpeg80": 80, "jpeg95": 95}
"""JPEG qualities: one typical of the web, one of cameras."""
JPEG_SUBSAMPLING = "4:2:0"
"""Chroma at half size in both directions, as nearly all cameras and programs store it."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Settings shared by all scenes and conditions. Sizes in pixels, angles in degrees."""

    longest_side: int = 768
    """Photographs are reduced to this longer side, never enlarged."""
    view_width: int = 768
    view_height: int = 512
    """Height of a view of a panorama."""
    fov: float = 75.0
    """Horizontal field of view of a view of a panorama."""
    yaw_offset: float = 15.0
    """Largest yaw relative to the brightest column, and to its opposite; uniform."""
    pitch: float = 10.0
    """Largest angle above or below the horizon; uniform."""
    noise_sd: float = 0.002
    """Standard deviation of the sensor noise, in units of the clipping level: a fifth of the
    largest in training, about half a code in the mid-tones."""
    min_saturated: float = 0.005
    """Photographs with a smaller share of saturated pixels (largest code above 0.95) are left
    out, because there is nothing to reconstruct. Exposures that clip 3 % of the samples always
    have more."""

    @property
    def views(self) -> "FixedViews":
        """The views for which panoramas are reduced on loading; 1024 pixels wide ones are not."""
        return FixedViews(fov=(self.fov, self.fov), width=self.view_width)


@dataclasses.dataclass(frozen=True)
class FixedViews(Views):
    """How much panoramas may be reduced on loading, for `load_scenes`.

    A view samples a panorama at one point per pixel of the view. If the panorama has many more
    pixels, small lamps would be hit or missed by chance, so it is reduced first. Photographs are
    reduced when their view is made.
    """

    width: int = 768
    """Width of the views, pixels."""

    @property
    def sparing(self) -> tuple[float, ...]:
        return *super().sparing, self.width

    def spare(self, rows: int, columns: int, size: int) -> int:
        return super().spare(rows, columns, self.width) if columns == 2 * rows else 1


@dataclasses.dataclass(frozen=True)
class Condition:
    """One way of exposing, developing and storing the photographs."""

    clipped: float = 0.05
    """Share of the samples (R, G and B values) at or above the clipping level."""
    file: str = "png"
    """One of `FILES`."""
    curve: str = "published"
    """One of `CURVES`."""

    @property
    def exposure(self) -> str:
        """The part of the name that determines the truth, such as `clip05`."""
        return f"clip{100 * self.clipped:04.1f}".replace(".0", "").replace(".", "_")

    @property
    def name(self) -> str:
        return f"{self.exposure}_{self.file}_{self.curve}"


BASE = Condition()

CLIPPED = (0.03, 0.05, 0.10)

VARIED = (
    BASE,
    dataclasses.replace(BASE, clipped=0.03),
    dataclasses.replace(BASE, clipped=0.10),
    dataclasses.replace(BASE, file="jpeg80"),
    dataclasses.replace(BASE, curve="srgb"),
    dataclasses.replace(BASE, curve="srgb_style"),
)
"""The base condition, and those that differ from it in one factor."""

FULL = (
    BASE,
    *(
        condition
        for condition in (
            Condition(*c) for c in itertools.product(CLIPPED, ("png", "jpeg80"), CURVES)
        )
        if condition != BASE
    ),
)
"""Every combination, the base condition first."""


@dataclasses.dataclass(frozen=True)
class View:
    """A scene as seen from one fixed place: [H, W, 3] float32, linear, any unit."""

    name: str
    linear: np.ndarray


def generator(purpose: str, name: str) -> np.random.Generator:
    """Random number generator whose seed depends on the two texts alone."""
    text = f"{purpose}:{name}".encode(errors="surrogateescape")  # File names need not be UTF-8.
    digest = hashlib.sha256(text).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def scene_stem(scene: Scene) -> str:
    """Name of the scene without its folder and without the suffix `.exr`; others are kept."""
    return scene.name.rsplit("/", 1)[-1].removesuffix(".exr")


def view_names(scene: Scene) -> tuple[str, ...]:
    """Names of the views of `fixed_views`, which are also those of their files."""
    stem = scene_stem(scene)
    return (f"{stem}-bright", f"{stem}-away") if scene.is_panorama else (stem,)


def brightest_yaw(panorama: np.ndarray, half_height: float) -> float:
    """Yaw of the brightest column of a panorama [H, W, 3], in degrees to the right of the centre.

    The brightness of a column is its luminance weighted by solid angle, over latitudes within
    `half_height` degrees of the horizon, which is what a level view sees.
    """
    rows, columns = panorama.shape[:2]
    latitude = (0.5 - (np.arange(rows) + 0.5) / rows) * np.pi
    weight = np.where(np.abs(latitude) <= np.radians(half_height), np.cos(latitude), 0.0)
    light = luminance(panorama.astype(np.float64))[..., 0]
    column = int(np.argmax(weight @ light))
    return ((column + 0.5) / columns - 0.5) * 360.0


def fixed_views(scene: Scene, protocol: Protocol) -> list[View]:
    """Fixed views of a scene: a photograph as a whole; a panorama towards and away from its
    brightest column.
    """
    names = view_names(scene)
    if not scene.is_panorama:
        rows, columns = scene.pixels.shape[:2]
        shrink = min(1.0, protocol.longest_side / max(rows, columns))
        height, width = max(1, round(rows * shrink)), max(1, round(columns * shrink))
        return [View(names[0], resized_crop(scene.pixels, 0, 0, rows, columns, height, width))]
    rng = generator("view", scene_stem(scene))
    height, width = protocol.view_height, protocol.view_width
    half_width = np.tan(np.radians(protocol.fov / 2))
    half_height = np.degrees(np.arctan(half_width * height / width))
    towards = brightest_yaw(scene.pixels, float(half_height))
    views = []
    for name, direction in zip(names, (towards, towards + 180.0), strict=True):
        yaw = direction + rng.uniform(-protocol.yaw_offset, protocol.yaw_offset)
        pitch = rng.uniform(-protocol.pitch, protocol.pitch)
        linear = perspective_view(scene.pixels, yaw, pitch, protocol.fov, height, width)
        views.append(View(name, linear))
    return views


def exposed_truth(view: View, condition: Condition, known: np.ndarray | None = None) -> np.ndarray:
    """Expose a view for a condition: [H, W, 3] float32 in units of the clipping level.

    known: [H, W, 1] bool, the pixels of which the condition's share is clipped; default: all.

    Values are rounded to half floats, as in the file, so that the figures can be reproduced from
    the files. Raises TooBlackError, a ValueError, if the view is too black to be exposed.
    """
    if known is None or known.all():
        exposed = expose(view.linear, 1.0 - condition.clipped)
    else:
        exposed = view.linear * exposure_gain(view.linear[known[..., 0]], 1.0 - condition.clipped)
    return np.minimum(exposed, np.finfo(np.float16).max).astype(np.float16).astype(np.float32)


def photograph(
    view: str, truth: np.ndarray, condition: Condition, protocol: Protocol
) -> np.ndarray:
    """Photograph the result of `exposed_truth`: uint8 codes [H, W, 3], before the file format."""
    sensed = sense(truth, protocol.noise_sd, generator("noise", view))
    if condition.curve == "published":
        rng, development = generator("curve", view), Development()
        n = float(np.clip(rng.normal(*development.curve_n), 0.2, 2.5))
        s = float(np.clip(rng.normal(*development.curve_s), 0.01, 5.0))
        return develop(sensed, n, s)
    code = srgb_encode(np.clip(sensed, 0.0, 1.0))
    if condition.curve == "srgb_style":
        code = picture_style(code)
    return np.round(code * np.float32(255.0)).astype(np.uint8)


def encode(codes: np.ndarray, file: str) -> bytes:
    """Encode uint8 [H, W, 3] as a file of one of `FILES`, by Pillow; returns its bytes."""
    stream = io.BytesIO()
    image = Image.fromarray(codes)
    if file == "white240":
        image = Image.fromarray(np.round(codes * np.float32(WHITE / 255)).astype(np.uint8))
    if FILES[file] == ".png":
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=QUALITIES[file], subsampling=JPEG_SUBSAMPLING)
    return stream.getvalue()
