"""PNG, 16 bits, PQ: light for browsers and players.

Stores: light in cd/m^2 as 16-bit PQ codes of BT.2020 (`cICP` 9, 16, 0, 1), at most 10000 cd/m^2;
MaxCLL and MaxFALL (`cLLI`), primaries and peak of the display it is meant for (`mDCV`), alpha,
camera (`eXIf`), panorama (XMP), notes (`iTXt`). Does not store: colours outside BT.2020 and light
above 10000 cd/m^2, which are clipped; the mask. Source: PNG, third edition (W3C, 2025).

The file is assembled here: common packages write neither 16-bit colours nor these chunks.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from hdrcnn.colour.pq import ContentLight
from hdrcnn.colour.primaries import REC2020
from hdrcnn.files import finished_whole
from hdrcnn.tiles.geometry import strips
from hdrcnn.writers import Options, notes
from hdrcnn.writers.metadata import exif_block, panorama_xmp
from hdrcnn.writers.picture import Picture, brightness, check_writable, samples

CICP = bytes((9, 16, 0, 1))
"""BT.2020, PQ, RGB, full range (ITU-T H.273)."""
DARKEST = 0.0001
"""Black level stated for the display, in cd/m^2: the smallest that `mDCV` can express."""


def chunk(file: IO[bytes], name: bytes, contents: bytes) -> None:
    """Write one chunk, with its length and checksum."""
    checksum = zlib.crc32(name + contents)
    file.write(struct.pack(">I", len(contents)) + name + contents + struct.pack(">I", checksum))


def text_chunk(keyword: str, text: str) -> bytes:
    """Return the contents of `iTXt`, uncompressed, without a language.

    A keyword has 1 to 79 characters.
    """
    key = keyword.encode("latin-1", "replace").replace(b"\0", b"?")[:79] or b"Comment"
    return key + b"\0\0\0\0\0" + text.replace("\0", " ").encode()


def _metadata(file: IO[bytes], picture: Picture, light: ContentLight) -> None:
    """Write all chunks between the header and the pixels.

    Chromaticities are in steps of 0.00002, luminance in steps of 0.0001 cd/m^2.
    """
    chunk(file, b"cICP", CICP)
    red_to_white = [round(value * 50000) for value in REC2020]
    range_shown = [round(value * 10000) for value in (max(light.max_cll, 1.0), DARKEST)]
    chunk(file, b"mDCV", struct.pack(">8H2I", *red_to_white, *range_shown))
    levels = [round(value * 10000) for value in (light.max_cll, light.max_fall)]
    chunk(file, b"cLLI", struct.pack(">2I", *levels))
    exif = exif_block(picture.camera)
    if exif:
        chunk(file, b"eXIf", exif)
    if picture.panorama:
        chunk(
            file,
            b"iTXt",
            text_chunk("XML:com.adobe.xmp", panorama_xmp(picture.panorama.xmp(*picture.size))),
        )
    if picture.notes:
        chunk(file, b"iTXt", text_chunk("hdrcnn", notes.line(picture.notes).decode()))


def _paeth(left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Return the neighbour nearest to left + above - corner (PNG, clause 9.4)."""
    across, down = above - corner, left - corner
    to_left, to_above, to_corner = np.abs(across), np.abs(down), np.abs(across + down)
    nearest = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)


def _filtered(rows: np.ndarray, before: np.ndarray, step: int) -> bytes:
    """Return rows as PNG stores them, each by the filter that leaves the smallest differences.

    rows: [N, B] uint8, `step` bytes per pixel; before: [B], the row above the first.
    """
    here = rows.astype(np.int16)
    above = np.concatenate([before[None], rows[:-1]]).astype(np.int16)
    left, corner = np.zeros_like(here), np.zeros_like(here)
    left[:, step:], corner[:, step:] = here[:, :-step], above[:, :-step]
    guesses = (left, above, (left + above) >> 1, _paeth(left, above, corner))
    stored = np.stack([(here - guess).astype(np.uint8) for guess in guesses])
    cost = np.abs(stored.view(np.int8).astype(np.int16)).sum(axis=-1, dtype=np.int64)
    best = cost.argmin(axis=0)
    chosen = stored[best, np.arange(len(rows))]
    return np.column_stack([(best + 1).astype(np.uint8), chosen]).tobytes()


def _pixels(picture: Picture, options: Options) -> Iterator[bytes]:
    """Yield the filtered rows, not yet compressed."""
    before = None
    for strip in strips(len(picture.hdr), 64):
        codes = samples(picture, options.look, options.nits, 16, strip).astype(">u2")
        rows = codes.reshape(len(codes), -1).view(np.uint8)
        before = np.zeros(rows.shape[1], np.uint8) if before is None else before
        yield _filtered(rows, before, 2 * codes.shape[-1])
        before = rows[-1]


def write(path: Path, picture: Picture, options: Options) -> None:
    """Write a PNG of 16-bit PQ codes. Raises ImageError."""
    check_writable(path, picture)
    rows, columns = picture.size
    kind = 2 if picture.alpha is None else 6
    packer = zlib.compressobj(6)
    with finished_whole(path) as temporary, temporary.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        chunk(file, b"IHDR", struct.pack(">2I5B", columns, rows, 16, kind, 0, 0, 0))
        _metadata(file, picture, brightness(picture, options.look, options.nits))
        for part in _pixels(picture, options):
            packed = packer.compress(part)
            if packed:
                chunk(file, b"IDAT", packed)
        chunk(file, b"IDAT", packer.flush())
        chunk(file, b"IEND", b"")
