"""The segments of a JPEG file: which of a photograph's own are kept, and which are added.

Sources: ITU-T T.81, annex B; CIPA DC-007 (multi-picture format); ICC.1:2022, annex B.4.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from hdrcnn.files import ImageError
from hdrcnn.readers.jpeg import (
    APP0,
    APP2,
    APP14,
    APP15,
    END,
    END_OF_IMAGE,
    ICC,
    LONGEST,
    SCAN,
    START,
    is_frame,
    markers,
    segment,
)

EXIF = b"Exif\0\0"
MAX_SIDE = 65535
"""Maximum number of rows or columns of a JPEG."""


def check_size(path: Path, size: tuple[int, int], label: str) -> None:
    """Raise ImageError if an image of (rows, columns) is too large for a JPEG. label: the format's
    name on the command line.
    """
    rows, columns = size
    if max(size) > MAX_SIDE:
        raise ImageError(
            f"{path}: not written, {columns}x{rows} is more than a JPEG holds ({MAX_SIDE}); leave "
            f"out --format={label}"
        )


def encoded(codes: np.ndarray, quality: int, **settings: bytes) -> bytes:
    """Encode [H, W, 3] uint8 as a JPEG by Pillow, with colours at full resolution."""
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "JPEG", quality=quality, subsampling=0, **settings)
    return file.getvalue()


def segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, contents and offset of each segment up to the first scan. Raises ValueError."""
    if data[:2] != START:
        raise ValueError("no JPEG file")
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("its segments are damaged")
        if data[at + 1] == 0xFF:  # Fill byte.
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
    """Return what a decoder needs of a segment: tables, ICC profile, Adobe's transform; or None."""
    if marker == APP14 and contents.startswith(b"Adobe") and len(contents) >= 12:
        return contents[:12]
    if marker == APP2 and contents.startswith(ICC):
        return contents
    return contents if marker in _FRAMES_AND_TABLES else None


def _scans(data: bytes, first: int) -> bytes:
    """Return the first scan to the end of the image, without other segments between the scans.

    Raises ValueError if the end is missing.
    """
    kept = []
    begun, follows_scan = first, False
    for marker, contents, at in markers(data, first):
        if follows_scan:  # The scan's header and the samples that follow.
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
    """Return the first image of a JPEG file: its JFIF segment, if any, and the rest, to the end.

    Samples, tables and ICC profile are unchanged; Exif, XMP, thumbnails, comments and everything
    else is left out, between the scans too. Raises ValueError.
    """
    head, kept, scan = b"", [], 0
    for marker, contents, at in segments(data):
        needed = _needed(marker, contents)
        if marker == SCAN:
            scan = at
        elif marker == APP0 and contents.startswith(b"JFIF\0") and len(contents) >= 14:
            head = segment(APP0, contents[:12] + b"\0\0")  # No thumbnail.
        elif needed is not None:
            kept.append(segment(marker, needed))
    return head, b"".join(kept) + _scans(data, scan)


def has_profile(data: bytes) -> bool:
    """Whether a JPEG file carries an ICC profile. Raises ValueError."""
    return any(
        marker == APP2 and contents.startswith(ICC) for marker, contents, _ in segments(data)
    )


def frame_of(data: bytes) -> tuple[int, int, int, int]:
    """Return bits, rows, columns and components of a JPEG file. Raises ValueError."""
    for marker, contents, _ in segments(data):
        if is_frame(marker) and len(contents) >= 6:
            bits, rows, columns, components = struct.unpack_from(">BHHB", contents)
            return bits, rows, columns, components
    raise ValueError("it holds no frame")


def profile_segments(profile: bytes) -> bytes:
    """Return the segments that carry an ICC profile."""
    size = LONGEST - len(ICC) - 2
    parts = [profile[at : at + size] for at in range(0, len(profile), size)]
    return b"".join(
        segment(APP2, ICC + bytes((number, len(parts))) + part)
        for number, part in enumerate(parts, 1)
    )


def multi_picture(first: int, second: int, offset: int) -> bytes:
    """Return the index of a file of two images, which always has the same length.

    first, second: their sizes in bytes; offset: of the second, from this segment's byte order mark.
    """
    entry = struct.Struct("<IIIHH")
    directory = struct.pack("<H", 3)
    directory += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    directory += struct.pack("<HHII", 0xB001, 4, 1, 2)
    directory += struct.pack("<HHII", 0xB002, 7, 2 * entry.size, 8 + 2 + 3 * 12 + 4)
    directory += struct.pack("<I", 0)
    # 0x030000: the baseline primary image; the gain map has no type of its own.
    pictures = entry.pack(0x030000, first, 0, 0, 0) + entry.pack(0, second, offset, 0, 0)
    return segment(APP2, b"MPF\0" + b"II*\0" + struct.pack("<I", 8) + directory + pictures)


MULTI_PICTURE_MARK = 2 + 2 + 4
"""Number of bytes from the start of that segment to its byte order mark."""
