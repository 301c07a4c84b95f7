"""Classical inverse tone mapping operators, implemented from their papers.

Pure NumPy and SciPy. Each takes the codes of a photograph, [H, W, 3] in [0, 1], display-encoded,
and returns linear light >= 0, [H, W, 3]. The operators are designed for a display and scale their
result to its peak; that is left out here, because the comparison aligns the scale anyway. They all
work on linear light; the photograph is assumed to be sRGB, because the camera curve is unknown.
The ratios between the channels of a colour are preserved. Constants were checked against the HDR
Toolbox of F. Banterle et al., a public implementation of these papers.

References:
A. O. Akyuz, R. Fleming, B. E. Riecke, E. Reinhard, H. H. Bulthoff, "Do HDR displays support LDR
    content? A psychophysical evaluation", ACM TOG 26(3), 2007.
A. O. Akyuz, E. Reinhard, "Color appearance in high-dynamic-range imaging", Journal of Electronic
    Imaging 15(3), 2006: the key of an image.
B. Masia, S. Agustin, R. W. Fleming, O. Sorkine, D. Gutierrez, "Evaluation of reverse tone
    mapping through varying exposure conditions", ACM TOG 28(5), 2009.
R. P. Kovaleski, M. M. Oliveira, "High-quality reverse tone mapping for a wide range of
    exposures", SIBGRAPI 2014.
J. Chen, S. Paris, F. Durand, "Real-time edge-aware image processing with the bilateral grid",
    ACM TOG 26(3), 2007.

"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from hdrcnn.colour.transfer import luminance, srgb_decode

MASIA_SLOPE = 10.44
MASIA_OFFSET = -6.282
"""gamma = 10.44 key - 6.282, Masia et al.'s fit to the choices of their viewers."""

ENHANCEMENT = 4.0
"""Largest brightness enhancement of Kovaleski and Oliveira."""

SPATIAL_SD = 150.0 / 1920.0
"""Spatial standard deviation of Kovaleski and Oliveira, 150 pixels for HD images (1920 wide), as a
share of the longer side."""

RANGE_SD = 25.0 / 255.0
"""Range standard deviation, in luma of [0, 1]."""

CLIPPED_CODE = 254.5 / 255.0
"""A pixel counts as clipped if one of its channels is above this, which with 8 bits means 255. The
half code keeps clear of 254, which float32 may round up."""


def _with_luminance(linear: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Scale `linear`, [H, W, 3], from luminance `old` to `new`, [H, W, 1]; black stays black."""
    return linear * np.divide(new, old, out=np.zeros_like(old), where=old > 0)


def akyuz_2007(code: np.ndarray, gamma: float = 1.0) -> np.ndarray:
    """Linear scaling of luminance: ((L - min) / (max - min))^gamma, Akyuz et al. 2007.

    gamma: viewers in the paper preferred 1. The result has luminance in [0, 1]; an image of
    constant luminance is only linearised.
    """
    linear = srgb_decode(np.asarray(code, np.float64))
    light = luminance(linear)
    low, high = light.min(), light.max()
    if low == high:
        return linear
    return _with_luminance(linear, light, ((light - low) / (high - low)) ** gamma)


def image_key(light: np.ndarray) -> float:
    """Key of an image: how bright it is within its own range, Akyuz and Reinhard 2006.

    (mean log L - min log L) / (max log L - min log L), where the 1st and 99th percentiles serve as
    minimum and maximum; about 0 for a dark image, 1 for a bright one. Invariant to powers and gains
    of L. light: luminance L, any shape; samples at 0 are ignored. An image of constant luminance
    has no key; 1/2 is returned.
    """
    logs = np.log(light[light > 0])
    if not logs.size:
        return 0.5
    low, high = np.percentile(logs, (1.0, 99.0))
    return float((logs.mean() - low) / (high - low)) if high > low else 0.5


def masia_gamma(key: float) -> float:
    """Exponent for a key: 10.44 key - 6.282, but at least 1.

    The fit was made on brighter images: for keys below 0.697 it is less than 1, which compresses,
    and below 0.602 it is negative. The lower limit of 1 is our addition.
    """
    return max(MASIA_SLOPE * key + MASIA_OFFSET, 1.0)


def masia_2009(code: np.ndarray) -> np.ndarray:
    """Gamma expansion L^gamma with the exponent from the image's key, Masia et al. 2009."""
    linear = srgb_decode(np.asarray(code, np.float64))
    light = luminance(linear)
    return _with_luminance(linear, light, light ** masia_gamma(image_key(light)))


def cross_bilateral(
    values: np.ndarray, guide: np.ndarray, spatial_sd: float, range_sd: float
) -> np.ndarray:
    """Smooth `values` within regions of similar `guide`, by a bilateral grid (Chen et al. 2007).

    values, guide: [H, W]. spatial_sd (pixels) and range_sd (units of the guide): size of a grid
    cell; the grid is blurred by a Gaussian with a standard deviation of one cell.
    Returns [H, W] within the range of `values`.
    """
    rows, columns = np.indices(guide.shape)
    place = np.stack([rows / spatial_sd, columns / spatial_sd, (guide - guide.min()) / range_sd])
    cell = np.round(place).astype(int)
    shape = tuple(int(axis.max()) + 2 for axis in cell)
    index = np.ravel_multi_index(tuple(axis.ravel() for axis in cell), shape)
    total = int(np.prod(shape))
    count = np.bincount(index, minlength=total).reshape(shape).astype(np.float64)
    summed = np.bincount(index, values.ravel(), minlength=total).reshape(shape)
    blurred = [
        map_coordinates(gaussian_filter(grid, 1.0, mode="constant"), place, order=1)
        for grid in (summed, count)
    ]
    return np.clip(blurred[0] / blurred[1], values.min(), values.max())


def kovaleski_oliveira_2014(code: np.ndarray) -> np.ndarray:
    """Linear light times a brightness enhancement of 1 to 4 around clipped areas.

    The enhancement is the map of clipped pixels, smoothed by a cross bilateral filter guided by the
    luma of the photograph. The black level of the display is left out.
    """
    code = np.asarray(code, np.float64)
    clipped = (code.max(axis=-1) > CLIPPED_CODE).astype(np.float64)
    luma = luminance(code)[..., 0]
    share = cross_bilateral(clipped, luma, SPATIAL_SD * max(luma.shape), RANGE_SD)
    return srgb_decode(code) * (1.0 + (ENHANCEMENT - 1.0) * share)[..., None]


OPERATORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Akyuz 2007": akyuz_2007,
    "Masia 2009": masia_2009,
    "Kovaleski-Oliveira 2014": kovaleski_oliveira_2014,
}
"""The operators, by the names of their rows in the tables."""
