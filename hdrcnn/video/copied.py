"""Parts of a film copied without re-encoding: sound, subtitles, attachments, chapters, metadata."""

import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from hdrcnn.files import ImageError
from hdrcnn.video.encode import Encoding
from hdrcnn.video.library import clock, pyav, reading
from hdrcnn.video.source import Film, packet_time

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's name of the container format, by the extension of the result."""
BACK = Fraction(2)
"""Seconds by which the times of copied packets may go back in a damaged recording."""


def format_of(path: Path) -> str:
    """Return the container format of a result by its extension. Raises ImageError."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise ImageError(
            f"{path}: unknown kind of film; end the name in {', '.join(FORMATS)}, or name a folder "
            "for frames"
        ) from None


def check_streams(film: Film, result: Path, encoding: Encoding) -> list[str]:
    """Return the streams that the container of the result cannot take, one phrase each.

    Raises ImageError if these include sound or subtitles, or if the container cannot hold the video
    as encoded.
    """
    kind, left = format_of(result), list[str]()
    if kind == "mov" and encoding.codec == "av1":
        raise ImageError(f"{result}: .mov holds no AV1; end it in .mp4, or give --codec=hevc")
    if kind == "matroska" and encoding.codec == "av1" and film.aspect != 1:
        raise ImageError(
            f"{film.path}: its sample aspect ratio, {film.aspect}, would be lost with --codec=av1 "
            "in .mkv; give --out another ending, or --codec=hevc"
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
                continue  # Titles of the chapters, which are copied with these.
            if stream.type not in ("audio", "subtitle"):
                left.append(f"{stream.type} stream {stream.index} ({name}) is left out")
    lost = _unsupported_stream(film, kind)
    if lost:
        others = [
            ending
            for ending, other in ((".mkv", "matroska"), (".mp4", "mp4"), (".mov", "mov"))
            if other != kind and (other, encoding.codec) != ("mov", "av1")
        ]
        ending = next((e for e in others if not _unsupported_stream(film, FORMATS[e])), None)
        remedy = (
            f"give --out={result.with_suffix(ending).name}"
            if ending
            else "none of .mkv, .mp4 and .mov can hold all of its streams: remove that one first"
        )
        raise ImageError(f"{film.path}: its {lost} cannot be copied into {result.suffix}; {remedy}")
    return left


def _unsupported_stream(film: Film, kind: str) -> str | None:
    """Return a description of the first sound or subtitle stream that a container cannot hold, or
    None. FFmpeg fails to write some codecs that a container claims to support, so it is tried.
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
            if not _supports(kind, codec):
                return names[stream.index]
            if stream.type == "audio":
                trials[stream.index] = stack.enter_context(_Trial(kind, stream))
        waiting = dict(trials)
        if waiting:
            for packet in source.demux(*(source.streams[index] for index in trials)):
                index = packet.stream_index
                if packet.size and index in waiting and waiting[index].try_packet(packet):
                    del waiting[index]
                if not waiting:
                    break
        return next(
            (names[index] for index, trial in trials.items() if not trial.succeeded()), None
        )


class _Trial:
    """An attempt to write the first packet of a stream to a file in memory."""

    def __init__(self, kind: str, stream: Any) -> None:
        self._accepted, self._file = True, pyav().open(io.BytesIO(), "w", format=kind)
        with self._errors_noted():
            self._stream = self._file.add_stream_from_template(stream)
            self._file.start_encoding()

    @contextlib.contextmanager
    def _errors_noted(self) -> Iterator[None]:
        try:
            yield
        except (pyav().error.FFmpegError, ValueError):
            self._accepted = False

    def __enter__(self) -> "_Trial":
        return self

    def __exit__(self, *_: object) -> None:
        self.succeeded()

    def try_packet(self, packet: Any) -> bool:
        """Write a packet and return whether the attempt is decided; not so if it was damaged."""
        if self._accepted:
            packet.stream = self._stream
            with self._errors_noted():
                try:
                    self._file.mux(packet)
                except pyav().error.InvalidDataError:
                    return False
        return True

    def succeeded(self) -> bool:
        """Close the file and return whether everything was written."""
        with self._errors_noted():
            self._file.close()
        return self._accepted


def _supports(kind: str, codec: str) -> bool:
    av = pyav()
    if kind in ("mp4", "mov") and codec in ("subrip", "ass", "webvtt", "text"):
        return False
    try:
        with av.open(io.BytesIO(), "w", format=kind) as container:
            return codec in container.supported_codecs
    except av.error.FFmpegError:
        return False


def copied_packets(
    film: Film, container: Any, streams: dict[int, Any], beginning: Fraction, edited: bool
) -> Iterator[tuple[Fraction, int, Any]]:
    """Yield the packets of copied streams with their times, in seconds after `beginning`.

    edited: whether the result has edit lists, as MP4 has, and so can hold packets that are not
    played. If not, such packets are dropped, except the last of sound before a played one, which is
    needed to decode that. Raises ImageError.
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
                    # MP4 drops a last packet that has no duration.
                    if not packet.duration and time > reached.get(found.stream_index, time):
                        packet.duration = time - reached[found.stream_index]
                    reached[found.stream_index] = time
                packet.stream = streams[packet.stream_index]
                yield last, 1, packet


class PacketCopier:
    """Writes copied packets to the result and counts those it refuses: badly received recordings
    have packets without a header, or with times that do not increase.
    """

    def __init__(self, film: Film, output: Any) -> None:
        self._film, self._output = film, output
        self._written, self._refused = Counter[int](), Counter[int]()
        self._names, self._reached = dict[int, str](), dict[int, Fraction]()

    def add(self, packet: Any) -> None:
        """Write a packet. Raises ImageError if times go back by more than `BACK`."""
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
        self._written[index] += 1
        if seconds is not None:
            self._reached[index] = seconds

    def left_out(self) -> list[str]:
        """Return a phrase for each stream with refused packets. Raises ImageError if a stream lost
        all of them.
        """
        for index, count in self._refused.items():
            if not self._written[index]:
                raise ImageError(
                    f"{self._film.path}: its {self._names[index]} cannot be copied: all of its "
                    f"{count} packets are damaged; remove that stream from the film first"
                )
        return [
            f"{self._names[index]}: {count} of {count + self._written[index]} packets are damaged "
            "and left out"
            for index, count in self._refused.items()
        ]


def metadata_of(source: Any, kind: str) -> dict[str, str]:
    """Return the metadata of a film, without entries that describe its file."""
    of_file = {"software", "encoder"}
    if kind != "matroska":
        of_file |= {"major_brand", "minor_version", "compatible_brands"}
    return {key: text for key, text in source.metadata.items() if key.lower() not in of_file}


def shifted_chapter(chapter: Any, seconds: Fraction) -> dict[str, Any]:
    """Return a chapter shifted to begin `seconds` earlier."""
    back = round(seconds / chapter["time_base"])
    start, end = (max(0, chapter[name] - back) for name in ("start", "end"))
    return {**chapter, "start": start, "end": end}
