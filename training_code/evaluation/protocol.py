"""The protocol of the evaluation: fixed views of scenes under a fixed virtual camera.

Every method sees the same photographs. What is random is drawn from a seed made of a name
(SHA-256), so that a view is the same on every machine and in every folder.

A photograph is taken as exposure, sensor noise, camera curve, 8 bits, file. A condition names
what varies: the share of clipped samples, the file format and the curve:

    published    (1 + s) H^n / (H^n + s), n ~ N(0.9, 0.1), s ~ N(0.6, 0.1), drawn for each view:
                 Eilertsen et al. 2017, Eq. 7
    srgb         IEC 61966-2-1
    srgb_style   sRGB, then an S-shaped picture style: `picture_style`

Nothing else differs between conditions: noise and, where it is used, the drawn curve are those
of the view. Truth is what reached the sensor before its noise.
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
"""File formats and their endings; `white240` is a PNG whose whites end at code `WHITE`, as after
a highlight roll-off."""

WHITE = 240

QUALITIES = {"jpeg80": 80, "jpeg95": 95}
"""Of JPEG: as the web has it, and as cameras store it."""
JPEG_SUBSAMPLING = "4:2:0"
"""Chroma at half size in both directions, as nearly all cameras and programs store it."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What is the same for every scene and condition. Sizes in pixels, angles in degrees."""

    longest_side: int = 768
    """Photographs are reduced to it, never enlarged."""
    view_width: int = 768
    view_height: int = 512
    """Of a view into a panorama."""
    fov: float = 75.0
    """Horizontal field of view of such a view."""
    yaw_offset: float = 15.0
    """Largest angle beside the brightest column, and beside its opposite; uniform."""
    pitch: float = 10.0
    """Largest angle above or below the horizon; uniform."""
    noise_sd: float = 0.002
    """Standard deviation of the sensor noise, in units of the clipping level: a fifth of the most
    that training uses, about half a code in the mid-tones."""
    min_saturated: float = 0.005
    """Photographs with a smaller share of saturated pixels (largest code above 0.95) are left
    out: there is nothing to reconstruct. Exposures that clip 3 % of the samples always have
    more."""

    @property
    def views(self) -> "FixedViews":
        """By which panoramas are reduced when they are read; those 1024 pixels wide are not."""
        return FixedViews(fov=(self.fov, self.fov), width=self.view_width)


@dataclasses.dataclass(frozen=True)
class FixedViews(Views):
    """How scenes are looked at, for `load_scenes`: what panoramas may be reduced by.

    A view samples a panorama at points, one for each of its pixels: where that has many more, small
    lamps would be hit or missed. Photographs are reduced as they are looked at.
    """

    width: int = 768
    """Of the views, in pixels."""

    @property
    def sparing(self) -> tuple[float, ...]:
        return *super().sparing, self.width

    def spare(self, rows: int, columns: int, size: int) -> int:
        return super().spare(rows, columns, self.width) if columns == 2 * rows else 1


@dataclasses.dataclass(frozen=True)
class Condition:
    """One way of taking and storing the photographs."""

    clipped: float = 0.05
    """Share of the samples (R, G and B values) at or above the clipping level."""
    file: str = "png"
    """One of `FILES`."""
    curve: str = "published"
    """One of `CURVES`."""

    @property
    def exposure(self) -> str:
        """The part of the name that decides the truth, such as `clip05`."""
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
"""The base and one factor varied at a time."""

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
"""Every combination, the base first."""


@dataclasses.dataclass(frozen=True)
class View:
    """A scene as seen from one fixed place: [H, W, 3] float32, linear, any unit."""

    name: str
    linear: np.ndarray


def generator(purpose: str, name: str) -> np.random.Generator:
    """Random numbers that depend on the two texts and on nothing else."""
    text = f"{purpose}:{name}".encode(errors="surrogateescape")  # File names need not be UTF-8.
    digest = hashlib.sha256(text).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def scene_stem(scene: Scene) -> str:
    """The scene's name without folder and ending: the same wherever the file lies."""
    return scene.name.rsplit("/", 1)[-1].removesuffix(".exr")


def brightest_yaw(panorama: np.ndarray, half_height: float) -> float:
    """Direction of the brightest column of [H, W, 3]: degrees to the right of the centre.

    A column is as bright as its luminance averaged over latitudes within `half_height` degrees
    of the horizon, which is what a level view sees, weighted by solid angle.
    """
    rows, columns = panorama.shape[:2]
    latitude = (0.5 - (np.arange(rows) + 0.5) / rows) * np.pi
    weight = np.where(np.abs(latitude) <= np.radians(half_height), np.cos(latitude), 0.0)
    light = luminance(panorama.astype(np.float64))[..., 0]
    column = int(np.argmax(weight @ light))
    return ((column + 0.5) / columns - 0.5) * 360.0


def fixed_views(scene: Scene, protocol: Protocol) -> list[View]:
    """A photograph whole; a panorama towards its brightest column, and away from it."""
    stem = scene_stem(scene)
    if not scene.is_panorama:
        rows, columns = scene.pixels.shape[:2]
        shrink = min(1.0, protocol.longest_side / max(rows, columns))
        height, width = max(1, round(rows * shrink)), max(1, round(columns * shrink))
        return [View(stem, resized_crop(scene.pixels, 0, 0, rows, columns, height, width))]
    rng = generator("view", stem)
    height, width = protocol.view_height, protocol.view_width
    half_width = np.tan(np.radians(protocol.fov / 2))
    half_height = np.degrees(np.arctan(half_width * height / width))
    towards = brightest_yaw(scene.pixels, float(half_height))
    views = []
    for ending, direction in (("bright", towards), ("away", towards + 180.0)):
        yaw = direction + rng.uniform(-protocol.yaw_offset, protocol.yaw_offset)
        pitch = rng.uniform(-protocol.pitch, protocol.pitch)
        linear = perspective_view(scene.pixels, yaw, pitch, protocol.fov, height, width)
        views.append(View(f"{stem}-{ending}", linear))
    return views


def exposed_truth(view: View, condition: Condition, known: np.ndarray | None = None) -> np.ndarray:
    """The view in units of the clipping level, [H, W, 3] float32.

    known: [H, W, 1] bool, the pixels of which the condition's share is clipped; without it all.

    Rounded to half floats, as in the file: the figures can be worked out again from the files.
    Raises ValueError if the view is too black to be exposed.
    """
    if known is None or known.all():
        exposed = expose(view.linear, 1.0 - condition.clipped)
    else:
        exposed = view.linear * exposure_gain(view.linear[known[..., 0]], 1.0 - condition.clipped)
    return np.minimum(exposed, np.finfo(np.float16).max).astype(np.float16).astype(np.float32)


def photograph(
    view: str, truth: np.ndarray, condition: Condition, protocol: Protocol
) -> np.ndarray:
    """What the camera stores of `exposed_truth`: uint8 codes [H, W, 3], before the file."""
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
    """uint8 [H, W, 3] as the bytes of a file of one of `FILES`, by Pillow's encoders."""
    stream = io.BytesIO()
    image = Image.fromarray(codes)
    if file == "white240":
        image = Image.fromarray(np.round(codes * np.float32(WHITE / 255)).astype(np.uint8))
    if FILES[file] == ".png":
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=QUALITIES[file], subsampling=JPEG_SUBSAMPLING)
    return stream.getvalue()
