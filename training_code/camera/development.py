"""Development: white balance and colour jitter of the light, then camera curve and 8 bits.

The functions work on NumPy arrays [H, W, 3] and, with `xp=keras.ops`, on batches [N, H, W, 3] with
settings that broadcast, [N, 1, 1, 1].
"""

import dataclasses
from types import ModuleType
from typing import NamedTuple

import numpy as np

from hdrcnn.colour.transfer import MEAN_CURVE_N, MEAN_CURVE_S, Array, camera_curve, srgb_encode
from training_code.camera.settings import check_number, check_range

CURVES = ("published", "srgb", "srgb_style")
"""Camera curves: (1 + s) H^n / (H^n + s), Eilertsen et al. 2017, Eq. 7; sRGB, IEC 61966-2-1; sRGB
followed by an S-shaped picture style."""

CURVE_N_LIMITS = (0.2, 2.5)
CURVE_S_LIMITS = (0.01, 5.0)
"""Limits that drawn parameters of the published curve are clipped to. The published distribution
allows s = 0, where the curve is undefined."""

STYLE_STRENGTH = 0.5
"""Default share of the S curve in a picture style; at 0.5 it raises mid-tone contrast by a
quarter."""


class Look(NamedTuple):
    """The fields of `Settings` drawn by `Development`."""

    white_balance: tuple[float, float, float]
    hue: float
    saturation: float
    curve: int
    n: float
    s: float
    strength: float
    jpeg_quality: int
    subsampled: bool


@dataclasses.dataclass(frozen=True)
class Development:
    """Distribution of development settings. The defaults are published."""

    white_balance_sd: float = 0.0
    """Standard deviation of the gains of red and of blue, stops; green is kept. The gains are
    applied after the exposure: gains above 1 clip more samples than the exposure intended."""
    hue_sd: float = 7.0
    """Standard deviation of the hue shift, degrees."""
    saturation_sd: float = 0.1
    """Standard deviation of the amount added to the saturation."""
    curves: tuple[float, float, float] = (1.0, 0.0, 0.0)
    """Shares of the pictures with each of `CURVES`; their sum is 1."""
    curve_n: tuple[float, float] = (MEAN_CURVE_N, 0.1)
    """Exponent n of the published curve: mean and standard deviation of a normal distribution,
    clipped to `CURVE_N_LIMITS`."""
    curve_s: tuple[float, float] = (MEAN_CURVE_S, 0.1)
    """Shoulder s of the published curve: mean and standard deviation of a normal distribution,
    clipped to `CURVE_S_LIMITS`."""
    style_strength: tuple[float, float] = (0.25, 0.75)
    """Range of the strength of the picture style of `srgb_style`, uniform."""
    jpeg: tuple[float, float] | None = None
    """Range of JPEG qualities, uniform over the whole numbers; 30 to 100 in the published variant.
    None: no JPEG."""
    jpeg_subsampled: float = 1.0
    """Share of the JPEG pictures with chroma at half size (4:2:0); the others are 4:4:4."""

    def __post_init__(self) -> None:
        check_number("white_balance_sd", self.white_balance_sd, 0.0, 4.0)
        check_number("hue_sd", self.hue_sd, 0.0, 180.0)
        check_number("saturation_sd", self.saturation_sd, 0.0, 1.0)
        shares = self.curves
        if (
            not isinstance(shares, tuple | list)
            or len(shares) != len(CURVES)
            or min(shares) < 0
            or abs(sum(shares) - 1.0) > 1e-6
        ):
            raise ValueError(f"curves {shares}: shares of {', '.join(CURVES)}, with a sum of 1")
        for name, limits in (("curve_n", CURVE_N_LIMITS), ("curve_s", CURVE_S_LIMITS)):
            value = getattr(self, name)
            if not isinstance(value, tuple | list) or len(value) != 2:
                raise ValueError(f"{name} {value}: a mean and a standard deviation are needed")
            check_number(f"mean of {name}", value[0], *limits)
            check_number(f"standard deviation of {name}", value[1], 0.0, 2.0)
        check_range("style_strength", self.style_strength, 0.0, 0.99)
        if self.jpeg is not None:
            check_range("jpeg", self.jpeg, 1, 100)
        check_number("jpeg_subsampled", self.jpeg_subsampled, 0.0, 1.0)

    def draw(self, rng: np.random.Generator) -> Look:
        """The settings of one photograph.

        Always draws the same number of random numbers in the same order, so that turning JPEG on,
        for example, does not change the curves.
        """
        red, blue, hue, saturation, n, s = (float(x) for x in rng.standard_normal(6))
        which, strength, quality, chroma = (float(x) for x in rng.random(4))
        curve = int(np.searchsorted(np.cumsum(self.curves[:-1]), which, side="right"))
        low, high = self.style_strength
        return Look(
            (2.0 ** (self.white_balance_sd * red), 1.0, 2.0 ** (self.white_balance_sd * blue)),
            self.hue_sd * hue,
            self.saturation_sd * saturation,
            curve,
            float(np.clip(self.curve_n[0] + self.curve_n[1] * n, *CURVE_N_LIMITS)),
            float(np.clip(self.curve_s[0] + self.curve_s[1] * s, *CURVE_S_LIMITS)),
            low + (high - low) * strength if CURVES[curve] == "srgb_style" else 0.0,
            0 if self.jpeg is None else whole_number(self.jpeg, quality),
            chroma < self.jpeg_subsampled,
        )


def whole_number(limits: tuple[float, float], share: float) -> int:
    """Map `share` in [0, 1) to a whole number in [low, high], each covering an equal interval."""
    low, high = (round(limit) for limit in limits)
    return low + int(share * (high - low + 1))


def white_balance(linear: Array, gains: Array, xp: ModuleType = np) -> Array:
    """Change the colour of the light: linear [..., 3] times gains, [3] or [N, 1, 1, 3].

    A plain product per channel, undone by the inverse gains.
    """
    return xp.multiply(linear, gains)


def jitter_colour(linear: Array, hue: Array, saturation: Array, xp: ModuleType = np) -> Array:
    """Rotate the hue by `hue` degrees and add `saturation`, in HSV of the square root of light.

    linear: [..., 3] float32, >= 0, in any unit. The largest value of a pixel is kept; neutral
    pixels stay neutral. hue, saturation: Python numbers, or arrays that broadcast against [..., 1].
    """
    red, green, blue = (xp.sqrt(linear[..., i : i + 1]) for i in range(3))
    value = xp.maximum(xp.maximum(red, green), blue)
    chroma = value - xp.minimum(xp.minimum(red, green), blue)
    # Hue angle in turns, red at 0. For neutral pixels all differences are 0, and so is the angle.
    scale = (1.0 / 6.0) / xp.maximum(chroma, 1e-30)
    angle = xp.where(
        value == red,
        (green - blue) * scale,
        xp.where(
            value == green,
            (blue - red) * scale + 1.0 / 3.0,
            (red - green) * scale + 2.0 / 3.0,
        ),
    )
    angle = angle + hue / 360.0
    # Saturation is chroma / value; it stays in [0, 1].
    shifted = xp.minimum(xp.maximum(chroma + saturation * value, 0.0), value)
    chroma = xp.where(chroma > 0, shifted, 0.0)
    channels = []
    for offset in (5.0 / 6.0, 0.5, 1.0 / 6.0):
        turn = angle + offset
        k = 6.0 * (turn - xp.floor(turn))
        share = xp.minimum(xp.maximum(xp.minimum(k, 4.0 - k), 0.0), 1.0)
        channels.append(xp.square(value - chroma * share))
    return xp.concatenate(channels, axis=-1)


def picture_style(code: Array, strength: Array = STYLE_STRENGTH) -> Array:
    """Apply an S curve, (1 - a) c + a (3 c^2 - 2 c^3), which adds contrast to the mid-tones.

    code: any shape, in [0, 1]; strength a in [0, 1). The curve rises strictly and keeps 0, 1/2 and
    1; its slope is 1 + a/2 in the middle and 1 - a at the ends. A generic S curve (the cubic
    Hermite step), not that of any camera maker.
    """
    return (1.0 - strength) * code + strength * (3.0 - 2.0 * code) * code * code


def apply_curve(
    linear: Array, curve: Array, n: Array, s: Array, strength: Array, xp: ModuleType = np
) -> Array:
    """Clip and apply the camera curve: codes in [0, 1] of the same shape, not rounded.

    linear: any shape, >= 0, 1.0 = clipping level. curve: index into `CURVES`; n, s: parameters of
    the published curve; strength: of the picture style, 0 for plain sRGB. If `curve` is a Python
    int, only that curve is computed; if it is an array, both the published curve and styled sRGB
    are computed and selected for each picture.
    """
    light = xp.clip(linear, 0.0, 1.0)
    if isinstance(curve, int):
        return (
            camera_curve(light, n, s, xp)
            if CURVES[curve] == "published"
            else picture_style(srgb_encode(light, xp), strength)
        )
    styled = picture_style(srgb_encode(light, xp), strength)
    is_published = xp.equal(curve, CURVES.index("published"))
    return xp.where(is_published, camera_curve(light, n, s, xp), styled)


def curve_codes(
    linear: Array, curve: Array, n: Array, s: Array, strength: Array, xp: ModuleType = np
) -> Array:
    """`apply_curve`, rounded to 8 bits: whole float32 codes in 0..255 of the same shape."""
    return xp.round(apply_curve(linear, curve, n, s, strength, xp) * 255.0)


def develop(
    linear: np.ndarray,
    n: float = MEAN_CURVE_N,
    s: float = MEAN_CURVE_S,
    curve: int = CURVES.index("published"),
    strength: float = 0.0,
) -> np.ndarray:
    """Clip, apply the camera curve, round to 8 bits: `curve_codes` as uint8 of the same shape."""
    return curve_codes(linear, curve, n, s, strength).astype(np.uint8)
