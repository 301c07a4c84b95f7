"""Frames of a film: what the first of a folder settles for all of them."""

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

from hdrcnn.files import ImageError
from hdrcnn.provenance import Source
from hdrcnn.transfer import CameraCurve


@dataclasses.dataclass
class Films:
    """The first frame of every folder, as they come. Each folder is a film of its own."""

    _first: dict[Path, Source] = dataclasses.field(default_factory=dict)
    _curves: dict[Path, str | CameraCurve] = dataclasses.field(default_factory=dict)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def first(self, source: Path) -> Source | None:
        """The first frame of the film that a source is a frame of, where there has been one."""
        return self._first.get(source.parent)

    def curve(self, source: Path, found: Callable[[], str | CameraCurve]) -> str | CameraCurve:
        """The camera curve of all frames of a source's film: what is found first."""
        with self._lock:
            if source.parent not in self._curves:
                self._curves[source.parent] = found()
            return self._curves[source.parent]

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
