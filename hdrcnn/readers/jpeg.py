"""Read the markers of a JPEG file as leniently as libjpeg does.

Before anything is decoded, they show whether this kind of JPEG is supported, how costly it is,
whether samples are missing, and where a gain map is: the second image, with metadata that says how
the map is applied.

A gain map is found by the multi-picture index, else by the directory in the XMP data, else after
the end of the first image. A second image is a gain map if it says so itself: by ISO 21496-1,
`hdrgm` or Apple's identifier.

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
from hdrcnn.readers.gain_map import APPLE, AppleGainMap, Found, GainMap, GainMapError

START, END = b"\xff\xd8", b"\xff\xd9"
APP0, APP1, APP2, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
END_OF_IMAGE, SCAN, COMMENT = 0xD9, 0xDA, 0xFE
LOSSLESS_LS = 0xF7
"""Frame marker of JPEG-LS (ITU-T T.87)."""
HUFFMAN, ARITHMETIC = (0xC0, 0xC1, 0xC2), (0xC9, 0xCA)
"""Frame markers that libjpeg decodes, sequential and progressive."""
LONGEST = 65533
"""Maximum number of bytes in a segment."""
MOST_SCANS = 64
"""Each scan passes over the whole image, whatever it contains. Encoders write 10, at most 20."""

ISO = b"urn:iso:std:iso:ts:21496:-1\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
ICC = b"ICC_PROFILE\0"
INDEX = b"MPF\0"
MAX_IMAGES = 16
"""Maximum number of images examined in a file."""
_LENGTH = re.compile(
    rb"Item:Semantic\s*=\s*[\"']GainMap[\"'][^<>]*?Item:Length\s*=\s*[\"'](\d{1,10})"
)
_NEXT = re.compile(rb"\xff+([\x02-\xcf\xd9-\xfe])")
"""Finds the next marker past samples, restart markers, fill bytes and stray bytes."""
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_FURTHER = (b"\0\0\0\0", b"\x5a\xc3\x3c\xa5", b"\x33\x1c\x71\xe4", b"\x92\x49\x24\x6d")
"""Arbitrary codes that represent no particular image."""


def segment(marker: int, contents: bytes) -> bytes:
    """Return one segment. Raises ValueError if its contents are too long."""
    if len(contents) > LONGEST:
        raise ValueError(f"{len(contents)} bytes do not fit into one segment of a JPEG file")
    return struct.pack(">BBH", 0xFF, marker, 2 + len(contents)) + contents


def markers(data: bytes, at: int = 2) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, contents and offset of each segment of a file's first image.

    Includes segments between scans. Ends with the end of image (which is yielded) or of the data.
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
    """Whether a marker starts a frame header (SOF), with size and components."""
    return (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == LOSSLESS_LS


def _components(frame: bytes) -> list[tuple[int, int, int]]:
    """Return identifier, horizontal and vertical sampling factor of each component."""
    return [(frame[at], frame[at + 1] >> 4, frame[at + 1] & 15) for at in range(6, len(frame), 3)]


def _fewest_bits(marker: int, frame: bytes) -> int:
    """Return the least number of bits in which the samples of a frame can be stored.

    Every 8x8 block needs a code for its mean and, in sequential files, another for the end of the
    block; a Huffman code has at least one bit.
    """
    rows, columns = struct.unpack_from(">HH", frame, 1)
    components = _components(frame)
    across = max((h for _, h, _ in components), default=1) or 1
    down = max((v for _, _, v in components), default=1) or 1
    blocks = sum(
        -(-columns * h // (8 * across)) * -(-rows * v // (8 * down)) for _, h, v in components
    )
    if marker not in HUFFMAN:
        return 0  # One bit can hold thousands of arithmetic codes.
    return blocks if marker == 0xC2 else 2 * blocks


def check_supported(data: bytes) -> None:
    """Check whether a JPEG can be decoded.

    Raises NotReadError for unsupported kinds and for more scans than a photograph has; ValueError
    if the file is too short for its pixels, which libjpeg would fill with grey.
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
    """Whether a decoder needs a segment of the header, and the segment is long enough."""
    if marker == APP0:
        return contents.startswith(b"JFIF\0") and len(contents) >= 14
    if marker == APP1:
        return True
    if marker == APP2:
        return contents.startswith(ICC) and len(contents) > 14
    if marker == APP14:
        return contents.startswith(b"Adobe") and len(contents) >= 12
    return not (APP0 <= marker <= APP15 or marker == COMMENT)


def plain(data: bytes) -> bytes:
    """Return the file with only those header segments that decoders need, and without fill bytes.

    For readers that are stricter than libjpeg. Raises ValueError if there are no samples.
    """
    kept = [START]
    for marker, contents, at in markers(data):
        if marker == SCAN:
            return b"".join((*kept, data[at:]))
        if _is_needed(marker, contents):
            kept.append(segment(marker, contents))
    raise ValueError("it holds no samples")


def _all_is_sent(data: bytes) -> bool:
    """Whether the scans contain every coefficient of every component, to its last bit."""
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
    """Return copies of a file without end marker: one ended at once, others after several further
    codes.

    If all of them decode to the same image, no samples are missing: libjpeg fills in missing
    samples, from codes that follow if there are any. Empty if the file has its end marker. Raises
    ValueError if scans are missing.
    """
    if any(marker == END_OF_IMAGE for marker, _, _ in markers(data)):
        return []
    if not _all_is_sent(data):
        raise ValueError("scans of it are missing")
    cut = data.rstrip(b"\xff")
    restarts = _RESTART.findall(data)
    following = restarts[-1][0] - 0xD0 + 1 if restarts else 0

    def ended(codes: bytes) -> bytes:
        """Append the codes as all further restart intervals, each with its marker."""
        further = (codes + bytes((0xFF, 0xD0 + (following + n) % 8)) for n in range(8))
        return b"".join((cut, *further, END))

    return [cut + END, *(ended(codes * 16) for codes in _FURTHER)]


@dataclasses.dataclass(frozen=True)
class _Header:
    """What the segments before the samples contain about a gain map."""

    xmp: bytes = b""
    iso: bytes | None = None
    index: tuple[int, bytes] | None = None
    """Offset of the multi-picture index in the file, and the index itself."""


def _header(data: bytes, at: int = 2) -> _Header:
    """Read the header of the image whose first segment is at offset `at`."""
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
    """Yield offset and size of the images after the first, from a multi-picture index."""
    order = ">" if index[:2] == b"MM" else "<"
    try:
        (at,) = struct.unpack_from(f"{order}I", index, 4)
        (count,) = struct.unpack_from(f"{order}H", index, at)
        tags = {}
        for number in range(min(count, MAX_IMAGES)):
            tag, _, size, value = struct.unpack_from(f"{order}HHII", index, at + 2 + 12 * number)
            tags[tag] = size, value
        pictures = min(tags[0xB001][1], MAX_IMAGES)
        for number in range(1, pictures):
            size, offset = struct.unpack_from(
                f"{order}II", index, tags[0xB002][1] + 16 * number + 4
            )
            yield start + offset, size
    except (struct.error, LookupError):
        return


def _end(data: bytes) -> int:
    """Return the offset after the first image."""
    for marker, _, at in markers(data):
        if marker == END_OF_IMAGE:
            return at + 2
    return len(data)


def _places(data: bytes, header: _Header) -> list[tuple[int, int]]:
    """Return offset and size of the images after the first."""
    listed = list(_listed(*header.index)) if header.index else []
    length = _LENGTH.search(header.xmp)
    if length:
        listed.append((len(data) - int(length[1]), int(length[1])))
    sound = [place for place in listed if data.startswith(START, max(place[0], 1))]
    if sound:
        return sound
    # Programs that edit the first image's metadata may leave the index out of date.
    at = _end(data)
    found = data.find(START + b"\xff", at, at + 4096)
    return [(found, len(data) - found)] if found >= 0 else []


def _numbers(header: _Header, note: bytes) -> GainMap | AppleGainMap | None:
    """Return the gain map metadata of a further image; None if it is not a gain map.

    note: Apple's maker note, of the first image. Raises GainMapError.
    """
    if header.iso is not None and len(header.iso) >= gain_map.ISO_HEAD:
        return gain_map.of_iso(header.iso)
    if gain_map.has_hdrgm(header.xmp):
        return gain_map.of_hdrgm(header.xmp)
    return gain_map.of_apple(note) if APPLE in header.xmp else None


def find_gain_map(
    data: bytes, orientation: int, note: bytes, read: Callable[[bytes], Decoded]
) -> Found | None:
    """Return the gain map of a file; None if it has none.

    orientation: of the first image, which also applies to the map; note: the maker note; read: the
    decoder. Raises GainMapError if a gain map is declared or present but cannot be used.
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
        except Exception as error:  # Decoders raise any exception on damaged files.
            raise GainMapError("the second picture is damaged or truncated") from error
        primaries = profile_chromaticities(picture.icc) if picture.icc else None
        return Found(numbers, dataclasses.replace(picture, orientation=orientation), primaries)
    if not promised:
        return None
    raise GainMapError("its metadata are missing" if places else "the second picture is missing")
