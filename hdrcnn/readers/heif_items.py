"""Items of HEIC and AVIF files and their properties: which colour box is the main picture's,
and what part of it is to be shown.

Sources: ISO/IEC 14496-12 for boxes and item references, ISO/IEC 23008-12 for item properties.
A file may hold several pictures, such as thumbnails, tiles and gain maps, each with its own.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction

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


def _properties(data: bytes) -> tuple[list[Box], list[Box], bool]:
    """Of a file's main picture, of its tiles, and whether the file says whose they are: if not,
    or not readably, the first are those of all pictures.
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
        return properties, [], False
    if not owned:
        return properties, [], False

    def of(items: list[int]) -> list[Box]:
        places = [place for part in items for place in owned.get(part, [])]
        return [properties[place - 1] for place in places if 0 < place <= len(properties)]

    return of([item]), of([tile for tile in dict.fromkeys(tiles) if tile != item]), True


def main_properties(data: bytes) -> list[Box]:
    """The properties of a file's main picture, then those of its tiles. Those of all pictures
    if the file does not say, or not readably, whose they are; empty if it holds none.
    """
    own, tiles, _ = _properties(data)
    return own + tiles


def clean_aperture(data: bytes, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what is to be shown of the main picture, before it is turned
    or mirrored (ISO/IEC 14496-12, clause 12.1.4, `clap`).

    None if the file names none, or none that lies in the picture's width and height. An aperture
    between pixels is rounded to the nearest.
    """
    own, _, certain = _properties(data)
    for name, contents in own if certain else ():
        if name == b"clap" and len(contents) >= 32:
            numbers = struct.unpack_from(">IIIIiIiI", contents)
            if 0 in numbers[1::2]:
                return None
            wide, high, right, down = (
                Fraction(*numbers[at : at + 2]) for at in range(0, len(numbers), 2)
            )
            left, top = round(right + (width - wide) / 2), round(down + (height - high) / 2)
            box = left, top, left + round(wide), top + round(high)
            fits = 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height
            return box if fits else None
    return None
