"""Small photographs with a gain map, written byte by byte from the standards."""

import io
import struct
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tests.readers.pictures import by_pillow

ROWS, COLUMNS = 48, 64
BASE_OFFSET, ALTERNATE_OFFSET = 1 / 64, 1 / 32
ISO = b"urn:iso:std:iso:ts:21496:-1\0"
APPLE = b"urn:com:apple:photo:2020:aux:hdrgainmap"
QUARTER, MIRROR = b"irot", b"imir"
Property = tuple[bytes, bytes]


def base(rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """[rows, columns, 3] uint8: smooth, without symmetry."""
    down, right = np.mgrid[0:rows, 0:columns]
    rgb = [40 + 160 * right / columns, 60 + 120 * down / rows, 180 - 90 * right / columns]
    return np.stack(rgb, axis=-1).astype(np.uint8)


def gains(rows: int = ROWS, columns: int = COLUMNS, channels: int = 1) -> np.ndarray:
    """[rows, columns] or [rows, columns, 3] uint8: smooth, up to 250, without symmetry."""
    down, right = np.mgrid[0:rows, 0:columns]
    one = (down + 0.5) / rows * 130 + (right + 0.5) / columns * 120
    planes = np.stack([one, 250 - one, 0.5 * one + 60], axis=-1)
    return np.round(one if channels == 1 else planes).astype(np.uint8)


def fraction(value: float, signed: bool) -> bytes:
    """A fraction as ISO 21496-1 stores it."""
    return struct.pack(">iI" if signed else ">II", round(value * 64000), 64000)


def iso_numbers(
    low: Sequence[float] = (0.0,),
    high: Sequence[float] = (3.0,),
    gamma: Sequence[float] = (1.0,),
    headrooms: tuple[float, float] = (0.0, 3.0),
    offsets: tuple[float, float] = (BASE_OFFSET, ALTERNATE_OFFSET),
    base_primaries: bool = True,
) -> bytes:
    """Gain map metadata as in ISO 21496-1, annex C.2."""
    flags = 0x80 * (len(low) == 3) | 0x40 * base_primaries
    data = struct.pack(">HHB", 0, 0, flags)
    data += b"".join(fraction(value, False) for value in headrooms)
    for least, most, power in zip(low, high, gamma, strict=True):
        data += fraction(least, True) + fraction(most, True) + fraction(power, False)
        data += b"".join(fraction(value, True) for value in offsets)
    return data


def hdrgm(inside: str = "", **values: object) -> bytes:
    """An XMP packet of a gain map."""
    named = {"Version": "1.0", "GainMapMax": 3.0, "HDRCapacityMax": 3.0, **values}
    attributes = " ".join(
        f'hdrgm:{name}="{value}"' for name, value in named.items() if value is not None
    )
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        f'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" {attributes}>{inside}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def segment(marker: int, contents: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(contents)) + contents


def jpeg(
    picture: np.ndarray,
    gain: np.ndarray,
    iso: bytes | None = None,
    xmp: bytes | None = None,
    promise: bool = True,
    **options: object,
) -> bytes:
    """A JPEG with a multi-picture index. iso, xmp: metadata in the second image; promise: whether
    the first image announces a gain map; options: Pillow's options for the first image.
    """
    second = by_pillow("JPEG", gain, quality=100, subsampling=0)
    said = b""
    if iso is not None:
        said += segment(0xE2, ISO + iso)
    if xmp is not None:
        said += segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp)
    second = second[:2] + said + second[2:]
    first = by_pillow("JPEG", picture, quality=100, subsampling=0, **options)
    told = segment(0xE2, ISO + bytes(4)) if promise else b""
    head = first[:2] + told
    entry = struct.Struct(">IIIHH")
    index = b"MM\0*" + struct.pack(">IH", 8, 2)
    index += struct.pack(">HHII", 0xB001, 4, 1, 2)
    index += struct.pack(">HHIII", 0xB002, 7, 2 * entry.size, 8 + 2 + 2 * 12 + 4, 0)
    whole = len(head) + 2 + 2 + 4 + len(index) + 2 * entry.size + len(first) - 2
    offset = whole - (len(head) + 2 + 2 + 4)
    index += entry.pack(0x030000, whole, 0, 0, 0) + entry.pack(0, len(second), offset, 0, 0)
    return head + segment(0xE2, b"MPF\0" + index) + first[2:] + second


def box(name: bytes, contents: bytes) -> bytes:
    return struct.pack(">I", 8 + len(contents)) + name + contents


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        found.append((name, data[at + 8 : at + size]))
        at += size
    return found


def _coded(kind: str, picture: np.ndarray, **options: object) -> bytes:
    image = Image.fromarray(picture)
    if kind == "AVIF":
        return by_pillow("AVIF", image, quality=100, subsampling="4:4:4", **options)
    import pillow_heif

    file = io.BytesIO()
    heif = pillow_heif.from_pillow(image)
    heif.save(file, quality=-1, chroma=444, **options)
    return file.getvalue()


def _item(data: bytes) -> tuple[bytes, list[Property], bytes]:
    """Type, properties and samples of the only item of a file."""
    top = dict(boxes(data))
    meta = dict(boxes(top[b"meta"][4:]))
    properties = boxes(dict(boxes(meta[b"iprp"]))[b"ipco"])
    kind = b"av01" if any(name == b"av1C" for name, _ in properties) else b"hvc1"
    return kind, properties, top[b"mdat"]


def apple_note(headroom: float, gain: float) -> bytes:
    """The two entries of an iPhone's maker note."""
    head = b"Apple iOS\0\0\x01MM" + struct.pack(">H", 2)
    end = 16 + 2 * 12 + 4
    entries = struct.pack(">HHII", 33, 10, 1, end) + struct.pack(">HHII", 48, 10, 1, end + 8)
    values = struct.pack(">iiii", round(headroom * 10000), 10000, round(gain * 10000), 10000)
    return head + entries + bytes(4) + values


def heif(
    kind: str,
    picture: np.ndarray,
    gain: np.ndarray,
    numbers: bytes | None = None,
    note: bytes | None = None,
    apple: bool = False,
    turned: Sequence[Property] = (),
    map_turned: Sequence[Property] | None = None,
    coded: bytes | None = None,
    alternate: Sequence[Property] = (),
) -> bytes:
    """A HEIF or AVIF file with a hidden gain map. numbers: metadata in a `tmap` item; note: maker
    note in the Exif data; apple: the map is an auxiliary image; turned: rotation properties of the
    base, and of the map unless `map_turned` is given; coded: the base as an encoded file;
    alternate: properties of the `tmap` item.
    """
    base_file = coded or _coded(kind, picture)
    first, base_properties, base_data = _item(base_file)
    second, gain_properties, gain_data = _item(_coded(kind, gain))
    own = turned if map_turned is None else map_turned
    gain_properties = [*gain_properties, *own]
    if apple:
        gain_properties.append((b"auxC", bytes(4) + APPLE + b"\0"))
    items = [(1, first, [*base_properties, *turned], base_data, 0)]
    items.append((2, second, gain_properties, gain_data, 1))
    references = [(b"auxl", 2, [1])] if apple else []
    if numbers is not None:
        size = [(name, held) for name, held in base_properties if name == b"ispe"]
        items.append((3, b"tmap", [*size, *alternate], b"\0" + numbers, 0))
        references.append((b"dimg", 3, [1, 2]))
    if note is not None:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x927C] = note
        block = exif.tobytes()
        items.append((4, b"Exif", [], struct.pack(">I", 6) + block, 1))
        references.append((b"cdsc", 4, [1]))
    shelf, links, places, entries = b"", b"", b"", b""
    count, at = 0, 0
    for number, name, properties, data, hidden in items:
        entries += box(
            b"infe", bytes((2, 0, 0, hidden)) + struct.pack(">HH", number, 0) + name + b"\0"
        )
        links += struct.pack(">HB", number, len(properties))
        for named in properties:
            count += 1
            shelf += box(*named)
            links += bytes(
                (count | 0x80 * (named[0] in (b"av1C", b"hvcC", b"irot", b"imir", b"clap")),)
            )
        places += struct.pack(">HHHII", number, 0, 1, at, len(data))
        at += len(data)

    def file(start: int) -> bytes:
        moved = b""
        for entry in range(len(items)):
            number, _, one, offset, size = struct.unpack_from(">HHHII", places, 14 * entry)
            moved += struct.pack(">HHHII", number, 0, one, start + offset, size)
        told = b"".join(
            box(name, struct.pack(f">HH{len(to)}H", item, len(to), *to))
            for name, item, to in references
        )
        handler = bytes(8) + b"pict" + bytes(13)
        owned = box(b"ipco", shelf) + box(b"ipma", bytes(4) + struct.pack(">I", len(items)) + links)
        meta = bytes(4) + box(b"hdlr", handler) + box(b"pitm", bytes(4) + struct.pack(">H", 1))
        meta += box(b"iloc", bytes(4) + b"\x44\0" + struct.pack(">H", len(items)) + moved)
        meta += box(b"iinf", bytes(4) + struct.pack(">H", len(items)) + entries)
        meta += box(b"iref", bytes(4) + told) + box(b"iprp", owned)
        ftyp = box(b"ftyp", dict(boxes(base_file))[b"ftyp"])
        samples = b"".join(data for *_, data, _ in items)
        return ftyp + box(b"meta", meta) + box(b"mdat", samples)

    return file(len(file(0)) - at)
