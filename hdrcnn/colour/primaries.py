"""Chromaticities of RGB colour spaces, and conversion to linear Rec. 709.

Chromaticities are eight numbers, CIE 1931 x and y of red, green, blue and white, as OpenEXR and
Radiance store them. Sources: SMPTE RP 177-1993 for the matrix of a space; Lam, "Metamerism and
colour constancy" (1985), for the Bradford adaptation.
"""

from collections.abc import Sequence

import numpy as np

Chromaticities = tuple[float, float, float, float, float, float, float, float]

REC709: Chromaticities = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
REC2020: Chromaticities = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
DISPLAY_P3: Chromaticities = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
ADOBE_RGB: Chromaticities = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
PROPHOTO: Chromaticities = (
    0.734699,
    0.265301,
    0.159597,
    0.840403,
    0.036598,
    0.000105,
    0.345704,
    0.358540,
)
XYZ: Chromaticities = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3)
"""CIE XYZ as an RGB space; its white has equal X, Y and Z."""
NAMED = {
    "Rec. 709": REC709,
    "Rec. 2020": REC2020,
    "Display P3": DISPLAY_P3,
    "Adobe RGB (1998)": ADOBE_RGB,
    "ProPhoto RGB": PROPHOTO,
}
SAME = 5e-4
"""Largest difference of chromaticities that count as equal, written with different precision."""
NEAR = 2e-3
"""Largest difference of a profile's chromaticities from those of a named space that they are taken
for: profiles round."""

BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def white_xyz(chromaticities: Sequence[float]) -> np.ndarray:
    """[3] XYZ of the white, with Y = 1."""
    x, y = chromaticities[6:8]
    return np.array([x / y, 1.0, (1.0 - x - y) / y])


def rgb_to_xyz(chromaticities: Sequence[float]) -> np.ndarray:
    """[3, 3] float64 matrix from linear RGB of a space to CIE XYZ, with Y = 1 for white (RP 177).

    Raises ValueError if the chromaticities do not define a colour space.
    """
    values: np.ndarray = np.asarray(chromaticities, np.float64)
    if values.shape != (8,) or not np.isfinite(values).all() or values[7] <= 0:
        raise ValueError(f"chromaticities {tuple(chromaticities)} are not those of a colour space")
    x, y = values[0:6:2], values[1:6:2]
    primaries: np.ndarray = np.stack([x, y, 1.0 - x - y])
    if abs(np.linalg.det(primaries)) < 1e-4:
        raise ValueError(f"chromaticities {tuple(chromaticities)} lie on a line")
    return primaries * np.linalg.solve(primaries, white_xyz(chromaticities))


def adaptation(white: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Bradford matrix [3, 3] from XYZ under one white to XYZ under another."""
    cones = (BRADFORD @ to) / (BRADFORD @ white)
    return np.asarray(np.linalg.inv(BRADFORD) @ (cones[:, None] * BRADFORD))


def luminance_weights(chromaticities: Sequence[float]) -> np.ndarray:
    """[3] float64 weights of R, G and B in luminance; their sum is 1."""
    return rgb_to_xyz(chromaticities)[1]


def to_rec709(chromaticities: Sequence[float]) -> np.ndarray | None:
    """[3, 3] float64 matrix from linear RGB of a space to linear Rec. 709; None if the space is
    Rec. 709.

    White maps to white, by Bradford adaptation. Colours outside Rec. 709 get negative values.
    Raises ValueError if the chromaticities do not define a colour space.
    """
    here = rgb_to_xyz(chromaticities)
    if np.allclose(chromaticities, REC709, rtol=0, atol=SAME):
        return None
    adapted = adaptation(white_xyz(chromaticities), white_xyz(REC709))
    return np.asarray(np.linalg.inv(rgb_to_xyz(REC709)) @ adapted @ here)


def xyz_to_rec709() -> np.ndarray:
    """[3, 3] float64 matrix from CIE XYZ to linear Rec. 709 without adaptation: XYZ of D65 becomes
    white.
    """
    return np.asarray(np.linalg.inv(rgb_to_xyz(REC709)))


def is_xyz(chromaticities: Sequence[float]) -> bool:
    """Whether the chromaticities are those of CIE XYZ."""
    return np.shape(chromaticities) == (8,) and np.allclose(chromaticities, XYZ, rtol=0, atol=SAME)


def nearest_named(chromaticities: Sequence[float]) -> Chromaticities | None:
    """Return the chromaticities of the space in `NAMED` within `NEAR`, else those given.

    None if they do not define a colour space.
    """
    for named in NAMED.values():
        if np.allclose(chromaticities, named, rtol=0, atol=NEAR):
            return named
    try:
        matrix = rgb_to_xyz(chromaticities)
    except (ValueError, np.linalg.LinAlgError):
        return None
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-4:
        return None
    red_x, red_y, green_x, green_y, blue_x, blue_y, x, y = map(float, chromaticities)
    return red_x, red_y, green_x, green_y, blue_x, blue_y, x, y


def name_of(chromaticities: Sequence[float]) -> str:
    """Readable name of a space, such as `Display P3`; else its red, green, blue and white."""
    for name, named in NAMED.items():
        if np.allclose(chromaticities, named, rtol=0, atol=SAME):
            return name
    points = np.reshape(chromaticities, (4, 2))
    return "primaries " + " ".join(f"({x:.4f}, {y:.4f})" for x, y in points)


def linear_to_rec709(linear: np.ndarray, chromaticities: Sequence[float]) -> np.ndarray:
    """Convert [..., 3] linear RGB of a space to [..., 3] float32 linear Rec. 709.

    Colours outside Rec. 709 get negative values, which are kept. Raises ValueError if the
    chromaticities do not define a colour space.
    """
    matrix = to_rec709(chromaticities)
    if matrix is None:
        return np.asarray(linear, np.float32)
    return np.asarray(linear, np.float32) @ matrix.T.astype(np.float32)
