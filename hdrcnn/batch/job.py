"""Records of a conversion: the settings of a run, the photograph that a result was made from, what
the first frame of a film settles for all frames, and the outcome of each job.
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
from hdrcnn.files import ImageError, digest, not_written, real_path
from hdrcnn.readers.photograph import MAX_MEGAPIXELS
from hdrcnn.review import Entry
from hdrcnn.tiles.tiling import TooLargeError
from hdrcnn.writers import ALL_WRITERS, WRITERS, Options, Writer

PREVIEW_ENDINGS = ("_in.png", "_out.png", "_strip.png")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of one run. `gamma`, `scaling`, `camera_curve`, `resolution`, `quality` and
    `panorama` are as for `Predictor.reconstruct`.
    """

    gamma: float = 1.0
    scaling: float | str = AUTO
    """A number disables the estimate of `colour.clipping_level`."""
    camera_curve: str | None = None
    """None: as stored with the weights if the user named them, else `transfer.DEFAULT_CURVE`."""
    width: int | None = None
    height: int | None = None
    resolution: str = "auto"
    quality: str = "fast"
    gain_map: str = "use"
    """One of `readers.gain_map.CHOICES`."""
    panorama: bool = False
    """Whether the left and right sides of every photograph meet, whatever its file says."""
    precision: str = PRECISION
    """Precision of the convolutions as asked for, one of `runtime.PRECISIONS`."""
    primaries: bool = False
    """Whether results keep the primaries of their photographs; else they are in Rec. 709."""
    mask: bool = False
    """Whether results contain three more channels that tell how much is predicted."""
    max_stops: float | None = None
    """Largest value of the results, in stops above the clipping level; None: no limit."""
    formats: tuple[str, ...] = ("exr",)
    """Names of formats in `known_formats`, at least one."""
    options: Options = dataclasses.field(default_factory=Options)
    """Options of the writers."""
    report_bytes: int = 0
    """Number of bytes that each photograph may take in the report; 0: no report."""
    previews: bool = False
    exposure: float = -3.0
    """Exposure of the previews, in stops."""
    max_megapixels: float = MAX_MEGAPIXELS
    overwrite: bool = False
    """Whether to recompute every result, and to replace results of other photographs and commands
    and files of other programs, except photographs."""
    sequence: bool = False
    """Whether the photographs of each folder are the frames of a film."""

    known_formats: ClassVar[Mapping[str, Writer]] = WRITERS
    conversion_class: ClassVar[tuple[str, str]] = ("convert", "Conversion")
    """Module of this package and class that carry out a job."""
    smaller: ClassVar[str] = "give a smaller --width"
    """Remedy in messages about images that are too large."""

    def __post_init__(self) -> None:
        if not self.formats or not set(self.formats) <= set(self.known_formats):
            raise ValueError(f"formats {self.formats}: some of {', '.join(self.known_formats)}")

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings of all files written for a photograph; those with a full record of how they were
        made come first.
        """
        return (*self.light_endings, *(PREVIEW_ENDINGS if self.previews else ()))

    @property
    def light_endings(self) -> tuple[str, ...]:
        """Endings of the files that contain the result itself, in the order asked for."""
        return tuple(ALL_WRITERS[name].ending for name in self.formats)

    def files(self, job: Job) -> dict[str, str]:
        """Return the paths of the files of a result by format name."""
        return {name: str(job.output(ALL_WRITERS[name].ending)) for name in self.formats}

    def links(self, job: Job) -> dict[str, str]:
        """Return the paths of the files of a result by the usual name of the format."""
        return {ALL_WRITERS[name].label: path for name, path in self.files(job).items()}

    def record(self) -> dict[str, Any]:
        """Return what a result depends on, as it is stored with the result. The list of formats is
        left out: which of their files exist can be seen.
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
    """Return the SHA-256 of a file, or of the names and digests of several, hexadecimal. Raises
    OSError.
    """
    if not others:
        return digest(path)
    found = " ".join(f"{each.name} {digest(each)}" for each in (path, *others))
    return hashlib.sha256(found.encode(errors="surrogateescape")).hexdigest()


def folder_of(path: Path) -> str:
    """Return a short digest of the path of a file's folder: it identifies the folder unnamed."""
    found = str(real_path(path.parent)).encode(errors="surrogateescape")
    return hashlib.sha256(found).hexdigest()[:16]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileState:
    """State of a file, by which a later run detects whether it is still the same."""

    name: str
    """File name without the folder."""
    bytes: int
    modified: int
    """Time of modification, nanoseconds since 1970. Programs can set it to any value."""
    changed: int = 0
    """Time of the last change, nanoseconds since 1970. Only the system sets it, at every write. On
    Windows the time of creation."""
    sha256: str = ""
    """SHA-256 of the file's bytes, hexadecimal."""
    folder: str = ""
    """Digest of the path of the file's folder, see `folder_of`; empty if not known."""

    @classmethod
    def of(cls, path: Path, *others: Path) -> "FileState | None":
        """Return the state of a file, or None if it cannot be read, which its decoder will report.

        Call it before the file is decoded, so that a change in the meantime is detected later.
        others: further files of the same job, such as the frames of a bracket. Sizes are summed,
        the latest times count, and the digest is that of names and digests.
        """
        try:
            now = [each.stat() for each in (path, *others)]
            if not all(stat.S_ISREG(one.st_mode) for one in now):  # Reading a pipe might block.
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

    def has_same_bytes(self, path: Path, *others: Path) -> bool:
        """Whether a file of any name has the same bytes; several files must have the same names."""
        try:
            if sum(each.stat().st_size for each in (path, *others)) != self.bytes:
                return False
            return _digest(path, *others) == self.sha256
        except OSError:
            return False

    def is_unchanged(self, path: Path, *others: Path) -> bool:
        """Whether files are still the same, byte for byte. Their contents are read only if a time
        differs, as copied and restored files may have any times; on Windows always.
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
    """The photograph that a result was made from."""

    width: int
    height: int
    """Size of the photograph in pixels, upright; the result may have another size."""
    lossy: bool
    panorama: bool
    """Whether its own XMP data say that it is a panorama whose left and right sides meet."""


@dataclasses.dataclass(frozen=True)
class SequenceState:
    """What all frames of a sequence (`--sequence`, a film in single files) share."""

    first: Source
    curve: str | CameraCurve | None = None
    """Curve by which its codes become light; None: not estimated yet."""
    levels: Levels | None = None
    """Codes at which its channels clip; None: not estimated, or not yet."""


class SequenceStates:
    """State of each sequence. Each folder is a sequence, and its first frame decides."""

    def __init__(self) -> None:
        self._first: dict[Path, Source] = {}
        self._curves: dict[Path, str | CameraCurve] = {}
        self._levels: dict[Path, Levels] = {}
        self._lock = threading.Lock()

    def state(self, source: Path) -> SequenceState | None:
        """Return what is known about the sequence of a source; None: nothing."""
        first = self.first(source)
        if first is None:
            return None
        return SequenceState(
            first, self._curves.get(source.parent), self._levels.get(source.parent)
        )

    def store(self, source: Path, state: SequenceState) -> None:
        """Store what another process has found about the sequence of a source."""
        self._first[source.parent] = state.first
        if state.curve is not None:
            self._curves[source.parent] = state.curve
        if state.levels is not None:
            self._levels[source.parent] = state.levels

    def first(self, source: Path) -> Source | None:
        """Return the first frame of a source's sequence, None if none has been read."""
        return self._first.get(source.parent)

    def curve(self, source: Path, found: Callable[[], str | CameraCurve]) -> str | CameraCurve:
        """Return the camera curve for a source's sequence. found: estimates it, called once."""
        with self._lock:
            if source.parent not in self._curves:
                self._curves[source.parent] = found()
            return self._curves[source.parent]

    def levels(self, source: Path, found: Callable[[], Levels]) -> Levels:
        """Return the clipping levels for a source's sequence. found: estimates them; called
        once.
        """
        with self._lock:
            if source.parent not in self._levels:
                self._levels[source.parent] = found()
            return self._levels[source.parent]

    def settle(self, source: Path, frame: Source) -> Source:
        """Return the first frame of a source's sequence, which is `frame` if none came before.
        Raises ImageError if their sizes differ.
        """
        first = self._first.setdefault(source.parent, frame)
        if (frame.width, frame.height) != (first.width, first.height):
            raise ImageError(
                f"{source}: {frame.width}x{frame.height} in a film of "
                f"{first.width}x{first.height} ({first.name}); leave it out, or convert without "
                "--sequence"
            )
        return first


FIGURES = ("width", "height", "saturated", "peak_before", "peak_after", "clipping_levels")
"""Fields of an outcome that are stored with the result for later runs."""


def image_error(source: Path, error: Exception, smaller: str = Settings.smaller) -> ImageError:
    """Turn an exception about a photograph into a one-line error for the user. smaller: as
    `Settings.smaller`.
    """
    if isinstance(error, ImageError):
        return error
    if isinstance(error, TooLargeError):
        return ImageError(f"{source}: {error}")
    if isinstance(error, OSError):
        named = error.filename if isinstance(error.filename, str) else None
        path, reason = Path(named or source), error.strerror or error
        if path == source:
            return ImageError(f"{source}: cannot be read: {reason}")
        return not_written(path, reason)
    if isinstance(error, MemoryError):
        return ImageError(f"{source}: too large for this machine's memory; {smaller}")
    place = traceback.extract_tb(error.__traceback__)[-1]
    return ImageError(
        f"{source}: not converted: {type(error).__name__}: {' '.join(str(error).split())[:200]} "
        f"({Path(place.filename).name}:{place.lineno}); please report it, and leave the picture out"
    )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Outcome of a job: figures, or a one-line error."""

    job: Job
    error: str | None = None
    output_lost: bool = False
    """Whether the error is that nothing can be written any more."""
    kept: bool = False
    """Whether the result existed already; the figures are those stored with it."""
    entry: Entry | None = None
    """Entry of the report, if there is one."""
    weights: str = ""
    """Name of the weights file."""
    width: int = 0
    height: int = 0
    saturated: float = 0.0
    """Share of pixels with a code above 0.95 in any channel."""
    peak_before: float = 0.0
    """Largest luminance of the linearised photograph; 1.0 = its clipping level."""
    peak_after: float = 0.0
    clipping_levels: Sequence[float] = UNCLIPPED
    """Codes in (0, 1] at which red, green and blue were found to clip."""
    seconds: float = 0.0
    summary: str = ""
    """Text that replaces the figures of a photograph in the line for the user."""
    note: str = ""
    """A further line for the user; empty: none."""

    @property
    def status(self) -> str:
        if self.error is not None:
            return "failed"
        return "kept" if self.kept else "done"

    def line(self, ending: str) -> str:
        """Return the line for the user. ending: that of the file to name."""
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
        """Figures of a photograph, as part of the line for the user."""
        codes = described(self.clipping_levels)
        clips = f"clips at {codes}  " if codes else ""
        return (
            f"{clips}saturated {self.saturated:.1%}  "
            f"peak {self.peak_before:.2f} -> {self.peak_after:.2f} "
            f"({round(self.stops_gained, 1) + 0.0:+.1f} stops)"  # Never -0.0.
        )

    @property
    def stops_gained(self) -> float:
        """Stops by which the peak rose; 0 for a black photograph."""
        if self.peak_before <= 0 or self.peak_after <= 0:
            return 0.0
        return float(np.log2(self.peak_after / self.peak_before))
