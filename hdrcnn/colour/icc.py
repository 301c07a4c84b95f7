"""ICC profiles. What one says: primaries, where it is made of a matrix; by LittleCMS to sRGB, where
it is made of tables; and one for given primaries.

Of a matrix and curves only the matrix is used: the network was trained on the codes as they are.
Tables have no primaries, so that their samples are converted before the network sees them.
LittleCMS reads the elements that it needs and no others, so that what overlaps in a file does not
multiply in memory; for the one kind without such a bound see `bounded`. Source: ICC.1:2022
(clauses 7.2, 7.3, 9.2, 10.18; annex E for `chad`).
"""

import io
import struct
from typing import Any

import numpy as np
from PIL import ImageCms

from hdrcnn.colour.primaries import (
    BRADFORD,
    Chromaticities,
    name_of,
    nearest_named,
    rgb_to_xyz,
    white_xyz,
)

D50 = np.array([0.9642, 1.0, 0.8249])
"""The white of the profile connection space, XYZ."""
_SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""g, a, b, c, d: (a X + b)^g from d on, c X below (IEC 61966-2-1)."""


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
    """As LittleCMS knows it; None if it is damaged or of another space."""
    if profile[16:20] != space:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None


def profile_chromaticities(profile: bytes) -> Chromaticities | None:
    """CIE xy of red, green, blue and white; those of a space with a name are given exactly.

    None if the profile has no such primaries: grey, CMYK, tables only, or damaged. Without a
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
    depth in sRGB: white to white, black to black. None if the profile does not work.

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


def _fixed(kind: bytes, values: np.ndarray | tuple[float, ...]) -> bytes:
    """An element of s15Fixed16 numbers."""
    numbers = np.round(np.ravel(values) * 65536.0).astype(">i4").tobytes()
    return kind + bytes(4) + numbers


def _text(text: str) -> bytes:
    """A multiLocalizedUnicode element of one text, American English."""
    coded = text.encode("utf-16-be")
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(coded), 28) + coded


def matrix_profile(chromaticities: Chromaticities) -> bytes:
    """A display profile, version 4: those primaries and the curve of sRGB, so that a JPEG's codes
    keep their meaning. Pillow makes that of sRGB only; those that LittleCMS makes have no name.

    Raises ValueError if the chromaticities span no colours.
    """
    space = rgb_to_xyz(chromaticities)
    adaptation = _adaptation(space.sum(axis=1), D50)
    curve = struct.pack(">4s4xH2x", b"para", 3) + _fixed(b"", _SRGB)[4:]
    elements = [
        (b"desc", _text(name_of(chromaticities))),
        (b"cprt", _text("No copyright")),
        (b"wtpt", _fixed(b"XYZ ", D50)),
        (b"chad", _fixed(b"sf32", adaptation)),
        *zip(
            (b"rXYZ", b"gXYZ", b"bXYZ"),
            (_fixed(b"XYZ ", colourant) for colourant in (adaptation @ space).T),
            strict=True,
        ),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    at = 132 + 12 * len(elements)
    table, body = struct.pack(">I", len(elements)), b""
    for name, element in elements:
        table += struct.pack(">4s2I", name, at + len(body), len(element))
        body += element + bytes(-len(element) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x", at + len(body), 4 << 24, b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    head += _fixed(b"", D50)[4:]
    return head.ljust(128, b"\0") + table + body
