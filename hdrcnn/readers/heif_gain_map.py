"""The gain map of a HEIC or AVIF file: an item beside the main picture.

    ISO 21496-1    an item `tmap`, made of the main picture and the map; its data are the numbers
    Apple          an auxiliary picture `urn:com:apple:photo:2020:aux:hdrgainmap`

Decoders give the main picture only, and not every auxiliary one: the map is decoded from a copy of
the file in which it is the main picture. Sources: ISO/IEC 14496-12 and 23008-12 (items); ISO/IEC
23008-12:2022/Amd 1 (`tmap`).
"""

import dataclasses
import struct
from collections.abc import Callable, Iterator

from hdrcnn.colour.icc import profile_chromaticities
from hdrcnn.colour.primaries import Chromaticities
from hdrcnn.readers import gain_map
from hdrcnn.readers.cicp import PRIMARIES
from hdrcnn.readers.decoded import Decoded
from hdrcnn.readers.gain_map import AppleGainMap, Found, GainMap, GainMapError
from hdrcnn.readers.heif_items import clean_aperture

APPLE = b"urn:com:apple:photo:2020:aux:hdrgainmap"
LARGEST = 4096
"""Bytes of the numbers of a `tmap` item; they take 142 at most."""
TURNS = (b"irot", b"imir")


@dataclasses.dataclass(frozen=True)
class _Box:
    """A box of a file."""

    name: bytes
    begin: int
    end: int
    """First byte of its contents, and the one behind."""


def _boxes(data: bytes, begin: int, end: int) -> Iterator[_Box]:
    at = begin
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        size = size or end - at
        if size < head:
            return
        yield _Box(name, at + head, min(at + size, end))
        at += size


class Items:
    """The items of a file. Raises struct.error, LookupError or ValueError where it is damaged."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        meta = self._inside(0, len(data))[b"meta"]
        self._meta = self._inside(meta.begin + 4, meta.end)
        self._main_at = self._meta[b"pitm"].begin
        self._wide_main = data[self._main_at] > 0
        self.main = int(
            struct.unpack_from(">I" if self._wide_main else ">H", data, self._main_at + 4)[0]
        )
        self.kinds: dict[int, bytes] = {}
        self._flags: dict[int, int] = {}
        self._read_kinds()
        self._auxiliary_at: dict[int, int] = {}
        self.made_of, self.auxiliary_of = self._references()
        self._properties = self._owned()

    def _inside(self, begin: int, end: int) -> dict[bytes, _Box]:
        return {box.name: box for box in _boxes(self.data, begin, end)}

    def _read_kinds(self) -> None:
        """Of each item its kind, and where its flags stand."""
        held = self._meta[b"iinf"]
        head = 8 if self.data[held.begin] else 6
        for box in _boxes(self.data, held.begin + head, held.end):
            version = self.data[box.begin]
            if box.name != b"infe" or version < 2:
                continue
            number = ">I" if version > 2 else ">H"
            (item,) = struct.unpack_from(number, self.data, box.begin + 4)
            at = box.begin + 4 + struct.calcsize(number) + 2
            self.kinds[item] = self.data[at : at + 4]
            self._flags[item] = box.begin + 3

    def _references(self) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """From which items one is put together; to which one is auxiliary."""
        found: dict[bytes, dict[int, list[int]]] = {b"dimg": {}, b"auxl": {}}
        held = self._meta.get(b"iref")
        if held is not None:
            number = "I" if self.data[held.begin] else "H"
            for box in _boxes(self.data, held.begin + 4, held.end):
                item, count = struct.unpack_from(f">{number}H", self.data, box.begin)
                at = box.begin + struct.calcsize(f">{number}H")
                to = struct.unpack_from(f">{count}{number}", self.data, at)
                found.setdefault(box.name, {})[item] = list(to)
                if box.name == b"auxl":
                    self._auxiliary_at[item] = box.begin - 4
        return found[b"dimg"], found[b"auxl"]

    def _owned(self) -> dict[int, list[tuple[bytes, bytes]]]:
        """Name and contents of each item's properties."""
        held = self._meta[b"iprp"]
        boxes = list(_boxes(self.data, held.begin, held.end))
        shelf = next(box for box in boxes if box.name == b"ipco")
        properties = [
            (box.name, self.data[box.begin : box.end])
            for box in _boxes(self.data, shelf.begin, shelf.end)
        ]
        found: dict[int, list[tuple[bytes, bytes]]] = {}
        for box in boxes:
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

    def properties(self, item: int) -> list[tuple[bytes, bytes]]:
        """Name and contents."""
        return self._properties.get(item, [])

    def contents(self, item: int) -> bytes:
        """The data of a small item."""
        held = self._meta[b"iloc"]
        data, at = self.data, held.begin
        version = data[at]
        sizes = data[at + 4] >> 4, data[at + 4] & 15, data[at + 5] >> 4, data[at + 5] & 15
        offset_size, length_size, base_size, index_size = sizes
        index_size = index_size if version in (1, 2) else 0
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
                inner = self._meta[b"idat"]
                begin, end = inner.begin, inner.end
            elif method:
                raise ValueError("data of another item")
            return b"".join(
                data[begin + first : min(begin + first + min(length, LARGEST), end)]
                for first, length in parts
            )
        raise LookupError(f"item {item} has no place")

    def with_main(self, item: int) -> bytes:
        """A copy of the file whose main picture is another item."""
        changed = bytearray(self.data)
        struct.pack_into(">I" if self._wide_main else ">H", changed, self._main_at + 4, item)
        changed[self._flags[item]] &= 0xFE  # It may be hidden.
        if item in self._auxiliary_at:  # Decoders pass over what belongs to another picture.
            at = self._auxiliary_at[item]
            changed[at : at + 4] = b"skip"
        return bytes(changed)


def _tone_map(items: Items) -> tuple[int, int] | None:
    """The `tmap` item of the main picture, and the map."""
    for item, kind in items.kinds.items():
        parts = items.made_of.get(item, [])
        if kind == b"tmap" and len(parts) == 2 and items.main in (item, parts[0]):
            return item, parts[1]
    return None


def _apple(items: Items) -> int | None:
    """Apple's auxiliary picture of the main one."""
    for item, to in items.auxiliary_of.items():
        names = [
            held[4:].split(b"\0")[0] for name, held in items.properties(item) if name == b"auxC"
        ]
        if items.main in to and APPLE in names:
            return item
    return None


def _primaries(items: Items, item: int) -> Chromaticities | None:
    """Those of an item's colour boxes."""
    found = None
    for name, held in items.properties(item):
        if name == b"colr" and held[:4] == b"nclx" and len(held) >= 6:
            found = found or PRIMARIES.get(struct.unpack_from(">H", held, 4)[0])
        elif name == b"colr" and held[:4] in (b"prof", b"rICC"):
            found = profile_chromaticities(held[4:]) or found
    return found


def _numbers(items: Items, item: int) -> GainMap:
    """Of a `tmap` item. Raises GainMapError."""
    try:
        held = items.contents(item)
    except (struct.error, LookupError, ValueError) as error:
        raise GainMapError("its metadata are missing") from error
    if held[:1] not in (b"\0", b""):
        raise GainMapError(f"its metadata are of version {held[0]}, which is not known")
    return gain_map.of_iso(held[1:])


def has_tone_map(data: bytes) -> bool:
    """Whether the main picture of a file has another rendition by ISO 21496-1."""
    try:
        return _tone_map(Items(data)) is not None
    except (struct.error, LookupError, ValueError, StopIteration):
        return False


def find(data: bytes, note: bytes, decode: Callable[[bytes], Decoded]) -> Found | None:
    """The gain map of a file; None if it has none.

    note: the maker note of the main picture; decode: the main picture of a file. The map comes
    turned like its base, or with the `orientation` that does it. Raises GainMapError if there is
    one that cannot be used.
    """
    try:
        items = Items(data)
        tone, item = _tone_map(items) or (None, _apple(items))
    except (struct.error, LookupError, ValueError, StopIteration):
        return None  # Of a damaged file the decoder says what is wrong.
    if item is None:
        return None
    numbers: GainMap | AppleGainMap
    numbers = gain_map.of_apple(note) if tone is None else _numbers(items, tone)
    try:
        picture = decode(items.with_main(item))
    except Exception as error:  # Damaged files make decoders fail in any way they like.
        raise GainMapError("its picture is damaged or truncated") from error
    picture = _as_base(items, item, picture)
    return Found(numbers, picture, None if tone is None else _primaries(items, tone))


def _as_base(items: Items, item: int, picture: Decoded) -> Decoded:
    """The map cropped and turned as its base is, if it does not say itself how."""
    own = dict(items.properties(item))
    base = dict(items.properties(items.main))
    if any(name in own for name in TURNS):
        return picture
    size = base.get(b"ispe", b"")
    if b"clap" in base and b"clap" not in own and len(size) >= 12:
        width, height = struct.unpack_from(">II", size, 4)
        shown = clean_aperture(items.data, width, height)
        if shown is not None:
            rows, columns = picture.colours.shape[:2]
            left, right = (round(at * columns / width) for at in shown[0::2])
            top, bottom = (round(at * rows / height) for at in shown[1::2])
            picture = dataclasses.replace(
                picture, colours=picture.colours[top:bottom, left:right], alpha=None
            )
    return dataclasses.replace(picture, orientation=orientation_of(base))


def orientation_of(properties: dict[bytes, bytes]) -> int:
    """The Exif orientation that does what `irot` and then `imir` ask for."""
    turn = properties.get(b"irot", b"\0")[0] & 3  # Quarters, anticlockwise.
    mirror = properties[b"imir"][0] & 1 if b"imir" in properties else None
    plain = (1, 8, 3, 6)[turn]
    if mirror is None:
        return plain
    upside_down, left_right = {1: 4, 3: 2, 8: 5, 6: 7}, {1: 2, 3: 4, 8: 7, 6: 5}
    return (left_right if mirror else upside_down)[plain]
