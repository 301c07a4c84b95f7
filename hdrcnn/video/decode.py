"""Frames of a film from one time to another, as R'G'B' codes.

The matrix and the size of chroma are ours: FFmpeg's scaler, as PyAV 18 offers it, rounds R'G'B' of
more than 8 bits down to 8, and takes chroma to be in the middle if a frame does not say where it
lies.
"""

import dataclasses
import itertools
import re
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from hdrcnn.colour.ycbcr import full_size, to_rgb
from hdrcnn.files import ImageError
from hdrcnn.tiles.geometry import strips
from hdrcnn.video import folder
from hdrcnn.video.colours import LUMA, Colours
from hdrcnn.video.library import clock, pyav, reading, reason
from hdrcnn.video.source import Film, packet_time, units

ROWS = 64
"""Of a frame that become R'G'B' at once."""
_NATIVE = re.compile(r"yuvj?4(20|22|44)p(9le|10le|12le|14le|16le)?")
"""Formats whose planes are taken as they are."""
REORDERED = 20
"""Frames within which a packet's frame is shown, in whatever order they are stored."""
PLANAR = (8, 9, 10, 12, 14, 16)
"""Bits of a code for which FFmpeg has R'G'B' in planes."""
BEFORE = 2
"""Frames that the deinterlacer is given before those that are asked for."""
BACK = 2.0
"""Seconds by which times may go back, where a recording is damaged: such frames are left out."""
BEHIND = 16
"""Such frames in a row, as many as a codec reorders; more are a recording that begins again."""


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A frame, decoded; its codes are computed when they are asked for."""

    time: int
    decoded: Any
    """A frame of PyAV."""
    colours: Colours

    @property
    def depth(self) -> int:
        """Bits of a code."""
        return max(component.bits for component in self.decoded.format.components)

    def _planes(self, size: tuple[int, int] | None = None) -> "Planes":
        """As it is stored, or as means of another size, width and height."""
        decoded, rgb = self.decoded, self.colours.luma is None
        if size is None and _NATIVE.fullmatch(decoded.format.name):
            return Planes.of(decoded, self, self.depth)
        av = pyav()
        Interpolation = av.video.reformatter.Interpolation  # noqa: N806
        exact = (
            Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
        )
        how = exact | (Interpolation.BICUBIC if size is None else Interpolation.AREA)
        # Of RGB only the order of samples is changed: its scaler is not exact between depths.
        bits = next((bits for bits in PLANAR if bits >= self.depth), PLANAR[-1])
        ordered = "gbrp" if bits == 8 else f"gbrp{bits}le"
        span = "JPEG" if self.colours.full else "MPEG"
        if rgb and self.depth < 8:  # Else its largest code would not become that of 8 bits.
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
        """The frame from the top; the codes of each may be computed by another thread."""
        planes = self._planes()
        for rows in strips(self.decoded.height, ROWS):
            yield Strip(planes, rows)

    def codes(self) -> np.ndarray:
        """[H, W, 3] float32 R'G'B' in [0, 1], in the film's primaries."""
        return np.concatenate([strip.codes() for strip in self.strips()])

    def luma(self) -> np.ndarray:
        """[h, w] float32 Y' in [0, 1] of every second row and column, no means; of R'G'B' that of
        BT.709.
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
        """[h, w, 3] float32, as `codes`: means, its longer side as long as said at most."""
        width, height = self.decoded.width, self.decoded.height
        factor = min(1.0, longest / max(width, height))
        size = max(1, round(factor * width)), max(1, round(factor * height))
        return self._planes(size).rgb(slice(0, size[1]))


@dataclasses.dataclass(frozen=True, eq=False)
class Planes:
    """The samples of a frame, whole numbers."""

    planes: tuple[np.ndarray, ...]
    """[H, W] R', G', B', or Y' and, of 4:2:2 and 4:2:0 smaller, Cb and Cr."""
    bits: int
    """Of a sample."""
    depth: int
    """Bits of the film, before they were shifted to `bits`."""
    colours: Colours

    @classmethod
    def of(cls, frame: Any, film_frame: Frame, bits: int) -> "Planes":
        """frame: of PyAV."""
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
        """[rows, W, 3] float32 R'G'B' in [0, 1]."""
        if self.colours.luma is None:
            rgb = np.stack([plane[rows] for plane in self.planes], axis=-1)
            return rgb * np.float32(1.0 / (2**self.bits - 1))
        luma = self.planes[0]
        blue, red = (full_size(plane, luma.shape, rows) for plane in self.planes[1:])
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
    """Frames in the order in which they are shown, from where the container is. jumped: that is not
    the beginning. No frame of a film that is not timed, if it cannot be told where that is; those
    whose times do not rise are left out. Raises ImageError.
    """
    if film.timed:
        yield from _sized(film, (frame for frame, _ in _frames(film, container, stream, 0)))
        return
    if _placed(film, stream):
        stream.codec_context.flags |= int(pyav().codec.context.Flags.copy_opaque)
    coming = _frames(film, container, stream, None if jumped else 0)
    held = list(itertools.islice(coming, REORDERED))
    if not held:
        return
    # Of an open group of pictures a decoder drops those that are shown before its key frame, which
    # come after it in the file.
    places = sorted(place for _, place in held)
    number = places[0] if len(set(places)) == 1 else places[1] - 1

    def counted() -> Iterator[Any]:
        for index, (frame, _) in enumerate(itertools.chain(held, coming), number):
            frame.pts = int(film.times[min(index, len(film.times) - 1)])
            yield frame

    yield from _sized(film, counted())


def _placed(film: Film, stream: Any) -> bool:
    """Whether the place of its packet is told of each frame. It is kept by Python, for which the
    threads of decoders from outside FFmpeg, that reorder nothing, might wait forever.
    """
    return not film.timed and not stream.codec_context.codec.name.startswith("lib")


def _frames(
    film: Film, container: Any, stream: Any, place: int | None
) -> Iterator[tuple[Any, int]]:
    """Frames, and the place of the packet of each in the file, counted from `place`; None: from
    that of the first key frame, by its time. Raises ImageError.
    """
    av = pyav()
    seen, placed = False, _placed(film, stream)
    for packet in container.demux(stream):
        at = packet_time(packet)
        if place is None and packet.size and packet.is_keyframe:
            if at is None or at not in film.keys:  # Some containers tell wrong times then.
                return
            place = int(np.searchsorted(film.times, at))
        if placed and packet.size and place is not None:
            packet.opaque = place
            place += 1
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            if not seen:  # Broadcasts begin anywhere.
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
    """Those with the time base of the film whose times rise. Raises ImageError if their size
    changes, or their times go far back.
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
            # Where packets were lost; no encoder takes such times.
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
    """By FFmpeg's bwdif, a frame for each; those that are not interlaced stay as they are."""
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
    """Frames from `start` on; None: from the beginning. Raises ImageError."""
    # Where an index leads too far, an earlier place is entered.
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
            except pyav().error.PermissionError:  # Elementary streams: only from the beginning.
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
    """The place that is tried after one that led too far, or unknown: nobody knows where."""
    if film.timed:
        return index // 2
    before = int(np.searchsorted(film.keys, film.times[index]))
    return 0 if unknown or not before else int(np.searchsorted(film.times, film.keys[before - 1]))


def frames(
    film: Film, start: int | None = None, end: int | None = None
) -> Generator[Frame, None, None]:
    """The frames of a film whose time is `start` or later and before `end`; None: all.

    Raises ImageError if the file is damaged or its frames change their size; to be closed if it is
    left early.
    """
    if film.files:
        for time, decoded in folder.decoded(film, start, end):
            yield Frame(time, decoded, film.colours)
        return
    for frame in _from(film, start):
        if end is not None and frame.pts >= end:
            return
        yield Frame(int(frame.pts), frame, film.colours)
