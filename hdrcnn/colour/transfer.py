"""Between the codes of a picture and light: camera curves, sRGB, the log domain.

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
"""Added before the logarithm (Eilertsen et al. 2017, Eq. 3): one 8-bit code of light."""

MEAN_CURVE_N = 0.9
MEAN_CURVE_S = 0.6
"""The mean camera curve of Eilertsen et al. 2017, Eq. 7: a fit to the collected curves of
Grossberg and Nayar 2003."""

LUMINANCE_WEIGHTS = (0.212656, 0.715158, 0.072186)
"""Rec. 709 luminance of linear R, G, B."""


def camera_curve(
    linear: Array, n: float = MEAN_CURVE_N, s: float = MEAN_CURVE_S, xp: ModuleType = np
) -> Array:
    """What the camera stores for light: (1 + s) H^n / (H^n + s), Eilertsen et al. 2017, Eq. 7.

    linear: any shape, in [0, 1]. Returns codes in [0, 1]; 0 and 1 stay where they are.
    """
    powered = xp.power(linear, n)
    return (1.0 + s) * powered / (powered + s)


def inverse_camera_curve(
    code: Array, n: float = MEAN_CURVE_N, s: float = MEAN_CURVE_S, xp: ModuleType = np
) -> Array:
    """The light behind a code in [0, 1] of `camera_curve`: (s L / (1 + s - L))^(1/n)."""
    return xp.power(s * code / (1.0 + s - code), 1.0 / n)


def srgb_encode(linear: Array, xp: ModuleType = np) -> Array:
    """Linear in [0, 1] to sRGB codes in [0, 1] (IEC 61966-2-1)."""
    # The power's branch is evaluated everywhere: keep it away from 0, where its slope is infinite.
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
"""By name, as stored in a weights file: codes in [0, 1] to linear in [0, 1]."""

ENCODINGS: dict[str, Callable[..., Array]] = {
    "square": lambda linear, xp=np: xp.sqrt(linear),
    "srgb": srgb_encode,
    "mean_curve": camera_curve,
}
"""Their inverses: linear in [0, 1] to codes in [0, 1]."""

ESTIMATED = "estimated"
"""In the place of such a name: the curve of each picture, by `predict.camera_curve`."""

DEFAULT_CURVE = "srgb"
"""How codes become light if neither curve nor weights are named: as every other program reads
them. Figures: training_code/EXPERIMENTS.md, "Estimating the camera curve".
"""


@dataclasses.dataclass(frozen=True)
class CameraCurve:
    """A curve of the published family, Eilertsen et al. 2017, Eq. 7; `predict.camera_curve` finds
    that of a picture.
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
    """Codes in [0, 1] to linear in [0, 1] by one of `LINEARISATIONS`, or by a curve of its own.

    Raises ValueError for a name that is not one of them.
    """
    if isinstance(linearisation, CameraCurve):
        return linearisation.linearise(code, xp)
    if linearisation not in LINEARISATIONS:
        raise ValueError(
            f"unknown linearisation {linearisation!r}; known: {', '.join(LINEARISATIONS)}"
        )
    return LINEARISATIONS[linearisation](code, xp=xp)


def encode(linear: Array, linearisation: str | CameraCurve, xp: ModuleType = np) -> Array:
    """Linear in [0, 1] to codes in [0, 1]: the inverse of `linearise`, which raises likewise."""
    if isinstance(linearisation, CameraCurve):
        return linearisation.encode(linear, xp)
    if linearisation not in ENCODINGS:
        raise ValueError(f"unknown linearisation {linearisation!r}; known: {', '.join(ENCODINGS)}")
    return ENCODINGS[linearisation](linear, xp=xp)


def log_encode(linear: Array, xp: ModuleType = np) -> Array:
    """Linear >= 0 to the network's domain y = log(H + 1/255), natural logarithm."""
    return xp.log(linear + LOG_OFFSET)


def log_decode(log_hdr: Array, xp: ModuleType = np) -> Array:
    """The network's y back to linear H = exp(y) - 1/255; y below log(1/255) gives H < 0."""
    return xp.exp(log_hdr) - LOG_OFFSET


def luminance(linear: Array, xp: ModuleType = np) -> Array:
    """Rec. 709 luminance: [..., 3] linear to [..., 1], same unit."""
    red, green, blue = LUMINANCE_WEIGHTS
    return red * linear[..., 0:1] + green * linear[..., 1:2] + blue * linear[..., 2:3]


def to_display(hdr: np.ndarray, stops: float) -> np.ndarray:
    """Linear [H, W, 3], Rec. 709, to uint8 sRGB codes at an exposure of `stops`.

    At 0 stops 1.0 becomes white; at -3 stops white is 8.0, so that highlights can be compared.
    """
    shown = np.clip(hdr * np.float32(2.0**stops), 0.0, 1.0)
    return np.round(srgb_encode(shown) * 255.0).astype(np.uint8)
