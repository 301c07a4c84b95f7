"""The records of a conversion: what is asked for, the same for every picture; which photograph a
result was made of; what the first frame of a film settles for all; what came of each.
"""

import dataclasses
import hashlib
import os
import stat
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hdrcnn.batch.choose import PRECISION
from hdrcnn.batch.plan import Job
from hdrcnn.colour.clipping_level import AUTO, UNCLIPPED, Levels, described
from hdrcnn.colour.transfer import CameraCurve
from hdrcnn.files import ImageError, digest, not_written, real
from hdrcnn.readers.photograph import MAX_MEGAPIXELS
from hdrcnn.review import Entry
from hdrcnn.writers import ALL_WRITERS, WRITERS, Options, Writer

PREVIEW_ENDINGS = ("_in.png", "_out.png", "_strip.png")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of one run; `gamma` to `panorama` mean what they do for `Predictor.reconstruct`."""

    gamma: float = 1.0
    scaling: float | str = AUTO
    """A number switches the estimate of `clipping_level` off."""
    camera_curve: str | None = None
    """None: `transfer.DEFAULT_CURVE` if the weights are chosen too, else as stored with them."""
    width: int | None = None
    height: int | None = None
    resolution: str = "auto"
    quality: str = "fast"
    gain_map: str = "use"
    """One of `readers.gain_map.CHOICES`."""
    panorama: bool = False
    """Every picture closes left and right, whether its file says so or not."""
    precision: str = PRECISION
    """Of the convolutions, as asked for; see `predict.runtime`."""
    primaries: bool = False
    """The results keep the primaries of their photographs. Else they are Rec. 709."""
    mask: bool = False
    """The results tell in three more channels how much of them is predicted."""
    max_stops: float | None = None
    """The largest value of the results, in stops above the clipping level."""
    formats: tuple[str, ...] = ("exr",)
    """Of `writers.WRITERS`, at least one."""
    options: Options = dataclasses.field(default_factory=Options)
    """How they are written."""
    report_room: int = 0
    """Bytes that a picture may take in the report; 0: there is none."""
    previews: bool = False
    exposure: float = -3.0
    """Of the previews, in stops."""
    max_megapixels: float = MAX_MEGAPIXELS
    overwrite: bool = False
    """Recompute every result, and replace those of other photographs and commands, and files of
    other programs that are no photographs."""
    sequence: bool = False
    """The pictures of a folder are the frames of a film."""

    known: ClassVar[Mapping[str, Writer]] = WRITERS
    conversion: ClassVar[tuple[str, str]] = ("convert", "Conversion")
    """Module of this package and class: how a job is done."""

    def __post_init__(self) -> None:
        if not self.formats or not set(self.formats) <= set(self.known):
            raise ValueError(f"formats {self.formats}: some of {', '.join(self.known)}")

    @property
    def endings(self) -> tuple[str, ...]:
        """Of all files written for a picture, those that tell of their making first."""
        return (*self.light_endings, *(PREVIEW_ENDINGS if self.previews else ()))

    @property
    def light_endings(self) -> tuple[str, ...]:
        """Of the files that hold the result itself, in the order asked for."""
        return tuple(ALL_WRITERS[name].ending for name in self.formats)

    def files(self, job: Job) -> dict[str, str]:
        """Where the files of a result are, by the names of their formats."""
        return {name: str(job.output(ALL_WRITERS[name].ending)) for name in self.formats}

    def links(self, job: Job) -> dict[str, str]:
        """The same by what people call the formats."""
        return {ALL_WRITERS[name].label: path for name, path in self.files(job).items()}

    def record(self) -> dict[str, Any]:
        """What a result depends on, as it is stored with it. Of the formats only how they are
        written: which of them are there is seen.
        """
        names = ("gamma", "scaling", "camera_curve", "width", "height", "resolution", "quality",
                 "panorama", "precision", "primaries", "mask", "max_stops", "sequence",
                 "gain_map")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            "options": dataclasses.asdict(self.options),
            "previews": self.exposure if self.previews else None,
        }


def _digest(path: Path, *others: Path) -> str:
    """SHA-256 of a file, or of those of several, hexadecimal. Raises OSError."""
    if not others:
        return digest(path)
    found = " ".join(f"{each.name} {digest(each)}" for each in (path, *others))
    return hashlib.sha256(found.encode(errors="surrogateescape")).hexdigest()


def folder_of(path: Path) -> str:
    """A short digest of the folder of a file: tells folders apart, and names none."""
    found = str(real(path.parent)).encode(errors="surrogateescape")
    return hashlib.sha256(found).hexdigest()[:16]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileState:
    """What is to be known of a file to see later whether it is the same."""

    name: str
    """Of the file, without its folder."""
    bytes: int
    modified: int
    """Nanoseconds since 1970. Programs set it as they like."""
    changed: int = 0
    """Likewise, set by the system alone: no write leaves it as it was. On Windows that of the
    creation."""
    sha256: str = ""
    """Of the file's bytes, hexadecimal."""
    folder: str = ""
    """Which one it lay in: a digest of its path."""

    @classmethod
    def of(cls, path: Path, *others: Path) -> "FileState | None":
        """To be taken before files are decoded: what is written to them meanwhile then shows later.

        others: files that belong to the first, as the frames of a bracket do. Sizes are added, of
        times the latest counts, and digests are digested. None if there is nothing to be read;
        who decodes it says why.
        """
        try:
            now = [each.stat() for each in (path, *others)]
            if not all(stat.S_ISREG(one.st_mode) for one in now):  # A pipe would wait forever.
                return None
            found = _digest(path, *others)
        except OSError:
            return None
        return cls(
            name=path.name,
            bytes=sum(one.st_size for one in now),
            modified=max(one.st_mtime_ns for one in now),
            changed=max(one.st_ctime_ns for one in now),
            sha256=found,
            folder=folder_of(path),
        )

    def holds_as(self, path: Path, *others: Path) -> bool:
        """Whether files of any name have these bytes; of several their names count, too."""
        try:
            if sum(each.stat().st_size for each in (path, *others)) != self.bytes:
                return False
            return _digest(path, *others) == self.sha256
        except OSError:
            return False

    def is_still(self, path: Path, *others: Path) -> bool:
        """Whether files are those, byte for byte. They are read only if a time differs:
        copies, and files brought back, have any.
        """
        try:
            now = [each.stat() for each in (path, *others)]
            if (path.name, sum(one.st_size for one in now)) != (self.name, self.bytes):
                return False
            times = max(one.st_mtime_ns for one in now), max(one.st_ctime_ns for one in now)
            untouched = os.name != "nt" and times == (self.modified, self.changed)
            return untouched or _digest(path, *others) == self.sha256
        except OSError:
            return False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source(FileState):
    """The photograph that a result was made of."""

    width: int
    height: int
    """Of the photograph, upright; the result may have been asked for in another size."""
    lossy: bool
    panorama: bool
    """By its own XMP data."""


@dataclasses.dataclass(frozen=True)
class Film:
    """What all frames of a film share."""

    first: Source
    curve: str | CameraCurve | None = None
    """By which its codes become light; None: not found yet."""
    levels: Levels | None = None
    """At which its codes clip; None: not found yet, or not looked for."""


class Films:
    """The first frame of every folder, as they come. Each folder is a film of its own."""

    def __init__(self) -> None:
        self._first: dict[Path, Source] = {}
        self._curves: dict[Path, str | CameraCurve] = {}
        self._levels: dict[Path, Levels] = {}
        self._lock = threading.Lock()

    def film(self, source: Path) -> Film | None:
        """What is known of the film that a source is a frame of."""
        first = self.first(source)
        if first is None:
            return None
        return Film(first, self._curves.get(source.parent), self._levels.get(source.parent))

    def know(self, source: Path, film: Film) -> None:
        """Takes over what another process found."""
        self._first[source.parent] = film.first
        if film.curve is not None:
            self._curves[source.parent] = film.curve
        if film.levels is not None:
            self._levels[source.parent] = film.levels

    def first(self, source: Path) -> Source | None:
        """The first frame of the film that a source is a frame of, if there has been one."""
        return self._first.get(source.parent)

    def curve(self, source: Path, found: Callable[[], str | CameraCurve]) -> str | CameraCurve:
        """The camera curve of all frames of a source's film: what is found first."""
        with self._lock:
            if source.parent not in self._curves:
                self._curves[source.parent] = found()
            return self._curves[source.parent]

    def levels(self, source: Path, found: Callable[[], Levels]) -> Levels:
        """The codes at which all frames of a source's film clip: what is found first."""
        with self._lock:
            if source.parent not in self._levels:
                self._levels[source.parent] = found()
            return self._levels[source.parent]

    def settle(self, source: Path, frame: Source) -> Source:
        """What counts for a frame: the first one's. Raises ImageError for another size."""
        first = self._first.setdefault(source.parent, frame)
        if (frame.width, frame.height) != (first.width, first.height):
            raise ImageError(
                f"{source}: {frame.width}x{frame.height} in a film of "
                f"{first.width}x{first.height} ({first.name}); leave it out, or convert without "
                "--sequence"
            )
        return first


FIGURES = ("width", "height", "saturated", "peak_before", "peak_after", "clipping_levels")
"""Fields of an outcome that are stored with the result, for later runs."""


def image_error(source: Path, error: Exception) -> ImageError:
    """What went wrong with a photograph, as the one line that users see."""
    if isinstance(error, ImageError):
        return error
    if isinstance(error, OSError):
        named = error.filename if isinstance(error.filename, str) else None
        path, reason = Path(named or source), error.strerror or error
        if path == source:
            return ImageError(f"{source}: cannot be read: {reason}")
        return not_written(path, reason)
    if isinstance(error, MemoryError):
        return ImageError(f"{source}: too large for this machine's memory; give a small --width")
    place = traceback.extract_tb(error.__traceback__)[-1]
    return ImageError(
        f"{source}: not converted: {type(error).__name__}: {' '.join(str(error).split())[:200]} "
        f"({Path(place.filename).name}:{place.lineno}); please report it, and leave the picture out"
    )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a job: figures, or the one line that says why there are none."""

    job: Job
    error: str | None = None
    no_room: bool = False
    """The error is that nothing can be written any more."""
    kept: bool = False
    """The result was there already; the figures are those it was written with."""
    entry: Entry | None = None
    """What the report shows, if there is one."""
    weights: str = ""
    """Name of the weights file."""
    width: int = 0
    height: int = 0
    saturated: float = 0.0
    """Share of pixels with a code above 0.95 in any channel."""
    peak_before: float = 0.0
    """Largest luminance of the linearised picture; 1.0 = its clipping level."""
    peak_after: float = 0.0
    clipping_levels: Sequence[float] = UNCLIPPED
    """Codes in (0, 1] at which red, green and blue were found to clip."""
    seconds: float = 0.0
    summary: str = ""
    """What a line says instead of the figures of a photograph."""
    note: str = ""
    """One line that the user is to know besides; empty: none."""

    @property
    def status(self) -> str:
        if self.error is not None:
            return "failed"
        return "kept" if self.kept else "done"

    def line(self, ending: str) -> str:
        """For the user; ending: of the file that is named."""
        if self.error is not None:
            return self.error
        if self.kept:
            return f"{self.job.output(ending)}  kept"
        if self.summary:
            size = f"{self.width}x{self.height}"
            return f"{self.job.output(ending)}  {size}  {self.summary}  {self.seconds:.1f} s"
        return (
            f"{self.job.output(ending)}  {self.width}x{self.height}  {self.figures}  "
            f"{self.seconds:.1f} s"
        )

    @property
    def figures(self) -> str:
        """Of a photograph, as part of a line."""
        codes = described(self.clipping_levels)
        clips = f"clips at {codes}  " if codes else ""
        return (
            f"{clips}saturated {self.saturated:.1%}  "
            f"peak {self.peak_before:.2f} -> {self.peak_after:.2f} "
            f"({round(self.stops_gained, 1) + 0.0:+.1f} stops)"  # Never -0.0.
        )

    @property
    def stops_gained(self) -> float:
        """How far the peak moved; 0 for a black picture."""
        if self.peak_before <= 0 or self.peak_after <= 0:
            return 0.0
        return float(np.log2(self.peak_after / self.peak_before))
