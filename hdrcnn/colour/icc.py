"""ICC profiles: the primaries of a matrix profile, conversion of samples with table-based profiles
to sRGB by LittleCMS, and writing a profile for given primaries.

Only the matrix of a matrix profile is used, not its curves: the network was trained on unconverted
codes. A table-based profile has no primaries, so its samples are converted before the network sees
them. LittleCMS reads only the elements it needs, so elements that overlap in a file cannot exhaust
memory; `bounded` handles the one exception. Source: ICC.1:2022 (clauses 7.2, 7.3, 9.2, 10.18;
annex E for `chad`).
"""

import io
import struct
from typing import Any

import numpy as np
from PIL import ImageCms

from hdrcnn.colour.primaries import (
    Chromaticities,
    adaptation,
    name_of,
    nearest_named,
    rgb_to_xyz,
    white_xyz,
)

D50 = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space, XYZ."""
_SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""g, a, b, c, d of the sRGB curve: (a X + b)^g for X >= d, else c X (IEC 61966-2-1)."""


def from_d50(chromaticities: Chromaticities) -> np.ndarray:
    """Bradford matrix [3, 3] from XYZ under D50 to XYZ under the white of a colour space."""
    return adaptation(D50, white_xyz(chromaticities))


def bounded(profile: bytes) -> bytes:
    """Return the profile with its floating-point tables (tags D2B0 to D2B3) disabled.

    Such a table may refer to the same bytes of the file any number of times, and so take several
    hundred times the memory of its file. A profile that has them has ordinary tables too.
    """
    if len(profile) < 132:
        return profile
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = bytearray(profile[132 : 132 + 12 * count])
    for at in range(0, len(tags), 12):
        if tags[at : at + 3] == b"D2B":
            tags[at : at + 1] = b"-"  # A tag name without meaning that no other tag has.
    return profile[:132] + bytes(tags) + profile[132 + len(tags) :]


def _opened(profile: bytes, space: bytes = b"RGB ") -> Any:
    """Open a profile by LittleCMS; None if it is damaged or for another colour space."""
    if profile[16:20] != space:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None


def profile_chromaticities(profile: bytes) -> Chromaticities | None:
    """Return CIE xy of red, green, blue and white; exact values for the spaces in `NAMED`.

    None if the profile has no primaries, because it is for grey or CMYK, has only tables, or is
    damaged. Without a `chad` tag (version 2) the media white is taken to be the white of the space,
    and the colourants to have been adapted by Bradford.
    """
    found = _opened(profile)
    if found is None:
        return None
    stored = (found.red_colorant, found.green_colorant, found.blue_colorant)
    if any(colourant is None for colourant in stored):
        return None
    colourants = np.array([colourant[0] for colourant in stored])
    if found.chromatic_adaptation is not None:
        adapted = np.array(found.chromatic_adaptation[0])
    else:
        white = found.media_white_point
        adapted = adaptation(D50 if white is None else np.array(white[0]), D50)
    with np.errstate(all="ignore"):
        try:
            points = np.vstack([colourants, D50]) @ np.linalg.inv(adapted).T
        except np.linalg.LinAlgError:
            return None
        xy = points[:, :2] / points.sum(axis=1, keepdims=True)
    return nearest_named(xy.ravel().tolist())


def has_tables(profile: bytes) -> bool:
    """Whether the profile converts RGB by tables, which by the standard override a matrix."""
    found = _opened(profile)
    return found is not None and any(there for there, _, _ in (found.clut or {}).values())


def srgb_profile() -> bytes:
    """Return the sRGB profile that `to_srgb` converts to."""
    import imagecodecs  # Imported here because it is large (40 MB) and rarely needed.

    return bytes(imagecodecs.cms_profile("srgb"))


def to_srgb(samples: np.ndarray, profile: bytes, space: str = "RGB") -> np.ndarray | None:
    """Convert samples to sRGB by relative colorimetric intent with black point compensation.

    samples: [H, W, C] uint8 or uint16 in the profile's space, "RGB" or "CMYK". Returns [H, W, 3] of
    the same dtype, or None if the profile cannot be used. Colours outside sRGB are clipped.
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
                # Optimisation resamples the transform on a grid, which ruins the curves of XYB.
                | imagecodecs.CMS.FLAGS.NOOPTIMIZE,
            )
        )
    except (RuntimeError, ValueError):
        return None


def _fixed(kind: bytes, values: np.ndarray | tuple[float, ...]) -> bytes:
    """Return a profile element of s15Fixed16 numbers."""
    numbers = np.round(np.ravel(values) * 65536.0).astype(">i4").tobytes()
    return kind + bytes(4) + numbers


def _text(text: str) -> bytes:
    """Return a multiLocalizedUnicode element of one text in American English."""
    coded = text.encode("utf-16-be")
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(coded), 28) + coded


def matrix_profile(chromaticities: Chromaticities) -> bytes:
    """Return a version 4 display profile with these primaries and the sRGB curve, so that the codes
    of a JPEG keep their meaning.

    Pillow can make a profile only for sRGB, and LittleCMS makes profiles without a name. Raises
    ValueError if the chromaticities do not define a colour space.
    """
    space = rgb_to_xyz(chromaticities)
    adapted = adaptation(space.sum(axis=1), D50)
    curve = struct.pack(">4s4xH2x", b"para", 3) + _fixed(b"", _SRGB)[4:]
    elements = [
        (b"desc", _text(name_of(chromaticities))),
        (b"cprt", _text("No copyright")),
        (b"wtpt", _fixed(b"XYZ ", D50)),
        (b"chad", _fixed(b"sf32", adapted)),
        *zip(
            (b"rXYZ", b"gXYZ", b"bXYZ"),
            (_fixed(b"XYZ ", colourant) for colourant in (adapted @ space).T),
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
