"""The gain map of a JPEG file: its second picture, and the numbers that say how it is applied.

Found by the multi-picture index (CIPA DC-007), else by the directory in the XMP data (Google,
"Ultra HDR image format" 1.1), else after the end of the first picture. A second picture is a gain
map if it says so itself: by ISO 21496-1, `hdrgm` or Apple's name for one.
"""

import dataclasses
import re
import struct
from collections.abc import Iterator

from hdrcnn.colour.icc import profile_chromaticities
from hdrcnn.readers import gain_map, pillow
from hdrcnn.readers.decoded import SizeCheck
from hdrcnn.readers.gain_map import AppleGainMap, Found, GainMap, GainMapError
from hdrcnn.readers.jpeg_markers import APP1, APP2, END_OF_IMAGE, SCAN, START, markers

ISO = b"urn:iso:std:iso:ts:21496:-1\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
INDEX = b"MPF\0"
APPLE = b"urn:com:apple:photo:2020:aux:hdrgainmap"
MOST = 16
"""Pictures of a file that are looked at."""
_LENGTH = re.compile(
    rb"Item:Semantic\s*=\s*[\"']GainMap[\"'][^<>]*?Item:Length\s*=\s*[\"'](\d{1,10})"
)


@dataclasses.dataclass(frozen=True)
class _Header:
    """What the segments before the samples say."""

    xmp: bytes = b""
    iso: bytes | None = None
    index: tuple[int, bytes] | None = None
    """Where the multi-picture index begins, from the first byte of the file, and the index."""


def _header(data: bytes, at: int = 2) -> _Header:
    """Of the picture whose first segment is at that byte."""
    found = _Header()
    for marker, contents, place in markers(data, at):
        if marker in (SCAN, END_OF_IMAGE):
            break
        if marker == APP1 and contents.startswith(XMP):
            found = dataclasses.replace(found, xmp=found.xmp + contents[len(XMP) :])
        elif marker == APP2 and contents.startswith(ISO):
            found = dataclasses.replace(found, iso=contents[len(ISO) :])
        elif marker == APP2 and contents.startswith(INDEX):
            start = data.index(INDEX, place) + len(INDEX)
            found = dataclasses.replace(found, index=(start, contents[len(INDEX) :]))
    return found


def _listed(start: int, index: bytes) -> Iterator[tuple[int, int]]:
    """First byte and size of the pictures after the first, by a multi-picture index."""
    order = ">" if index[:2] == b"MM" else "<"
    try:
        (at,) = struct.unpack_from(f"{order}I", index, 4)
        (count,) = struct.unpack_from(f"{order}H", index, at)
        tags = {}
        for number in range(min(count, MOST)):
            tag, _, size, value = struct.unpack_from(f"{order}HHII", index, at + 2 + 12 * number)
            tags[tag] = size, value
        pictures = min(tags[0xB001][1], MOST)
        for number in range(1, pictures):
            size, offset = struct.unpack_from(
                f"{order}II", index, tags[0xB002][1] + 16 * number + 4
            )
            yield start + offset, size
    except (struct.error, LookupError):
        return


def _end(data: bytes) -> int:
    """The byte after the first picture."""
    for marker, _, at in markers(data):
        if marker == END_OF_IMAGE:
            return at + 2
    return len(data)


def _places(data: bytes, header: _Header) -> list[tuple[int, int]]:
    """First byte and size of the further pictures."""
    listed = list(_listed(*header.index)) if header.index else []
    length = _LENGTH.search(header.xmp)
    if length:
        listed.append((len(data) - int(length[1]), int(length[1])))
    sound = [place for place in listed if data.startswith(START, max(place[0], 1))]
    if sound:
        return sound
    # Programs that change the first picture's metadata may leave the index as it was.
    at = _end(data)
    found = data.find(START + b"\xff", at, at + 4096)
    return [(found, len(data) - found)] if found >= 0 else []


def _numbers(header: _Header, note: bytes) -> GainMap | AppleGainMap | None:
    """Of a further picture; None if it is no gain map. note: Apple's, of the first picture. Raises
    GainMapError.
    """
    if header.iso is not None and len(header.iso) >= gain_map.ISO_HEAD:
        return gain_map.of_iso(header.iso)
    if gain_map.has_hdrgm(header.xmp):
        return gain_map.of_hdrgm(header.xmp)
    return gain_map.of_apple(note) if APPLE in header.xmp else None


def find(data: bytes, orientation: int, note: bytes, check: SizeCheck) -> Found | None:
    """The gain map of a file; None if it has none.

    orientation: of the first picture, which the map is turned with; note: the maker note. Raises
    GainMapError if there should be one that cannot be used, and what `check` raises.
    """
    header = _header(data)
    promised = header.iso is not None or b"hdrgm:Version" in header.xmp
    places = _places(data, header)
    for start, size in places:
        second = data[start : start + size]
        numbers = _numbers(_header(second), note)
        if numbers is None:
            continue
        if start + size > len(data):
            raise GainMapError("the second picture is truncated")
        try:
            picture = pillow.read(second, "JPEG", check)
        except Exception as error:  # Damaged files make decoders fail in any way they like.
            raise GainMapError("the second picture is damaged or truncated") from error
        primaries = profile_chromaticities(picture.icc) if picture.icc else None
        return Found(numbers, dataclasses.replace(picture, orientation=orientation), primaries)
    if not promised:
        return None
    raise GainMapError("its metadata are missing" if places else "the second picture is missing")
