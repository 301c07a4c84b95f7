"""Division of a film into segments, and the folder of segments that are already converted.

    OUT.mp4.segments/
      film.json      recipe: film, version, weights and settings of the segments
      00001.nut      encoded frames
      00001.json     their figures, written last: marks the segment as complete
      grades.json    what the grades of the film are estimated from, if they are

The folder is next to the result and is removed once that is complete; files of other programs in it
are kept. If the recipe differs from the one requested, all segments are recomputed.
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
"""Least duration of a segment, in seconds; it then ends before the next key frame of the film."""
LONGEST = 2.0
"""Longest duration to wait for a key frame, as a multiple of the least: if the next one is later,
the segment ends right after its least duration."""
_KEYS = {"version", "film", "method"}
"""Keys that every recipe has."""
GRADES = "grades.json"
_OURS = re.compile(r"\d{5,}\.(nut|json)|(film|grades)\.json")
"""File names in the folder, apart from temporary files."""


@dataclasses.dataclass(frozen=True)
class Segment:
    """The frames of a film with `start` <= time < `end`."""

    number: int
    """Counted from 1."""
    start: int
    end: int | None
    """None for the last segment."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """Figures of a converted segment."""

    frames: int
    first: int
    """Time of its first frame in the film; times in its own file are shifted."""
    max_cll: float
    """Maximum over all pixels of the brightest channel, cd/m^2."""
    max_fall: float
    """Maximum over all frames of the mean over the pixels of their brightest channel, cd/m^2."""
    cuts: int = 0


def planned(film: Film, seconds: float = SECONDS) -> list[Segment]:
    """Return the segments of a film in order; they depend only on the film and `seconds`."""
    least, starts = units(seconds, film.time_base), [int(film.times[0])]
    most, last = units(LONGEST * seconds, film.time_base), int(film.times[-1])
    # A recording that starts in mid-stream may have no decodable frame before its first key frame.
    entered = int(film.keys[0]) if len(film.keys) else starts[0]
    while True:
        begin = max(starts[-1], entered)
        index = np.searchsorted(film.keys, begin + least)
        following = int(film.keys[index]) if index < len(film.keys) else last + 1
        if following > begin + most:
            later = film.times[film.times >= begin + least]
            following = int(later[0]) if len(later) else last
        # A short rest is added to this segment instead of becoming its own.
        if following < begin + least or following + least // 2 > last:
            break
        starts.append(following)
    ends = [*starts[1:], None]
    return [
        Segment(n, start, end) for n, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
    ]


def check_recipe(place: Path) -> None:
    """Raise ImageError if `place` exists but is not a recipe of `hdrcnn film` or cannot be read."""
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
            f"{place}: was not written by hdrcnn film, which needs that name; move it away, or "
            "give --out another name"
        )


class Folder:
    """The folder of the segments of one result."""

    def __init__(self, result: Path) -> None:
        self.path = result.with_name(f"{result.name}.segments")

    def prepare(self, recipe: dict[str, Any], shared: bool = False) -> bool:
        """Make the folder, and remove its segments unless they were made by the same recipe.

        shared: other processes may be writing to the folder, so nothing is removed. Returns whether
        segments of another recipe were removed. Raises ImageError if the folder cannot be written,
        is not a folder of segments, or is shared and has another recipe.
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
        """Files in the folder, except temporary ones that another process may be writing."""
        return (path for path in self.path.iterdir() if not path.name.startswith("."))

    def _ours(self) -> list[Path]:
        """Files in the folder that this package made, temporary ones included."""
        with contextlib.suppress(OSError):
            return [
                path
                for path in self.path.iterdir()
                if _OURS.fullmatch(path.name) or is_temporary(path.name)
            ]
        return []

    def file(self, segment: Segment) -> Path:
        """Path of the encoded frames of a segment."""
        return self.path / f"{segment.number:05}.nut"

    def done(self, segment: Segment) -> Figures | None:
        """Return the figures of a segment; None if it is not complete."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            told = self.file(segment).with_suffix(".json").read_text(encoding="utf-8")
            if self.file(segment).stat().st_size:
                return Figures(**json.loads(told))
        return None

    def finish(self, segment: Segment, figures: Figures) -> None:
        """Mark a segment as complete. Raises ImageError."""
        with finished_whole(self.file(segment).with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(figures)), encoding="utf-8")

    def remove(self) -> None:
        """Remove the segments, and the folder if nothing else is in it; failures are ignored."""
        for path in sorted(self._ours(), key=lambda path: path.name == "film.json"):
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):
            self.path.rmdir()
