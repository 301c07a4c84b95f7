"""Conversion between codes and linear light: camera curves, sRGB, the log domain.

Pure functions, one formula each. They work on NumPy arrays by default and on tensors with
`xp=keras.ops`. Codes (display-encoded) and linear values are relative: 1.0 is the clipping
level of the photograph.
"""

import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

# A NumPy array or a tensor of the Keras backend: the two share no useful common type.
Array = Any

LOG_OFFSET = 1.0 / 255.0
"""Offset added before the logarithm (Eilertsen et al. 2017, Eq. 3): 1/255 of the clipping level."""

MEAN_CURVE_N = 0.9
MEAN_CURVE_S = 0.6
"""Parameters n and s of the mean camera curve (Eilertsen et al. 2017, Eq. 7), fitted to the curves
collected by Grossberg and Nayar 2003."""

LUMINANCE_WEIGHTS = (0.212656, 0.715158, 0.072186)
"""Weights of linear R, G, B in Rec. 709 luminance."""


def camera_curve(
    linear: Array, n: float = MEAN_CURVE_N, s: float = MEAN_CURVE_S, xp: ModuleType = np
) -> Array:
    """Camera curve (1 + s) H^n / (H^n + s), from linear light H to codes (Eilertsen et al. 2017,
    Eq. 7).

    linear: any shape, in [0, 1]. Returns codes in [0, 1]; 0 maps to 0 and 1 to 1.
    """
    powered = xp.power(linear, n)
    return (1.0 + s) * powered / (powered + s)


def inverse_camera_curve(
    code: Array, n: float = MEAN_CURVE_N, s: float = MEAN_CURVE_S, xp: ModuleType = np
) -> Array:
    """Inverse of `camera_curve`, from codes L in [0, 1] to linear light:
    (s L / (1 + s - L))^(1/n).
    """
    return xp.power(s * code / (1.0 + s - code), 1.0 / n)


def srgb_encode(linear: Array, xp: ModuleType = np) -> Array:
    """Linear in [0, 1] to sRGB codes in [0, 1] (IEC 61966-2-1)."""
    # Both branches are evaluated everywhere: the power has an infinite gradient at 0.
    safe = xp.maximum(linear, 0.0031308)
    return xp.where(linear <= 0.0031308, 12.92 * linear, 1.055 * xp.power(safe, 1.0 / 2.4) - 0.055)


def srgb_decode(code: Array, xp: ModuleType = np) -> Array:
    """sRGB codes in [0, 1] to linear in [0, 1] (IEC 61966-2-1)."""
    return xp.where(
        code <= 0.04045,
        code / 12.92,
        xp.power((xp.maximum(code, 0.04045) + 0.055) / 1.055, 2.4),
    )


def square(code: Array, xp: ModuleType = np) -> Array:
    """The published linearisation: x^2."""
    return xp.square(code)


LINEARISATIONS: dict[str, Callable[..., Array]] = {
    "square": square,
    "srgb": srgb_decode,
    "mean_curve": inverse_camera_curve,
}
"""Functions from codes in [0, 1] to linear in [0, 1], by the name stored in a weights file."""

ENCODINGS: dict[str, Callable[..., Array]] = {
    "square": lambda linear, xp=np: xp.sqrt(linear),
    "srgb": srgb_encode,
    "mean_curve": camera_curve,
}
"""Inverses of `LINEARISATIONS`: linear in [0, 1] to codes in [0, 1]."""

ESTIMATED = "estimated"
"""Value used instead of a name to have `predict.camera_curve` estimate the curve of each image."""

DEFAULT_CURVE = "srgb"
"""Linearisation if neither a curve nor weights are given: the one every other program assumes.
Figures: training_code/EXPERIMENTS.md, "Estimating the camera curve".
"""


@dataclasses.dataclass(frozen=True)
class CameraCurve:
    """Camera curve of the published family (Eilertsen et al. 2017, Eq. 7); `predict.camera_curve`
    estimates that of an image.
    """

    n: float
    s: float

    def linearise(self, code: Array, xp: ModuleType = np) -> Array:
        """Codes in [0, 1] to linear in [0, 1]: `inverse_camera_curve`."""
        return inverse_camera_curve(code, self.n, self.s, xp)

    def encode(self, linear: Array, xp: ModuleType = np) -> Array:
        """Linear in [0, 1] to codes in [0, 1]: `camera_curve`."""
        return camera_curve(linear, self.n, self.s, xp)


def linearise(code: Array, linearisation: str | CameraCurve, xp: ModuleType = np) -> Array:
    """Codes in [0, 1] to linear in [0, 1] by one of `LINEARISATIONS`, or by a `CameraCurve`.

    Raises ValueError for an unknown name.
    """
    if isinstance(linearisation, CameraCurve):
        return linearisation.linearise(code, xp)
    if linearisation not in LINEARISATIONS:
        raise ValueError(
            f"unknown linearisation {linearisation!r}; known: {', '.join(LINEARISATIONS)}"
        )
    return LINEARISATIONS[linearisation](code, xp=xp)


def encode(linear: Array, linearisation: str | CameraCurve, xp: ModuleType = np) -> Array:
    """Linear in [0, 1] to codes in [0, 1]: the inverse of `linearise`.

    Raises ValueError for an unknown name.
    """
    if isinstance(linearisation, CameraCurve):
        return linearisation.encode(linear, xp)
    if linearisation not in ENCODINGS:
        raise ValueError(f"unknown linearisation {linearisation!r}; known: {', '.join(ENCODINGS)}")
    return ENCODINGS[linearisation](linear, xp=xp)


def log_encode(linear: Array, xp: ModuleType = np) -> Array:
    """Linear H >= 0 to the log domain of the network: y = log(H + 1/255), natural logarithm."""
    return xp.log(linear + LOG_OFFSET)


def log_decode(log_hdr: Array, xp: ModuleType = np) -> Array:
    """Inverse of `log_encode`: H = exp(y) - 1/255, which is negative for y < log(1/255)."""
    return xp.exp(log_hdr) - LOG_OFFSET


def luminance(linear: Array, xp: ModuleType = np) -> Array:
    """Rec. 709 luminance: [..., 3] linear to [..., 1] in the same unit."""
    red, green, blue = LUMINANCE_WEIGHTS
    return red * linear[..., 0:1] + green * linear[..., 1:2] + blue * linear[..., 2:3]


def to_display(hdr: np.ndarray, stops: float) -> np.ndarray:
    """Linear Rec. 709 [H, W, 3] to uint8 sRGB codes at an exposure of `stops`.

    At 0 stops 1.0 becomes white; at -3 stops 8.0 does, so that highlights can be compared.
    """
    shown = np.clip(hdr * np.float32(2.0**stops), 0.0, 1.0)
    return np.round(srgb_encode(shown) * 255.0).astype(np.uint8)
