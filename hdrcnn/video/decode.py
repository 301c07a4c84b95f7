"""Frames of a film from one time to another, as R'G'B' codes.

The matrix and the size of chroma are ours: FFmpeg's scaler, as PyAV 18 offers it, rounds R'G'B' of
more than 8 bits down to 8, and takes chroma to be in the middle if a frame does not say where it
lies.
"""

import dataclasses
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
        ordered = {8: "gbrp"}.get(self.depth, f"gbrp{self.depth}le")
        span = "JPEG" if self.colours.full else "MPEG"
        frame = decoded.reformat(
            *(size or (decoded.width, decoded.height)),
            ordered if rgb else "yuv444p16le",
            src_color_range=span,
            dst_color_range=span,
            interpolation=int(how),
        )
        return Planes.of(frame, self, self.depth if rgb else 16)

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


def _decoded(film: Film, container: Any, stream: Any) -> Iterator[Any]:
    """Frames in the order in which they are shown, from where the container is; those whose times
    do not rise are left out. Raises ImageError.
    """
    av = pyav()
    number, entered, seen = 0, False, False
    latest: int | None = None
    behind = 0
    for packet in container.demux(stream):
        at = packet_time(packet)
        # A decoder takes some packets, of which another may be a key frame, before its first frame.
        if not film.timed and not entered and at is not None and packet.is_keyframe:
            number, entered = int(np.searchsorted(film.times, at)), True
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            if not seen:  # Broadcasts begin anywhere.
                entered = False
                continue
            where = f" at {clock(film.seconds(at))}" if at is not None else ""
            raise ImageError(
                f"{film.path}: damaged{where}: {reason(error)}; copy it again, or cut that "
                "place out"
            ) from error
        for frame in frames:
            seen = True
            if not film.timed or frame.pts is None:
                frame.pts = int(film.times[min(number, len(film.times) - 1)])
            time = frame.pts
            frame.pts, frame.time_base = time, film.time_base
            number += 1
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
        with reading(film.path), pyav().open(str(film.path)) as container:
            stream = container.streams[film.stream]
            stream.thread_type = "AUTO"
            try:
                if enter is not None:
                    container.seek(int(enter), stream=stream)
            except pyav().error.PermissionError:  # Elementary streams: only from the beginning.
                enter = None
                continue
            frames = _decoded(film, container, stream)
            first = next(frames, None)
            if first is not None and (enter is None or first.pts <= enter):
                whole = _chained(first, frames)
                for frame in _deinterlaced(whole, film) if film.interlaced else whole:
                    if start is None or frame.pts >= start:
                        yield frame
                return
        if enter is None:
            raise ImageError(f"{film.path}: no frame can be decoded; is it damaged?")
        index = index // 2
        enter = film.times[index] if index else None


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


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
