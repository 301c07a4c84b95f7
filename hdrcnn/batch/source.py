"""The photograph that a result was made of: whether a file is still that one, and what the first
frame of a film settles for all.
"""

import dataclasses
import hashlib
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from hdrcnn.colour.clipping_level import Levels
from hdrcnn.colour.transfer import CameraCurve
from hdrcnn.files import ImageError, digest


def _digest(path: Path, *others: Path) -> str:
    """SHA-256 of a file, or of those of several, hexadecimal. Raises OSError."""
    if not others:
        return digest(path)
    found = " ".join(f"{each.name} {digest(each)}" for each in (path, *others))
    return hashlib.sha256(found.encode(errors="surrogateescape")).hexdigest()


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
        )

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
