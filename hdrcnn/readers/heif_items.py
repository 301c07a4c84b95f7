"""Items of HEIC and AVIF files and their properties: which colour box is the main picture's.

Sources: ISO/IEC 14496-12 for boxes and item references, ISO/IEC 23008-12 for item properties.
A file may hold several pictures, such as thumbnails, tiles and gain maps, each with its own.
"""

import struct
from collections.abc import Iterator

Box = tuple[bytes, memoryview]
"""Name and contents."""


def _boxes(data: memoryview) -> Iterator[Box]:
    """The boxes one after the other; the last may be cut off."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        size = size or len(data) - at
        if size < head:
            return
        yield name, data[at + head : at + size]
        at += size


def _main_item(contents: memoryview) -> int:
    """Of a pitm box."""
    return int(struct.unpack_from(">I" if contents[0] else ">H", contents, 4)[0])


def _associations(contents: memoryview) -> dict[int, list[int]]:
    """Of an ipma box: places in ipco, from 1, by item."""
    version, wide = contents[0], contents[3] & 1
    (entries,) = struct.unpack_from(">I", contents, 4)
    at, found = 8, {}
    for _ in range(entries):
        item, count = struct.unpack_from(">IB" if version else ">HB", contents, at)
        at += 5 if version else 3
        places = struct.unpack_from(f">{count}{'H' if wide else 'B'}", contents, at)
        at += count * (2 if wide else 1)
        found[item] = [place & (0x7FFF if wide else 0x7F) for place in places]
    return found


def _made_of(contents: memoryview) -> dict[int, list[int]]:
    """Of an iref box: the items from which another is put together, such as the tiles of a grid."""
    found, number, head = {}, "I" if contents[0] else "H", 6 if contents[0] else 4
    for name, reference in _boxes(contents[4:]):
        if name == b"dimg":
            item, count = struct.unpack_from(f">{number}H", reference)
            found[item] = list(struct.unpack_from(f">{count}{number}", reference, head))
    return found


def main_properties(data: bytes) -> list[Box]:
    """The properties of a file's main picture, then those of its tiles. Those of all pictures
    where the file does not say, or not readably, whose they are; empty where it holds none.
    """
    none = memoryview(b"")
    meta = dict(_boxes(dict(_boxes(memoryview(data))).get(b"meta", none)[4:]))
    held = list(_boxes(meta.get(b"iprp", none)))
    properties = list(_boxes(dict(held).get(b"ipco", none)))
    owned: dict[int, list[int]] = {}
    try:
        for name, contents in held:
            if name == b"ipma":
                owned.update(_associations(contents))
        item = _main_item(meta.get(b"pitm", none))
        tiles = _made_of(meta[b"iref"]).get(item, []) if b"iref" in meta else []
    except (struct.error, IndexError):
        return properties
    if not owned:
        return properties
    parts = dict.fromkeys((item, *tiles))
    places = [place for part in parts for place in owned.get(part, [])]
    return [properties[place - 1] for place in places if 0 < place <= len(properties)]
