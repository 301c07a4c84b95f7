"""A film, segment by segment: decoded, converted, encoded, and joined when all are there."""

import contextlib
import dataclasses
import functools
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn._version import __version__
from hdrcnn.batch.choose import sha256
from hdrcnn.batch.machines import Shard
from hdrcnn.colour.hlg import hlg_codes
from hdrcnn.colour.pq import pq_light
from hdrcnn.console import check as check_interrupted, quietly
from hdrcnn.files import ImageError, finished_whole, prepare_folder, real, remove_temporaries
from hdrcnn.predict.film import AVERAGED, REDUCED, Convert, Method, averaged, method, weights_of
from hdrcnn.video import cuts, decode, folder, segments, source
from hdrcnn.video.encode import Encoding, check as check_encoder, planes, segment as encoded, verify
from hdrcnn.video.join import ReadBack, check_streams, join, read_back
from hdrcnn.video.library import clock
from hdrcnn.video.segments import Figures, Folder, Segment
from hdrcnn.video.source import Film
from hdrcnn.writers import frames

AROUND = AVERAGED + cuts.REACH
"""Frames on each side of a frame that its parameters depend on."""
STEPS = 1 << 12
_LIGHT = pq_light(np.arange(STEPS + 1) / STEPS).astype(np.float32)
"""cd/m^2 by PQ code."""


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What is asked for of a film."""

    method: str
    encoding: Encoding
    white: float
    params: Path | None = None
    device: str = "auto"
    rate: Fraction | None = None
    """Frames per second of a folder."""
    seconds: float = segments.SECONDS
    """Of a segment, at least."""

    def recipe(self, film: Film) -> dict[str, Any]:
        """What a segment depends on."""
        weights = weights_of(self.method, self.params)
        return {
            "version": __version__,
            "film": film.identity(),
            "rate": str(film.rate),
            "method": self.method,
            "weights": None if weights is None else sha256(weights),
            "white": self.white,
            "encoding": dataclasses.asdict(self.encoding),
            "seconds": self.seconds,
        }

    def loaded(self, film: Film) -> Method:
        """The method, with its network. Raises WeightsError, DeviceError."""
        with quietly() if weights_of(self.method) else contextlib.nullcontext():
            return method(
                self.method, film.colours.primaries, self.white, self.encoding.peak, self.params,
                self.device,
            )  # fmt: skip


def opened(path: Path, rate: Fraction | None = None) -> Film:
    """A film, or a folder of frames. Raises ImageError."""
    return folder.probe(path, rate) if path.is_dir() else source.probe(path)


@dataclasses.dataclass
class _Seen:
    """A frame whose parameters wait for those after it."""

    frame: decode.Frame | None
    """None: handed on."""
    time: int
    feature: np.ndarray
    parameters: np.ndarray
    cut_before: bool = False


def with_parameters(
    film: Film, segment: Segment, used: Method
) -> Iterator[tuple[decode.Frame, np.ndarray, bool]]:
    """The frames of a segment, the parameters of each, averaged within its shot, and whether a
    cut is before it. Frames around the segment are looked at, too: where a film is divided
    changes nothing.
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
            window.append(_Seen(after, after.time, feature, used.measured(reduced)))
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
    """The largest PQ code, and the sum of light of each pixel's largest channel, cd/m^2."""
    largest = np.maximum(np.maximum(signal[..., 0], signal[..., 1]), signal[..., 2])
    places = (largest * np.float32(STEPS) + np.float32(0.5)).astype(np.int32)
    return float(largest.max()), float(np.take(_LIGHT, places).sum(dtype=np.float64))


class Converter:
    """Frames to codes and their brightness, by all cores."""

    def __init__(self, used: Method, transfer: str, peak: float) -> None:
        self.used, self._transfer, self._peak = used, transfer, peak
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1)

    def signal(self, frame: decode.Frame, parameters: np.ndarray) -> np.ndarray:
        """[H, W, 3] float32 PQ codes of a frame."""
        convert = self.used.of(parameters)
        if not self.used.pointwise:
            return convert(frame.codes())
        strips = self._threads.map(lambda part: convert(part.codes()), frame.strips())
        return np.concatenate(list(strips))

    def parts(self, frame: decode.Frame, parameters: np.ndarray) -> tuple[list[Any], float, float]:
        """A frame in strips as `encode.planes` has them, its brightest channel and the mean of the
        brightest channels of its pixels, cd/m^2.
        """
        convert = self.used.of(parameters)
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


def convert_segment(
    film: Film,
    segment: Segment,
    converter: Converter,
    encoding: Encoding,
    place: Folder,
    tell: Callable[[int], None] = lambda frames: None,
) -> Figures:
    """Converts one segment; its file is whole or not there.

    tell: called after each frame with how many are done. Raises ImageError.
    """
    done, first, cll, fall, found = 0, 0, 0.0, 0.0, 0
    size = film.width, film.height
    with finished_whole(place.file(segment)) as temporary:
        with encoded(temporary, encoding, size, film.time_base, film.rate, film.aspect) as sink:
            for frame, parameters, cut in with_parameters(film, segment, converter.used):
                parts, peak, mean = converter.parts(frame, parameters)
                sink.add(frame.time, parts)
                first = first if done else frame.time
                done, found = done + 1, found + cut
                cll, fall = max(cll, peak), max(fall, mean)
                tell(done)
                check_interrupted()
            if not done:
                at = clock(film.seconds(segment.start))
                raise ImageError(f"{film.path}: no frame can be decoded from {at} on")
        verify(temporary, done, encoding.codec)
    figures = Figures(done, first, cll, fall, found)
    place.finish(segment, figures)
    return figures


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a film is, after a frame or a segment."""

    segment: Segment
    of: int
    """How many segments there are."""
    frames: int
    """Done of the share, kept ones too."""
    total: int
    """Of the share, about."""
    made: int
    """Done in this run."""
    whole: bool
    """The segment is done."""
    kept: bool = False
    """It was there already."""


Tell = Callable[[Progress], None]


def _frames_of(film: Film, segment: Segment) -> int:
    last = len(film.times) if segment.end is None else np.searchsorted(film.times, segment.end)
    return int(last - np.searchsorted(film.times, segment.start))


def check_place(film: Film, result: Path, overwrite: bool) -> None:
    """Raises ImageError if the result would take the place of the film or of another file."""
    if real(result) == real(film.path):
        raise ImageError(f"{result}: is the film itself; give --out another name")
    if result.exists() and not overwrite:
        raise ImageError(f"{result}: is there already; give --overwrite, or --out another name")


def to_file(
    film: Film,
    result: Path,
    conversion: Conversion,
    shard: Shard,
    tell: Tell,
    note: Callable[[str], None],
) -> ReadBack | None:
    """Converts the segments of a share that are missing, and joins all if no other is.

    Returns what the file of the result says, None if segments of other shares are missing. note: is
    given what the user is to know, a line each. Raises ImageError, WeightsError, DeviceError; the
    segments that are whole stay.
    """
    encoding = conversion.encoding
    check_encoder(encoding, film.width, film.height)
    for left in check_streams(film, result, encoding):
        note(f"{film.path}: {left}")
    all_segments = segments.planned(film, conversion.seconds)
    place = Folder(result)
    if place.prepare(conversion.recipe(film), shared=shard.of > 1):
        note(f"{place.path}: made from another film or by other settings; made again")
    remove_temporaries(place.path)
    share = shard.select(all_segments)
    total, done, made = sum(_frames_of(film, segment) for segment in share), 0, 0
    converter: Converter | None = None
    for segment in share:
        figures = place.done(segment)
        kept = figures is not None
        if figures is None:
            if converter is None:
                used = conversion.loaded(film)
                converter = Converter(used, encoding.transfer, encoding.peak)
            before = done, made

            def told(count: int, segment: Segment = segment, at: tuple[int, int] = before) -> None:
                tell(
                    Progress(segment, len(all_segments), at[0] + count, total, at[1] + count, False)
                )

            figures = convert_segment(film, segment, converter, encoding, place, told)
            made += figures.frames
        done += figures.frames
        tell(Progress(segment, len(all_segments), done, total, made, True, kept))
    known = [place.done(segment) for segment in all_segments]
    figures_of_all = [figures for figures in known if figures is not None]
    if len(figures_of_all) < len(known):
        return None
    levels = (
        max(figures.max_cll for figures in figures_of_all),
        max(figures.max_fall for figures in figures_of_all),
    )
    files = [
        (place.file(segment), figures.first)
        for segment, figures in zip(all_segments, figures_of_all, strict=True)
    ]
    try:
        found = join(film, files, result, encoding, levels)
    except ImageError:
        # Two shares may find all segments there: the faster one joins them and removes them.
        if shard.of > 1 and not place.path.exists() and result.is_file():
            return read_back(result)
        raise
    place.remove()
    return found


def to_frames(
    film: Film,
    result: Path,
    conversion: Conversion,
    kind: str,
    shard: Shard,
    overwrite: bool,
    tell: Tell,
) -> int:
    """Converts a film to files of frames in a folder, named for the film and counted from 1: those
    of whole segments that are there and were made likewise are kept. Returns how many were written.

    kind: of `writers.frames.ENDINGS`. Raises ImageError, WeightsError, DeviceError.
    """
    if real(result) == real(film.path):
        raise ImageError(f"{result}: is the folder of the film itself; give --out another name")
    prepare_folder(result)
    remove_temporaries(result)
    recipe, told = {**conversion.recipe(film), "format": kind}, result / "film.json"
    text = json.dumps(recipe, indent=1, sort_keys=True)
    stem, ending = film.path.stem, frames.ENDINGS[kind]
    # In this order: another share, begun just now, writes what it does before its first frame.
    others = any(result.glob(f"*{ending}"))
    same = told.is_file() and told.read_text(encoding="utf-8") == text
    if not same:
        if others and shard.of > 1:
            raise ImageError(f"{result}: has other frames; remove them before shares are converted")
        if others and not overwrite:
            raise ImageError(
                f"{result}: has other frames; give --overwrite, or --out another folder"
            )
        if others:
            # Killed and started again, this run must not take them for its own.
            told.unlink(missing_ok=True)
            for number in range(1, len(film.times) + 1):
                (result / f"{stem}_{number:06}{ending}").unlink(missing_ok=True)
        with finished_whole(told) as temporary:
            temporary.write_text(text, encoding="utf-8")
    all_segments = segments.planned(film, conversion.seconds)
    share = shard.select(all_segments)
    total, done, made = sum(_frames_of(film, segment) for segment in share), 0, 0
    converter: Converter | None = None
    for segment in share:
        first, count = int(np.searchsorted(film.times, segment.start)), _frames_of(film, segment)
        places = [result / f"{stem}_{first + index + 1:06}{ending}" for index in range(count)]
        kept = same and all(place.is_file() for place in places)
        if not kept:
            if converter is None:
                converter = Converter(conversion.loaded(film), "pq", conversion.encoding.peak)
            for index, (frame, parameters, _) in enumerate(
                with_parameters(film, segment, converter.used)
            ):
                place = result / f"{stem}_{first + index + 1:06}{ending}"
                frames.write(place, converter.signal(frame, parameters), kind, conversion.white)
                made += 1
                tell(Progress(segment, len(all_segments), done + index + 1, total, made, False))
                check_interrupted()
        done += count
        tell(Progress(segment, len(all_segments), done, total, made, True, kept))
    return made
