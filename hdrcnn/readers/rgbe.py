"""Radiance pictures (.hdr, .pic): bytes to linear Rec. 709, and colours to bytes.

Source: Ward, "Real pixels", Graphics Gems II (1991), and the file format of the Radiance
reference manual. A colour is three mantissas and one exponent, a byte each.
"""

import dataclasses
import re

import numpy as np

from hdrcnn.colour.primaries import to_rec709

XYZ = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3)
"""CIE XYZ as an RGB space; Radiance's white has equal X, Y and Z."""

LARGEST = 250_000_000
"""Colours that run lengths of old may make; a few bytes of them can claim any number."""

_RESOLUTION = re.compile(rb"([+-])([XY])[ \t]+(\d{1,9})[ \t]+([+-])([XY])[ \t]+(\d{1,9})\s*")


@dataclasses.dataclass(frozen=True)
class Header:
    """What stands before the colours."""

    gain: np.ndarray
    """[3]: what the colours were multiplied with, EXPOSURE and COLORCORR; all lines count."""
    chromaticities: tuple[float, ...] | None
    axes: tuple[bytes, bytes, bytes, bytes]
    """Sign and letter of the slow axis, then of the fast one; -Y +X is upright."""
    lines: int
    columns: int
    end: int
    """Where the colours begin."""


def _numbers(text: bytes, count: int, key: str) -> list[float]:
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"{key}={text.decode('latin-1').strip()} in its header is not understood")
    return values


def _header(data: bytes) -> Header:
    """Raises ValueError where it is no header of a Radiance picture."""
    text, separator, rest = data.partition(b"\n\n")
    size, newline, _ = rest.partition(b"\n")
    found = _RESOLUTION.fullmatch(size)
    if not (data.startswith(b"#?") and separator and newline and found):
        raise ValueError("its header is damaged")
    gain, chromaticities = np.ones(3), None
    for line in text.splitlines()[1:]:
        key, _, value = line.partition(b"=")
        if key == b"EXPOSURE":
            gain = gain * _numbers(value, 1, "EXPOSURE")
        elif key == b"COLORCORR":
            gain = gain * _numbers(value, 3, "COLORCORR")
        elif key == b"PRIMARIES":
            stated = tuple(_numbers(value, 8, "PRIMARIES"))
            chromaticities = stated if any(stated) else chromaticities  # All zero: not stated.
        elif key == b"FORMAT" and value.strip() == b"32-bit_rle_xyze":
            chromaticities = XYZ
        elif key == b"FORMAT" and value.strip() != b"32-bit_rle_rgbe":
            raise ValueError(f"its format is {value.decode('latin-1').strip()}")
    if not (gain > 0).all():
        raise ValueError("an EXPOSURE or COLORCORR in its header is not above 0")
    sign, axis, lines, fast_sign, fast_axis, columns = found.groups()
    if axis == fast_axis or not int(lines) or not int(columns):
        raise ValueError(f"its size is {size.decode('latin-1')}")
    axes = (sign, axis, fast_sign, fast_axis)
    end = len(text) + 2 + len(size) + 1
    return Header(gain, chromaticities, axes, int(lines), int(columns), end)


def _run_lengths(data: bytes, header: Header) -> np.ndarray:
    """[lines, columns, 4] uint8 of scanlines whose four components are run-length coded apart."""
    columns, at = header.columns, header.end
    start = data[at : at + 4]
    # A code stands for 128 bytes at most: a size far beyond the file is not even allocated.
    if (len(data) - at) * 64 < header.lines * columns * 4:
        raise ValueError("it is truncated")
    out = np.empty((header.lines, 4, columns), np.uint8)
    for row in range(header.lines):
        if data[at : at + 4] != start:
            raise ValueError(f"scanline {row + 1} of {header.lines} is damaged or missing")
        at += 4
        line = bytearray()
        while len(line) < 4 * columns:
            code = data[at : at + 1]
            if not code:
                raise ValueError("it is truncated")
            count = code[0]
            if count > 128:
                line += data[at + 1 : at + 2] * (count - 128)
                at += 2
            else:
                line += data[at + 1 : at + 1 + count]
                at += 1 + count
        if len(line) != 4 * columns:
            raise ValueError(f"scanline {row + 1} of {header.lines} is damaged")
        out[row] = np.frombuffer(line, np.uint8).reshape(4, columns)
    return out.transpose(0, 2, 1)


def _flat(data: bytes, header: Header) -> np.ndarray:
    """[lines, columns, 4] uint8 of colours one after the other, or in the run lengths of old:
    the colour 1, 1, 1, n repeats the one before n times, and directly after such a one 256 n.
    """
    wanted = header.lines * header.columns
    if wanted > max(LARGEST, len(data) // 4):
        raise ValueError(f"{wanted / 1e6:.0f} megapixels from {len(data)} bytes are not believed")
    body = np.frombuffer(data, np.uint8, (len(data) - header.end) // 4 * 4, header.end)
    colours = body.reshape(-1, 4)
    repeats = (colours[:, :3] == 1).all(axis=1)
    places = np.arange(len(colours))
    last = np.maximum.accumulate(np.where(repeats, -1, places))
    if not len(colours) or last[0] < 0:
        raise ValueError("it is truncated")
    counts = np.ones(len(colours), np.int64)
    shifts = np.minimum(places - last - 1, 4)[repeats]
    counts[repeats] = colours[repeats, 3].astype(np.int64) << (8 * shifts)
    filled = np.cumsum(np.minimum(counts, wanted + 1))
    used = int(np.searchsorted(filled, wanted)) + 1
    if used > len(colours) or filled[used - 1] != wanted:
        raise ValueError("it is truncated")
    return np.repeat(colours[last[:used]], counts[:used], axis=0).reshape(
        header.lines, header.columns, 4
    )


def decode(data: bytes) -> np.ndarray:
    """A Radiance picture as [H, W, 3] float32, linear Rec. 709, upright.

    EXPOSURE and COLORCORR are divided out; PRIMARIES are converted, without them Rec. 709 is
    assumed, as nearly all programs write it. Mantissas are taken as they stand, as other
    programs do, not at the middle of their step. Raises ValueError with the reason.
    """
    header = _header(data)
    start = data[header.end : header.end + 4]
    coded = 8 <= header.columns < 32768 and start == b"\x02\x02" + header.columns.to_bytes(2, "big")
    codes = _run_lengths(data, header) if coded else _flat(data, header)
    exponent = codes[..., 3].astype(np.int32)
    scale = np.where(exponent > 0, np.ldexp(np.float32(1), exponent - 136), np.float32(0))
    rgb = codes[..., :3] * scale[..., None] / header.gain.astype(np.float32)
    if header.chromaticities is not None:
        matrix = to_rec709(header.chromaticities)
        rgb = rgb if matrix is None else rgb @ matrix.T.astype(np.float32)
    sign, axis, fast_sign, _ = header.axes
    if axis == b"X":
        rgb, sign, fast_sign = rgb.transpose(1, 0, 2), fast_sign, sign
    rgb = rgb[::-1] if sign == b"+" else rgb
    rgb = rgb[:, ::-1] if fast_sign == b"-" else rgb
    return np.ascontiguousarray(rgb)


def encode_colours(linear: np.ndarray) -> np.ndarray:
    """[..., 3] linear to [..., 4] uint8: three mantissas, rounded, and the exponent of the largest.

    Negative values become 0, as does all below 2^-128; what is above the format's range, about
    1.7e38, is held there.
    """
    light = np.clip(np.asarray(linear, np.float32), 0.0, np.ldexp(np.float32(255 / 256), 127))
    largest = light.max(axis=-1)
    _, exponent = np.frexp(largest)
    # A mantissa that rounds up to 256 belongs to the next exponent.
    exponent += np.round(np.ldexp(largest, 8 - exponent)) > 255
    exponent = np.where(largest < 2.0**-127, -128, np.clip(exponent, -127, 127))
    codes = np.empty((*light.shape[:-1], 4), np.uint8)
    codes[..., :3] = (
        np.round(np.ldexp(light, 8 - exponent[..., None])) * (exponent > -128)[..., None]
    )
    codes[..., 3] = exponent + 128
    return codes


def _segments(lines: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[N, W] uint8 cut into pieces, none over the end of a line: first byte, length, whether all
    its bytes are equal. Such runs are 4 to 127 long, others up to 128; a rest may be shorter.
    """
    count, width = lines.shape
    fresh = np.ones((count, width), bool)
    fresh[:, 1:] = lines[:, 1:] != lines[:, :-1]
    first = np.flatnonzero(fresh)
    length = np.diff(first, append=lines.size)
    run = length >= 4
    # Neighbours that are no runs are one piece, as far as the line goes.
    starts = run | np.concatenate([[True], run[:-1]]) | (first % width == 0)
    first, run = first[starts], run[starts]
    length = np.diff(first, append=lines.size)
    largest = np.where(run, 127, 128)
    pieces = -(-length // largest)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    largest = np.repeat(largest, pieces)
    first = np.repeat(first, pieces) + number * largest
    length = np.minimum(largest, np.repeat(length, pieces) - number * largest)
    return first, length, np.repeat(run, pieces)


def encode_run_lengths(colours: np.ndarray) -> bytes:
    """[lines, columns, 4] uint8 as scanlines of a Radiance picture, their four components apart.

    Pictures less than 8 or more than 32767 columns wide are not coded: one colour after another.
    """
    count, width = colours.shape[:2]
    if not 8 <= width < 32768:
        return colours.tobytes()
    lines = np.ascontiguousarray(colours.transpose(0, 2, 1)).reshape(4 * count, width)
    first, length, run = _segments(lines)
    head = np.where(first % (4 * width) == 0, 4, 0)
    size = head + 1 + np.where(run, 1, length)
    at = np.cumsum(size) - size
    out = np.empty(int(size.sum()), np.uint8)
    scanlines = at[head > 0]
    for offset, byte in enumerate((2, 2, width >> 8, width & 255)):
        out[scanlines + offset] = byte
    at += head
    out[at] = np.where(run, 128 + length, length)
    flat = lines.ravel()
    out[at[run] + 1] = flat[first[run]]
    first, length, at = first[~run], length[~run], at[~run]
    inside = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    out[np.repeat(at + 1, length) + inside] = flat[np.repeat(first, length) + inside]
    return out.tobytes()
