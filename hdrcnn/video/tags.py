"""Colour tags and format of a converted film, read back and compared with what was requested."""

import dataclasses
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

from hdrcnn.files import ImageError
from hdrcnn.video.colours import HLG, Tags
from hdrcnn.video.content_light import stored_level
from hdrcnn.video.encode import Encoding, padded
from hdrcnn.video.library import pyav, reading
from hdrcnn.video.source import Film


@dataclasses.dataclass(frozen=True)
class ReadBack:
    """Format and tags of a converted film, as read back from its file."""

    codec: str
    size: tuple[int, int]
    pixel_format: str
    tags: Tags
    peak: float | None
    """Peak luminance of the mastering display, cd/m^2."""
    max_cll: int | None
    max_fall: int | None
    aspect: Fraction
    """Sample aspect ratio: width divided by height."""

    @property
    def described(self) -> str:
        """Description for the user."""
        kind = "HLG" if self.tags.transfer == HLG else "HDR10 (PQ)"
        content_light = f", MaxCLL {self.max_cll}, MaxFALL {self.max_fall}" if self.max_cll else ""
        codec = {"hevc": "HEVC Main 10", "av1": "AV1, 10 bits"}.get(self.codec, self.codec)
        return f"{codec}, {kind}, BT.2020, {self.size[0]}x{self.size[1]}{content_light}"


def read_back(path: Path) -> ReadBack:
    """Read the tags of the first frame of a film. Raises ImageError."""
    av = pyav()
    kinds = av.sidedata.sidedata.Type
    with reading(path), av.open(str(path.absolute())) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        tags = Tags(
            *map(int, (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc))
        )
        display = frame.side_data.get(kinds.MASTERING_DISPLAY_METADATA)
        content_light = frame.side_data.get(kinds.CONTENT_LIGHT_LEVEL)
        peak = cll = fall = None
        if display is not None:  # AVMasteringDisplayMetadata: ten fractions, two flags.
            numbers = struct.unpack("22i", bytes(display)[:88])
            peak = numbers[18] / numbers[19]
        if content_light is not None:
            cll, fall = struct.unpack("2I", bytes(content_light)[:8])
        aspect = Fraction(stream.sample_aspect_ratio or 0) or Fraction(1)
        size, codec = (frame.width, frame.height), stream.codec_context.codec.canonical_name
        return ReadBack(codec, size, frame.format.name, tags, peak, cll, fall, aspect)


def check(
    path: Path, film: Film, encoding: Encoding, content_light: tuple[float, float]
) -> ReadBack:
    """Read the tags of a result back. Raises ImageError if they are not those requested."""
    found = read_back(path)
    wanted: dict[str, Any] = {
        "size": (padded(film.width), padded(film.height)),
        "pixel_format": "yuv420p10le",
        "tags": encoding.tags,
        "codec": encoding.codec,
        "aspect": film.aspect,
    }
    if encoding.transfer == "pq":
        wanted["max_cll"], wanted["max_fall"] = map(stored_level, content_light)
    for name, value in wanted.items():
        if getattr(found, name) != value:
            raise ImageError(
                f"{path}: its {name.replace('_', ' ')} reads back as {getattr(found, name)}, not "
                f"{value}; please report it"
            )
    if encoding.transfer == "pq" and (
        found.peak is None or abs(found.peak - encoding.peak) > 0.01 * encoding.peak
    ):
        raise ImageError(
            f"{path}: its mastering display reads back as {found.peak}; please report it"
        )
    return found
