"""The record in each result of how it was made, and checks whether an existing result is valid.

Besides the camera's metadata every file of a result contains:

    version    version of this tool
    weights    SHA-256 of the weights file
    estimator  SHA-256 of the weights that estimated the camera curve, if it was estimated
    settings   JSON of `Settings.record`, keys sorted
    source     JSON of `Source`: name, size, digest and other properties of the photograph
    figures    JSON of the figures that the conversion found

OpenEXR files store them as attributes `hdrcnn:version` and so on, other formats by `writers.notes`,
and previews only as a short digest. A file without them was not made by this tool.
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
from hdrcnn.readers.pillow import pillow_limits_lifted
from hdrcnn.writers import ALL_WRITERS, notes
from hdrcnn.writers.exr import PREFIX
from hdrcnn.writers.whole import is_complete

_EXPOSURE = re.compile(r"_[0-8]\.png$")
"""Ending of the exposures that `batch.stack` writes."""


def _parsed(text: str) -> dict[str, Any]:
    """Parse a JSON object with finite numbers. Raises ValueError, TypeError, RecursionError."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    return dict(json.loads(text, parse_constant=refuse))


def _check_figures(figures: Mapping[str, Any]) -> None:
    """Raise LookupError, ValueError or TypeError for figures that no conversion can have found."""
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
class Provenance:
    """Record of how a result was made."""

    weights: str
    """SHA-256 of the weights file, hexadecimal; several separated by blanks, empty for none."""
    settings: Mapping[str, Any]
    source: Source
    figures: Mapping[str, Any]
    version: str = _version.__version__
    estimator: str = ""
    """SHA-256 of the weights that estimated the camera curve; empty if it was not estimated."""

    def notes(self) -> dict[str, str]:
        """Return the record as texts by name, for `writers.Picture`."""
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

    def short_digest(self) -> str:
        """Return a short digest of the record without the photograph's times and folder, for files
        that cannot store all of it.
        """
        source = dataclasses.replace(self.source, modified=0, changed=0, folder="")
        texts = dataclasses.replace(self, source=source).notes()
        return hashlib.sha256(canonical(texts).encode()).hexdigest()[:16]

    @classmethod
    def of_notes(cls, said: Mapping[str, str]) -> "Provenance":
        """Parse the texts of `notes`. Raises LookupError, ValueError, TypeError or RecursionError
        for any others: anybody may have written them.
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

    def matches(self, settings: Mapping[str, Any]) -> bool:
        """Whether these settings would give the same result. Existing previews are accepted even if
        none are wanted.
        """
        wanted = dict(settings)
        if wanted.get("previews") is None:
            wanted["previews"] = self.settings.get("previews")
        return self.version == _version.__version__ and canonical(wanted) == canonical(
            self.settings
        )


def canonical(value: Any) -> str:
    """Return JSON that is equal for equal contents. Raises ValueError for numbers not finite."""
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _notes(path: Path) -> Mapping[str, str] | None:
    """Read the notes of a file, by its ending. A damaged file may raise almost any error."""
    for writer in ALL_WRITERS.values():
        if path.name.lower().endswith(writer.ending):
            return writer.notes(path)
    return notes.read(path)


def provenance_of(path: Path) -> Provenance | None:
    """Return how a file was made; None if it was not made by this tool or cannot be read."""
    if not is_regular(path):
        return None
    try:
        return Provenance.of_notes(_notes(path) or {})
    except (RuntimeError, LookupError, ValueError, TypeError, OSError, struct.error):
        return None


def _begun_here(path: Path) -> bool:
    """Whether a file contains the mark of this tool, even if it is truncated."""
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


def software(provenance: Provenance) -> str:
    """Return the text by which previews record how they were made."""
    return f"hdrcnn {provenance.version} {provenance.short_digest()}"


def _software_of(path: Path) -> str:
    """Return the `Software` text of a PNG file; empty if there is none or it is not a PNG file."""
    if not is_regular(path):
        return ""
    try:
        with pillow_limits_lifted(), Image.open(path, formats=["PNG"]) as picture:
            return str(picture.info.get("Software", ""))
    except (OSError, SyntaxError, ValueError):  # Not a PNG file, or a damaged one.
        return ""


def made_here(path: Path) -> bool:
    """Whether this tool wrote a file, a result or a preview, even if it is truncated."""
    if provenance_of(path) is not None or _begun_here(path):
        return True
    return path.suffix.lower() == ".png" and _software_of(path).startswith("hdrcnn ")


def is_result(path: Path, exposures: bool = True) -> bool:
    """Whether this tool wrote a file. Only files named like a result are opened.

    exposures: whether the exposures that `batch.stack` writes count as results; otherwise they are
    ordinary frames.
    """
    endings = (*(writer.ending for writer in ALL_WRITERS.values()), *PREVIEW_ENDINGS)
    named = path.name.endswith(endings) or (exposures and _EXPOSURE.search(path.name) is not None)
    return named and made_here(path)


def check_place(job: Job, settings: Settings) -> None:
    """Raise ImageError if an output would overwrite a file that this tool has not made, or has made
    from another photograph or by another command. With `overwrite`, only files that may be
    photographs are protected.
    """
    others: dict[Source, str] = {}  # Photographs are large: each is read at most once.
    for path in map(job.output, settings.endings):
        empty = path.is_file() and path.stat().st_size == 0
        if empty or not os.path.lexists(path):
            continue
        provenance = provenance_of(path)
        ours = provenance is not None or made_here(path)
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
        if provenance is None:
            continue
        other = _other_command(provenance, settings)
        if not other:
            if provenance.source not in others:
                others[provenance.source] = _other_photograph(provenance.source, job)
            other = others[provenance.source]
        if other:
            raise ImageError(
                f"{path}: holds the result of {other}; give another --out_dir, or --overwrite to "
                "replace it"
            )


def _other_command(provenance: Provenance, settings: Settings) -> str:
    """Return the command that made a result if it is another one, else an empty text."""
    made_by, command = (
        said.get("command", "predict") for said in (provenance.settings, settings.record())
    )
    return f"hdrcnn {made_by}" if made_by != command else ""


def _other_photograph(source: Source, job: Job) -> str:
    """Describe what a result was made from, unless it is the job's photograph, before or after an
    edit, or a copy of it: then the text is empty.
    """
    if same_name(Path(source.name)) != same_name(Path(job.source.name)):
        return "" if source.has_same_bytes(*job.sources) else f"another photograph, {source.name}"
    here = not source.folder or source.folder == folder_of(job.source)
    if here or source.has_same_bytes(*job.sources):
        return ""
    return f"the {source.name} of another folder"


def valid_result(job: Job, settings: Settings) -> Provenance | None:
    """Return how the existing result was made if it is valid apart from its weights, else None.

    It is valid if all its files exist, are complete, and were made in the same way, with these
    settings, from this very photograph. The caller compares the weights, including those that
    estimated the camera curve.
    """
    outputs = [job.output(ending) for ending in settings.endings]
    if not all(map(is_complete, outputs)):
        return None
    # A killed run may have left one of its files beside another from an earlier run.
    provenances = [provenance_of(job.output(ending)) for ending in settings.light_endings]
    provenance = provenances[0]
    if provenance is None or not provenance.matches(settings.record()):
        return None
    if any(other is None or other.notes() != provenance.notes() for other in provenances[1:]):
        return None
    previews = [job.output(ending) for ending in PREVIEW_ENDINGS if settings.previews]
    if any(_software_of(path) != software(provenance) for path in previews):
        return None
    return provenance if provenance.source.is_unchanged(*job.sources) else None
