"""OpenEXR files for tests, written by the library or byte by byte."""

import struct
from pathlib import Path

import numpy as np
import OpenEXR

SCANLINES = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
TILES = {"compression": OpenEXR.PIZ_COMPRESSION, "type": OpenEXR.tiledimage}
TILES["tiles"] = OpenEXR.TileDescription()
RGB = np.random.default_rng(0).uniform(0.0, 900.0, (24, 36, 3)).astype(np.float32)


def planes(prefix: str = "", image: np.ndarray = RGB) -> dict[str, np.ndarray]:
    return {f"{prefix}{name}": image[..., i].copy() for i, name in enumerate("RGB")}


def write(path: Path, channels: dict, **header) -> Path:
    with OpenEXR.File(SCANLINES | header, channels) as file:
        file.write(str(path))
    return path


def raw_exr(
    channels: dict[str, tuple[np.ndarray, int]], corner: tuple[int, int] = (0, 0), **extra: tuple
) -> bytes:
    """An uncompressed scanline file, written byte by byte from the specification. channels: float32
    samples and subsampling of each; extra: further attributes, lists of floats.
    """

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    names = sorted(channels)
    rows, columns = next(samples.shape for samples, step in channels.values() if step == 1)
    x, y = corner
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iB3xii", 2, 0, channels[name][1], channels[name][1])
        for name in names
    )
    head = struct.pack("<ii", 20000630, 2)
    head += attribute("channels", "chlist", listed + b"\0")
    for name, values in extra.items():
        head += attribute(name, name, np.asarray(values, "<f4").tobytes())
    head += attribute("compression", "compression", b"\0")
    window = struct.pack("<4i", x, y, x + columns - 1, y + rows - 1)
    head += attribute("dataWindow", "box2i", window)
    head += attribute("displayWindow", "box2i", struct.pack("<4i", 0, 0, 99, 49))
    head += attribute("lineOrder", "lineOrder", b"\0")
    head += attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    head += attribute("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0))
    head += attribute("screenWindowWidth", "float", struct.pack("<f", 1)) + b"\0"
    offsets, body = b"", b""
    for row in range(rows):
        offsets += struct.pack("<Q", len(head) + 8 * rows + len(body))
        line = b"".join(
            channels[name][0][row // channels[name][1]].astype("<f4").tobytes()
            for name in names
            if row % channels[name][1] == 0
        )
        body += struct.pack("<ii", y + row, len(line)) + line
    return head + offsets + body
