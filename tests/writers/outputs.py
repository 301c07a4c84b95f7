"""Shared by the tests of the output formats: one small photograph, and parsers written from the
standards.
"""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from hdrcnn.colour.primaries import Chromaticities, linear_to_rec709
from hdrcnn.colour.transfer import linearise
from hdrcnn.writers import Picture

ROWS, COLUMNS = 45, 70
CAMERA: dict[str, str | int | float] = {
    "Make": "Maker",
    "ExposureTime": 0.008,
    "FNumber": 2.8,
    "ISO": 200,
    "DateTimeOriginal": "2024:02:03 04:05:06",
}


def photograph() -> np.ndarray:
    """[45, 70, 3] uint8: smooth ramps, and two discs that are clipped, one in one channel only."""
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    rgb = np.stack([3 * columns + 20, 2 * rows + 60, 180 - 2 * columns], axis=-1)
    rgb[np.hypot(rows - 20, columns - 50) < 9] = 255
    rgb[np.hypot(rows - 30, columns - 15) < 7, 0] = 255
    return rgb.astype(np.uint8)


def hdr_picture(
    chromaticities: Chromaticities | None = None,
    kind: type[np.floating] = np.float16,
    **more: object,
) -> Picture:
    """The photograph as a `Picture`, with light up to 24 where it is clipped."""
    codes = photograph()
    light = linearise(codes / np.float32(255), "mean_curve")
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    boost = 1 + 23 * np.exp(-((rows - 20) ** 2 + (columns - 50) ** 2) / 40.0)
    light = np.where(codes == 255, boost[..., None] * [1.0, 0.8, 0.5], light)
    if chromaticities is not None:
        more["chromaticities"] = chromaticities
        light = linear_to_rec709(light, chromaticities)
    return Picture(light.astype(kind), codes=codes, curve="mean_curve", **more)  # type: ignore[arg-type]


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield all chunks of a PNG; check their checksums."""
    at = 8
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        contents = data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(name + contents)
        yield name, contents
        at += 12 + size


def boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and contents of the boxes of ISO/IEC 14496-12."""
    end = len(data) if end is None else end
    while at < end:
        size, name = struct.unpack_from(">I4s", data, at)
        yield name, data[at + 8 : at + size]
        at += size


def exr_header(data: bytes) -> tuple[dict[str, tuple[str, bytes]], int]:
    """Parse the header of a one-part OpenEXR file: attributes, name to type and value, and its
    end.
    """
    assert data[:4] == b"\x76\x2f\x31\x01"
    attributes, at = {}, 8
    while data[at]:
        name, kind = (part.decode() for part in data[at:].split(b"\0", 2)[:2])
        at += len(name.encode()) + len(kind) + 2
        (size,) = struct.unpack_from("<i", data, at)
        attributes[name] = kind, data[at + 4 : at + 4 + size]
        at += 4 + size
    return attributes, at + 1


def exr_pixels(data: bytes) -> dict[str, np.ndarray]:
    """Channels of a one-part OpenEXR file of scanlines, uncompressed or ZIP."""
    attributes, at = exr_header(data)
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"][1])
    columns, rows = right - left + 1, bottom - top + 1
    names, kinds, rest = [], [], attributes["channels"][1]
    while rest[0]:
        label, rest = rest.split(b"\0", 1)
        names.append(label.decode())
        kinds.append({1: "<f2", 2: "<f4"}[struct.unpack_from("<i", rest)[0]])
        rest = rest[16:]
    together = {0: 1, 3: 16}[attributes["compression"][1][0]]
    lines: dict[str, list[np.ndarray]] = {name: [] for name in names}
    width = sum(np.dtype(kind).itemsize for kind in kinds) * columns
    for offset in struct.unpack_from(f"<{-(-rows // together)}Q", data, at):
        first, size = struct.unpack_from("<2i", data, offset)
        count = min(together, bottom + 1 - first)
        block = np.frombuffer(data, np.uint8, size, offset + 8)
        if size < count * width:  # Differences, their even bytes before the odd ones.
            delta = np.frombuffer(zlib.decompress(block.tobytes()), np.uint8).astype(np.int64)
            delta[1:] -= 128
            sums = np.cumsum(delta).astype(np.uint8)
            block = np.empty_like(sums)
            block[0::2], block[1::2] = np.split(sums, [-(-len(sums) // 2)])
        place = 0
        for _ in range(count):
            for name, kind in zip(names, kinds, strict=True):
                lines[name].append(np.frombuffer(block.tobytes(), kind, columns, place))
                place += columns * np.dtype(kind).itemsize
    return {name: np.stack(values) for name, values in lines.items()}


def jpeg(codes: np.ndarray, **options: object) -> bytes:
    """A JPEG file by Pillow."""
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "JPEG", **options)
    return file.getvalue()
