"""Segments, and what else the film holds, joined to one file without encoding anything again."""

import contextlib
import dataclasses
import heapq
import io
import math
import struct
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from hdrcnn.files import ImageError, finished_whole, not_written
from hdrcnn.video.colours import HLG, Tags
from hdrcnn.video.encode import Encoding, padded
from hdrcnn.video.library import clock, pyav, reading, reason
from hdrcnn.video.light import whole, with_levels
from hdrcnn.video.source import Film, packet_time

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Containers by the ending of the result."""
BACK = Fraction(2)
"""Seconds by which the times of sound may go back, where a recording is damaged."""


@dataclasses.dataclass(frozen=True)
class ReadBack:
    """What the file of a result says."""

    codec: str
    size: tuple[int, int]
    pixel_format: str
    tags: Tags
    peak: float | None
    """cd/m^2 of the mastering display."""
    max_cll: int | None
    max_fall: int | None
    aspect: Fraction
    """Width of a sample by its height."""

    @property
    def described(self) -> str:
        """For the user."""
        kind = "HLG" if self.tags.transfer == HLG else "HDR10 (PQ)"
        levels = f", MaxCLL {self.max_cll}, MaxFALL {self.max_fall}" if self.max_cll else ""
        codec = {"hevc": "HEVC Main 10", "av1": "AV1, 10 bits"}.get(self.codec, self.codec)
        return f"{codec}, {kind}, BT.2020, {self.size[0]}x{self.size[1]}{levels}"


def read_back(path: Path) -> ReadBack:
    """Of the first frame of a film. Raises ImageError."""
    av = pyav()
    kinds = av.sidedata.sidedata.Type
    with reading(path), av.open(str(path.absolute())) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        tags = Tags(
            *map(int, (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc))
        )
        display = frame.side_data.get(kinds.MASTERING_DISPLAY_METADATA)
        levels = frame.side_data.get(kinds.CONTENT_LIGHT_LEVEL)
        peak = cll = fall = None
        if display is not None:  # AVMasteringDisplayMetadata: ten fractions, two flags.
            numbers = struct.unpack("22i", bytes(display)[:88])
            peak = numbers[18] / numbers[19]
        if levels is not None:
            cll, fall = struct.unpack("2I", bytes(levels)[:8])
        aspect = Fraction(stream.sample_aspect_ratio or 0) or Fraction(1)
        size, codec = (frame.width, frame.height), stream.codec_context.codec.canonical_name
        return ReadBack(codec, size, frame.format.name, tags, peak, cll, fall, aspect)


def check(path: Path, film: Film, encoding: Encoding, levels: tuple[float, float]) -> ReadBack:
    """Reads the tags of a result back. Raises ImageError if they are not those wanted."""
    found = read_back(path)
    wanted: dict[str, Any] = {
        "size": (padded(film.width), padded(film.height)),
        "pixel_format": "yuv420p10le",
        "tags": encoding.tags,
        "codec": encoding.codec,
        "aspect": film.aspect,
    }
    if encoding.transfer == "pq":
        wanted["max_cll"], wanted["max_fall"] = map(whole, levels)
    for name, value in wanted.items():
        if getattr(found, name) != value:
            raise ImageError(
                f"{path}: its {name.replace('_', ' ')} reads back as {getattr(found, name)}, not "
                f"{value}; please report it"
            )
    if encoding.transfer == "pq" and (
        found.peak is None or abs(found.peak - encoding.peak) > 0.01 * encoding.peak
    ):
        raise ImageError(
            f"{path}: its mastering display reads back as {found.peak}; please report it"
        )
    return found


def format_of(path: Path) -> str:
    """The container of a result by its ending. Raises ImageError."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise ImageError(
            f"{path}: what film is that? End it in {', '.join(FORMATS)}, or name a folder for "
            "frames"
        ) from None


def check_streams(film: Film, result: Path, encoding: Encoding) -> list[str]:
    """What of a film is left out of a result of that kind, a phrase each.

    Raises ImageError if sound or subtitles would be lost.
    """
    kind, left = format_of(result), list[str]()
    if kind == "mov" and encoding.codec == "av1":
        raise ImageError(f"{result}: .mov holds no AV1; end it in .mp4, or give --codec=hevc")
    if kind == "matroska" and encoding.codec == "av1" and film.aspect != 1:
        raise ImageError(
            f"{film.path}: its samples are {film.aspect} as wide as high, which is lost with "
            "--codec=av1 in .mkv; give --out another ending, or --codec=hevc"
        )
    if film.files:
        return left
    av = pyav()
    with reading(film.path), av.open(str(film.path.absolute())) as container:
        for stream in container.streams:
            if stream.index == film.stream:
                continue
            name = (
                stream.codec_context.codec.canonical_name if stream.codec_context else stream.type
            )
            if stream.type == "attachment" and kind == "matroska":
                continue
            if stream.type == "data" and container.chapters():
                continue  # Their titles, which are copied as chapters.
            if stream.type not in ("audio", "subtitle"):
                left.append(f"{stream.type} stream {stream.index} ({name}) is left out")
    lost = _not_held(film, kind)
    if lost:
        others = [
            ending
            for ending, other in ((".mkv", "matroska"), (".mp4", "mp4"), (".mov", "mov"))
            if other != kind and (other, encoding.codec) != ("mov", "av1")
        ]
        ending = next((e for e in others if not _not_held(film, FORMATS[e])), None)
        remedy = (
            f"give --out={result.with_suffix(ending).name}"
            if ending
            else "none of .mkv, .mp4 and .mov holds all of its streams: copy the film without it"
        )
        raise ImageError(f"{film.path}: its {lost} cannot be copied into {result.suffix}; {remedy}")
    return left


def _not_held(film: Film, kind: str) -> str | None:
    """The first stream of sound or subtitles that a container does not take, as the user is told
    of it. What a container says that it takes is not all that it writes, so it is tried.
    """
    av = pyav()
    with contextlib.ExitStack() as stack:
        stack.enter_context(reading(film.path))
        source = stack.enter_context(av.open(str(film.path.absolute())))
        trials = dict[int, Any]()
        names = dict[int, str]()
        for stream in source.streams:
            if stream.type not in ("audio", "subtitle") or stream.index == film.stream:
                continue
            codec = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
            names[stream.index] = f"{stream.type} stream {stream.index} ({codec})"
            if not _holds(kind, codec):
                return names[stream.index]
            if stream.type == "audio":
                trials[stream.index] = stack.enter_context(_Trial(kind, stream))
        waiting = dict(trials)
        if waiting:
            for packet in source.demux(*(source.streams[index] for index in trials)):
                index = packet.stream_index
                if packet.size and index in waiting and waiting[index].decided(packet):
                    del waiting[index]
                if not waiting:
                    break
        return next((names[index] for index, trial in trials.items() if not trial.held()), None)


class _Trial:
    """A file in memory of one stream and its first packet."""

    def __init__(self, kind: str, stream: Any) -> None:
        self._held, self._file = True, pyav().open(io.BytesIO(), "w", format=kind)
        with self._judged():
            self._stream = self._file.add_stream_from_template(stream)
            self._file.start_encoding()

    @contextlib.contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except (pyav().error.FFmpegError, ValueError):
            self._held = False

    def __enter__(self) -> "_Trial":
        return self

    def __exit__(self, *_: object) -> None:
        self.held()

    def decided(self, packet: Any) -> bool:
        """Whether nothing is left to be tried. A packet may be damaged: then the next one tells."""
        if self._held:
            packet.stream = self._stream
            with self._judged():
                try:
                    self._file.mux(packet)
                except pyav().error.InvalidDataError:
                    return False
        return True

    def held(self) -> bool:
        """Whether all was written; it is closed."""
        with self._judged():
            self._file.close()
        return self._held


def _holds(kind: str, codec: str) -> bool:
    av = pyav()
    if kind in ("mp4", "mov") and codec in ("subrip", "ass", "webvtt", "text"):
        return False
    try:
        with av.open(io.BytesIO(), "w", format=kind) as container:
            return codec in container.supported_codecs
    except av.error.FFmpegError:
        return False


Encoded = Sequence[tuple[Path, int]]
"""The files of segments, in their order, and the time of the first frame of each."""


def _packets(film: Film, file: Path, first: int) -> list[tuple[int, Any]]:
    """Time and packet, in the order in which they are decoded, of one segment."""
    with reading(file), pyav().open(str(file.absolute()), format="nut") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    # The container moves times so that none is negative.
    begin = min(packet.pts for packet in packets)
    return [
        (first + round((packet.pts - begin) * packet.time_base / film.time_base), packet)
        for packet in packets
    ]


def _depth(film: Film, encoded: Encoded) -> int:
    """By how many frames at most a frame is decoded before its turn to be shown."""
    depth = 0
    for file, first in encoded:
        times = [time for time, _ in _packets(film, file, first)]
        ranks = {time: rank for rank, time in enumerate(sorted(times))}
        depth = max(depth, *(index - ranks[time] for index, time in enumerate(times)))
    return depth


def _beginning(film: Film, container: Any) -> int:
    """When the result begins, in units of the film's time base: recordings of broadcasts count from
    any time, and a player would wait for hours, or leave out what is before 0.
    """
    first = int(film.times[0])
    if first < 0 or container is None:
        return first
    starts = [
        Fraction(stream.start_time * stream.time_base) / film.time_base
        for stream in container.streams
        if stream.type == "audio" and stream.start_time is not None
    ]
    return max(0, min([first, *map(math.floor, starts)]))


def _pictures(
    film: Film, encoded: Encoded, stream: Any, codec: str, levels: tuple[float, float] | None,
    beginning: int,
) -> Iterator[tuple[Fraction, int, Any]]:  # fmt: skip
    """Packets of all segments, with the time at which they are decoded, in seconds.

    That time is when the frame is shown which has the packet's place if none is moved; so it rises
    over the borders of segments, however long each frame is.
    """
    depth, step = _depth(film, encoded), max(1, round(1 / (film.rate * film.time_base)))
    waiting = deque(encoded[0][1] - step * (depth - index) for index in range(depth))
    ends = [*(first for _, first in encoded[1:]), film.end]
    for (file, first), end in zip(encoded, ends, strict=True):
        packets = _packets(film, file, first)
        shown = sorted(time for time, _ in packets)
        waiting += shown
        until = dict(zip(shown, [*shown[1:], end], strict=True))
        for time, packet in packets:
            data = bytes(packet)
            if levels is not None and packet.is_keyframe:
                data = with_levels(data, codec, *levels)[0]
            made = pyav().Packet(data)
            made.pts, made.dts = time - beginning, waiting.popleft() - beginning
            made.time_base = film.time_base
            if file == encoded[-1][0] and packet is packets[-1][1]:
                # MP4 tells for how long packets are decoded: together as long as the film.
                made.duration = max(1, film.end - step * depth - (made.dts + beginning))
            elif film.steady and until[time] < film.end:
                made.duration = step
            else:
                made.duration = until[time] - time
            made.is_keyframe, made.stream = packet.is_keyframe, stream
            yield made.dts * film.time_base, 0, made


def _others(
    film: Film, container: Any, streams: dict[int, Any], beginning: Fraction, edited: bool
) -> Iterator[tuple[Fraction, int, Any]]:
    """Packets of what is copied, with their time in seconds after that beginning.

    edited: the result can say, as MP4 does, that a film leaves out some of its packets. Else those
    are not copied, but for one of sound, by which the next can be decoded. Raises ImageError.
    """
    last = Fraction(-1)
    sources = [stream for stream in container.streams if stream.index in streams]
    if not sources:
        return
    left_out, reached = dict[int, Any](), dict[int, int]()
    with reading(film.path):
        for found in container.demux(*sources):
            if not found.size:
                continue
            if found.is_discard and not edited:
                left_out[found.stream_index] = found
                continue
            before = left_out.pop(found.stream_index, None)
            needed = before is not None and found.stream.type == "audio"
            for packet in [before, found] if needed else [found]:
                back = round(beginning / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - back
                packet.dts = None if packet.dts is None else packet.dts - back
                time = packet.dts if packet.dts is not None else packet_time(packet)
                last = last if time is None else max(last, time * packet.time_base)
                if packet.stream.type == "audio" and time is not None:
                    # MP4 holds no last packet without a duration.
                    if not packet.duration and time > reached.get(found.stream_index, time):
                        packet.duration = time - reached[found.stream_index]
                    reached[found.stream_index] = time
                packet.stream = streams[packet.stream_index]
                yield last, 1, packet


class _Copied:
    """Packets of what is copied, taken by the result or refused: recordings that were received
    badly have some without a header, or with times that do not rise.
    """

    def __init__(self, film: Film, output: Any) -> None:
        self._film, self._output = film, output
        self._taken, self._refused = Counter[int](), Counter[int]()
        self._names, self._reached = dict[int, str](), dict[int, Fraction]()

    def add(self, packet: Any) -> None:
        """Raises ImageError if times go far back: more is wrong than a packet."""
        av, stream = pyav(), packet.stream
        index, time = stream.index, packet_time(packet)
        seconds = None if time is None else time * packet.time_base
        self._names[index] = f"{stream.type} stream {index}"
        try:
            self._output.mux(packet)
        except (av.error.InvalidDataError, av.error.ArgumentError) as error:
            self._refused[index] += 1
            reached = self._reached.get(index)
            if seconds is not None and reached is not None and seconds < reached - BACK:
                raise ImageError(
                    f"{self._film.path}: the times of its {self._names[index]} go back from "
                    f"{clock(float(reached))} to {clock(float(seconds))}; cut it there"
                ) from error
            return
        self._taken[index] += 1
        if seconds is not None:
            self._reached[index] = seconds

    def left_out(self) -> list[str]:
        """A phrase for each stream of which packets were refused. Raises ImageError if all were."""
        for index, count in self._refused.items():
            if not self._taken[index]:
                raise ImageError(
                    f"{self._film.path}: its {self._names[index]} cannot be copied: all of its "
                    f"{count} packets are damaged; copy the film without it"
                )
        return [
            f"{self._names[index]}: {count} of {count + self._taken[index]} packets are damaged "
            "and left out"
            for index, count in self._refused.items()
        ]


def join(
    film: Film,
    encoded: Encoded,
    result: Path,
    encoding: Encoding,
    levels: tuple[float, float],
    note: Callable[[str], None] = lambda line: None,
) -> ReadBack:
    """Writes the result from its segments, and reads it back.

    levels: MaxCLL and MaxFALL of the film, cd/m^2. note: is given what of the film's sound,
    subtitles and metadata is left out, a line each. Raises ImageError; nothing half-written has the
    name of the result.
    """
    with finished_whole(result) as temporary:
        try:
            left_out = _join(film, encoded, temporary, result, encoding, levels)
        except pyav().error.FFmpegError as error:
            raise not_written(result, reason(error)) from error
        found = check(temporary, film, encoding, levels)
    for phrase in left_out:
        note(f"{film.path}: {phrase}")
    return found


def _join(
    film: Film, encoded: Encoded, temporary: Path, result: Path, encoding: Encoding,
    levels: tuple[float, float],
) -> list[str]:  # fmt: skip
    """Returns what of the film is left out, a phrase each."""
    av = pyav()
    patched = levels if encoding.transfer == "pq" else None
    kind = format_of(result)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(av.open(str(encoded[0][0].absolute()), format="nut"))
        source = None
        if not film.files:
            with reading(film.path):
                source = stack.enter_context(av.open(str(film.path.absolute())))
        told = {} if source is None else _metadata(source, kind)
        # Else QuickTime's own keys, of phones, are not written.
        flags = {"movflags": "use_metadata_tags"} if any("." in key for key in told) else {}
        output = stack.enter_context(
            av.open(str(temporary.absolute()), "w", format=kind, options=flags)
        )
        beginning = _beginning(film, source)
        seconds, copied = beginning * film.time_base, dict[int, Any]()
        video: Any = None
        for stream in [None] if source is None else source.streams:
            if stream is None or stream.index == film.stream:
                video = output.add_stream_from_template(first.streams.video[0], opaque=True)
                video.time_base = film.time_base
                _describe(video, film, encoding, patched)
                if kind in ("mp4", "mov") and encoding.codec == "hevc":
                    video.codec_context.codec_tag = "hvc1"
                if stream is not None:
                    video.metadata.update(stream.metadata)
                    video.disposition = stream.disposition
            elif stream.type in ("audio", "subtitle") or (
                stream.type == "attachment" and kind == "matroska"
            ):
                made = output.add_stream_from_template(stream)
                made.metadata.update(stream.metadata)
                made.disposition = stream.disposition
                copied[stream.index] = made
        if source is not None:
            output.metadata.update(told)
            if source.chapters():
                output.set_chapters([_moved(chapter, seconds) for chapter in source.chapters()])
        pictures = _pictures(film, encoded, video, encoding.codec, patched, beginning)
        others = (
            iter(())
            if source is None
            else _others(film, source, copied, seconds, kind != "matroska")
        )
        output.start_encoding()
        taken = _Copied(film, output)
        for _, other, packet in heapq.merge(pictures, others, key=lambda item: item[:2]):
            if other:
                taken.add(packet)
            else:
                output.mux(packet)
        left_out = taken.left_out()
    with av.open(str(temporary.absolute())) as made:
        there = {key.lower() for key in made.metadata}
    lost = sorted(key for key in told if key.lower() not in there)
    if lost:
        left_out.append(f"{result.suffix} does not hold its metadata {', '.join(lost)}")
    return left_out


def _metadata(source: Any, kind: str) -> dict[str, str]:
    """What is told of a film, but for what its file tells of itself."""
    of_file = {"software", "encoder"}
    if kind != "matroska":
        of_file |= {"major_brand", "minor_version", "compatible_brands"}
    return {key: text for key, text in source.metadata.items() if key.lower() not in of_file}


def _moved(chapter: Any, seconds: Fraction) -> dict[str, Any]:
    """A chapter that much earlier."""
    back = round(seconds / chapter["time_base"])
    start, end = (max(0, chapter[name] - back) for name in ("start", "end"))
    return {**chapter, "start": start, "end": end}


def _describe(
    video: Any, film: Film, encoding: Encoding, levels: tuple[float, float] | None
) -> None:
    context, tags = video.codec_context, encoding.tags
    context.colorspace, context.color_range = tags.matrix, tags.range
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    context.sample_aspect_ratio = film.aspect
    if levels is not None and context.extradata:
        context.extradata = with_levels(context.extradata, encoding.codec, *levels)[0]
    if film.rotation is not None:
        video.set_display_matrix(struct.unpack("9i", film.rotation[:36]))
