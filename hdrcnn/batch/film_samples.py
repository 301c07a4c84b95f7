"""Sample frames spread over a film to estimate its grades before it is converted."""

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.console import check as check_interrupted
from hdrcnn.files import ImageError, finished_whole
from hdrcnn.predict import film_grade
from hdrcnn.predict.film import REDUCED, Curves
from hdrcnn.video import decode
from hdrcnn.video.source import Film

SAMPLES = 64
"""Number of frames sampled over the whole film to estimate its grades."""
EXTRA_SAMPLES = 15
"""Maximum number of further frames sampled between two that belong to different grades, to locate
the change."""
ENOUGH_KEYS = 16
"""Number of key frames from which on only key frames are sampled."""
MIN_PEAK_CODE = 0.15
"""Smallest maximum code, in [0, 1], of a frame that is bright enough to reveal the grade."""


def _evenly(times: np.ndarray, count: int) -> np.ndarray:
    """Evenly spaced subset of `times`, at most `count` long."""
    return times[np.linspace(0, len(times) - 1, min(count, len(times))).round().astype(int)]


def _spread_frames(film: Film) -> Iterator[decode.Frame]:
    """Yield `SAMPLES` frames spread over a film, or all if there are fewer: key frames, or any
    frames if the film has few key frames or no time stamps to seek by; it is then decoded once.
    """
    return _frames_at(film, _evenly(film.keys if _seekable(film) else film.times, SAMPLES))


def _seekable(film: Film) -> bool:
    """Whether frames are decoded by seeking to key frames, not from the beginning of the film."""
    return film.has_time_stamps and len(film.keys) >= ENOUGH_KEYS


def _between(film: Film, changes: Sequence[tuple[float, float]]) -> Iterator[decode.Frame]:
    """Yield frames between each pair of times: `EXTRA_SAMPLES` each, `SAMPLES` in all, at most."""
    each = min(EXTRA_SAMPLES, SAMPLES // len(changes))
    chosen: list[int] = []
    for begin, end in changes:
        inside = [times[(times > begin) & (times < end)] for times in (film.keys, film.times)]
        chosen += _evenly(inside[len(inside[0]) < each], each).tolist() if each else []
    yield from _frames_at(film, np.array(chosen, np.int64))


def _frames_at(film: Film, chosen: np.ndarray) -> Iterator[decode.Frame]:
    """Yield the frames at these times, which must increase. Damaged places are skipped where the
    film is entered by seeking; otherwise they raise ImageError.
    """
    if _seekable(film) or not len(chosen):
        for time in chosen:
            # Damage is reported when the segment is converted.
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


@dataclasses.dataclass(frozen=True)
class EvidenceFile:
    """File that keeps the evidence of the sampled frames, so that neither other shares and workers
    nor a run that is resumed need to sample the film again.
    """

    path: Path
    recipe: dict[str, Any]
    """What the evidence depends on: film, weights and versions; it may contain more."""

    def read(self) -> dict[int, np.ndarray] | None:
        """Return the evidence by time of frame; None if there is none of the same recipe."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            told = json.loads(self.path.read_text(encoding="utf-8"))
            if told["recipe"] == json.loads(json.dumps(self.recipe)):
                pairs = zip(told["times"], told["evidence"], strict=True)
                return {int(time): np.array(own, np.float32) for time, own in pairs}
        return None

    def write(self, found: dict[int, np.ndarray]) -> None:
        """Replace the file. Raises ImageError."""
        told = {
            "recipe": self.recipe,
            "times": list(found),
            "evidence": [own.tolist() for own in found.values()],
        }
        with finished_whole(self.path) as temporary:
            temporary.write_text(json.dumps(told), encoding="utf-8")


def grades_of(
    film: Film, used: Curves, kept: EvidenceFile | None = None
) -> film_grade.Grades | None:
    """Estimate the grades that the shots of a film share.

    kept: file of the evidence, which is read, or else written. Returns None if all sampled frames
    are nearly black, none can be decoded, or the weights contain no directions to pool shots by.
    Raises ImageError if the file cannot be written.
    """
    if used.directions is None:
        return None
    known = kept.read() if kept is not None else None
    found = _sampled(film, used) if known is None else known
    if known is None and kept is not None:
        kept.write(found)
    return _grades(found, used)


def _grades(found: dict[int, np.ndarray], used: Curves) -> film_grade.Grades | None:
    times = sorted(found)
    samples = np.array([found[time] for time in times])
    return film_grade.Grades(samples, np.array(times), used) if found else None


def _sampled(film: Film, used: Curves) -> dict[int, np.ndarray]:
    """Return the evidence of frames sampled over the film, and around changes of grade, by time."""
    found: dict[int, np.ndarray] = {}

    def sample(frames: Iterator[decode.Frame]) -> None:
        with contextlib.suppress(ImageError):
            for frame in frames:
                # Seeking to two damaged key frames may yield the same later frame.
                if frame.time not in found:
                    reduced = frame.reduced(REDUCED)
                    if reduced.max() >= MIN_PEAK_CODE:
                        found[frame.time] = used.frame_parameters(reduced)
                check_interrupted()

    sample(_spread_frames(film))
    grades = _grades(found, used)
    changes = grades.changes() if grades is not None else []
    if changes:
        sample(_between(film, changes))
    return found
