"""Conversion of one segment of a film: decode, convert, then encode or write as frames."""

import contextlib
import dataclasses
import functools
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn import weights
from hdrcnn._version import __version__
from hdrcnn.batch.choose import sha256
from hdrcnn.batch.film_samples import EvidenceFile, grades_of
from hdrcnn.colour.hlg import hlg_codes
from hdrcnn.colour.pq import pq_light
from hdrcnn.console import check as check_interrupted, stderr_discarded
from hdrcnn.cores import share
from hdrcnn.files import ImageError, finished_whole
from hdrcnn.predict import film_grade
from hdrcnn.predict.film import (
    AVERAGED,
    REDUCED,
    Convert,
    Curves,
    Method,
    averaged,
    graphics,
    method,
    weights_of,
)
from hdrcnn.video import cuts, decode, folder, segments, source
from hdrcnn.video.encode import Encoding, planes, segment_encoder, verify
from hdrcnn.video.library import clock, pyav
from hdrcnn.video.rotation import turned
from hdrcnn.video.segments import Figures, Folder, Segment
from hdrcnn.video.source import Film
from hdrcnn.writers import frames

AROUND = AVERAGED + cuts.REACH
"""Number of frames on each side of a frame that its parameters depend on."""
FILM, SHOT = "film", "shot"
GRADES = (FILM, SHOT)
"""Pool the evidence of shots that appear to share a grade; treat each shot by itself."""
STEPS = 1 << 12
_LIGHT = pq_light(np.arange(STEPS + 1) / STEPS).astype(np.float32)
"""Luminance in cd/m^2 by PQ code, in `STEPS` steps from 0 to 1."""


@dataclasses.dataclass(frozen=True)
class FilmSettings:
    """What the user asks for in the conversion of a film."""

    method: str
    encoding: Encoding
    white: float
    params: Path | None = None
    device: str = "auto"
    rate: Fraction | None = None
    """Frames per second of a folder of frames."""
    seconds: float = segments.SECONDS
    """Minimum length of a segment."""
    grade: str = FILM
    """One of `GRADES`, for the method curves only. Raises ValueError for any other."""

    def __post_init__(self) -> None:
        if self.grade not in GRADES:
            raise ValueError(f"grade {self.grade!r}; known: {', '.join(GRADES)}")

    def recipe(self, film: Film) -> dict[str, Any]:
        """Return everything that a segment depends on, for JSON. Raises WeightsError."""
        file = weights_of(self.method, self.params)
        return {
            "version": __version__,
            "pyav": pyav().__version__,
            "film": film.identity(),
            "rate": str(film.rate),
            "method": self.method,
            "weights": None if file is None else sha256(file),
            "white": self.white,
            "encoding": dataclasses.asdict(self.encoding),
            "seconds": self.seconds,
            "grade": self.grade,
        }

    @property
    def pools_shots(self) -> bool:
        """Whether the weights of curves contain the directions by which shots are pooled. Raises
        WeightsError.
        """
        file = weights_of(self.method, self.params)
        assert file is not None
        return getattr(weights.load(file)[1], "directions", None) is not None

    @property
    def samples_film(self) -> bool:
        """Whether the film is sampled for its grades before it is converted."""
        return self.method == "curves" and self.grade == FILM

    def make_converter(self, film: Film, kept: Path | None = None) -> "Converter":
        """Return a converter for the film, with the network loaded and grades estimated if they are
        pooled. kept: file that keeps what the grades are estimated from
        (`film_samples.EvidenceFile`); None: none does. Raises WeightsError, DeviceError,
        ImageError.
        """
        used, grades = self.load_method(film), None
        if self.samples_film and isinstance(used, Curves):
            file = None if kept is None else EvidenceFile(kept, self.recipe(film))
            grades = grades_of(film, used, file)
        return Converter(used, self.encoding.transfer, self.encoding.peak, grades)

    def load_method(self, film: Film) -> Method:
        """Return the method with its network loaded. Raises WeightsError, DeviceError."""
        with stderr_discarded() if weights_of(self.method) else contextlib.nullcontext():
            return method(
                self.method, film.colours.primaries, self.white, self.encoding.peak, self.params,
                self.device,
            )  # fmt: skip


@dataclasses.dataclass
class _Seen:
    """A decoded frame with what its own and its neighbours' parameters are computed from."""

    frame: decode.Frame | None
    """None once it has been yielded."""
    time: int
    feature: np.ndarray
    parameters: np.ndarray
    cut_before: bool = False


def with_parameters(
    film: Film, segment: Segment, used: Method
) -> Iterator[tuple[decode.Frame, np.ndarray, bool]]:
    """Yield the frames of a segment, each with its parameters, averaged within its shot, and
    whether a cut precedes it.

    Frames around the segment are taken into account, so that the result does not depend on where
    the film is divided into segments.
    """
    if not used.parameters:
        for frame in decode.frames(film, segment.start, segment.end):
            yield frame, np.empty(0), False
        return
    first = int(np.searchsorted(film.times, segment.start))
    begin = int(film.times[max(0, first - AROUND)])
    stop = None
    if segment.end is not None:
        last = int(np.searchsorted(film.times, segment.end)) + AROUND
        stop = int(film.times[last]) if last < len(film.times) else None
    window = deque[_Seen]()
    coming = decode.frames(film, begin, stop)
    here, ended = 0, False
    while True:
        while not ended and len(window) <= here + AROUND:
            after = next(coming, None)
            if after is None:
                ended = True
                break
            reduced = after.reduced(REDUCED)
            step = -(-max(reduced.shape[:2]) // cuts.SIDE)
            feature = cuts.feature(reduced[::step, ::step])
            parameters = np.append(used.frame_parameters(reduced), graphics(after.luma()))
            window.append(_Seen(after, after.time, feature, parameters))
        if here >= len(window):
            return
        known = list(window)
        features = [seen.feature for seen in known]
        for index in range(here - AVERAGED, here + AVERAGED + 1):
            if 0 <= index < len(known):
                around = range(index - cuts.REACH, index + cuts.REACH + 1)
                known[index].cut_before = cuts.is_cut(
                    [features[i] if 0 <= i < len(features) else None for i in around]
                )
        seen = known[here]
        inside = seen.time >= segment.start and (segment.end is None or seen.time < segment.end)
        if inside and seen.frame is not None:
            marks = [other.cut_before for other in known]
            parameters = averaged([other.parameters for other in known], marks, here)
            yield seen.frame, parameters, seen.cut_before
        seen.frame = None
        if here < AROUND:
            here += 1
        else:
            window.popleft()


def _measured(signal: np.ndarray) -> tuple[float, float]:
    """Return the largest PQ code, and the sum of the light of each pixel's largest channel in
    cd/m^2.
    """
    largest = np.maximum(np.maximum(signal[..., 0], signal[..., 1]), signal[..., 2])
    places = (largest * np.float32(STEPS) + np.float32(0.5)).astype(np.int32)
    return float(largest.max()), float(np.take(_LIGHT, places).sum(dtype=np.float64))


class Converter:
    """Converts frames to PQ or HLG codes and measures their brightness, on all cores that this
    process may use.
    """

    def __init__(
        self, used: Method, transfer: str, peak: float, grades: film_grade.Grades | None = None
    ) -> None:
        """grades: those of the whole film; None: each shot is treated by itself."""
        self.used, self._transfer, self._peak, self._grades = used, transfer, peak, grades
        self._threads = ThreadPoolExecutor(share() or os.cpu_count() or 1)

    def _map(self, parameters: np.ndarray, time: int) -> Convert:
        grades = self._grades
        return self.used.converter(parameters if grades is None else grades.pool(parameters, time))

    def signal(self, frame: decode.Frame, parameters: np.ndarray) -> np.ndarray:
        """Return the PQ codes of a frame, [H, W, 3] float32 in [0, 1]."""
        convert = self._map(parameters, frame.time)
        if not self.used.pointwise:
            return convert(frame.codes())
        strips = self._threads.map(lambda part: convert(part.codes()), frame.strips())
        return np.concatenate(list(strips))

    def parts(self, frame: decode.Frame, parameters: np.ndarray) -> tuple[list[Any], float, float]:
        """Return a frame in strips, as `encode.planes` returns them, and in cd/m^2 its brightest
        channel and the mean over its pixels of their brightest channel.
        """
        convert = self._map(parameters, frame.time)
        if self.used.pointwise:
            work = (functools.partial(self._strip, convert, part) for part in frame.strips())
        else:
            signal = convert(frame.codes())
            work = (
                functools.partial(self._finished, signal[top : top + decode.ROWS])
                for top in range(0, len(signal), decode.ROWS)
            )
        done = list(self._threads.map(lambda step: step(), work))
        pixels = frame.decoded.width * frame.decoded.height
        peak = float(pq_light(max(part[1] for part in done)))
        return [part[0] for part in done], peak, sum(part[2] for part in done) / pixels

    def _strip(self, convert: Convert, strip: decode.Strip) -> tuple[Any, float, float]:
        return self._finished(convert(strip.codes()))

    def _finished(self, signal: np.ndarray) -> tuple[Any, float, float]:
        largest, total = _measured(signal)
        if self._transfer == "hlg":
            signal = hlg_codes(np.asarray(pq_light(signal), np.float32), self._peak)
        return planes(signal), largest, total


NUMBERS = "frames that are there"
"""Key of the list of decoded frames in the file of an incomplete segment."""
OnFrame = Callable[[int], None]
"""Called after each frame with the number of frames of the segment that are done."""


def opened(path: Path, rate: Fraction | None = None) -> Film:
    """Open a film, or a folder of frames. Raises ImageError."""
    return folder.probe(path, rate) if path.is_dir() else source.probe(path)


def frames_of(film: Film, segment: Segment) -> int:
    """Return the number of frames of a segment according to the container."""
    last = len(film.times) if segment.end is None else np.searchsorted(film.times, segment.end)
    return int(last - np.searchsorted(film.times, segment.start))


def _check_any(done: int, film: Film, segment: Segment) -> None:
    if not done:
        at = clock(film.seconds(segment.start))
        raise ImageError(
            f"{film.path}: no frame can be decoded from {at} on; it is damaged: copy it again, or "
            "cut that place out"
        )


@dataclasses.dataclass(frozen=True)
class ToFile:
    """Encoded segments, to be joined to one file."""

    path: Path
    """Path of the result."""

    @property
    def grades(self) -> Path:
        """File for `FilmSettings.make_converter`, removed with the segments."""
        return Folder(self.path).path / segments.GRADES

    def done(self, film: Film, segment: Segment) -> int | None:
        """Return the number of frames of a segment if it is complete, else None."""
        figures = Folder(self.path).done(segment)
        return None if figures is None else figures.frames

    def convert(
        self,
        film: Film,
        segment: Segment,
        settings: FilmSettings,
        converter: Converter,
        on_frame: OnFrame,
    ) -> int:
        """Convert a segment; its file is written completely or not at all. Returns the number of
        frames. Raises ImageError.
        """
        done, first, cll, fall, found = 0, 0, 0.0, 0.0, 0
        place, encoding = Folder(self.path), settings.encoding
        size = film.width, film.height
        with finished_whole(place.file(segment)) as temporary:
            with segment_encoder(
                temporary, encoding, size, film.time_base, film.rate, film.aspect
            ) as sink:
                for frame, parameters, cut in with_parameters(film, segment, converter.used):
                    parts, peak, mean = converter.parts(frame, parameters)
                    sink.add(frame.time, parts)
                    first = first if done else frame.time
                    done, found = done + 1, found + cut
                    cll, fall = max(cll, peak), max(fall, mean)
                    on_frame(done)
                    check_interrupted()
                _check_any(done, film, segment)
            verify(temporary, done, encoding.codec)
        place.finish(segment, Figures(done, first, cll, fall, found))
        return done


@dataclasses.dataclass(frozen=True)
class ToFrames:
    """Frame files in a folder, rotated as players rotate the film.

    They are named after the film and numbered from 1. A frame that cannot be decoded leaves a gap
    in the numbers; a file beside them, such as `film_00001.json`, then lists the frames of the
    segment that exist.
    """

    path: Path
    kind: str
    """One of `writers.frames.ENDINGS`."""

    @property
    def grades(self) -> Path:
        """File for `FilmSettings.make_converter`, removed once all frames are there. Its name is
        hidden so that it is not taken for a result.
        """
        return self.path / f".{segments.GRADES}"

    def file(self, film: Film, index: int) -> Path:
        """Return the path of a frame, counted from 0."""
        return self.path / f"{film.path.stem}_{index + 1:06}{frames.ENDINGS[self.kind]}"

    def files(self, film: Film) -> list[Path]:
        """Return the paths of all frames, whether they exist or not."""
        return [self.file(film, index) for index in range(len(film.times))]

    def names(self, film: Film) -> dict[str, Any]:
        """Return what a recipe says of the names of the frames, for `written_by`."""
        return {"name": film.path.stem, "frames": len(film.times), "format": self.kind}

    def written_by(self, recipe: dict[str, Any]) -> list[Path]:
        """Return the frames in the folder that the run with a recipe has written."""
        name, count = recipe.get("name"), recipe.get("frames")
        ending = frames.ENDINGS.get(str(recipe.get("format")))
        if not isinstance(name, str) or not isinstance(count, int) or ending is None:
            return []
        pattern = re.compile(rf"{re.escape(name)}_(\d{{6}}|[1-9]\d{{6,}}){re.escape(ending)}")
        found = [(file, pattern.fullmatch(file.name)) for file in self.path.iterdir()]
        return [file for file, number in found if number and 1 <= int(number[1]) <= count]

    def _mark(self, segment: Segment) -> Path:
        return self.path / f"film_{segment.number:05}.json"

    def marks(self) -> list[Path]:
        """Return the files of all segments with missing frames, of any film."""
        return [file for file in self.path.glob("film_*.json") if _numbers(file) is not None]

    def done(self, film: Film, segment: Segment) -> int | None:
        """Return the number of frames of a segment if it is complete, else None."""
        first = int(np.searchsorted(film.times, segment.start))
        numbers = _numbers(self._mark(segment))
        if numbers is None:
            numbers = list(range(first + 1, first + 1 + frames_of(film, segment)))
        there = all(self.file(film, number - 1).is_file() for number in numbers)
        return len(numbers) if there else None

    def convert(
        self,
        film: Film,
        segment: Segment,
        settings: FilmSettings,
        converter: Converter,
        on_frame: OnFrame,
    ) -> int:
        """Convert a segment, frame by frame. Returns the number of frames. Raises ImageError."""
        written: list[int] = []
        for frame, parameters, _ in with_parameters(film, segment, converter.used):
            index = int(np.searchsorted(film.times, frame.time, side="right")) - 1
            signal = turned(converter.signal(frame, parameters), film.rotation)
            frames.write(self.file(film, index), signal, self.kind, settings.white)
            written.append(index + 1)
            on_frame(len(written))
            check_interrupted()
        _check_any(len(written), film, segment)
        if len(written) < frames_of(film, segment):
            with finished_whole(self._mark(segment)) as temporary:
                temporary.write_text(json.dumps({NUMBERS: written}), encoding="utf-8")
        return len(written)


def _numbers(mark: Path) -> list[int] | None:
    """Return the numbers of the existing frames of a segment, counted from 1; None without a valid
    file.
    """
    with contextlib.suppress(OSError, ValueError):
        told = json.loads(mark.read_text(encoding="utf-8"))
        if isinstance(told, dict) and list(told) == [NUMBERS]:
            return [int(number) for number in told[NUMBERS]]
    return None


Target = ToFile | ToFrames
