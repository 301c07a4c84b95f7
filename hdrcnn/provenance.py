"""What a result says of its making, and whether it is still the one that is wanted.

Every OpenEXR file carries, beside what the camera wrote:

    hdrcnn:version    of this tool
    hdrcnn:weights    SHA-256 of the weights file
    hdrcnn:settings   JSON of `Settings.record`, keys sorted
    hdrcnn:source     JSON of `Source`: name and size in bytes of the photograph, and the like
    hdrcnn:figures    JSON of what the conversion found

A file without them was made by others and is theirs.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import OpenEXR
from PIL import Image

import hdrcnn
from hdrcnn.files import ImageError
from hdrcnn.folders import Job

PREFIX = "hdrcnn:"
PARTS = ("version", "weights", "settings", "source", "figures")


@dataclasses.dataclass(frozen=True)
class Source:
    """The photograph behind a result."""

    name: str
    """Of the file, without its folder."""
    bytes: int
    modified: int
    """Nanoseconds since 1970."""
    width: int
    height: int
    """Of the photograph, upright; the result may have been asked for in another size."""
    lossy: bool
    panorama: bool
    """By its own XMP data."""

    def is_still(self, path: Path, made: int) -> bool:
        """Whether a file is that photograph, unchanged since `made` (nanoseconds)."""
        now = path.stat()
        same = path.name == self.name and now.st_size == self.bytes
        return same and (now.st_mtime_ns < made or now.st_mtime_ns == self.modified)


@dataclasses.dataclass(frozen=True)
class Making:
    """How a result was made."""

    weights: str
    """SHA-256 of their file, hexadecimal."""
    settings: Mapping[str, Any]
    source: Source
    figures: Mapping[str, Any]
    version: str = hdrcnn.__version__

    def attributes(self) -> dict[str, str]:
        """As attributes of an OpenEXR file."""
        parts = {
            "settings": self.settings,
            "source": dataclasses.asdict(self.source),
            "figures": self.figures,
        }
        texts = {name: canonical(part) for name, part in parts.items()}
        texts |= {"version": self.version, "weights": self.weights}
        return {PREFIX + name: text for name, text in texts.items()}

    def serves(self, settings: Mapping[str, Any]) -> bool:
        """Whether other settings would give the same; previews harm nobody who wants none."""
        wanted = dict(settings)
        if wanted.get("previews") is None:
            wanted["previews"] = self.settings.get("previews")
        return self.version == hdrcnn.__version__ and canonical(wanted) == canonical(self.settings)


def canonical(value: Any) -> str:
    """JSON, the same for the same contents. Numbers are finite."""
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def making_of(path: Path) -> Making | None:
    """How an OpenEXR file was made; None where others made it, or nothing can be read."""
    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            header = file.parts[0].header  # Empty once the file is closed.
            said = {part: str(header[PREFIX + part]) for part in PARTS}
        return Making(
            weights=said["weights"],
            settings=dict(json.loads(said["settings"])),
            source=Source(**json.loads(said["source"])),
            figures=dict(json.loads(said["figures"])),
            version=said["version"],
        )
    except (RuntimeError, LookupError, ValueError, TypeError):
        return None


def software() -> str:
    """What the previews say of their making."""
    return f"hdrcnn {hdrcnn.__version__}"


def _is_ours(path: Path) -> bool:
    """Whether a file at an output's place was written by this tool, or holds nothing."""
    if path.is_file() and path.stat().st_size == 0:
        return True
    if path.suffix.lower() == ".exr":
        return making_of(path) is not None
    try:
        with Image.open(path) as picture:
            return str(picture.info.get("Software", "")).startswith("hdrcnn ")
    except (OSError, SyntaxError, ValueError):  # A folder, no picture, a damaged one.
        return False


def check_place(job: Job, endings: tuple[str, ...]) -> None:
    """Raises ImageError where an output would overwrite what this tool has not made."""
    for path in map(job.output, endings):
        if (path.exists() or path.is_symlink()) and not _is_ours(path):
            raise ImageError(
                f"{path}: not made by this tool, so not overwritten; give --overwrite or another "
                "--out_dir"
            )


def standing(job: Job, endings: tuple[str, ...], settings: Mapping[str, Any]) -> Making | None:
    """How the result that stands there was made, where it is all there, made with these settings
    of this very photograph; else None. Its weights are left to be compared.
    """
    outputs = [job.output(ending) for ending in endings]
    if not all(path.is_file() for path in outputs):
        return None
    making = making_of(outputs[0])
    if making is None or not making.serves(settings):
        return None
    made = min(path.stat().st_mtime_ns for path in outputs)
    return making if making.source.is_still(job.source, made) else None
