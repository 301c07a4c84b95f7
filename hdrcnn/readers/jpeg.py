"""The markers of a JPEG file, read as leniently as libjpeg does, and what follows from them before
anything is decoded: whether the kind is read, what it costs, whether samples are missing, and where
a gain map is: the second picture, with the numbers that say how it is applied.

A gain map is found by the multi-picture index, else by the directory in the XMP data, else after
the end of the first picture. A second picture is one if it says so itself: by ISO 21496-1, `hdrgm`
or Apple's name for one.

Sources: ITU-T T.81 (JPEG), annexes B, F and G; CIPA DC-007 (multi-picture format); Google, "Ultra
HDR image format" 1.1.
"""

import dataclasses
import re
import struct
from collections.abc import Callable, Iterator

from hdrcnn.colour.icc import profile_chromaticities
from hdrcnn.readers import gain_map
from hdrcnn.readers.decoded import Decoded, NotReadError
from hdrcnn.readers.gain_map import AppleGainMap, Found, GainMap, GainMapError

START, END = b"\xff\xd8", b"\xff\xd9"
APP0, APP1, APP2, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
END_OF_IMAGE, SCAN, COMMENT = 0xD9, 0xDA, 0xFE
LOSSLESS_LS = 0xF7
"""The frame of JPEG-LS (ITU-T T.87)."""
HUFFMAN, ARITHMETIC = (0xC0, 0xC1, 0xC2), (0xC9, 0xCA)
"""Frames that libjpeg decodes, sequential and progressive."""
LONGEST = 65533
"""Bytes that a segment holds."""
MOST_SCANS = 64
"""Each passes over the whole picture, whatever it holds. Encoders write 10 at most 20."""

ISO = b"urn:iso:std:iso:ts:21496:-1\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
INDEX = b"MPF\0"
APPLE = b"urn:com:apple:photo:2020:aux:hdrgainmap"
MOST = 16
"""Pictures of a file that are looked at."""
_LENGTH = re.compile(
    rb"Item:Semantic\s*=\s*[\"']GainMap[\"'][^<>]*?Item:Length\s*=\s*[\"'](\d{1,10})"
)
_NEXT = re.compile(rb"\xff+([\x02-\xcf\xd9-\xfe])")
"""What is skipped on the way: samples, restart markers, filling, and bytes that belong nowhere."""
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_FURTHER = (b"\0\0\0\0", b"\x5a\xc3\x3c\xa5", b"\x33\x1c\x71\xe4", b"\x92\x49\x24\x6d")
"""Codes that stand for no picture in particular."""


def segment(marker: int, contents: bytes) -> bytes:
    """One segment. Raises ValueError if it holds more than it can."""
    if len(contents) > LONGEST:
        raise ValueError(f"{len(contents)} bytes do not fit into one segment of a JPEG file")
    return struct.pack(">BBH", 0xFF, marker, 2 + len(contents)) + contents


def markers(data: bytes, at: int = 2) -> Iterator[tuple[int, bytes, int]]:
    """Marker, contents and first byte of each segment of a file's first picture, those between
    the scans too, up to the end of image (which is yielded) or of the data.
    """
    while found := _NEXT.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == END_OF_IMAGE:
            yield marker, b"", at - 2
            return
        size = int.from_bytes(data[at : at + 2], "big")
        yield marker, data[at + 2 : at + size], at - 2
        at += max(size, 2)


def is_frame(marker: int) -> bool:
    """Whether a segment tells size and components (SOF)."""
    return (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == LOSSLESS_LS


def _components(frame: bytes) -> list[tuple[int, int, int]]:
    """Number, horizontal and vertical sampling of each."""
    return [(frame[at], frame[at + 1] >> 4, frame[at + 1] & 15) for at in range(6, len(frame), 3)]


def _fewest_bits(marker: int, frame: bytes) -> int:
    """That the samples of a frame can be stored in: every 8x8 block needs a code for its mean,
    and in sequential files another for the end of the block; a Huffman code has one bit or more.
    """
    rows, columns = struct.unpack_from(">HH", frame, 1)
    components = _components(frame)
    across = max((h for _, h, _ in components), default=1) or 1
    down = max((v for _, _, v in components), default=1) or 1
    blocks = sum(
        -(-columns * h // (8 * across)) * -(-rows * v // (8 * down)) for _, h, v in components
    )
    if marker not in HUFFMAN:
        return 0  # Of arithmetic codes a bit can hold thousands.
    return blocks if marker == 0xC2 else 2 * blocks


def check(data: bytes) -> None:
    """Raises NotReadError for kinds that are not read and for more scans than a photograph has;
    ValueError if the file is too short for its pixels, which libjpeg would fill with grey.
    """
    scans = first_scan = 0
    frame: tuple[int, bytes] | None = None
    for marker, contents, at in markers(data):
        if is_frame(marker) and frame is None and len(contents) >= 6:
            frame = marker, contents
        elif marker == SCAN:
            first_scan = first_scan or at
            scans += 1
            if scans > MOST_SCANS:
                raise NotReadError(
                    f"a JPEG of more than {MOST_SCANS} scans takes too long; save it again as "
                    "PNG or JPEG"
                )
    if frame is None:
        return
    marker, contents = frame
    bits, count = contents[0], contents[5]
    kind = ""
    if marker == LOSSLESS_LS:
        kind = "JPEG-LS"
    elif marker not in HUFFMAN + ARITHMETIC:
        kind = "a lossless or hierarchical JPEG"
    elif bits == 12:
        kind = "a JPEG of 12 bits"
    elif bits == 8 and count not in (1, 3, 4):
        kind = f"a JPEG of {count} components"
    if kind:
        raise NotReadError(f"{kind}, a kind not read here; save it as PNG, TIFF or plain JPEG")
    if 8 * (len(data) - first_scan) < _fewest_bits(marker, contents):
        raise ValueError("it is too short for its pixels")


def _is_needed(marker: int, contents: bytes) -> bool:
    """Whether a segment of the header tells a decoder something, and is long enough to do so."""
    if marker == APP0:
        return contents.startswith(b"JFIF\0") and len(contents) >= 14
    if marker == APP1:
        return True
    if marker == APP2:
        return contents.startswith(b"ICC_PROFILE\0") and len(contents) > 14
    if marker == APP14:
        return contents.startswith(b"Adobe") and len(contents) >= 12
    return not (APP0 <= marker <= APP15 or marker == COMMENT)


def plain(data: bytes) -> bytes:
    """The same file with a header of nothing but what decoders need, without filling; for
    readers that are stricter than libjpeg.
    """
    kept = [START]
    for marker, contents, at in markers(data):
        if marker == SCAN:
            return b"".join((*kept, data[at:]))
        if _is_needed(marker, contents):
            kept.append(segment(marker, contents))
    raise ValueError("it holds no samples")


def _all_is_sent(data: bytes) -> bool:
    """Whether the scans give every coefficient of every component to its last bit."""
    missing: dict[int, set[int]] = {}
    for marker, contents, _ in markers(data):
        if is_frame(marker):
            missing = {number: set(range(64)) for number, _, _ in _components(contents)}
        elif marker == SCAN and contents:
            count = contents[0]
            first, last, bit = contents[-3], contents[-2], contents[-1] & 15
            for number in contents[1 : 1 + 2 * count : 2]:
                if bit == 0 and number in missing:
                    missing[number] -= set(range(first, last + 1))
    return bool(missing) and not any(missing.values())


def endings(data: bytes) -> list[bytes]:
    """A file without its end of image, ended at once, and after several further codes.

    If all give the same picture, none of its samples is missing: libjpeg fills in what is, from
    codes if there are any. Empty if the file has its end. Raises ValueError if scans are missing.
    """
    if any(marker == END_OF_IMAGE for marker, _, _ in markers(data)):
        return []
    if not _all_is_sent(data):
        raise ValueError("scans of it are missing")
    cut = data.rstrip(b"\xff")
    restarts = _RESTART.findall(data)
    following = restarts[-1][0] - 0xD0 + 1 if restarts else 0

    def ended(codes: bytes) -> bytes:
        """As every interval to come, each with its restart marker."""
        further = (codes + bytes((0xFF, 0xD0 + (following + n) % 8)) for n in range(8))
        return b"".join((cut, *further, END))

    return [cut + END, *(ended(codes * 16) for codes in _FURTHER)]


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


def find_gain_map(
    data: bytes, orientation: int, note: bytes, read: Callable[[bytes], Decoded]
) -> Found | None:
    """The gain map of a file; None if it has none.

    orientation: of the first picture, which the map is turned with; note: the maker note; read: the
    decoder. Raises GainMapError if there should be one that cannot be used.
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
            picture = read(second)
        except Exception as error:  # Damaged files make decoders fail in any way they like.
            raise GainMapError("the second picture is damaged or truncated") from error
        primaries = profile_chromaticities(picture.icc) if picture.icc else None
        return Found(numbers, dataclasses.replace(picture, orientation=orientation), primaries)
    if not promised:
        return None
    raise GainMapError("its metadata are missing" if places else "the second picture is missing")
