"""What an ICC profile says: primaries, where it is made of a matrix; by LittleCMS to sRGB, where
it is made of tables.

Of a matrix and curves only the matrix is used: the network was trained on the codes as they are.
Tables have no primaries, so that their samples are converted before the network sees them.
LittleCMS reads the elements that it needs and no others, so that what overlaps in a file does not
multiply in memory; for the one kind without such a bound see `bounded`. Source: ICC.1:2022
(clauses 7.2, 7.3, 9.2; annex E for `chad`).
"""

import io
import struct
from typing import Any

import numpy as np
from PIL import ImageCms

from hdrcnn.colour.primaries import BRADFORD, Chromaticities, nearest_named, white_xyz

D50 = np.array([0.9642, 1.0, 0.8249])
"""The white of the profile connection space, XYZ."""


def _adaptation(white: np.ndarray, to: np.ndarray) -> np.ndarray:
    """[3, 3]: XYZ under one white to XYZ under another, by Bradford."""
    cones = (BRADFORD @ to) / (BRADFORD @ white)
    return np.asarray(np.linalg.inv(BRADFORD) @ (cones[:, None] * BRADFORD))


def from_d50(chromaticities: Chromaticities) -> np.ndarray:
    """[3, 3]: XYZ under D50 to XYZ under the white of a space, by Bradford."""
    return _adaptation(D50, white_xyz(chromaticities))


def bounded(profile: bytes) -> bytes:
    """The profile without its floating-point tables (tags D2B0 to D2B3): each may hold any number
    of elements in the same place of the file, which are memory several hundred times its size. A
    profile that has them has ordinary tables too.
    """
    if len(profile) < 132:
        return profile
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = bytearray(profile[132 : 132 + 12 * count])
    for at in range(0, len(tags), 12):
        if tags[at : at + 3] == b"D2B":
            tags[at : at + 1] = b"-"  # A name that means nothing, and no other tag's.
    return profile[:132] + bytes(tags) + profile[132 + len(tags) :]


def _opened(profile: bytes, space: bytes = b"RGB ") -> Any:
    """As LittleCMS knows it; None where it is damaged or of another space."""
    if profile[16:20] != space:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None


def profile_chromaticities(profile: bytes) -> Chromaticities | None:
    """CIE xy of red, green, blue and white; those of a space with a name are given exactly.

    None where the profile has no such primaries: grey, CMYK, tables only, or damaged. Without a
    `chad` tag (version 2) the media white is the space's own, and Bradford is what was used.
    """
    found = _opened(profile)
    if found is None:
        return None
    stored = (found.red_colorant, found.green_colorant, found.blue_colorant)
    if any(colourant is None for colourant in stored):
        return None
    colourants = np.array([colourant[0] for colourant in stored])
    if found.chromatic_adaptation is not None:
        adaptation = np.array(found.chromatic_adaptation[0])
    else:
        white = found.media_white_point
        adaptation = _adaptation(D50 if white is None else np.array(white[0]), D50)
    with np.errstate(all="ignore"):
        try:
            points = np.vstack([colourants, D50]) @ np.linalg.inv(adaptation).T
        except np.linalg.LinAlgError:
            return None
        xy = points[:, :2] / points.sum(axis=1, keepdims=True)
    return nearest_named(xy.ravel().tolist())


def has_tables(profile: bytes) -> bool:
    """Whether tables lead from RGB to colours; by the standard they rank before a matrix."""
    found = _opened(profile)
    return found is not None and any(there for there, _, _ in (found.clut or {}).values())


def srgb_profile() -> bytes:
    """That of the samples that `to_srgb` makes."""
    import imagecodecs  # Of 40 MB, and seldom needed.

    return bytes(imagecodecs.cms_profile("srgb"))


def to_srgb(samples: np.ndarray, profile: bytes, space: str = "RGB") -> np.ndarray | None:
    """[H, W, C] uint8 or uint16 in the profile's space, "RGB" or "CMYK", to [H, W, 3] of the same
    depth in sRGB: white to white, black to black. None where the profile does not work.

    Colours outside sRGB are held at its border.
    """
    if _opened(profile, space.encode().ljust(4)) is None:
        return None
    import imagecodecs

    try:
        return np.asarray(
            imagecodecs.cms_transform(
                np.ascontiguousarray(samples),
                bounded(profile),
                srgb_profile(),
                colorspace=space.lower(),
                outcolorspace="rgb",
                intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
                flags=imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION
                # A grid in between would lose the curves of XYB.
                | imagecodecs.CMS.FLAGS.NOOPTIMIZE,
            )
        )
    except (RuntimeError, ValueError):
        return None
