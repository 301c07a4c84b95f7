"""Segments and the other streams of the film, joined into one file without re-encoding."""

import contextlib
import heapq
import math
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from hdrcnn.files import finished_whole, not_written
from hdrcnn.video.content_light import with_content_light
from hdrcnn.video.copied import (
    PacketCopier,
    copied_packets,
    format_of,
    metadata_of,
    shifted_chapter,
)
from hdrcnn.video.encode import Encoding
from hdrcnn.video.library import pyav, reading, reason
from hdrcnn.video.source import Film
from hdrcnn.video.tags import ReadBack, check

Encoded = Sequence[tuple[Path, int]]
"""Files of the segments, in order, each with the time of its first frame."""


def _packets(film: Film, file: Path, first: int) -> list[tuple[int, Any]]:
    """Return the packets of one segment with their times, in decoding order."""
    with reading(file), pyav().open(str(file.absolute()), format="nut") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    # NUT shifts times so that none is negative.
    begin = min(packet.pts for packet in packets)
    return [
        (first + round((packet.pts - begin) * packet.time_base / film.time_base), packet)
        for packet in packets
    ]


def _depth(film: Film, encoded: Encoded) -> int:
    """Return how many frames ahead of its display order a frame is decoded, at most."""
    depth = 0
    for file, first in encoded:
        times = [time for time, _ in _packets(film, file, first)]
        ranks = {time: rank for rank, time in enumerate(sorted(times))}
        depth = max(depth, *(index - ranks[time] for index, time in enumerate(times)))
    return depth


def _beginning(film: Film, container: Any) -> int:
    """Return the time of the film that becomes 0 in the result, in units of the film's time base.

    Broadcast recordings start at any time stamp, for which a player would wait, perhaps for hours;
    it would skip whatever is before 0.
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
    film: Film, encoded: Encoded, stream: Any, codec: str,
    content_light: tuple[float, float] | None, beginning: int,
) -> Iterator[tuple[Fraction, int, Any]]:  # fmt: skip
    """Yield the packets of all segments, each with its decoding time in seconds.

    A packet is decoded when the frame is shown that lies `_depth` places before the packet's own
    place, so decoding times increase across segment borders for any frame durations.
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
            if content_light is not None and packet.is_keyframe:
                data = with_content_light(data, codec, *content_light)[0]
            made = pyav().Packet(data)
            made.pts, made.dts = time - beginning, waiting.popleft() - beginning
            made.time_base = film.time_base
            if file == encoded[-1][0] and packet is packets[-1][1]:
                # MP4 stores durations in decoding order; together they must equal the film's.
                made.duration = max(1, film.end - step * depth - (made.dts + beginning))
            elif film.constant_rate and until[time] < film.end:
                made.duration = step
            else:
                made.duration = until[time] - time
            made.is_keyframe, made.stream = packet.is_keyframe, stream
            yield made.dts * film.time_base, 0, made


def join(
    film: Film,
    encoded: Encoded,
    result: Path,
    encoding: Encoding,
    content_light: tuple[float, float],
    note: Callable[[str], None] = lambda line: None,
) -> ReadBack:
    """Join the segments into `result`, and read its tags back.

    content_light: MaxCLL and MaxFALL of the film, cd/m^2. note: called with one line for each part
    of the film's sound, subtitles and metadata that is left out. Raises ImageError; an incomplete
    file never has the name of the result.
    """
    with finished_whole(result) as temporary:
        try:
            left_out = _join(film, encoded, temporary, result, encoding, content_light)
        except pyav().error.FFmpegError as error:
            raise not_written(result, reason(error)) from error
        found = check(temporary, film, encoding, content_light)
    for phrase in left_out:
        note(f"{film.path}: {phrase}")
    return found


def _join(
    film: Film, encoded: Encoded, temporary: Path, result: Path, encoding: Encoding,
    content_light: tuple[float, float],
) -> list[str]:  # fmt: skip
    """Write the result to `temporary` and return what is left out, one phrase each."""
    av = pyav()
    patched = content_light if encoding.transfer == "pq" else None
    kind = format_of(result)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(av.open(str(encoded[0][0].absolute()), format="nut"))
        source = None
        if not film.files:
            with reading(film.path):
                source = stack.enter_context(av.open(str(film.path.absolute())))
        told = {} if source is None else metadata_of(source, kind)
        # Without this flag QuickTime keys, which phones write, would be dropped.
        flags = {"movflags": "use_metadata_tags"} if any("." in key for key in told) else {}
        output = stack.enter_context(
            av.open(str(temporary.absolute()), "w", format=kind, options=flags)
        )
        beginning = _beginning(film, source)
        seconds, streams = beginning * film.time_base, dict[int, Any]()
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
                streams[stream.index] = made
        if source is not None:
            output.metadata.update(told)
            if source.chapters():
                output.set_chapters(
                    [shifted_chapter(chapter, seconds) for chapter in source.chapters()]
                )
        pictures = _pictures(film, encoded, video, encoding.codec, patched, beginning)
        others = (
            iter(())
            if source is None
            else copied_packets(film, source, streams, seconds, kind != "matroska")
        )
        output.start_encoding()
        copier = PacketCopier(film, output)
        for _, other, packet in heapq.merge(pictures, others, key=lambda item: item[:2]):
            if other:
                copier.add(packet)
            else:
                output.mux(packet)
        left_out = copier.left_out()
    with av.open(str(temporary.absolute())) as made:
        there = {key.lower() for key in made.metadata}
    lost = sorted(key for key in told if key.lower() not in there)
    if lost:
        left_out.append(f"{result.suffix} does not hold its metadata {', '.join(lost)}")
    return left_out


def _describe(
    video: Any, film: Film, encoding: Encoding, content_light: tuple[float, float] | None
) -> None:
    context, tags = video.codec_context, encoding.tags
    context.colorspace, context.color_range = tags.matrix, tags.range
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    context.sample_aspect_ratio = film.aspect
    if content_light is not None and context.extradata:
        context.extradata = with_content_light(context.extradata, encoding.codec, *content_light)[0]
    if film.rotation is not None:
        video.set_display_matrix(struct.unpack("9i", film.rotation[:36]))
