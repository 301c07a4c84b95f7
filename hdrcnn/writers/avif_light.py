"""Add MaxCLL and MaxFALL to an AVIF file: the `clli` property, which encoders leave out.

Sources: ISO/IEC 14496-12 (boxes, `clli`, `iloc`); ISO/IEC 23008-12 (`iprp`, `ipco`, `ipma`).
"""

import dataclasses
import struct

from hdrcnn.colour.pq import ContentLight
from hdrcnn.readers.heif_items import box, boxes


@dataclasses.dataclass
class _Box:
    """A box whose contents may be changed."""

    name: bytes
    contents: bytes

    def __bytes__(self) -> bytes:
        return box(self.name, self.contents)


def _boxes(data: bytes) -> list[_Box]:
    """Split data into boxes. Raises ValueError if it is not made of boxes with 32-bit sizes."""
    found = [_Box(name, data[begin:end]) for name, begin, end in boxes(data)]
    if _joined(found) != data:
        raise ValueError("no AVIF file as encoders write it")
    return found


def _named(among: list[_Box], name: bytes) -> _Box:
    for found in among:
        if found.name == name:
            return found
    raise ValueError(f"an AVIF file without {name.decode()}")


def _joined(parts: list[_Box]) -> bytes:
    return b"".join(map(bytes, parts))


def _associated(contents: bytes, item: int, number: int) -> bytes:
    """Return `ipma` with one more property for an item, not essential."""
    version, flags = contents[0], contents[3]
    (count,) = struct.unpack_from(">I", contents, 4)
    wide, long = flags & 1, version > 0
    at, out = 8, contents[:8]
    for _ in range(count):
        head = struct.Struct(">IB" if long else ">HB")
        name, held = head.unpack_from(contents, at)
        body = contents[at + head.size : at + head.size + held * (1 + wide)]
        at += head.size + len(body)
        if name == item:
            held, body = held + 1, body + number.to_bytes(1 + wide, "big")
        out += head.pack(name, held) + body
    return out


def _moved(contents: bytes, by: int) -> bytes:
    """Return `iloc` with all offsets in the file moved by some bytes. Raises ValueError."""
    version = contents[0]
    offset_size, length_size = contents[4] >> 4, contents[4] & 15
    base_size, index_size = contents[5] >> 4, contents[5] & 15
    if version > 1 or offset_size != 4 or base_size or (version and index_size):
        raise ValueError("places of a kind that encoders of AVIF do not write")
    (count,) = struct.unpack_from(">H", contents, 6)
    out, at = bytearray(contents), 8
    for _ in range(count):
        method = struct.unpack_from(">H", contents, at + 2)[0] & 15 if version else 0
        at += 4 + 2 * version
        (extents,) = struct.unpack_from(">H", contents, at)
        at += 2
        for _ in range(extents):
            (place,) = struct.unpack_from(">I", contents, at)
            if method == 0:
                struct.pack_into(">I", out, at, place + by)
            at += 4 + length_size
    return bytes(out)


def with_content_light(data: bytes, light: ContentLight, extra_boxes: bytes = b"") -> bytes:
    """Return an AVIF file with its content light levels stored.

    extra_boxes: boxes put after the first one. Raises ValueError unless the layout is the one that
    encoders write: metadata, then samples.
    """
    top = _boxes(data)
    meta = _named(top, b"meta")
    inner = _boxes(meta.contents[4:])
    (item,) = struct.unpack_from(">H", _named(inner, b"pitm").contents, 4)
    properties = _named(inner, b"iprp")
    parts = _boxes(properties.contents)
    shelf = _named(parts, b"ipco")
    number = len(_boxes(shelf.contents)) + 1
    levels = (min(round(value), 65535) for value in (light.max_cll, light.max_fall))
    shelf.contents += bytes(_Box(b"clli", struct.pack(">2H", *levels)))
    links = _named(parts, b"ipma")
    links.contents = _associated(links.contents, item, number)
    properties.contents = _joined(parts)
    places = _named(inner, b"iloc")
    meta.contents = meta.contents[:4] + _joined(inner)
    grown = len(_joined(top)) + len(extra_boxes) - len(data)
    places.contents = _moved(places.contents, grown)
    meta.contents = meta.contents[:4] + _joined(inner)
    return bytes(top[0]) + extra_boxes + _joined(top[1:])
