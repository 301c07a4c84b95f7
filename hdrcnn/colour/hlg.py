"""Hybrid log-gamma (HLG): Rec. ITU-R BT.2100, table 5. NumPy, in the precision of the input.

Codes and scene light are in [0, 1]; display light is in cd/m^2. Light is linear BT.2020.
"""

import math

import numpy as np

A = 0.17883277
B = 1.0 - 4.0 * A
C = 0.5 - A * math.log(4.0 * A)
REC2020_LUMINANCE = (0.2627, 0.6780, 0.0593)
PEAK = 1000.0
"""Default peak luminance of the display, cd/m^2."""


def hlg_encode(scene: np.ndarray) -> np.ndarray:
    """HLG OETF: scene light of any shape, clipped to [0, 1], to codes."""
    scene = np.clip(scene, 0.0, 1.0)
    logarithmic = A * np.log(np.maximum(12.0 * scene - B, 1e-6)) + C
    return np.asarray(np.where(scene <= 1.0 / 12.0, np.sqrt(3.0 * scene), logarithmic), scene.dtype)


def hlg_decode(code: np.ndarray) -> np.ndarray:
    """Inverse of `hlg_encode`: codes, clipped to [0, 1], to scene light."""
    code = np.clip(code, 0.0, 1.0)
    exponential = (np.exp((code - C) / A) + B) / 12.0
    return np.asarray(np.where(code <= 0.5, np.square(code) / 3.0, exponential), code.dtype)


def system_gamma(peak: float = PEAK) -> float:
    """System gamma of a display with that peak luminance in cd/m^2: 1.2 at 1000 (note 5f)."""
    return 1.2 + 0.42 * math.log10(peak / 1000.0)


def luminance(colours: np.ndarray) -> np.ndarray:
    """[..., 3] BT.2020 to [...]: luminance of linear light, luma of codes."""
    return np.asarray(colours @ np.array(REC2020_LUMINANCE, colours.dtype))


def display_light(scene: np.ndarray, peak: float = PEAK) -> np.ndarray:
    """HLG OOTF: [..., 3] scene light in [0, 1] to display light in cd/m^2; chromaticities are kept.

    peak: peak luminance of the display, cd/m^2.
    """
    exponent = system_gamma(peak) - 1.0
    scale = np.maximum(luminance(scene)[..., None], np.finfo(scene.dtype).tiny) ** exponent
    return np.asarray(peak * scale * scene, scene.dtype)


def scene_light(light: np.ndarray, peak: float = PEAK) -> np.ndarray:
    """Inverse of `display_light`: cd/m^2 to scene light in [0, 1], above 1 for light above the
    peak.
    """
    gamma = system_gamma(peak)
    relative = np.maximum(luminance(light)[..., None] / peak, np.finfo(light.dtype).tiny)
    return np.asarray(light / peak * relative ** ((1.0 - gamma) / gamma), light.dtype)


def hlg_codes(light: np.ndarray, peak: float = PEAK) -> np.ndarray:
    """[..., 3] display light in cd/m^2 to HLG codes in [0, 1]."""
    return hlg_encode(scene_light(light, peak))


def hlg_display(code: np.ndarray, peak: float = PEAK) -> np.ndarray:
    """Inverse of `hlg_codes`: HLG codes to display light in cd/m^2."""
    return display_light(hlg_decode(code), peak)
