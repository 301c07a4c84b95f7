"""Check that a result is complete: interrupted copies and full disks truncate files.

Only what gives the length is examined, not the samples in between:

    exr          the offset of every chunk; the last one ends with the file, and decompresses
    hdr          the number of bytes, from a comment of the header
    png          ends with its chunk `IEND`
    ultrahdr     base image and gain map have the lengths given in the index; the end marker
    jpeg         the end marker, and no index
    tiff         its last strip of samples ends with the file
    avif, jxl    the last box ends with the file, and there is a box of samples

Sources: "OpenEXR File Layout"; PNG, third edition; CIPA DC-007; ISO/IEC 14496-12.
"""

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from hdrcnn.files import is_regular
from hdrcnn.writers import notes

HEAD = 1 << 18
"""Number of bytes at the start of a file that are searched for its metadata."""
COLOURS = "# bytes of colours: "
"""Comment of a Radiance header, followed by ten digits."""
_EXR_ZIPPED = {2: 1, 3: 16}
"""Number of rows in a chunk, by the number of the compression (ZIPS, ZIP)."""
_PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"


def exr_attributes(file: IO[bytes]) -> dict[bytes, bytes]:
    """Return the attributes of an OpenEXR file of one part, by name, at most 64 KiB of each.

    Leaves the file at the end of the header. Does without OpenEXR, which prints to stderr what is
    wrong with a file. Raises ValueError, struct.error.
    """
    found: dict[bytes, bytes] = {}
    head = file.read(8)
    if head[:5] != b"\x76\x2f\x31\x01\x02":
        raise ValueError("no OpenEXR file of one part")
    while True:
        words = []
        for _ in range(2):
            word = bytearray()
            while (letter := file.read(1)) != b"\0":
                if not letter or len(word) > 255:
                    raise ValueError("its header is damaged")
                word += letter
            words.append(bytes(word))
            if not word:
                return found
        (size,) = struct.unpack("<I", file.read(4))
        found[words[0]] = file.read(min(size, 1 << 16))
        file.seek(max(size - (1 << 16), 0), 1)


def _exr(file: IO[bytes], size: int) -> bool:
    """Check a file of scanlines in one part, as this tool writes them."""
    attributes = exr_attributes(file)
    start = file.tell()
    (first,) = struct.unpack("<Q", file.read(8))
    if not start + 8 <= first < size or (first - start) % 8:
        return False
    file.seek(start)
    places = struct.unpack(f"<{(first - start) // 8}Q", file.read(first - start))
    if min(places) < first or max(places) + 8 > size:
        return False
    file.seek(max(places))
    row, length = struct.unpack("<iI", file.read(8))
    if max(places) + 8 + length != size:
        return False
    lines = _EXR_ZIPPED.get(attributes[b"compression"][0])
    if lines is not None and length < _unpacked(attributes, row, lines):
        zlib.decompress(file.read(length))  # Its checksum is at the end.
    return True


def _unpacked(attributes: dict[bytes, bytes], row: int, lines: int) -> int:
    """Return the uncompressed size of a chunk that begins at `row`, in bytes.

    A chunk is stored in that size if compression does not make it smaller. lines: rows per chunk;
    the last one may have fewer.
    """
    left, _, right, bottom = struct.unpack("<4i", attributes[b"dataWindow"])
    pixel, rest = 0, attributes[b"channels"]
    while rest[:1] not in (b"\0", b""):
        rest = rest.partition(b"\0")[2]
        pixel += 2 if rest[0] == 1 else 4  # Half floats; floats and integers.
        rest = rest[16:]
    return pixel * int(right - left + 1) * min(lines, int(bottom) - row + 1)


def _radiance(file: IO[bytes], size: int) -> bool:
    head = file.read(HEAD)
    header, _, rest = head.partition(b"\n\n")
    size_line = rest.find(b"\n") + 1
    told = re.search(rb"^" + COLOURS.encode() + rb"(\d{10})$", header, re.MULTILINE)
    start = len(header) + 2 + size_line
    return told is not None and size_line > 0 and start + int(told[1]) == size


def _png(file: IO[bytes], size: int) -> bool:
    file.seek(max(0, size - len(_PNG_END)))
    return file.read() == _PNG_END


def _jpeg(file: IO[bytes], size: int) -> bool:
    head = file.read(HEAD)
    _, indexed, index = head.partition(b"MPF\0II*\0")
    if not indexed and notes.MARK in head:
        file.seek(max(0, size - 2))
        return head[:3] == b"\xff\xd8\xff" and file.read() == b"\xff\xd9"
    # After 4 bytes: a directory of 3 entries, then attribute and length of each image.
    first, second = struct.unpack_from("<I12xI", index, 4 + 2 + 3 * 12 + 4 + 4)
    file.seek(max(0, size - 2))
    return first + second == size and file.read() == b"\xff\xd9"


def _tiff(file: IO[bytes], size: int) -> bool:
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
        return max(ends) == size


def _boxes(file: IO[bytes], size: int) -> bool:
    at, names = 0, set()
    while at < size:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        names.add(name)
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
        if length < 8:  # 0: to the end of the file, wherever that is.
            return False
        at += length
    return at == size and bool(names & {b"mdat", b"jxlc", b"jxlp"})


_CHECKS: dict[str, Callable[[IO[bytes], int], bool]] = {
    ".exr": _exr,
    ".hdr": _radiance,
    ".png": _png,
    ".jpg": _jpeg,
    ".tif": _tiff,
    ".avif": _boxes,
    ".jxl": _boxes,
}


def is_complete(path: Path) -> bool:
    """Whether a result of this tool, or a preview, has the length that it states.

    Files in formats that others have registered count as complete if they exist.
    """
    if not is_regular(path):
        return False
    check = _CHECKS.get(path.suffix)
    if check is None:
        return True
    try:
        with path.open("rb") as file:
            return check(file, path.stat().st_size)
    except (OSError, ValueError, TypeError, LookupError, struct.error, zlib.error):
        return False
