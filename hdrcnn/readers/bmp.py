"""Read BMP files that Pillow does not read, or not in full: bit fields and run lengths.

Source: Microsoft, "Bitmap Storage" (BITMAPINFOHEADER to BITMAPV5HEADER, bitmap compression).
"""

import dataclasses
import struct

import numpy as np

from hdrcnn.readers.decoded import Decoded, NotReadError, SizeCheck
from hdrcnn.tiles.geometry import strips

_OS2 = 64
"""Size in bytes of the one header in which compressions 3 and 4 have other meanings."""
_RUNS_8, _RUNS_4, _FIELDS, _JPEG, _PNG, _ALPHA_FIELDS = 1, 2, 3, 4, 5, 6
_SURELY_FITS = 24_000_000
"""Number of pixels that a run-length coded image may claim, however short its file."""


@dataclasses.dataclass(frozen=True)
class _Header:
    size: int
    width: int
    height: int
    upside_down: bool
    """Whether the first row in the file is the bottom row."""
    bits: int
    compression: int
    colours: int
    first: int
    """Offset of the pixels."""


def _header(data: bytes) -> _Header | None:
    """Read the header; None for the short header of OS/2, which has no compression."""
    first, size = struct.unpack_from("<II", data, 10)
    if size < 40:
        return None
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    (colours,) = struct.unpack_from("<I", data, 46)
    return _Header(size, width, abs(height), height > 0, bits, compression, colours, first)


def _masks(data: bytes, header: _Header) -> tuple[int, ...]:
    """Return the masks of red, green, blue and alpha, which follow the shortest header."""
    has_alpha = header.size >= 56 or header.compression == _ALPHA_FIELDS
    masks = struct.unpack_from(f"<{4 if has_alpha else 3}I", data, 54)
    if not any(masks):  # Some programs mean the usual layout by this.
        masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000) if header.bits == 32 else (0x7C00, 0x3E0, 0x1F)
    return (*masks, 0)[:4]


def _field(words: np.ndarray, mask: int, top: int) -> np.ndarray:
    """Extract the bits of a mask and scale them to 0 to `top`; 0 without a mask."""
    if not mask:
        return np.zeros(words.shape, np.uint16)
    shift = (mask & -mask).bit_length() - 1
    highest = mask >> shift
    if highest & (highest + 1) or highest > 0xFFFF:
        raise NotReadError(f"a BMP of the bit mask {mask:#x}; save it as PNG")
    values = (words >> np.uint32(shift)) & np.uint32(highest)
    return ((values.astype(np.uint64) * (2 * top) + highest) // (2 * highest)).astype(np.uint16)


def _by_fields(data: bytes, header: _Header) -> Decoded:
    """Decode bit fields to colours of 8 bits, or of 16 if a mask has more than 8."""
    if header.bits not in (16, 24, 32):
        raise ValueError(f"bit fields of {header.bits} bits")
    masks = _masks(data, header)
    bits = 16 if max(bin(mask).count("1") for mask in masks) > 8 else 8
    top, count = 2**bits - 1, header.bits // 8
    stride = (header.width * header.bits + 31) // 32 * 4
    needed = (header.height - 1) * stride + header.width * count
    if header.first + needed > len(data):
        raise ValueError("rows of it are missing")
    colours = np.empty((header.height, header.width, 3), np.uint16 if bits == 16 else np.uint8)
    alpha = np.empty(colours.shape[:2], np.float32) if masks[3] else None
    for rows in strips(header.height):
        part = colours[rows]
        words = np.zeros((*part.shape[:2], 4), np.uint8)
        for row, target in enumerate(words, rows.start):
            at = header.first + row * stride
            stored = np.frombuffer(data, np.uint8, header.width * count, at)
            target[:, :count] = stored.reshape(header.width, count)
        numbers = words.view("<u4")[..., 0].astype(np.uint32)
        for channel in range(3):
            part[..., channel] = _field(numbers, masks[channel], top)
        if alpha is not None:
            share = _field(numbers, masks[3], 0xFFFF) / np.float32(0xFFFF)
            alpha[rows] = share
    if header.upside_down:
        colours, alpha = colours[::-1], None if alpha is None else alpha[::-1]
    return Decoded(colours, bits, alpha)


def _by_runs(data: bytes, header: _Header) -> np.ndarray:
    """Decode run lengths to [H, W] uint8 palette indices, in file order; 0 for skipped pixels."""
    narrow = header.compression == _RUNS_4
    width, height, end = header.width, header.height, len(data)
    if width * height > max(_SURELY_FITS, 255 * end):
        raise ValueError("it is too short for its pixels")
    pairs = [(value >> 4, value & 15) if narrow else (value, value) for value in range(256)]
    runs = [bytes(pair) * 128 for pair in pairs]
    index = bytearray(width * height)
    at, x, y = header.first, 0, 0
    while y < height:
        if at + 2 > end:
            raise ValueError("rows of it are missing")
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            if x + count <= width:  # By far the most frequent record: kept fast.
                place = y * width + x
                index[place : place + count] = runs[value][:count]
                x += count
                continue
            run = runs[value][:count]
        elif value == 0:  # The end of a row.
            x, y = 0, y + 1
            continue
        elif value == 1:  # The end of the image.
            break
        elif value == 2:  # A jump.
            if at + 2 > end:
                raise ValueError("rows of it are missing")
            x, y = x + data[at], y + data[at + 1]
            at += 2
            continue
        else:
            size = (value + 1) // 2 if narrow else value
            run = data[at : at + size]
            if len(run) < size:
                raise ValueError("rows of it are missing")
            if narrow:
                run = b"".join(runs[byte][:2] for byte in run)[:value]
            at += size + size % 2  # Padded to an even number of bytes.
        if x + len(run) > width:  # A run ends with its row.
            run = run[: max(width - x, 0)]
        place = y * width + x
        index[place : place + len(run)] = run
        x += len(run)
    return np.frombuffer(index, np.uint8).reshape(height, width)


def _palette(data: bytes, header: _Header) -> np.ndarray:
    """Return the palette, [256, 3] uint8 RGB; entries that the file lacks are black."""
    start = 14 + header.size
    count = min(header.colours or 2**header.bits, 256, max(header.first - start, 0) // 4)
    entries = np.frombuffer(data, np.uint8, 4 * count, start).reshape(count, 4)
    palette = np.zeros((256, 3), np.uint8)
    palette[:count] = entries[:, 2::-1]
    return palette


def read(data: bytes, check: SizeCheck) -> Decoded | None:
    """Decode a BMP; None if Pillow has to read it.

    Raises NotReadError, what `check` raises or, for damaged files, ValueError and struct.error.
    """
    header = _header(data)
    if header is None or header.compression == 0:
        return None
    if header.size == _OS2 and header.compression not in (_RUNS_8, _RUNS_4):
        raise NotReadError("a BMP compressed as only OS/2 does; save it as PNG")
    if header.compression in (_JPEG, _PNG):
        raise NotReadError("a BMP that holds a JPEG or PNG for printers; save it as PNG")
    check(header.width, header.height)
    if header.compression in (_FIELDS, _ALPHA_FIELDS):
        return _by_fields(data, header)
    if header.compression not in (_RUNS_8, _RUNS_4) or header.bits not in (4, 8):
        raise ValueError(f"compression {header.compression} of {header.bits} bits")
    colours = _palette(data, header)[_by_runs(data, header)]
    return Decoded(colours[::-1] if header.upside_down else colours, 8)
