"""From a reduced prediction to full size, along the edges of the photograph.

Between the reduced pixels the prediction is interpolated over the saturated area alone, so that
the unsaturated surroundings, of which the network says nothing, draw no dark fringe along its
rim. Where a channel is not clipped it guides: the prediction changes with the code as it does
around there in the reduced picture.

K. He, J. Sun, "Fast guided filter", 2015 (arXiv:1505.00996): local linear models are fitted in
the reduced picture, and their coefficients are interpolated. Here they carry only what bilinear
interpolation misses: the reduced prediction itself is kept, nothing is blurred.

Pure NumPy. A reduced pixel is the mean of factor x factor pixels.
"""

import dataclasses

import numpy as np

from hdrcnn.tiles.frame import as_codes
from hdrcnn.tiles.geometry import Region, enlarge

RADIUS = 4
"""Of the windows of the local models, in reduced pixels; a power of two."""
VARIANCE = 1e-2
"""Epsilon of He and Sun, Eq. 5: codes that vary much less than this do not guide."""
NOTHING = 1e-6
"""Weight of a reduced pixel without any saturated one: decides only if there is no other."""


def window_mean(values: np.ndarray) -> np.ndarray:
    """[h, w, C]: the mean of the window around each pixel; the border goes on."""
    sums = np.pad(values, ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)), mode="edge")
    for _ in range(2):
        last, step = sums[2 * RADIUS :], 1
        while step <= RADIUS:  # Of 2, 4, 8 ... rows.
            sums = sums[:-step] + sums[step:]
            step *= 2
        sums = (sums[:-1] + last).swapaxes(0, 1)
    return sums / (2 * RADIUS + 1) ** 2


def slopes(log_hdr: np.ndarray, code: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How y changes with the code around each reduced pixel, channel by channel: [h, w, C].

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
    """A prediction for a reduced picture."""

    factor: int
    log_hdr: np.ndarray
    """[h, w, 3] float32, or float16 to save memory, y = log(H + 1/255)."""
    code: np.ndarray
    """[h, w, 3] float32 in [0, 1] or uint16: what it was predicted from."""
    weight: np.ndarray
    """[h, w] float32 or float16 in [0, 1]: how much of each pixel is saturated, and 0 where y is
    not known."""
    left: int = 0
    """Columns before the picture's first: of a closed picture its last ones."""

    def enlarged(self, region: Region, code: np.ndarray) -> np.ndarray:
        """y in a region of the full-size picture that has these codes: [rows, columns, 3]."""
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
