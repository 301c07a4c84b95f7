"""Properties of a film, read from its file: streams, colours, and the time of every frame.

All packets are read once without decoding, so the duration of the film, its key frames (the places
where decoding can start) and whether its end is missing are known before anything is converted.
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
from hdrcnn.video.colours import BT2020, PQ, UNSPECIFIED, Colours, Tags, resolve_tags
from hdrcnn.video.library import clock, pyav, reading

LOST = 0.5
"""Seconds by which a file may be shorter than the duration it states; 1 % of that duration and
three frames are tolerated too, whichever is largest."""
UNSURE = {"mpeg": 5.0}
"""Seconds after a seek during which frames may have wrong times, by container format: in MPEG
program streams only some packets have a time stamp."""
APART = Fraction(1, 100)
"""Fraction by which the frame rate stated by a container may be below the measured one."""
GAPS = Fraction(3, 2)
"""Largest accepted ratio of the stated frame rate to the measured one: recordings have gaps."""
ENDS = 1 << 20
"""Bytes hashed at the beginning and at the end of a file to identify it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Film:
    """Properties of a film that are known before it is decoded."""

    path: Path
    width: int
    height: int
    time_base: Fraction
    """Duration of one unit of `times`, in seconds."""
    rate: Fraction
    """Frames per second; the mean if the rate varies."""
    times: np.ndarray
    """[N] int64: time of every frame according to the container, in increasing order."""
    keys: np.ndarray
    """[K] int64: times of the key frames, in increasing order."""
    colours: Colours
    interlaced: bool
    """Whether the first frame is interlaced; if so, interlaced frames are deinterlaced."""
    aspect: Fraction
    """Sample aspect ratio: width divided by height."""
    rotation: bytes | None
    """The display matrix, as FFmpeg stores it."""
    notes: tuple[str, ...]
    """Remarks for the user, one phrase each."""
    has_time_stamps: bool = True
    """Whether packets have presentation time stamps. If not, as in AVI, only the order is known:
    decoded frames get the entries of `times` one after the other."""
    unsure: float = 0.0
    """Seconds after a seek during which frames may have wrong times."""
    stream: int = 0
    """Index of the video stream; -1 for a folder of frames."""
    last_duration: int = 0
    """Duration of the last frame in units of `time_base`, according to its packet; 0 if unknown,
    in which case `1 / rate` is used."""
    files: tuple[Path, ...] = ()
    """Files of the frames, for a folder."""
    hdr: str = ""
    """`PQ` or `HLG`; empty for SDR."""
    packets_sha256: str = ""
    """SHA-256 of all packets of the video stream."""

    def seconds(self, time: int) -> float:
        """Seconds from the first frame to `time`."""
        return float((time - int(self.times[0])) * self.time_base)

    @property
    def end(self) -> int:
        """Time at which the last frame ends."""
        last = self.last_duration or max(1, round(1 / (self.rate * self.time_base)))
        return int(self.times[-1]) + last

    @property
    def duration(self) -> float:
        """Duration of the film in seconds."""
        return self.seconds(self.end)

    @property
    def constant_rate(self) -> bool:
        """Whether the frame rate is constant, up to rounding to the time base; the duration of the
        last frame is ignored.
        """
        return _constant_rate(self.times, self.time_base)

    def identity(self) -> dict[str, Any]:
        """Values that distinguish this file from another one of the same name: its size and hashes
        of both ends and of the video packets; for a folder, a hash of the names, sizes and
        modification times of its frames.
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
        return {"size": size, "ends": found.hexdigest(), "content": self.packets_sha256}


def _constant_rate(times: np.ndarray, time_base: Fraction) -> bool:
    gaps = np.diff(times)
    return len(gaps) == 0 or int(gaps.max() - gaps.min()) <= max(1, 0.002 / time_base)


def video_stream(container: Any) -> Any:
    """Return the video stream of a container, ignoring cover images; None if there is none."""
    av = pyav()
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    best = container.streams.best("video")
    return best if best in streams else next(iter(streams), None)


def packet_time(packet: Any) -> int | None:
    """Return when a packet's frame is shown, or decoded if only that is known; None if neither."""
    time = packet.pts if packet.pts is not None else packet.dts
    return None if time is None else int(time)


def _times(
    path: Path, container: Any, stream: Any, rate: Fraction
) -> tuple[np.ndarray, np.ndarray, bool, int, str]:
    """Return the times of all frames, those of the key frames, whether packets have reliable
    presentation time stamps, the duration of the frame shown last (0 if not stated), and the hash
    of all packets.
    """
    times, keys, has_time_stamps, reordered = array("q"), array("q"), True, False
    latest, last, final, content = 0, 0, 0, hashlib.sha256()
    step = max(1, round(1 / (rate * stream.time_base)))
    try:
        for packet in container.demux(stream):
            content.update(packet)
            if not packet.size or packet.is_discard:
                continue
            time = packet_time(packet)
            has_time_stamps = has_time_stamps and packet.pts is not None
            reordered = reordered or bool(times and time is not None and time < times[-1])
            if time is None:  # Elementary streams have no time stamps.
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
    if last and _constant_rate(shown, Fraction(stream.time_base)):
        # MP4 stores durations in decoding order, where the last packet need not be shown last.
        last = max(last, final)
    # For containers that store only the order, such as AVI, FFmpeg makes up increasing times.
    has_time_stamps = has_time_stamps and (reordered or not stream.codec_context.has_b_frames)
    return shown, entered, has_time_stamps, last, content.hexdigest()


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
    """Return the frame rate stated by the container, or the measured one if the two disagree: some
    containers state the rate of a clock or of fields, or include how long the last frame stays.
    """
    if len(times) < 2:
        return rate
    span = int(times[-1]) - int(times[0])
    found = Fraction(len(times) - 1, span) / time_base
    least, most = 1 - APART - Fraction(2, span), GAPS + Fraction(2, span)
    return rate if least <= rate / found <= most else found.limit_denominator(1001)


def _first_frame(path: Path, stream_index: int) -> Any:
    """Decode and return the first frame. Raises ImageError if there is none."""
    with reading(path), pyav().open(str(path.absolute())) as container:
        stream = container.streams[stream_index]
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    return frame
            except pyav().error.InvalidDataError:  # Broadcasts may start in mid-stream.
                continue
    raise ImageError(f"{path}: no frame can be decoded; is it damaged?")


def probe(path: Path, hdr: bool = False) -> Film:
    """Read the properties of a film.

    hdr: whether the film is expected to be HDR; missing tags are then taken to be PQ and BT.2020.
    Raises ImageError if the film cannot be read, has no video, is truncated, is HDR though SDR is
    expected, or SDR though HDR is expected.
    """
    if not path.exists():
        raise ImageError(f"{path}: no such file")
    if not is_regular(path):
        raise ImageError(f"{path}: neither a file nor a folder of frames")
    av = pyav()
    unread = "cannot be read as a film, or is truncated"
    with reading(path, unread), av.open(str(path.absolute())) as container:
        if container.format.name == "image2" or container.format.name.endswith("_pipe"):
            raise ImageError(
                f"{path}: a picture, not a film; convert it by hdrcnn predict, or give the folder "
                "of a film's frames"
            )
        stream = video_stream(container)
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
        times, keys, has_time_stamps, last, sha256 = _times(path, container, stream, rate)
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
        colours, notes = resolve_tags(tags, frame.width, frame.height, rgb)
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
        has_time_stamps, unsure, index, last, hdr=tags.hdr, packets_sha256=sha256,
    )  # fmt: skip
    if not found.constant_rate:
        notes.append("variable frame rate: every frame keeps its time")
    return dataclasses.replace(found, notes=tuple(notes))


def _of_frame(tags: Tags, frame: Any) -> Tags:
    """Complete the tags of a stream with those of a frame; HDR if either of them says so."""
    matrix = tags.matrix if tags.matrix != 2 else int(frame.colorspace)
    transfer = tags.transfer
    # Broadcast HLG is tagged as SDR in the stream and as HLG in messages beside its frames.
    if transfer == UNSPECIFIED or Tags(transfer=int(frame.color_trc)).hdr:
        transfer = int(frame.color_trc)
    primaries = tags.primaries if tags.primaries != 2 else int(frame.color_primaries)
    return Tags(matrix, tags.range or int(frame.color_range), primaries, transfer)


def _as_hdr(path: Path, tags: Tags) -> Tags:
    """Fill in missing tags as PQ and BT.2020. Raises ImageError if the film is tagged as SDR."""
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
    """Convert seconds to units of a time base, rounded up."""
    return math.ceil(Fraction(seconds) / time_base)
