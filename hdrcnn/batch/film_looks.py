"""Looks at frames from all over a film, by which its grade is known before it is converted."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from hdrcnn.console import check as check_interrupted
from hdrcnn.files import ImageError
from hdrcnn.predict import film_grade
from hdrcnn.predict.film import REDUCED, Curves
from hdrcnn.video import decode
from hdrcnn.video.source import Film

LOOKS = 64
"""Frames of a film, spread over all of it, by which its grade is known."""
FINER = 15
"""Further ones between two that are of different parts: to see where a part begins."""
ENOUGH_KEYS = 16
"""Key frames with which others are not looked at."""
DARK = 0.15
"""Code that a frame must have somewhere, or it tells nothing of the grade."""


def _evenly(times: np.ndarray, count: int) -> np.ndarray:
    """So many of them, or all if there are fewer."""
    return times[np.linspace(0, len(times) - 1, min(count, len(times))).round().astype(int)]


def _spread_out(film: Film) -> Iterator[decode.Frame]:
    """`LOOKS` frames of a film, or all that it has: key frames; if those are few, or the film
    cannot be entered at any time, others, for which it is decoded once.
    """
    return _frames_at(film, _evenly(film.keys if _entered(film) else film.times, LOOKS))


def _entered(film: Film) -> bool:
    """Whether frames are decoded from key frames before them; else from the beginning."""
    return film.timed and len(film.keys) >= ENOUGH_KEYS


def _between(film: Film, changes: Sequence[tuple[float, float]]) -> Iterator[decode.Frame]:
    """Frames between the times of each pair, `FINER` at most and `LOOKS` in all."""
    each = min(FINER, LOOKS // len(changes))
    chosen: list[int] = []
    for begin, end in changes:
        inside = [times[(times > begin) & (times < end)] for times in (film.keys, film.times)]
        chosen += _evenly(inside[len(inside[0]) < each], each).tolist() if each else []
    yield from _frames_at(film, np.array(chosen, np.int64))


def _frames_at(film: Film, chosen: np.ndarray) -> Iterator[decode.Frame]:
    """Of these times, rising."""
    if _entered(film) or not len(chosen):
        for time in chosen:
            # Of a damaged place its segment will tell.
            with (
                contextlib.suppress(ImageError),
                contextlib.closing(decode.frames(film, int(time))) as coming,
            ):
                yield from itertools.islice(coming, 1)
        return
    wanted = set(chosen.tolist())
    for frame in decode.frames(film):
        if frame.time in wanted:
            yield frame


def grades_of(film: Film, used: Curves) -> film_grade.Grades | None:
    """What the shots of a film have in common; None if there is next to no light in its frames,
    none can be decoded, or the weights hold nothing to pool shots by.
    """
    if used.directions is None:
        return None
    found: dict[int, np.ndarray] = {}

    def look(frames: Iterator[decode.Frame]) -> film_grade.Grades | None:
        with contextlib.suppress(ImageError):
            for frame in frames:
                # Two damaged key frames may lead to the same one after them.
                if frame.time not in found:
                    reduced = frame.reduced(REDUCED)
                    if reduced.max() >= DARK:
                        found[frame.time] = used.measured(reduced)
                check_interrupted()
        times = sorted(found)
        looks = np.array([found[time] for time in times])
        return film_grade.Grades(looks, np.array(times), used) if found else None

    grades = look(_spread_out(film))
    changes = grades.changes() if grades is not None else []
    return look(_between(film, changes)) if changes else grades
