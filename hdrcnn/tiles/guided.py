"""Enlarge the prediction for a reduced image to full size, following the edges of the photograph.

Between reduced pixels the prediction is interpolated from the saturated area only, so that the
unsaturated surroundings, where the network predicts nothing, cause no dark fringe along the rim.
Channels that are not clipped guide the interpolation: the prediction changes with the code as it
does nearby in the reduced image.

K. He, J. Sun, "Fast guided filter", 2015 (arXiv:1505.00996): local linear models are fitted in
the reduced image, and their coefficients are interpolated. Here the models only add what bilinear
interpolation misses: the reduced prediction itself is kept and not blurred.

Pure NumPy. A reduced pixel is the mean of factor x factor pixels.
"""

import dataclasses

import numpy as np

from hdrcnn.tiles.frame import as_codes
from hdrcnn.tiles.geometry import Region, enlarge

RADIUS = 4
"""Radius of the windows of the local models, in reduced pixels; a power of two."""
VARIANCE = 1e-2
"""Epsilon of He and Sun, Eq. 5: codes whose variance is much smaller do not guide."""
NOTHING = 1e-6
"""Weight of a reduced pixel without saturated pixels, which then counts only if no other does."""


def window_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the window around each pixel of [h, w, C]; edge pixels are repeated at the border."""
    sums = np.pad(values, ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)), mode="edge")
    for _ in range(2):
        last, step = sums[2 * RADIUS :], 1
        while step <= RADIUS:  # Sums of 2, 4, 8 ... rows.
            sums = sums[:-step] + sums[step:]
            step *= 2
        sums = (sums[:-1] + last).swapaxes(0, 1)
    return sums / (2 * RADIUS + 1) ** 2


def slopes(log_hdr: np.ndarray, code: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Slope of y against the code in the window around each reduced pixel, by channel: [h, w, C].

    log_hdr, code: [h, w, C] float32; weight: [h, w, 1], above 0. He and Sun 2015, Eq. 5, with
    weighted means.
    """
    share = window_mean(weight)

    def mean(values: np.ndarray) -> np.ndarray:
        return window_mean(values * weight) / share

    code_mean = mean(code)
    covariance = mean(code * log_hdr) - code_mean * mean(log_hdr)
    variance = np.maximum(mean(code * code) - code_mean * code_mean, 0.0)
    return covariance / (variance + np.float32(VARIANCE))


@dataclasses.dataclass(frozen=True)
class Reduced:
    """A prediction for a reduced image."""

    factor: int
    log_hdr: np.ndarray
    """[h, w, 3] float32, or float16 to save memory: y = log(H + 1/255)."""
    code: np.ndarray
    """[h, w, 3] float32 in [0, 1] or uint16: the reduced image it was predicted from."""
    weight: np.ndarray
    """[h, w] float32 or float16 in [0, 1]: saturated share of each pixel; 0 where y is unknown."""
    left: int = 0
    """Number of columns added before the first: in a closed image, copies of the last ones."""

    def enlarged(self, region: Region, code: np.ndarray) -> np.ndarray:
        """Return y in a region of the full-size image, [rows, columns, 3]. code: the codes there,
        of the same shape.
        """
        rows, columns = self.weight.shape
        wide = Region(0, rows, 0, columns)
        region = region.moved(0, self.left * self.factor)
        part = region.divided(self.factor).grown(RADIUS + 1) & wide
        own = part.within(wide)
        weight = self.weight[own][..., None].astype(np.float32) + np.float32(NOTHING)
        log_hdr = self.log_hdr[own].astype(np.float32)
        reduced_code = as_codes(self.code[own])
        slope = slopes(log_hdr, reduced_code, weight)
        base = log_hdr - slope * reduced_code
        layers = np.concatenate([base * weight, slope * weight, weight], axis=-1)
        inside = region.moved(-part.top * self.factor, -part.left * self.factor)
        layers = enlarge(layers, self.factor, inside)
        return (layers[..., :3] + layers[..., 3:6] * code) / layers[..., 6:]
