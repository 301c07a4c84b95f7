"""SDR to HDR conversion by formula, and back: Report ITU-R BT.2446-1, methods A and C.

SDR is linear BT.2020 with 1.0 = SDR white, 100 cd/m^2 (`sdr.sdr_linear`); HDR is linear BT.2020 in
cd/m^2, up to 1000. Arrays are NumPy, [..., 3], in the precision of the input; the curve of method C
also accepts tensors with `xp=keras.ops`.
"""

import math
from types import ModuleType
from typing import Any

import numpy as np

from hdrcnn.colour.hlg import REC2020_LUMINANCE, luminance as luma_of
from hdrcnn.colour.sdr import GAMMA, WHITE

PEAK = 1000.0
"""Peak luminance of HDR, cd/m^2."""
KNEE = 58.535
"""SDR luminance in cd/m^2 at which the curve of method C changes from linear to exponential
(5.1.4)."""
K1, K2, K3, K4 = 0.83802, 15.09968, 0.74204, 78.99439
CROSSTALK = 1.0 / 3.0
"""Largest crosstalk of method C, which replaces R, G and B by their mean."""


def a_to_hdr(linear: np.ndarray) -> np.ndarray:
    """Method A, SDR to HDR (4.2, table 4): [..., 3] linear BT.2020 in [0, 1] to cd/m^2."""
    code = np.power(np.clip(linear, 0.0, 1.0), 1.0 / GAMMA)
    luma = luma_of(code)
    c = 255.0 * luma
    low = (1.8712e-5 * c - 2.7334e-3) * c + 1.3141
    high = (2.8305e-6 * c - 7.4622e-4) * c + 1.2528
    expanded = np.power(c, np.where(c <= 70.0, low, high))
    scale = 1.075 * expanded / np.maximum(luma, 1e-6)
    blue = scale * (code[..., 2] - luma) / 1.8814
    red = scale * (code[..., 0] - luma) / 1.4746
    hdr = np.stack(
        [
            expanded + 1.4746 * red,
            expanded - 0.16455 * blue - 0.57135 * red,
            expanded + 1.8814 * blue,
        ],
        axis=-1,
    )
    return np.asarray(PEAK * np.power(np.clip(hdr / PEAK, 0.0, 1.0), GAMMA), linear.dtype)


def _steepness(peak: float) -> float:
    return 1.0 + 32.0 * (peak / 10000.0) ** (1.0 / GAMMA)


def a_to_sdr(light: np.ndarray) -> np.ndarray:
    """Method A, HDR to SDR (4.1, table 3): [..., 3] cd/m^2, clipped to [0, 1000], to linear
    BT.2020 in [0, 1]. `a_to_hdr` approximates the inverse of it.
    """
    code = np.power(np.clip(light / PEAK, 0.0, 1.0), 1.0 / GAMMA)
    luma = luma_of(code)
    hdr, sdr = _steepness(PEAK), _steepness(WHITE)
    p = np.log(1.0 + (hdr - 1.0) * luma) / math.log(hdr)
    bent = (-1.1510 * p + 2.7811) * p - 0.6302
    c = np.where(p <= 0.7399, 1.0770 * p, np.where(p < 0.9909, bent, 0.5 * p + 0.5))
    mapped = (np.power(sdr, c) - 1.0) / (sdr - 1.0)
    scale = mapped / (1.1 * np.maximum(luma, 1e-6))
    blue = scale * (code[..., 2] - luma) / 1.8814
    red = scale * (code[..., 0] - luma) / 1.4746
    mapped = mapped - np.maximum(0.1 * red, 0.0)
    out = np.stack(
        [mapped + 1.4746 * red, mapped - 0.16455 * blue - 0.57135 * red, mapped + 1.8814 * blue],
        axis=-1,
    )
    return np.asarray(np.power(np.clip(out, 0.0, 1.0), GAMMA), light.dtype)


def c_curve(luminance: Any, xp: ModuleType = np) -> Any:
    """Curve of method C, SDR to HDR (6.1): SDR luminance in cd/m^2, any shape, to HDR luminance in
    cd/m^2.
    """
    knee = KNEE / K1
    above = knee * (xp.exp((xp.maximum(luminance, KNEE) - K4) / K2) + K3)
    return xp.where(luminance < KNEE, luminance / K1, above)


def c_inverse_curve(luminance: np.ndarray) -> np.ndarray:
    """Curve of method C, HDR to SDR (5.1.4): the inverse of `c_curve`."""
    knee = KNEE / K1
    above = K2 * np.log(np.maximum(luminance, knee) / knee - K3) + K4
    return np.asarray(np.where(luminance < knee, luminance * K1, above))


def mixed_luminance(colours: Any, crosstalk: Any) -> Any:
    """Luminance after the crosstalk matrix of method C (5.1.2): linear BT.2020 [..., 3] to
    [..., 1].

    crosstalk: alpha in [0, 1/3]; a number or an array that broadcasts with [..., 1]. The curve
    scales each pixel by one factor, which commutes with the matrix; the matrix before the curve and
    its inverse after it therefore cancel, except in this luminance.
    """
    red, green, blue = REC2020_LUMINANCE
    r, g, b = colours[..., 0:1], colours[..., 1:2], colours[..., 2:3]
    return (1.0 - 3.0 * crosstalk) * (red * r + green * g + blue * b) + crosstalk * (r + g + b)


def c_to_hdr(linear: np.ndarray, crosstalk: float = 0.0) -> np.ndarray:
    """Method C, SDR to HDR: [..., 3] linear BT.2020 in [0, 1] to cd/m^2; keeps chromaticities."""
    light = WHITE * np.asarray(linear)
    luminance = np.maximum(mixed_luminance(light, crosstalk), 1e-6)
    return np.asarray(light * (c_curve(luminance) / luminance), linear.dtype)


def c_to_sdr(light: np.ndarray, crosstalk: float = 0.0) -> np.ndarray:
    """Method C, HDR to SDR: [..., 3] cd/m^2 to linear BT.2020, 1.0 = SDR white; the brightest light
    exceeds 1.0. Without the optional chroma correction of the report (5.1.5).
    """
    luminance = np.maximum(mixed_luminance(light, crosstalk), 1e-6)
    factor = c_inverse_curve(luminance) / luminance / WHITE
    return np.asarray(light * factor, light.dtype)
