"""The primaries that an ICC profile describes.

Of a profile made of a matrix and curves only the matrix is used: the network was trained on the
codes as they are. Source: ICC.1:2022 (clauses 7.2, 9.2, 10.31; annex E for `chad`).
"""

import struct

import numpy as np

from hdrcnn.colour.primaries import BRADFORD, Chromaticities, nearest_named

D50 = np.array([0.9642, 1.0, 0.8249])
"""The white of the profile connection space, XYZ."""


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """The tagged elements by signature."""
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = {}
    for index in range(min(count, 1000)):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        tags[name] = profile[offset : offset + size]
    return tags


def _fixed(element: bytes, count: int) -> np.ndarray:
    """Numbers of an XYZ or sf32 element, stored as s15Fixed16."""
    return np.array(struct.unpack_from(f">{count}i", element, 8)) / 65536.0


def _adaptation(tags: dict[bytes, bytes]) -> np.ndarray:
    """[3, 3]: XYZ under the space's own white to XYZ under D50. Without a `chad` tag (profiles
    of version 2) the media white is the space's own, and Bradford is what was used.
    """
    if b"chad" in tags:
        return _fixed(tags[b"chad"], 9).reshape(3, 3)
    white = _fixed(tags[b"wtpt"], 3) if b"wtpt" in tags else D50
    cones = (BRADFORD @ D50) / (BRADFORD @ white)
    return np.asarray(np.linalg.inv(BRADFORD) @ (cones[:, None] * BRADFORD))


def profile_chromaticities(profile: bytes) -> Chromaticities | None:
    """CIE xy of red, green, blue and white; those of a space with a name are given exactly.

    None where the profile has no such primaries: grey, CMYK, tables only, or damaged.
    """
    try:
        if profile[16:20] != b"RGB ":
            return None
        tags = _tags(profile)
        colourants = np.stack([_fixed(tags[name], 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")])
        own = np.linalg.inv(_adaptation(tags))
    except (struct.error, KeyError, np.linalg.LinAlgError):
        return None
    points = np.vstack([colourants, D50]) @ own.T
    with np.errstate(all="ignore"):
        xy = points[:, :2] / points.sum(axis=1, keepdims=True)
    return nearest_named(xy.ravel().tolist())
