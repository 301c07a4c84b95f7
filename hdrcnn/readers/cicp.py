"""Colour by code points: the primaries and transfer functions that PNG, AVIF and HEIC files
declare.

Sources: ITU-T H.273 (tables 2 and 3); PNG, third edition, for cICP.
"""

import struct

from hdrcnn.colour.primaries import DISPLAY_P3, REC709, REC2020, Chromaticities
from hdrcnn.readers.heif_items import main_properties
from hdrcnn.readers.png_chunks import before_pixels

PRIMARIES: dict[int, Chromaticities] = {
    1: REC709,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.310, 0.316),
    9: REC2020,
    10: (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: DISPLAY_P3,
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, 0.3127, 0.3290),
}
LINEAR = 8
"""Code point of linear light among the transfer characteristics."""
LINEAR_GAMMA = 90000
"""Smallest value of a gAMA chunk, in 100,000ths, at which samples are linear light; for usual codes
it is 45,455."""
HDR_CURVES = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of images that are HDR already."""


def png_code_points(data: bytes) -> tuple[int, int] | None:
    """Return primaries and transfer characteristics of a PNG's cICP chunk, or None."""
    for name, contents in before_pixels(data):
        if name == b"cICP" and len(contents) == 4:
            return contents[0], contents[1]
    return None


def png_fault(data: bytes) -> str:
    """Return why a PNG's samples are not display-encoded codes of full range; empty if they are, or
    if they are HDR.
    """
    chunks = dict(before_pixels(data))
    points, gamma = chunks.get(b"cICP", b""), chunks.get(b"gAMA", b"")
    if len(points) == 4:
        if points[1] == LINEAR:
            return "its samples are linear light; save it with the curve of sRGB"
        return "" if points[3] else "its samples are of limited range; save it with full range"
    if b"sRGB" in chunks or b"iCCP" in chunks or len(gamma) != 4:
        return ""
    linear = int.from_bytes(gamma, "big") >= LINEAR_GAMMA
    return "its samples are linear light by its gAMA; save it with the curve of sRGB" * linear


def png_chromaticities(data: bytes) -> Chromaticities | None:
    """Return those of a PNG's cHRM chunk; None without one, or with an sRGB chunk beside it."""
    chunks = dict(before_pixels(data))
    stored = chunks.get(b"cHRM", b"")
    if b"sRGB" in chunks or len(stored) != 32:
        return None
    x, y, red_x, red_y, green_x, green_y, blue_x, blue_y = (
        value / 100000 for value in struct.unpack(">8I", stored)
    )
    return red_x, red_y, green_x, green_y, blue_x, blue_y, x, y


def heif_code_points(data: bytes) -> tuple[int, int] | None:
    """Return primaries and transfer characteristics of a HEIC or AVIF file, or None.

    They are those of the primary image's nclx colour box.
    """
    for name, contents in main_properties(data):
        if name == b"colr" and contents[:4] == b"nclx" and len(contents) >= 8:
            primaries, transfer = struct.unpack_from(">HH", contents, 4)
            return primaries, transfer
    return None
