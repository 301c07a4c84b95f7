"""Decode and encode Radiance images (.hdr, .pic).

Source: Ward, "Real pixels", Graphics Gems II (1991), and the file format of the Radiance reference
manual. A colour is three mantissas and one exponent, a byte each.
"""

import dataclasses
import re

import numpy as np

from hdrcnn.colour.primaries import XYZ, to_rec709
from hdrcnn.tiles.geometry import strips

_BREAK = re.compile(rb"\n\r?\n")
"""The empty line that ends the header; some programs end their lines in CR LF."""
_SIZE = re.compile(rb"([^\n]*)\n")
_RESOLUTION = re.compile(rb"([+-])([XY])[ \t]+(\d{1,9})[ \t]+([+-])([XY])[ \t]+(\d{1,9})\s*")


@dataclasses.dataclass(frozen=True)
class Header:
    """Header of a Radiance image."""

    gain: np.ndarray
    """[3]: product of all EXPOSURE and COLORCORR lines, by which the colours are multiplied."""
    chromaticities: tuple[float, ...] | None
    axes: tuple[bytes, bytes, bytes, bytes]
    """Sign and letter of the slow axis, then of the fast one; -Y +X is upright."""
    lines: int
    columns: int
    end: int
    """Offset of the colours."""


def _numbers(text: bytes, count: int, key: str) -> list[float]:
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"{key}={text.decode('latin-1').strip()} in its header is not understood")
    return values


def _header(data: bytes) -> Header:
    """Read the header of a Radiance image. Raises ValueError if it is not one."""
    break_ = _BREAK.search(data)
    size = _SIZE.match(data, break_.end()) if break_ else None
    found = _RESOLUTION.fullmatch(size[1]) if size else None
    if not (data.startswith(b"#?") and break_ and size and found):
        raise ValueError("its header is damaged")
    gain, chromaticities = np.ones(3), None
    for line in data[: break_.start()].splitlines()[1:]:
        key, _, value = line.partition(b"=")
        if key == b"EXPOSURE":
            gain = gain * _numbers(value, 1, "EXPOSURE")
        elif key == b"COLORCORR":
            gain = gain * _numbers(value, 3, "COLORCORR")
        elif key == b"PRIMARIES":
            stated = tuple(_numbers(value, 8, "PRIMARIES"))
            chromaticities = stated if any(stated) else chromaticities  # All zero: not stated.
        elif key == b"FORMAT" and value.strip() == b"32-bit_rle_xyze":
            chromaticities = XYZ  # Adapted: Radiance's white has equal X, Y and Z.
        elif key == b"FORMAT" and value.strip() != b"32-bit_rle_rgbe":
            raise ValueError(f"its format is {value.decode('latin-1').strip()}")
    if not (gain > 0).all():
        raise ValueError("an EXPOSURE or COLORCORR in its header is not above 0")
    sign, axis, lines, fast_sign, fast_axis, columns = found.groups()
    if axis == fast_axis or not int(lines) or not int(columns):
        raise ValueError(f"its size is {size[1].decode('latin-1')}")
    axes = (sign, axis, fast_sign, fast_axis)
    return Header(gain, chromaticities, axes, int(lines), int(columns), size.end())


def size(data: bytes) -> tuple[int, int]:
    """Return rows and columns of a Radiance image from the start of its file.

    Raises ValueError.
    """
    header = _header(data)
    sides = header.lines, header.columns
    return sides if header.axes[1] == b"Y" else sides[::-1]


def _scanline(data: bytes, at: int, columns: int, row: int) -> tuple[np.ndarray, int]:
    """Decode a scanline whose four components are run-length coded separately.

    at: offset after the line's start code. Returns [4, columns] uint8, and the offset of the next
    line. Raises ValueError.
    """
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
        raise ValueError(f"scanline {row + 1} is damaged")
    return np.frombuffer(line, np.uint8).reshape(4, columns), at


class _Scanlines:
    """Decodes scanlines, each stored in one of two ways, as Radiance does.

    A line that begins with 2, 2 and its width is run-length coded, the four components separately.
    Any other line contains colours one after the other, or old-style run lengths: the colour 1, 1,
    1, n repeats the previous one n times; directly after another such code, 256 n times, and so on.
    These runs may extend over the ends of lines, as some programs write them.
    """

    def __init__(self, data: bytes, header: Header) -> None:
        self._data, self._columns = data, header.columns
        self._at = header.end
        self._last = np.zeros(4, np.uint8)
        """The previous colour."""
        self._begun = False
        """Whether there is a previous colour."""
        self._left = 0
        """Number of times that it is still to be repeated."""
        self._repeats = 0
        """Number of run codes directly before the current position."""
        self._out = np.empty((header.lines, header.columns, 4), np.uint8)

    def read(self) -> np.ndarray:
        """Decode all lines: [lines, columns, 4] uint8. Raises ValueError."""
        lines, columns = self._out.shape[:2]
        if not 8 <= columns < 32768:  # Never run-length coded.
            self._out.reshape(-1, 4)[:] = self._old(lines * columns)
        row, block, kinds = 0, 1, set()
        while row < lines and 8 <= columns < 32768:
            coded = not self._left and self._data.startswith(self._start, self._at)
            kinds.add(coded)
            if coded:
                self._out[row] = self._coded(row)
                count = 1
            elif self._left >= columns:
                count = min(self._left // columns, lines - row)
                self._out[row : row + count] = self._last
                self._left -= count * columns
            else:
                count = self._plain(row, block)
                block = 2 * block if count == block else 1
                if not count:
                    self._out[row] = self._old(columns)
                    count = 1
            row += count
            if not self._left:
                self._last, self._begun = self._out[row - 1, -1], True
        # Otherwise a damaged coded line would be read on as plain colours.
        if self._left or (len(kinds) == 2 and self._at != len(self._data)):
            raise ValueError("its scanlines do not end with it: it is damaged")
        return self._out

    @property
    def _start(self) -> bytes:
        return b"\x02\x02" + self._columns.to_bytes(2, "big")

    def _coded(self, row: int) -> np.ndarray:
        """Decode a run-length coded line: [columns, 4] uint8."""
        line, self._at = _scanline(self._data, self._at + 4, self._columns, row)
        self._repeats = 0
        return line.T

    def _plain(self, row: int, most: int) -> int:
        """Copy up to `most` lines that are neither coded nor contain runs. Returns how many."""
        size = 4 * self._columns
        here = (len(self._data) - self._at) // size
        count = min(most, len(self._out) - row, here, max(1, (1 << 22) // size))
        if self._left or not count:
            return 0
        lines = np.frombuffer(self._data, np.uint8, count * size, self._at)
        lines = lines.reshape(count, self._columns, 4)
        others = (lines[:, 0] == np.frombuffer(self._start, np.uint8)).all(axis=1)
        others |= (lines[..., :3] == 1).all(axis=2).any(axis=1)
        count = int(others.argmax()) if others.any() else count
        self._out[row : row + count] = lines[:count]
        self._at += count * size
        self._repeats = 0 if count else self._repeats
        return count

    def _expanded(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Read the next `count` codes, which may be old-style runs.

        Returns [count, 4] uint8 codes; and for each of them, [count] int64, how many colours it
        gives, the index of the code that has the colour (-1: the previous colour), and for a run
        the number of run codes directly before it (for a colour -1).
        """
        codes = np.frombuffer(self._data, np.uint8, 4 * count, self._at).reshape(-1, 4)
        run = (codes[:, :3] == 1).all(axis=1)
        places = np.arange(count)
        source = np.maximum.accumulate(np.where(run, -1, places))
        before = np.where(source < 0, self._repeats + places, places - source - 1)
        counts = np.ones(count, np.int64)
        counts[run] = codes[run, 3].astype(np.int64) << (8 * np.minimum(before[run], 4))
        # A run that is longer than the image is refused at its end, however long it is.
        return codes, np.minimum(counts, self._out.size), source, before

    def _old(self, wanted: int) -> np.ndarray:
        """Decode the next colours, expanding old-style runs: [wanted, 4] uint8."""
        first = min(self._left, wanted)
        self._left -= first
        start = np.empty((first, 4), np.uint8)
        if first:
            start[:] = self._last
        wanted -= first
        if not wanted:
            return start
        there = (len(self._data) - self._at) // 4
        count = min(wanted, there)  # Enough unless a digit of a run is 0, and gives no colour.
        codes, counts, source, before = self._expanded(count)
        while counts.sum() < wanted and count < there:
            count = min(2 * count, there)
            codes, counts, source, before = self._expanded(count)
        filled = np.cumsum(counts)
        used = int(np.searchsorted(filled, wanted)) + 1
        if used > count or (source[0] < 0 and not self._begun):
            raise ValueError("it is truncated")
        if source[0] < 0:
            codes = np.concatenate([codes, self._last[None]])  # The colour at index -1.
        self._left = int(filled[used - 1]) - wanted
        counts[used - 1] -= self._left
        self._at += 4 * used
        self._repeats = int(before[used - 1]) + 1
        self._last, self._begun = codes[source[used - 1]], True
        return np.concatenate([start, np.repeat(codes[source[:used]], counts[:used], axis=0)])


def decode(data: bytes) -> np.ndarray:
    """Decode a Radiance image to [H, W, 3] float32, linear Rec. 709, upright.

    EXPOSURE and COLORCORR are divided out. Colours are converted from PRIMARIES; without them Rec.
    709 is assumed, as nearly all programs write it. Mantissas are taken as they are, as other
    programs do, not at the middle of their step. A few bytes can claim any number of pixels, so
    check `size` first. Raises ValueError with the reason.
    """
    header = _header(data)
    matrix = None if header.chromaticities is None else to_rec709(header.chromaticities)
    codes = _Scanlines(data, header).read()
    rgb = np.empty((header.lines, header.columns, 3), np.float32)
    for rows in strips(header.lines):
        exponent = codes[rows, :, 3].astype(np.int32)
        scale = np.where(exponent > 0, np.ldexp(np.float32(1), exponent - 136), np.float32(0))
        strip = codes[rows, :, :3] * scale[..., None] / header.gain.astype(np.float32)
        rgb[rows] = strip if matrix is None else strip @ matrix.T.astype(np.float32)
    sign, axis, fast_sign, _ = header.axes
    if axis == b"X":
        rgb, sign, fast_sign = rgb.transpose(1, 0, 2), fast_sign, sign
    rgb = rgb[::-1] if sign == b"+" else rgb
    rgb = rgb[:, ::-1] if fast_sign == b"-" else rgb
    return np.ascontiguousarray(rgb)


def encode_colours(linear: np.ndarray) -> np.ndarray:
    """Encode [..., 3] linear as [..., 4] uint8: rounded mantissas, and the exponent of the largest.

    Negative values become 0, and so do colours below 2^-127; values above the range of the format,
    about 1.7e38, are clipped.
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
    """Split [N, W] uint8 into pieces, none across the end of a line.

    Returns first byte, length, and whether all bytes are equal, for each piece. Pieces of equal
    bytes are 4 to 127 long, others at most 128; the last piece of a run may be shorter.
    """
    count, width = lines.shape
    fresh = np.ones((count, width), bool)
    fresh[:, 1:] = lines[:, 1:] != lines[:, :-1]
    first = np.flatnonzero(fresh)
    length = np.diff(first, append=lines.size)
    run = length >= 4
    # Neighbours that are not runs form one piece, up to the end of the line.
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
    """Encode [lines, columns, 4] uint8 as scanlines, run-length coding the components separately.

    Images less than 8 or more than 32767 columns wide are not coded: one colour follows another.
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
