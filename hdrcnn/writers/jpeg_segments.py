"""The segments of a JPEG file: what is kept of a photograph's own, what is put in beside.

Sources: ITU-T T.81, annex B; CIPA DC-007 (multi-picture format); ICC.1:2022, annex B.4.
"""

import struct
from collections.abc import Iterator

from hdrcnn.readers.jpeg import (
    APP0,
    APP2,
    APP14,
    APP15,
    END,
    END_OF_IMAGE,
    LONGEST,
    SCAN,
    START,
    markers,
    segment,
)

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXIF = b"Exif\0\0"
ICC = b"ICC_PROFILE\0"


def segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, contents and first byte of each segment up to the scan. Raises ValueError."""
    if data[:2] != START:
        raise ValueError("no JPEG file")
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("its segments are damaged")
        if data[at + 1] == 0xFF:  # Filling.
            at += 1
            continue
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at + 4 : at + 2 + size], at
        if marker == SCAN:
            return
        at += 2 + size
    raise ValueError("it holds no samples")


_FRAMES_AND_TABLES = (*range(0xC0, 0xD0), SCAN, 0xDB, 0xDC, 0xDD)
"""Markers of T.81 without which samples cannot be decoded."""


def _needed(marker: int, contents: bytes) -> bytes | None:
    """What a decoder needs of a segment: tables, the profile, what Adobe says of the colours."""
    if marker == APP14 and contents.startswith(b"Adobe") and len(contents) >= 12:
        return contents[:12]
    if marker == APP2 and contents.startswith(ICC):
        return contents
    return contents if marker in _FRAMES_AND_TABLES else None


def _scans(data: bytes, first: int) -> bytes:
    """From the first scan to the end of the picture, without what else stands between the scans.
    Raises ValueError if the end is missing.
    """
    kept = []
    begun, follows_scan = first, False
    for marker, contents, at in markers(data, first):
        if follows_scan:  # With the samples that follow its header.
            kept.append(data[begun:at].rstrip(b"\xff"))
        follows_scan = marker == SCAN
        begun = at
        if marker == END_OF_IMAGE:
            return b"".join((*kept, END))
        if not follows_scan:
            needed = None if APP0 <= marker <= APP15 else _needed(marker, contents)
            kept.append(b"" if needed is None else segment(marker, needed))
    raise ValueError("it is truncated")


def samples_only(data: bytes) -> tuple[bytes, bytes]:
    """The first picture of a JPEG file: its JFIF segment, if any, and all that follows, to the end.

    Samples, tables and colour profile stay as they are; Exif, XMP, thumbnails, comments and all
    else are left out, between the scans too. Raises ValueError.
    """
    head, kept, scan = b"", [], 0
    for marker, contents, at in segments(data):
        needed = _needed(marker, contents)
        if marker == SCAN:
            scan = at
        elif marker == APP0 and contents.startswith(b"JFIF\0") and len(contents) >= 14:
            head = segment(APP0, contents[:12] + b"\0\0")  # A thumbnail of no size.
        elif needed is not None:
            kept.append(segment(marker, needed))
    return head, b"".join(kept) + _scans(data, scan)


def has_profile(data: bytes) -> bool:
    """Whether a JPEG file carries an ICC profile. Raises ValueError."""
    return any(
        marker == APP2 and contents.startswith(ICC) for marker, contents, _ in segments(data)
    )


def frame_of(data: bytes) -> tuple[int, int, int, int]:
    """Bits, rows, columns and components of a JPEG file. Raises ValueError."""
    for marker, contents, _ in segments(data):
        is_frame = 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)
        if is_frame and len(contents) >= 6:
            bits, rows, columns, components = struct.unpack_from(">BHHB", contents)
            return bits, rows, columns, components
    raise ValueError("it holds no frame")


def profile_segments(profile: bytes) -> bytes:
    """An ICC profile as the segments that carry it."""
    size = LONGEST - len(ICC) - 2
    parts = [profile[at : at + size] for at in range(0, len(profile), size)]
    return b"".join(
        segment(APP2, ICC + bytes((number, len(parts))) + part)
        for number, part in enumerate(parts, 1)
    )


def multi_picture(first: int, second: int, offset: int) -> bytes:
    """The index of a file of two pictures. first, second: their bytes; offset: of the second,
    counted from the byte order mark of this segment. Always of the same length.
    """
    entry = struct.Struct("<IIIHH")
    directory = struct.pack("<H", 3)
    directory += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    directory += struct.pack("<HHII", 0xB001, 4, 1, 2)
    directory += struct.pack("<HHII", 0xB002, 7, 2 * entry.size, 8 + 2 + 3 * 12 + 4)
    directory += struct.pack("<I", 0)
    # 0x030000: the baseline primary picture; the gain map has no type of its own.
    pictures = entry.pack(0x030000, first, 0, 0, 0) + entry.pack(0, second, offset, 0, 0)
    return segment(APP2, b"MPF\0" + b"II*\0" + struct.pack("<I", 8) + directory + pictures)


MULTI_PICTURE_MARK = 2 + 2 + 4
"""From the first byte of that segment to its byte order mark."""
