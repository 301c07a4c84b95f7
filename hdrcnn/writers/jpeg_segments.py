"""The segments of a JPEG file: what is kept of a photograph's own, what is put in beside.

Sources: ITU-T T.81, annex B; CIPA DC-007 (multi-picture format); ICC.1:2022, annex B.4.
"""

import struct
from collections.abc import Iterator

START, END = b"\xff\xd8", b"\xff\xd9"
APP0, APP1, APP2, APP14 = 0xE0, 0xE1, 0xE2, 0xEE
SCAN, COMMENT = 0xDA, 0xFE
XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXIF = b"Exif\0\0"
ICC = b"ICC_PROFILE\0"
LONGEST = 65533
"""Bytes that a segment holds."""


def segment(marker: int, contents: bytes) -> bytes:
    """One segment. Raises ValueError where it holds more than it can."""
    if len(contents) > LONGEST:
        raise ValueError(f"{len(contents)} bytes do not fit into one segment of a JPEG file")
    return struct.pack(">BBH", 0xFF, marker, 2 + len(contents)) + contents


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


def _end_of_picture(data: bytes, at: int) -> int:
    """The first byte after the first picture of a file, from the start of its first scan."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise ValueError("it is truncated")
        marker = data[at + 1]
        if marker == 0xD9:
            return at + 2
        if marker in (0x00, 0xFF) or 0xD0 <= marker <= 0xD7:  # In the midst of samples.
            at += 1 if marker == 0xFF else 2
        else:  # Tables or another scan.
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _belongs_to_samples(marker: int, contents: bytes) -> bool:
    """Whether a decoder needs a segment: tables, the profile, what Adobe says of the colours."""
    if marker == APP2:
        return contents.startswith(ICC)
    if marker == APP14:
        return contents.startswith(b"Adobe")
    return not (APP0 <= marker <= 0xEF or marker == COMMENT)


def samples_only(data: bytes) -> tuple[bytes, bytes]:
    """The first picture of a JPEG file: its JFIF segment, if any, and all that follows, to the end.

    Samples, tables and colour profile stay as they are; Exif, XMP, thumbnails, comments and all
    else are left out. Raises ValueError.
    """
    head, kept, scan = b"", [], 0
    for marker, contents, at in segments(data):
        if marker == SCAN:
            scan = at
        elif marker == APP0 and contents.startswith(b"JFIF\0") and len(contents) >= 14:
            head = segment(APP0, contents[:12] + b"\0\0")  # A thumbnail of no size.
        elif _belongs_to_samples(marker, contents):
            kept.append(segment(marker, contents))
    return head, b"".join(kept) + data[scan : _end_of_picture(data, scan)]


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
