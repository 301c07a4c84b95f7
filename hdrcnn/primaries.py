"""Chromaticities of an RGB space, and the way from there to linear Rec. 709.

Chromaticities are eight numbers, CIE 1931 x and y of red, green, blue and white, as OpenEXR and
Radiance store them. Sources: SMPTE RP 177-1993 for the matrix of a space; Lam, "Metamerism and
colour constancy" (1985), for the Bradford adaptation.
"""

from collections.abc import Sequence

import numpy as np

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
SAME = 5e-4
"""Chromaticities no farther apart are the same, written with other digits."""

BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def _white(chromaticities: Sequence[float]) -> np.ndarray:
    """XYZ of the white, Y = 1."""
    x, y = chromaticities[6:8]
    return np.array([x / y, 1.0, (1.0 - x - y) / y])


def rgb_to_xyz(chromaticities: Sequence[float]) -> np.ndarray:
    """[3, 3] float64: linear RGB of a space to CIE XYZ, with Y = 1 for its white (RP 177).

    Raises ValueError where the chromaticities span no colours.
    """
    values: np.ndarray = np.asarray(chromaticities, np.float64)
    if values.shape != (8,) or not np.isfinite(values).all() or values[7] <= 0:
        raise ValueError(f"chromaticities {tuple(chromaticities)} are not those of a colour space")
    x, y = values[0:6:2], values[1:6:2]
    primaries: np.ndarray = np.stack([x, y, 1.0 - x - y])
    if abs(np.linalg.det(primaries)) < 1e-4:
        raise ValueError(f"chromaticities {tuple(chromaticities)} lie on a line")
    return primaries * np.linalg.solve(primaries, _white(chromaticities))


def luminance_weights(chromaticities: Sequence[float]) -> np.ndarray:
    """[3] float64: the shares of R, G and B in the luminance; their sum is 1."""
    return rgb_to_xyz(chromaticities)[1]


def to_rec709(chromaticities: Sequence[float]) -> np.ndarray | None:
    """[3, 3] float64: linear RGB of a space to linear Rec. 709, white to white, by Bradford
    adaptation where the whites differ. None where the space is Rec. 709 already.

    Colours outside Rec. 709 come out negative. Raises ValueError.
    """
    here = rgb_to_xyz(chromaticities)
    if np.allclose(chromaticities, REC709, rtol=0, atol=SAME):
        return None
    cones = (BRADFORD @ _white(REC709)) / (BRADFORD @ _white(chromaticities))
    adaptation = np.linalg.inv(BRADFORD) @ (cones[:, None] * BRADFORD)
    return np.asarray(np.linalg.inv(rgb_to_xyz(REC709)) @ adaptation @ here)
