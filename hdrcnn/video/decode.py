"""Decode the frames of a film between two times to R'G'B' codes.

Chroma upsampling and the colour matrix are implemented here: FFmpeg's scaler, as PyAV 18 exposes
it, rounds R'G'B' of more than 8 bits to 8, and assumes centred chroma if a frame does not state its
chroma location.
"""

import dataclasses
import itertools
import re
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from hdrcnn.colour.ycbcr import to_rgb, upsample_chroma
from hdrcnn.files import ImageError
from hdrcnn.tiles.geometry import strips
from hdrcnn.video import folder
from hdrcnn.video.colours import LUMA, Colours
from hdrcnn.video.library import clock, pyav, reading, reason
from hdrcnn.video.source import Film, packet_time, units

ROWS = 64
"""Rows of a frame that are converted to R'G'B' at once."""
_NATIVE = re.compile(r"yuvj?4(20|22|44)p(9le|10le|12le|14le|16le)?")
"""Pixel formats whose planes are used without conversion."""
MAX_REORDERING = 20
"""Number of frames over which storage order and display order may differ."""
PLANAR = (8, 9, 10, 12, 14, 16)
"""Bit depths for which FFmpeg has a planar R'G'B' format."""
BEFORE = 2
"""Number of frames given to the deinterlacer before those requested."""
BACK = 2.0
"""Seconds by which times may go back in a damaged recording; such frames are dropped."""
BEHIND = 16
"""Largest number of such frames in a row, as many as a codec reorders; after more of them the
recording is taken to start again."""


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame; its R'G'B' codes are computed on demand."""

    time: int
    decoded: Any
    """The frame as a PyAV `VideoFrame`."""
    colours: Colours

    @property
    def depth(self) -> int:
        """Bits per code."""
        return max(component.bits for component in self.decoded.format.components)

    def _planes(self, size: tuple[int, int] | None = None) -> "Planes":
        """Return the samples as stored or, given a `size` (width, height), averaged by area."""
        decoded, rgb = self.decoded, self.colours.luma is None
        if size is None and _NATIVE.fullmatch(decoded.format.name):
            return Planes.of(decoded, self, self.depth)
        av = pyav()
        Interpolation = av.video.reformatter.Interpolation  # noqa: N806
        exact = (
            Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
        )
        how = exact | (Interpolation.BICUBIC if size is None else Interpolation.AREA)
        # RGB samples are only reordered: FFmpeg's scaler is not exact between bit depths.
        bits = next((bits for bits in PLANAR if bits >= self.depth), PLANAR[-1])
        ordered = "gbrp" if bits == 8 else f"gbrp{bits}le"
        span = "JPEG" if self.colours.full else "MPEG"
        if rgb and self.depth < 8:  # Otherwise the largest code would not become 255.
            decoded = decoded.reformat(
                format="rgb24", src_color_range=span, dst_color_range=span, interpolation=int(exact)
            )
        frame = decoded.reformat(
            *(size or (decoded.width, decoded.height)),
            ordered if rgb else "yuv444p16le",
            src_color_range=span,
            dst_color_range=span,
            interpolation=int(how),
        )
        return Planes.of(frame, self, bits if rgb else 16)

    def strips(self) -> Iterator["Strip"]:
        """Yield the frame in strips from the top; each may be converted in another thread."""
        planes = self._planes()
        for rows in strips(self.decoded.height, ROWS):
            yield Strip(planes, rows)

    def codes(self) -> np.ndarray:
        """[H, W, 3] float32 R'G'B' in [0, 1], in the film's primaries."""
        return np.concatenate([strip.codes() for strip in self.strips()])

    def luma(self) -> np.ndarray:
        """Return [h, w] float32 Y' of every second row and column, without averaging.

        Black is 0 and white 1, not clipped. For films stored as R'G'B', Y' is that of BT.709.
        """
        found = self._planes()
        if self.colours.luma is None:
            kr, kb = LUMA[1]
            weighed = zip((kr, 1.0 - kr - kb, kb), found.planes, strict=True)
            luma = sum(np.float32(weight) * plane[::2, ::2] for weight, plane in weighed)
            return np.asarray(luma * np.float32(1.0 / (2**found.bits - 1)))
        unit = float(1 << (found.bits - 8))
        most = 256.0 - 2.0 ** (8 - found.depth)
        black, span = (0.0, most * unit) if self.colours.full else (16.0 * unit, 219.0 * unit)
        part = found.planes[0][::2, ::2].astype(np.float32)
        return np.asarray((part - np.float32(black)) * np.float32(1.0 / span))

    def reduced(self, longest: int) -> np.ndarray:
        """Return [h, w, 3] float32 codes averaged by area, so that the longer side has at most
        `longest` pixels.
        """
        width, height = self.decoded.width, self.decoded.height
        factor = min(1.0, longest / max(width, height))
        size = max(1, round(factor * width)), max(1, round(factor * height))
        return self._planes(size).rgb(slice(0, size[1]))


@dataclasses.dataclass(frozen=True, eq=False)
class Planes:
    """The integer samples of a frame."""

    planes: tuple[np.ndarray, ...]
    """[H, W] R', G', B', or Y', Cb, Cr, where Cb and Cr are smaller for 4:2:2 and 4:2:0."""
    bits: int
    """Bits per sample."""
    depth: int
    """Bit depth of the film, before codes were shifted to `bits`."""
    colours: Colours

    @classmethod
    def of(cls, frame: Any, film_frame: Frame, bits: int) -> "Planes":
        """Take the planes of `frame`, a PyAV frame of `bits` bits made from `film_frame`."""
        kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
        found = [
            np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
            for plane in frame.planes
        ]
        planes = [array[:, : plane.width] for array, plane in zip(found, frame.planes, strict=True)]
        if film_frame.colours.luma is None:  # GBR.
            planes = [planes[2], planes[0], planes[1]]
        return cls(tuple(planes), bits, film_frame.depth, film_frame.colours)

    def rgb(self, rows: slice) -> np.ndarray:
        """Return some rows as [rows, W, 3] float32 R'G'B' in [0, 1]."""
        if self.colours.luma is None:
            rgb = np.stack([plane[rows] for plane in self.planes], axis=-1)
            return rgb * np.float32(1.0 / (2**self.bits - 1))
        luma = self.planes[0]
        blue, red = (upsample_chroma(plane, luma.shape, rows) for plane in self.planes[1:])
        weights, full = self.colours.luma, self.colours.full
        return to_rgb(luma[rows], blue, red, weights, full, self.bits, self.depth)


@dataclasses.dataclass(frozen=True, eq=False)
class Strip:
    """Rows of a frame."""

    planes: Planes
    rows: slice

    def codes(self) -> np.ndarray:
        """[rows, W, 3] float32, as `Frame.codes`."""
        return self.planes.rgb(self.rows)


def _decoded(film: Film, container: Any, stream: Any, jumped: bool) -> Iterator[Any]:
    """Yield frames in display order from the current position of the container.

    jumped: whether that position was reached by a seek. The frames of a film without time stamps
    get their times by counting; none is yielded if the position is unknown. Frames whose times do
    not increase are dropped. Raises ImageError.
    """
    if film.has_time_stamps:
        yield from _sized(film, (frame for frame, _ in _frames(film, container, stream, 0)))
        return
    if _placed(film, stream):
        stream.codec_context.flags |= int(pyav().codec.context.Flags.copy_opaque)
    coming = _frames(film, container, stream, None if jumped else 0)
    held = list(itertools.islice(coming, MAX_REORDERING))
    if not held:
        return
    # After a seek into an open group of pictures, the decoder drops the frames that are shown
    # before the key frame but stored after it.
    places = sorted(place for _, place in held)
    number = places[0] if len(set(places)) == 1 else places[1] - 1

    def counted() -> Iterator[Any]:
        for index, (frame, _) in enumerate(itertools.chain(held, coming), number):
            frame.pts = int(film.times[min(index, len(film.times) - 1)])
            yield frame

    yield from _sized(film, counted())


def _placed(film: Film, stream: Any) -> bool:
    """Whether each frame carries the position of its packet in the file.

    The position is a Python object, for which the threads of decoders from outside FFmpeg might
    wait forever; those decoders do not reorder frames, so it is not needed.
    """
    return not film.has_time_stamps and not stream.codec_context.codec.name.startswith("lib")


def _frames(
    film: Film, container: Any, stream: Any, place: int | None
) -> Iterator[tuple[Any, int]]:
    """Yield frames, each with the position of its packet in the file.

    place: position of the first packet; None if it is to be found from the time of the first key
    frame. Raises ImageError.
    """
    av = pyav()
    seen, placed = False, _placed(film, stream)
    for packet in container.demux(stream):
        at = packet_time(packet)
        if place is None and packet.size and packet.is_keyframe:
            if at is None or at not in film.keys:  # Some containers give wrong times after a seek.
                return
            place = int(np.searchsorted(film.times, at))
        if placed and packet.size and place is not None:
            packet.opaque = place
            place += 1
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            if not seen:  # Broadcasts may start in mid-stream.
                continue
            where = f" at {clock(film.seconds(at))}" if at is not None else ""
            raise ImageError(
                f"{film.path}: damaged{where}: {reason(error)}; copy it again, or cut that "
                "place out"
            ) from error
        for frame in frames:
            seen = True
            yield frame, frame.opaque if placed else place or 0


def _sized(film: Film, frames: Iterator[Any]) -> Iterator[Any]:
    """Set the time base of frames to that of the film, and drop frames whose times do not increase.

    Raises ImageError if the size changes or times go back too far.
    """
    latest: int | None = None
    behind = 0
    for number, frame in enumerate(frames):
        time = frame.pts
        if time is None:
            time = int(film.times[min(number, len(film.times) - 1)])
        frame.pts, frame.time_base = time, film.time_base
        if (frame.width, frame.height) != (film.width, film.height):
            raise ImageError(
                f"{film.path}: its size changes from {film.width}x{film.height} to "
                f"{frame.width}x{frame.height} at {clock(film.seconds(time))}; cut it there"
            )
        if latest is not None and time <= latest:
            # Packets were lost here; no encoder accepts such times.
            behind += 1
            if behind > BEHIND or time < latest - units(BACK, film.time_base):
                raise ImageError(
                    f"{film.path}: its times go back from {clock(film.seconds(latest))} to "
                    f"{clock(film.seconds(time))}; cut it there"
                )
            continue
        latest, behind = time, 0
        yield frame


def _deinterlaced(frames: Iterator[Any], film: Film) -> Iterator[Any]:
    """Deinterlace frames by FFmpeg's bwdif, one frame out for each frame in; frames that are not
    interlaced pass unchanged.
    """
    av = pyav()
    graph: Any = None

    def pulled() -> Iterator[Any]:
        while True:
            try:
                frame = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            frame.pts = round(frame.pts * Fraction(frame.time_base) / film.time_base)
            frame.time_base = film.time_base
            yield frame

    for frame in frames:
        if graph is None:
            graph = av.filter.Graph()
            source = graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=film.time_base,
            )
            bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
            graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
        graph.vpush(frame)
        yield from pulled()
    if graph is not None:
        graph.vpush(None)
        yield from pulled()


def _from(film: Film, start: int | None) -> Iterator[Any]:
    """Yield frames from `start` on, or from the beginning if None. Raises ImageError."""
    # If a seek leads past `start`, an earlier position is tried.
    early = 0 if start is None else start - units(film.unsure, film.time_base)
    index = 0 if start is None else int(np.searchsorted(film.times, early))
    enter = film.times[max(0, index - BEFORE * film.interlaced)] if index else None
    while True:
        with reading(film.path), pyav().open(str(film.path.absolute())) as container:
            stream = container.streams[film.stream]
            stream.thread_type = "SLICE" if _placed(film, stream) else "AUTO"
            try:
                if enter is not None:
                    container.seek(int(enter), stream=stream)
            except pyav().error.PermissionError:  # Elementary streams cannot be sought in.
                enter = None
                continue
            frames = _decoded(film, container, stream, enter is not None)
            first = next(frames, None)
            if first is not None and (enter is None or first.pts <= enter):
                whole = itertools.chain([first], frames)
                for frame in _deinterlaced(whole, film) if film.interlaced else whole:
                    if start is None or frame.pts >= start:
                        yield frame
                return
        if enter is None:
            raise ImageError(f"{film.path}: no frame can be decoded; is it damaged?")
        index = _earlier(film, index, first is None)
        enter = film.times[index] if index else None


def _earlier(film: Film, index: int, unknown: bool) -> int:
    """Return the index of the frame to seek to after a seek to `index` led too far, or, if
    `unknown`, to an unknown position.
    """
    if film.has_time_stamps:
        return index // 2
    before = int(np.searchsorted(film.keys, film.times[index]))
    return 0 if unknown or not before else int(np.searchsorted(film.times, film.keys[before - 1]))


def frames(
    film: Film, start: int | None = None, end: int | None = None
) -> Generator[Frame, None, None]:
    """Yield the frames of a film with `start` <= time < `end`; None for no limit.

    Raises ImageError if the file is damaged or the frame size changes. Close the generator if it is
    not exhausted.
    """
    if film.files:
        for time, decoded in folder.decoded(film, start, end):
            yield Frame(time, decoded, film.colours)
        return
    for frame in _from(film, start):
        if end is not None and frame.pts >= end:
            return
        yield Frame(int(frame.pts), frame, film.colours)
