"""Find the gain map of a HEIC or AVIF file: an item beside the primary image.

    ISO 21496-1    an item `tmap`, derived from primary image and map; its data is the metadata
    Apple          an auxiliary image `urn:com:apple:photo:2020:aux:hdrgainmap`

Decoders return the primary image only, and not every auxiliary one: the map is decoded from a copy
of the file in which it is the primary image. Source: ISO/IEC 23008-12:2022/Amd 1 (`tmap`).
"""

import dataclasses
import struct
from collections.abc import Callable

from hdrcnn.colour.icc import profile_chromaticities
from hdrcnn.colour.primaries import Chromaticities
from hdrcnn.readers import gain_map
from hdrcnn.readers.cicp import PRIMARIES
from hdrcnn.readers.decoded import Decoded
from hdrcnn.readers.gain_map import APPLE, AppleGainMap, Found, GainMap, GainMapError
from hdrcnn.readers.heif_items import DAMAGE, Items, clean_aperture

MAX_TMAP_BYTES = 4096
"""Maximum number of bytes read of a `tmap` item, whose metadata takes at most 142."""
TURNS = (b"irot", b"imir")


def _tone_map(items: Items) -> tuple[int, int] | None:
    """Return the `tmap` item of the primary image, and the item of the map; else None."""
    for item, kind in items.kinds.items():
        parts = items.derived_from.get(item, [])
        if kind == b"tmap" and len(parts) == 2 and items.primary in (item, parts[0]):
            return item, parts[1]
    return None


def _apple(items: Items) -> int | None:
    """Return the item of Apple's gain map for the primary image, or None."""
    for item, to in items.auxiliary_of.items():
        names = [
            held[4:].split(b"\0")[0] for name, held in items.properties(item) if name == b"auxC"
        ]
        if items.primary in to and APPLE in names:
            return item
    return None


def _primaries(items: Items, item: int) -> Chromaticities | None:
    """Return the primaries in an item's colour boxes; None if there are none."""
    found = None
    for name, held in items.properties(item):
        if name == b"colr" and held[:4] == b"nclx" and len(held) >= 6:
            found = found or PRIMARIES.get(struct.unpack_from(">H", held, 4)[0])
        elif name == b"colr" and held[:4] in (b"prof", b"rICC"):
            found = profile_chromaticities(held[4:]) or found
    return found


def _numbers(items: Items, item: int) -> GainMap:
    """Return the metadata in a `tmap` item. Raises GainMapError."""
    try:
        held = items.contents(item, MAX_TMAP_BYTES)
    except DAMAGE as error:
        raise GainMapError("its metadata are missing") from error
    if held[:1] not in (b"\0", b""):
        raise GainMapError(f"its metadata are of version {held[0]}, which is not known")
    return gain_map.of_iso(held[1:])


def has_tone_map(data: bytes) -> bool:
    """Whether the primary image of a file has another rendition by ISO 21496-1."""
    try:
        return _tone_map(Items(data)) is not None
    except DAMAGE:
        return False


def find(data: bytes, note: bytes, decode: Callable[[bytes], Decoded]) -> Found | None:
    """Return the gain map of a file; None if it has none.

    note: the maker note of the primary image; decode: decodes the primary image of a file. The
    returned map is turned like its base, or has the `orientation` to do so. Raises GainMapError if
    there is one that cannot be used.
    """
    try:
        items = Items(data)
        tone, item = _tone_map(items) or (None, _apple(items))
    except DAMAGE:
        return None  # The decoder reports what is wrong with a damaged file.
    if item is None:
        return None
    numbers: GainMap | AppleGainMap
    numbers = gain_map.of_apple(note) if tone is None else _numbers(items, tone)
    try:
        picture = decode(items.with_primary(item))
    except Exception as error:  # Decoders raise any exception on damaged files.
        raise GainMapError("its picture is damaged or truncated") from error
    picture = _as_base(items, item, picture)
    return Found(numbers, picture, None if tone is None else _primaries(items, tone))


def _as_base(items: Items, item: int, picture: Decoded) -> Decoded:
    """Crop and turn the map like its base, unless it has a rotation or mirroring of its own."""
    own = dict(items.properties(item))
    base = dict(items.properties(items.primary))
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
    """Return the Exif orientation equivalent to `irot` followed by `imir`."""
    turn = properties.get(b"irot", b"\0")[0] & 3  # Quarter turns, anticlockwise.
    mirror = properties[b"imir"][0] & 1 if b"imir" in properties else None
    plain = (1, 8, 3, 6)[turn]
    if mirror is None:
        return plain
    upside_down, left_right = {1: 4, 3: 2, 8: 5, 6: 7}, {1: 2, 3: 4, 8: 7, 6: 5}
    return (left_right if mirror else upside_down)[plain]
