"""A film as its file tells of it: streams, colours, and the time of every frame.

Packets are read once, without decoding: how long the film is, where it can be entered (key frames),
and whether its end is missing are known before anything is converted.
"""

import dataclasses
import hashlib
import math
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.files import ImageError, is_regular
from hdrcnn.video.colours import BT2020, PQ, UNSPECIFIED, Colours, Tags, settled
from hdrcnn.video.library import clock, pyav, reading

LOST = 0.5
"""Seconds, and a hundredth of the whole, that a file may end before it says it does."""
UNSURE = {"mpeg": 5.0}
"""Seconds by container, MPEG program streams, in which frames may have wrong times after a jump:
only some packets tell theirs."""
APART = Fraction(1, 100)
"""By which the rate that a container tells may be below that of the frames."""
GAPS = Fraction(3, 2)
"""Times the rate of the frames that it may be: recordings have gaps."""
ENDS = 1 << 20
"""Bytes at the beginning and at the end of a file that tell it from another."""


@dataclasses.dataclass(frozen=True, eq=False)
class Film:
    """What is known of a film before it is decoded."""

    path: Path
    width: int
    height: int
    time_base: Fraction
    """Seconds of one unit of `times`."""
    rate: Fraction
    """Frames per second, the mean of those that vary."""
    times: np.ndarray
    """[N] int64, rising: of every frame, as the container tells."""
    keys: np.ndarray
    """[K] int64: those of key frames."""
    colours: Colours
    interlaced: bool
    """Its first frame is: such frames are deinterlaced."""
    aspect: Fraction
    """Width of a sample by its height."""
    rotation: bytes | None
    """The display matrix, as FFmpeg stores it."""
    notes: tuple[str, ...]
    """What the user is to know, a phrase each."""
    timed: bool = True
    """Its packets say when they are shown. Else they come in the order of `times`, as in AVI, and
    so do frames."""
    unsure: float = 0.0
    """Seconds after a jump in which frames may have wrong times."""
    stream: int = 0
    """Index of the video stream; -1: a folder of frames."""
    last: int = 0
    """Units for which the last frame is shown, as its packet says; 0: as long as the mean."""
    files: tuple[Path, ...] = ()
    """The frames of a folder."""
    hdr: str = ""
    """PQ or HLG; empty: it is SDR."""
    content: str = ""
    """Hash of all packets of the video stream."""

    def seconds(self, time: int) -> float:
        """Since the first frame."""
        return float((time - int(self.times[0])) * self.time_base)

    @property
    def end(self) -> int:
        """When the last frame has been shown."""
        last = self.last or max(1, round(1 / (self.rate * self.time_base)))
        return int(self.times[-1]) + last

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.seconds(self.end)

    @property
    def steady(self) -> bool:
        """Whether frames are shown equally long, but the last, and but for rounding to the time
        base.
        """
        return _steady(self.times, self.time_base)

    def identity(self) -> dict[str, Any]:
        """What tells a file from another of its name: its size, and the hashes of its ends and of
        the packets between.
        """
        if self.files:
            stats = [
                f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}"
                for file in self.files
            ]
            return {"frames": hashlib.sha256("\n".join(stats).encode()).hexdigest()}
        found = hashlib.sha256()
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            found.update(file.read(ENDS))
            file.seek(max(0, size - ENDS))
            found.update(file.read(ENDS))
        return {"size": size, "ends": found.hexdigest(), "content": self.content}


def _steady(times: np.ndarray, time_base: Fraction) -> bool:
    gaps = np.diff(times)
    return len(gaps) == 0 or int(gaps.max() - gaps.min()) <= max(1, 0.002 / time_base)


def chosen(container: Any) -> Any:
    """The video stream of a container, not a cover picture; None if there is none."""
    av = pyav()
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    best = container.streams.best("video")
    return best if best in streams else next(iter(streams), None)


def packet_time(packet: Any) -> int | None:
    """When a packet's frame is shown."""
    time = packet.pts if packet.pts is not None else packet.dts
    return None if time is None else int(time)


def _times(
    path: Path, container: Any, stream: Any, rate: Fraction
) -> tuple[np.ndarray, np.ndarray, bool, int, str]:
    """When frames are shown, of which key frames, whether packets say so, for how long the last
    one is shown, 0 if that is not said, and the hash of all packets.
    """
    times, keys, timed, reordered = array("q"), array("q"), True, False
    latest, last, final, content = 0, 0, 0, hashlib.sha256()
    step = max(1, round(1 / (rate * stream.time_base)))
    try:
        for packet in container.demux(stream):
            content.update(packet)
            if not packet.size or packet.is_discard:
                continue
            time = packet_time(packet)
            timed = timed and packet.pts is not None
            reordered = reordered or bool(times and time is not None and time < times[-1])
            if time is None:  # Elementary streams know no time: frame after frame.
                time = times[-1] + step if times else 0
            times.append(time)
            final = packet.duration or 0
            if len(times) == 1 or time > latest:
                latest, last = time, final
            if packet.is_keyframe:
                keys.append(time)
    except (pyav().error.FFmpegError, OSError) as error:
        if not times:
            raise
        reached = clock(float((max(times) - min(times)) * stream.time_base))
        raise ImageError(
            f"{path}: cannot be read after {reached}: {getattr(error, 'strerror', error)}; it is "
            "truncated or damaged: copy it again, or cut it there"
        ) from error
    shown, entered = (np.unique(np.frombuffer(found, np.int64)) for found in (times, keys))
    if last and _steady(shown, Fraction(stream.time_base)):
        # MP4 tells for how long packets are decoded, of which the last may be one shown before.
        last = max(last, final)
    # Of containers that know only the order, as AVI, FFmpeg guesses times that always rise.
    timed = timed and (reordered or not stream.codec_context.has_b_frames)
    return shown, entered, timed, last, content.hexdigest()


def _check_whole(
    path: Path, container: Any, stream: Any, times: np.ndarray, rate: Fraction, last: int
) -> None:
    told = stream.duration and float(stream.duration * stream.time_base)
    if not told and container.duration:
        told = container.duration / 1e6
    there = float((int(times[-1]) - int(times[0])) * stream.time_base)
    there += float(max(last * stream.time_base, 1 / rate))
    if told and not stream.duration and len(container.streams) > 1:
        return  # The sound may well be longer.
    if told and told - there > max(LOST, 0.01 * told, 3 / float(rate)):
        raise ImageError(
            f"{path}: is truncated: {clock(there)} of {clock(told)} are there; copy it again, or "
            "cut it there"
        )


def _rate(stream: Any) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= 1000:
            return Fraction(rate)
    return Fraction(25)


def _mean_rate(rate: Fraction, times: np.ndarray, time_base: Fraction) -> Fraction:
    """The rate that a container tells, unless its frames have another one: some tell that of a
    clock, or of fields, or count how long a last picture stays.
    """
    if len(times) < 2:
        return rate
    span = int(times[-1]) - int(times[0])
    found = Fraction(len(times) - 1, span) / time_base
    least, most = 1 - APART - Fraction(2, span), GAPS + Fraction(2, span)
    return rate if least <= rate / found <= most else found.limit_denominator(1001)


def _first_frame(path: Path, stream_index: int) -> Any:
    """Decoded. Raises ImageError if there is none."""
    with reading(path), pyav().open(str(path.absolute())) as container:
        stream = container.streams[stream_index]
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    return frame
            except pyav().error.InvalidDataError:  # Broadcasts begin anywhere.
                continue
    raise ImageError(f"{path}: no frame can be decoded; is it damaged?")


def probe(path: Path, hdr: bool = False) -> Film:
    """What there is to know of a film.

    hdr: HDR is asked for, where tags are missing PQ of BT.2020. Raises ImageError if it cannot be
    read, has no video, is truncated, is HDR already, or is not though it should be.
    """
    if not path.exists():
        raise ImageError(f"{path}: no such file")
    if not is_regular(path):
        raise ImageError(f"{path}: neither a file nor a folder of frames")
    av = pyav()
    unread = "no film that can be read, or one that is truncated"
    with reading(path, unread), av.open(str(path.absolute())) as container:
        if container.format.name == "image2" or container.format.name.endswith("_pipe"):
            raise ImageError(
                f"{path}: a picture, no film; give it to hdrcnn predict, or the folder of a film's "
                "frames"
            )
        stream = chosen(container)
        if stream is None:
            raise ImageError(f"{path}: no video stream; nothing to convert")
        rate, context = _rate(stream), stream.codec_context
        index, time_base = stream.index, Fraction(stream.time_base)
        unsure = UNSURE.get(container.format.name, 0.0)
        tags = Tags(
            int(context.colorspace), int(context.color_range), int(context.color_primaries),
            int(context.color_trc),
        )  # fmt: skip
        aspect = Fraction(stream.sample_aspect_ratio or 0) or Fraction(1)
        times, keys, timed, last, content = _times(path, container, stream, rate)
        if not len(times):
            raise ImageError(f"{path}: a video stream without frames")
        rate = _mean_rate(rate, times, time_base)
        _check_whole(path, container, stream, times, rate, last)
    frame = _first_frame(path, index)
    tags, full = _of_frame(tags, frame), "yuvj" in frame.format.name
    if hdr:
        tags = _as_hdr(path, tags)
    elif tags.hdr or _has_hdr_metadata(frame):
        raise ImageError(
            f"{path}: is HDR already ({tags.hdr or 'it has HDR metadata'}); it is not converted "
            "again: use it as it is"
        )
    if full:
        tags = dataclasses.replace(tags, range=2)
    try:
        rgb = bool(frame.format.is_rgb or frame.format.name == "pal8")
        colours, notes = settled(tags, frame.width, frame.height, rgb)
    except ValueError as error:
        raise ImageError(f"{path}: {error}") from error
    if frame.format.name.startswith(("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya")):
        notes.append("its alpha channel is left out")
    matrix = frame.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
    if frame.interlaced_frame:
        notes.append("interlaced: deinterlaced by bwdif, one frame for two fields")
    found = Film(
        path, frame.width, frame.height, time_base, rate, times, keys, colours,
        bool(frame.interlaced_frame), aspect, None if matrix is None else bytes(matrix), (),
        timed, unsure, index, last, hdr=tags.hdr, content=content,
    )  # fmt: skip
    if not found.steady:
        notes.append("variable frame rate: every frame keeps its time")
    return dataclasses.replace(found, notes=tuple(notes))


def _of_frame(tags: Tags, frame: Any) -> Tags:
    """Tags of the stream, or where it has none, of a frame; HDR if either of them says so."""
    matrix = tags.matrix if tags.matrix != 2 else int(frame.colorspace)
    transfer = tags.transfer
    # HLG of broadcasts has the tag of SDR in its stream, and the other one beside its frames.
    if transfer == UNSPECIFIED or Tags(transfer=int(frame.color_trc)).hdr:
        transfer = int(frame.color_trc)
    primaries = tags.primaries if tags.primaries != 2 else int(frame.color_primaries)
    return Tags(matrix, tags.range or int(frame.color_range), primaries, transfer)


def _as_hdr(path: Path, tags: Tags) -> Tags:
    """Of a film that is to be HDR, with what is missing. Raises ImageError if it says it is not."""
    if not tags.hdr and tags.transfer != UNSPECIFIED:
        raise ImageError(
            f"{path}: is SDR by its transfer tag, {tags.transfer}; give an HDR film, PQ or HLG, or "
            "tag it so"
        )

    matrix, primaries = (
        BT2020 if number == UNSPECIFIED else number for number in (tags.matrix, tags.primaries)
    )
    return Tags(matrix, tags.range, primaries, tags.transfer if tags.hdr else PQ)


def _has_hdr_metadata(frame: Any) -> bool:
    kinds = pyav().sidedata.sidedata.Type
    wanted = (kinds.MASTERING_DISPLAY_METADATA, kinds.DYNAMIC_HDR_PLUS, kinds.DOVI_METADATA)
    return any(frame.side_data.get(kind) is not None for kind in wanted)


def units(seconds: float, time_base: Fraction) -> int:
    """Seconds in units of a time base."""
    return math.ceil(Fraction(seconds) / time_base)
