"""The pieces of work that a film is made of, and which of them are there already.

    OUT.mp4.segments/
      film.json      what the segments were made of and how
      00001.nut      encoded frames
      00001.json     their figures, written last: the segment is whole

The folder lies beside the result and is removed when that is whole, unless files of others are in
it. A segment whose film, version, weights or settings differ from what is asked for is recomputed.
"""

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.files import ImageError, finished_whole, is_temporary, not_written
from hdrcnn.video.source import Film, units

SECONDS = 8.0
"""Of a segment, at least; it ends at the next key frame of the film."""
LONGEST = 2.0
"""Times `SECONDS`, at which it ends anywhere."""
_KEYS = {"version", "film", "method"}
"""Of each recipe."""
_OURS = re.compile(r"\d{5,}\.(nut|json)|film\.json")
"""Names of what is in the folder."""


@dataclasses.dataclass(frozen=True)
class Segment:
    """Frames whose time is `start` or later and before `end`."""

    number: int
    """Counted from 1."""
    start: int
    end: int | None
    """None: all that are left."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """What is known of a segment that is converted."""

    frames: int
    first: int
    """The time of its first frame: its file begins at 0, or later."""
    max_cll: float
    """The brightest channel of any pixel, cd/m^2."""
    max_fall: float
    """The largest mean of a frame's brightest channels, cd/m^2."""
    cuts: int = 0


def planned(film: Film, seconds: float = SECONDS) -> list[Segment]:
    """The segments of a film, in their order; they depend on nothing but the film and `seconds`."""
    least, starts = units(seconds, film.time_base), [int(film.times[0])]
    most, last = units(LONGEST * seconds, film.time_base), int(film.times[-1])
    # Of a recording that begins anywhere there may be no frame before its first key frame.
    entered = int(film.keys[0]) if len(film.keys) else starts[0]
    while True:
        begin = max(starts[-1], entered)
        index = np.searchsorted(film.keys, begin + least)
        following = int(film.keys[index]) if index < len(film.keys) else last + 1
        if following > begin + most:
            later = film.times[film.times >= begin + least]
            following = int(later[0]) if len(later) else last
        # What is left is no segment of its own if it is short.
        if following < begin + least or following + least // 2 > last:
            break
        starts.append(following)
    ends = [*starts[1:], None]
    return [
        Segment(n, start, end) for n, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
    ]


def check_recipe(place: Path) -> None:
    """Raises ImageError if a `film.json` is there that is not one of ours, or cannot be read."""
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        told = None
    except OSError as error:
        raise ImageError(f"{place}: cannot be read: {error.strerror or error}") from error
    if not isinstance(told, dict) or not told.keys() >= _KEYS:
        raise ImageError(
            f"{place}: is not of hdrcnn film, which would write its own here; move it away, or "
            "give --out another name"
        )


class Folder:
    """Of the segments of one result."""

    def __init__(self, result: Path) -> None:
        self.path = result.with_name(f"{result.name}.segments")

    def prepare(self, recipe: dict[str, Any], shared: bool = False) -> bool:
        """Makes the folder, and removes its segments unless they were made by the same recipe.

        shared: other processes may write to it, so nothing is removed. Returns whether other
        segments were removed. Raises ImageError if it cannot be written, is not a folder of
        segments, or is shared and has others.
        """
        told = json.dumps(recipe, indent=1, sort_keys=True)
        place, changed = self.path / "film.json", False
        try:
            check_recipe(place)
            if self.path.exists() and any(self._finished()):
                if not place.is_file():
                    raise ImageError(f"{self.path}: not a folder of segments; move it away")
                if place.read_text(encoding="utf-8") == told:
                    return False
                if shared:
                    raise ImageError(
                        f"{self.path}: segments of another film or of other settings; "
                        "remove it before shares are converted"
                    )
                changed = any(path.suffix == ".nut" for path in self._ours())
                self.remove()
            self.path.mkdir(parents=True, exist_ok=True)
            with finished_whole(place) as temporary:
                temporary.write_text(told, encoding="utf-8")
        except OSError as error:
            raise not_written(self.path, error.strerror or error) from error
        return changed

    def _finished(self) -> Iterator[Path]:
        """What is in it, but for what another share is writing."""
        return (path for path in self.path.iterdir() if not path.name.startswith("."))

    def _ours(self) -> list[Path]:
        """What of it was made here."""
        with contextlib.suppress(OSError):
            return [
                path
                for path in self.path.iterdir()
                if _OURS.fullmatch(path.name) or is_temporary(path.name)
            ]
        return []

    def file(self, segment: Segment) -> Path:
        """Where its frames are."""
        return self.path / f"{segment.number:05}.nut"

    def done(self, segment: Segment) -> Figures | None:
        """What is known of a segment that is whole; None if it is not there."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            told = self.file(segment).with_suffix(".json").read_text(encoding="utf-8")
            if self.file(segment).stat().st_size:
                return Figures(**json.loads(told))
        return None

    def finish(self, segment: Segment, figures: Figures) -> None:
        """Says that a segment is whole. Raises ImageError."""
        with finished_whole(self.file(segment).with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(figures)), encoding="utf-8")

    def remove(self) -> None:
        """Its segments, and the folder if nothing else is in it; if that cannot be, it harms
        nothing.
        """
        for path in sorted(self._ours(), key=lambda path: path.name == "film.json"):
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):
            self.path.rmdir()
