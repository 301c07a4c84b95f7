"""Colours of lamps and of the sun, from their spectra."""

import numpy as np

from data.scenes.vectors import Array
from hdrcnn.colour.transfer import LUMINANCE_WEIGHTS

WAVELENGTHS = np.arange(380.0, 781.0, 5.0)
"""nm; the spacing of all spectra here."""

XYZ_TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
"""CIE XYZ to linear Rec. 709, D65 white."""

LUMENS_PER_WATT = 683.0


def colour_matching() -> Array:
    """The CIE 1931 functions on `WAVELENGTHS`, [3, K]: the fit of Wyman et al. 2013 (JCGT)."""

    def lobe(height: float, centre: float, below: float, above: float) -> Array:
        width = np.where(centre > WAVELENGTHS, below, above)
        return height * np.exp(-0.5 * ((WAVELENGTHS - centre) / width) ** 2)

    x = lobe(1.056, 599.8, 37.9, 31.0) + lobe(0.362, 442.0, 16.0, 26.7)
    x = x + lobe(-0.065, 501.1, 20.4, 26.2)
    y = lobe(0.821, 568.8, 46.9, 40.5) + lobe(0.286, 530.9, 16.3, 31.1)
    z = lobe(1.217, 437.0, 11.8, 36.0) + lobe(0.681, 459.0, 26.0, 13.8)
    return np.stack([x, y, z])


def black_body(temperature: float) -> Array:
    """Planck's law: spectral radiance in W m-2 sr-1 nm-1 on `WAVELENGTHS`, at `temperature` K."""
    metres = WAVELENGTHS * 1e-9
    first = 1.191042972e-16  # 2 h c^2, W m2 sr-1
    second = 1.438776877e-2  # h c / k, m K
    return first / metres**5 / np.expm1(second / (metres * temperature)) * 1e-9


def to_rgb(spectrum: Array) -> Array:
    """A spectral radiance on `WAVELENGTHS` as linear Rec. 709 in cd/m2, [3], >= 0.

    Colours outside the gamut are brought to its edge at their luminance.
    """
    step = WAVELENGTHS[1] - WAVELENGTHS[0]
    xyz = LUMENS_PER_WATT * step * (colour_matching() @ spectrum)
    rgb = np.maximum(XYZ_TO_RGB @ xyz, 0.0)
    return rgb * (xyz[1] / np.dot(LUMINANCE_WEIGHTS, rgb))


def lamp(luminance: float, temperature: float) -> tuple[float, float, float]:
    """A lamp of `luminance` cd/m2 with the colour of a black body at `temperature` K."""
    rgb = to_rgb(black_body(temperature))
    red, green, blue = rgb * (luminance / np.dot(LUMINANCE_WEIGHTS, rgb))
    return float(red), float(green), float(blue)
