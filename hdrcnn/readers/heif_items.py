"""Read the boxes of HEIC and AVIF files, and the items and properties that they describe.

A file may contain several images, such as thumbnails, tiles and gain maps, each with properties of
its own. Decoders return only the primary image, and say neither which colour box belongs to it nor
what the metadata of a gain map is.

Sources: ISO/IEC 14496-12 for boxes, item locations (`iloc`) and item references; ISO/IEC 23008-12
for item properties; AV1 Codec ISO Media File Format Binding, 2.3.3, for `av1C`.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

DAMAGE = (struct.error, LookupError, ValueError)
"""What `Items` raises for a damaged file."""
Property = tuple[bytes, bytes]
"""Name and contents."""


class Box(NamedTuple):
    """A box of a file."""

    name: bytes
    begin: int
    end: int
    """Offsets of the first byte of the contents, and of the one after them."""


def box(name: bytes, contents: bytes) -> bytes:
    """Encode one box."""
    return struct.pack(">I", 8 + len(contents)) + name + contents


def boxes(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield consecutive boxes; the last may be cut off."""
    at, end = begin, len(data) if end is None else end
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        size = size or end - at
        if size < head:
            return
        yield Box(name, at + head, min(at + size, end))
        at += size


def _meta(data: bytes) -> dict[bytes, Box]:
    """Return the boxes inside a file's meta box, by name; empty if there is none."""
    for box in boxes(data):
        if box.name == b"meta":
            return {inner.name: inner for inner in boxes(data, box.begin + 4, box.end)}
    return {}


def _item_properties(data: bytes, meta: dict[bytes, Box]) -> list[Property]:
    """Return the properties of all items, in the order in which items refer to them."""
    held = meta.get(b"iprp", Box(b"", 0, 0))
    shelf = [box for box in boxes(data, held.begin, held.end) if box.name == b"ipco"]
    return [
        (box.name, data[box.begin : box.end])
        for outer in shelf[-1:]
        for box in boxes(data, outer.begin, outer.end)
    ]


class Items:
    """The items of a file. Raises one of `DAMAGE` if it is damaged."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._meta = _meta(data)
        self._main_at = self._meta[b"pitm"].begin
        self._wide_main = data[self._main_at] > 0
        self.primary = int(
            struct.unpack_from(">I" if self._wide_main else ">H", data, self._main_at + 4)[0]
        )
        self.kinds: dict[int, bytes] = {}
        self._flags: dict[int, int] = {}
        self._read_kinds()
        self._auxiliary_at: dict[int, int] = {}
        self.derived_from, self.auxiliary_of = self._references()
        self._owned = self._associations()

    def _read_kinds(self) -> None:
        """Read the type of each item, and the offset of its flags."""
        held = self._meta.get(b"iinf")
        if held is None:
            return
        head = 8 if self.data[held.begin] else 6
        for box in boxes(self.data, held.begin + head, held.end):
            version = self.data[box.begin]
            if box.name != b"infe" or version < 2:
                continue
            number = ">I" if version > 2 else ">H"
            (item,) = struct.unpack_from(number, self.data, box.begin + 4)
            at = box.begin + 4 + struct.calcsize(number) + 2
            self.kinds[item] = self.data[at : at + 4]
            self._flags[item] = box.begin + 3

    def _references(self) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Return which items each item is derived from, such as the tiles of a grid, and which
        items each item is auxiliary to.
        """
        found: dict[bytes, dict[int, list[int]]] = {b"dimg": {}, b"auxl": {}}
        held = self._meta.get(b"iref")
        if held is not None:
            number = "I" if self.data[held.begin] else "H"
            for box in boxes(self.data, held.begin + 4, held.end):
                if box.name not in found:
                    continue
                item, count = struct.unpack_from(f">{number}H", self.data, box.begin)
                at = box.begin + struct.calcsize(f">{number}H")
                to = struct.unpack_from(f">{count}{number}", self.data, at)
                found[box.name][item] = list(to)
                if box.name == b"auxl":
                    self._auxiliary_at[item] = box.begin - 4
        return found[b"dimg"], found[b"auxl"]

    def _associations(self) -> dict[int, list[Property]]:
        """Return the properties of each item."""
        properties = _item_properties(self.data, self._meta)
        held = self._meta.get(b"iprp", Box(b"", 0, 0))
        found: dict[int, list[Property]] = {}
        for box in boxes(self.data, held.begin, held.end):
            if box.name != b"ipma":
                continue
            version, wide = self.data[box.begin], self.data[box.begin + 3] & 1
            (entries,) = struct.unpack_from(">I", self.data, box.begin + 4)
            at = box.begin + 8
            for _ in range(entries):
                item, count = struct.unpack_from(">IB" if version else ">HB", self.data, at)
                at += 5 if version else 3
                places = struct.unpack_from(f">{count}{'H' if wide else 'B'}", self.data, at)
                at += count * (2 if wide else 1)
                mask = 0x7FFF if wide else 0x7F
                found.setdefault(item, []).extend(
                    properties[(place & mask) - 1]
                    for place in places
                    if 0 < place & mask <= len(properties)
                )
        return found

    @property
    def has_associations(self) -> bool:
        """Whether the file associates properties with items at all."""
        return bool(self._owned)

    def properties(self, item: int) -> list[Property]:
        return self._owned.get(item, [])

    def contents(self, item: int, most: int) -> bytes:
        """Return the data of an item, at most `most` bytes of each of its extents."""
        held = self._meta[b"iloc"]
        data, at = self.data, held.begin
        version = data[at]
        offset_size, length_size = data[at + 4] >> 4, data[at + 4] & 15
        base_size, index_size = data[at + 5] >> 4, data[at + 5] & 15 if version in (1, 2) else 0
        at += 6

        def number(size: int) -> int:
            nonlocal at
            if at + size > held.end:
                raise ValueError("places of items are cut short")
            at += size
            return int.from_bytes(data[at - size : at], "big")

        wide = 4 if version > 1 else 2
        for _ in range(number(wide)):
            here = number(wide)
            method = number(2) & 15 if version else 0
            number(2)
            base, parts = number(base_size), []
            for _ in range(number(2)):
                number(index_size)
                begin, length = base + number(offset_size), number(length_size)
                parts.append((begin, length))
            if here != item:
                continue
            begin, end = (0, len(data))
            if method == 1:
                _, begin, end = self._meta[b"idat"]
            elif method:
                raise ValueError("data of another item")
            return b"".join(
                data[begin + first : min(begin + first + min(length, most), end)]
                for first, length in parts
            )
        raise LookupError(f"item {item} has no place")

    def with_primary(self, item: int) -> bytes:
        """Return a copy of the file in which another item is the primary image."""
        changed = bytearray(self.data)
        struct.pack_into(">I" if self._wide_main else ">H", changed, self._main_at + 4, item)
        changed[self._flags[item]] &= 0xFE  # Clear the hidden flag.
        if item in self._auxiliary_at:  # Decoders skip auxiliary images.
            at = self._auxiliary_at[item]
            changed[at : at + 4] = b"skip"
        return bytes(changed)


def main_properties(data: bytes) -> list[Property]:
    """Return the properties of a file's primary image, then those of its tiles.

    If the file does not say whose they are, or is too damaged to say, returns those of all images;
    empty if there are none.
    """
    try:
        items = Items(data)
    except DAMAGE:
        return _item_properties(data, _meta(data))
    if not items.has_associations:
        return _item_properties(data, _meta(data))
    shown = dict.fromkeys([items.primary, *items.derived_from.get(items.primary, [])])
    return [held for item in shown for held in items.properties(item)]


def av1_bits(data: bytes) -> int | None:
    """Return the bits per sample of an AVIF's primary image: 8, 10 or 12; None if not stated."""
    for name, contents in main_properties(data):
        if name == b"av1C" and len(contents) >= 3:
            high, twelve = contents[2] & 0x40, contents[2] & 0x20
            return (12 if twelve else 10) if high else 8
    return None


def clean_aperture(data: bytes, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of the visible part of the primary image.

    It applies before rotation and mirroring (ISO/IEC 14496-12, clause 12.1.4, `clap`) and is
    rounded to whole pixels. None if the file has none, or none within the given width and height.
    """
    try:
        items = Items(data)
    except DAMAGE:
        return None
    for name, contents in items.properties(items.primary):
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
