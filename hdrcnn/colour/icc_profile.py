"""An ICC profile for given primaries, so that a JPEG's codes keep their meaning.

Made here: Pillow makes that of sRGB only. Source: ICC.1:2022 (clauses 7.2, 9.2, 10.18; annex E).
"""

import struct

import numpy as np

from hdrcnn.colour.icc import D50
from hdrcnn.colour.primaries import BRADFORD, Chromaticities, name_of, rgb_to_xyz

_SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""g, a, b, c, d: (a X + b)^g from d on, c X below (IEC 61966-2-1)."""


def _fixed(kind: bytes, values: np.ndarray | tuple[float, ...]) -> bytes:
    """An element of s15Fixed16 numbers."""
    numbers = np.round(np.ravel(values) * 65536.0).astype(">i4").tobytes()
    return kind + bytes(4) + numbers


def _text(text: str) -> bytes:
    """A multiLocalizedUnicode element of one text, American English."""
    coded = text.encode("utf-16-be")
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(coded), 28) + coded


def matrix_profile(chromaticities: Chromaticities) -> bytes:
    """A display profile, version 4: those primaries and the curve of sRGB.

    Raises ValueError where the chromaticities span no colours.
    """
    space = rgb_to_xyz(chromaticities)
    white = space.sum(axis=1)
    cones = (BRADFORD @ D50) / (BRADFORD @ white)
    adaptation = np.linalg.inv(BRADFORD) @ (cones[:, None] * BRADFORD)
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
