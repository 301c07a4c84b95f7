"""Read the chunks of PNG files, and remove text that no reader here needs, however much there is.

Source: PNG, third edition (clause 5.3, chunk layout; 11.3.3, textual information).
"""

import struct
from collections.abc import Iterator

_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_WANTED = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end offset of each chunk's contents, up to the end or to damage."""
    at = 8
    while at + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"IEND" or at + 12 + size > len(data):
            return
        yield name, at + 8, at + 8 + size
        at += 12 + size


def before_pixels(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and contents of the chunks before the pixels."""
    for name, begin, end in chunks(data):
        if name == b"IDAT":
            return
        yield name, data[begin:end]


def lean(data: bytes) -> bytes:
    """Return the file with at most one profile and no text but XMP and Exif data, one of each.

    From the first damaged chunk on the file is left unchanged.
    """
    kept, seen, begun = [], set(), 0
    for name, begin, end in chunks(data):
        keyword = name
        if name in _TEXT:
            start = data[begin : min(begin + 80, end)]
            keyword = next((text for text in _WANTED if start.startswith(text)), b"")
        elif name != b"iCCP":
            continue
        if not keyword or keyword in seen:
            kept.append(data[begun : begin - 8])
            begun = end + 4
        seen.add(keyword)
    return b"".join((*kept, data[begun:])) if kept else data
