"""What a result says of its making, and whether it is still the one that is wanted.

Every file that holds a result carries, beside what the camera wrote:

    version    of this tool
    weights    SHA-256 of the weights file
    estimator  that of the weights that estimated the camera curve; only if it was estimated
    settings   JSON of `Settings.record`, keys sorted
    source     JSON of `Source`: name, size and digest of the photograph, and the like
    figures    JSON of what the conversion found

OpenEXR as attributes `hdrcnn:version` and so on, other formats as `writers.notes`; previews a short
digest of it. A file without them was made by others and is theirs.
"""

import dataclasses
import hashlib
import json
import math
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from hdrcnn import _version
from hdrcnn.batch.job import PREVIEW_ENDINGS, Settings, Source, folder_of
from hdrcnn.batch.plan import Job, same_name
from hdrcnn.colour.transfer import LINEARISATIONS
from hdrcnn.files import ImageError, is_regular
from hdrcnn.readers.folders import may_be_photograph
from hdrcnn.readers.pillow import own_limit
from hdrcnn.writers import ALL_WRITERS, notes
from hdrcnn.writers.exr import PREFIX
from hdrcnn.writers.whole import is_whole

_EXPOSURE = re.compile(r"_[0-8]\.png$")
"""How the exposures of a photograph end, `batch.stack`."""


def _parsed(text: str) -> dict[str, Any]:
    """An object of JSON whose numbers are finite. Raises ValueError, TypeError, RecursionError."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    return dict(json.loads(text, parse_constant=refuse))


def _check_figures(figures: Mapping[str, Any]) -> None:
    """Raises LookupError, ValueError or TypeError for figures that no conversion found."""
    for name in ("width", "height", "saturated", "peak_before", "peak_after"):
        kinds = (int,) if name in ("width", "height") else (int, float)
        if type(figures[name]) not in kinds or not math.isfinite(figures[name]):
            raise TypeError(f"{name} of figures")
    curve = figures.get("curve", "square")
    if isinstance(curve, str):
        LINEARISATIONS[curve]
    elif sorted(curve) != ["n", "s"] or not all(
        type(number) is float and 0 < number < math.inf for number in curve.values()
    ):
        raise ValueError("curve of figures")


@dataclasses.dataclass(frozen=True)
class Making:
    """How a result was made."""

    weights: str
    """SHA-256 of their file, hexadecimal."""
    settings: Mapping[str, Any]
    source: Source
    figures: Mapping[str, Any]
    version: str = _version.__version__
    estimator: str = ""
    """SHA-256 of the weights that estimated the camera curve; empty if it was not estimated."""

    def notes(self) -> dict[str, str]:
        """As texts by name, for `writers.Picture`."""
        source = dataclasses.asdict(self.source)
        if not source["folder"]:
            del source["folder"]
        parts = {
            "settings": self.settings,
            "source": source,
            "figures": self.figures,
        }
        texts = {name: canonical(part) for name, part in parts.items()}
        texts |= {"version": self.version, "weights": self.weights}
        return texts | ({"estimator": self.estimator} if self.estimator else {})

    def mark(self) -> str:
        """A short digest, for files that have no room for all of it. The times of the photograph
        and its folder do not count.
        """
        source = dataclasses.replace(self.source, modified=0, changed=0, folder="")
        texts = dataclasses.replace(self, source=source).notes()
        return hashlib.sha256(canonical(texts).encode()).hexdigest()[:16]

    @classmethod
    def of_notes(cls, said: Mapping[str, str]) -> "Making":
        """Back from texts. Raises LookupError, ValueError, TypeError or RecursionError if they
        are others: anybody may have written them.
        """
        source = Source(**_parsed(said["source"]))
        for field in dataclasses.fields(source):
            if type(getattr(source, field.name)) is not field.type:
                raise TypeError(f"{field.name} of a source")
        figures = _parsed(said["figures"])
        _check_figures(figures)
        return cls(
            weights=said["weights"],
            settings=_parsed(said["settings"]),
            source=source,
            figures=figures,
            version=said["version"],
            estimator=said.get("estimator", ""),
        )

    def serves(self, settings: Mapping[str, Any]) -> bool:
        """Whether other settings would give the same; previews harm nobody who wants none."""
        wanted = dict(settings)
        if wanted.get("previews") is None:
            wanted["previews"] = self.settings.get("previews")
        return self.version == _version.__version__ and canonical(wanted) == canonical(
            self.settings
        )


def canonical(value: Any) -> str:
    """JSON, the same for the same contents. Numbers are finite."""
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _notes(path: Path) -> Mapping[str, str] | None:
    """Of a file by its ending. Raises whatever a damaged one leads to."""
    for writer in ALL_WRITERS.values():
        if path.name.lower().endswith(writer.ending):
            return writer.notes(path)
    return notes.read(path)


def making_of(path: Path) -> Making | None:
    """How a file was made; None if others made it, or nothing can be read."""
    if not is_regular(path):
        return None
    try:
        return Making.of_notes(_notes(path) or {})
    except (RuntimeError, LookupError, ValueError, TypeError, OSError, struct.error):
        return None


def _begun_here(path: Path) -> bool:
    """Whether a file bears the name of this tool, even if cut short."""
    if not is_regular(path):
        return False
    try:
        if path.suffix.lower() != ".exr":
            return notes.begun(path)
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except OSError:
        return False
    return head.startswith(b"\x76\x2f\x31\x01") and f"\0{PREFIX}".encode() in head


def software(making: Making) -> str:
    """What the previews say of their making."""
    return f"hdrcnn {making.version} {making.mark()}"


def _software_of(path: Path) -> str:
    """What a PNG says of its making; empty if it says nothing or is none."""
    if not is_regular(path):
        return ""
    try:
        with own_limit(), Image.open(path, formats=["PNG"]) as picture:
            return str(picture.info.get("Software", ""))
    except (OSError, SyntaxError, ValueError):  # A folder, no picture, a damaged one.
        return ""


def made_here(path: Path) -> bool:
    """Whether a file was written by this tool, a result or a preview, whole or not."""
    if making_of(path) is not None or _begun_here(path):
        return True
    return path.suffix.lower() == ".png" and _software_of(path).startswith("hdrcnn ")


def is_result(path: Path, exposures: bool = True) -> bool:
    """Whether a file is one that this tool wrote. Only what is named like one is opened.

    exposures: those of a photograph count; else they are frames like any.
    """
    endings = (*(writer.ending for writer in ALL_WRITERS.values()), *PREVIEW_ENDINGS)
    named = path.name.endswith(endings) or (exposures and _EXPOSURE.search(path.name) is not None)
    return named and made_here(path)


def check_place(job: Job, settings: Settings) -> None:
    """Raises ImageError if an output would overwrite what this tool has not made, or what it has
    made of another photograph or by another command. With `overwrite` photographs alone are spared.
    """
    others: dict[Source, str] = {}  # Photographs are large: each is read once at most.
    for path in map(job.output, settings.endings):
        empty = path.is_file() and path.stat().st_size == 0
        if empty or not os.path.lexists(path):
            continue
        making = making_of(path)
        ours = making is not None or made_here(path)
        if settings.overwrite:
            if not ours and path.is_file() and may_be_photograph(path):
                raise ImageError(
                    f"{path}: without the mark of this tool, it may be a photograph, so not "
                    "overwritten; remove it, or give another --out_dir"
                )
            continue
        if not ours:
            raise ImageError(
                f"{path}: not made by this tool, so not overwritten; give --overwrite or another "
                "--out_dir"
            )
        if making is None:
            continue
        other = _other_command(making, settings)
        if not other:
            if making.source not in others:
                others[making.source] = _other_photograph(making.source, job)
            other = others[making.source]
        if other:
            raise ImageError(
                f"{path}: holds the result of {other}; give another --out_dir, or --overwrite to "
                "replace it"
            )


def _other_command(making: Making, settings: Settings) -> str:
    """The command that a result was made by, if that is another one; else empty."""
    made_by, command = (
        said.get("command", "predict") for said in (making.settings, settings.record())
    )
    return f"hdrcnn {made_by}" if made_by != command else ""


def _other_photograph(source: Source, job: Job) -> str:
    """What a result was made of, if that is neither the photograph of the job, edited or not, nor a
    copy of it; else empty.
    """
    if same_name(Path(source.name)) != same_name(Path(job.source.name)):
        return "" if source.holds_as(*job.sources) else f"another photograph, {source.name}"
    here = not source.folder or source.folder == folder_of(job.source)
    if here or source.holds_as(*job.sources):
        return ""
    return f"the {source.name} of another folder"


def standing(job: Job, settings: Settings) -> Making | None:
    """How the result that stands there was made, if all its files are there and whole, made
    with these settings and the same weights of this very photograph; else None. Which weights those
    are is left to be compared, those of the camera curve too.
    """
    outputs = [job.output(ending) for ending in settings.endings]
    if not all(map(is_whole, outputs)):
        return None
    # A run that was killed may have left one file of its own beside another of the run before.
    makings = [making_of(job.output(ending)) for ending in settings.light_endings]
    making = makings[0]
    if making is None or not making.serves(settings.record()):
        return None
    if any(other is None or other.notes() != making.notes() for other in makings[1:]):
        return None
    previews = [job.output(ending) for ending in PREVIEW_ENDINGS if settings.previews]
    if any(_software_of(path) != software(making) for path in previews):
        return None
    return making if making.source.is_still(*job.sources) else None
