"""Frames of a film: what the first of a folder settles for all of them."""

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

from hdrcnn.batch.source import Source
from hdrcnn.colour.clipping_level import Levels
from hdrcnn.colour.transfer import CameraCurve
from hdrcnn.files import ImageError


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
        """The first frame of the film that a source is a frame of, where there has been one."""
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
