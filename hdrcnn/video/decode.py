"""Frames of a film from one time to another, as R'G'B' codes.

FFmpeg's scaler brings chroma to the size of luma; the matrix is ours: for more than 8 bits that of
the scaler rounds down to 8 (measured with FFmpeg 8.1).
"""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from hdrcnn.colour.ycbcr import to_rgb
from hdrcnn.files import ImageError
from hdrcnn.tiles.regions import strips
from hdrcnn.video import folder
from hdrcnn.video.colours import Colours
from hdrcnn.video.library import clock, pyav, reading, reason
from hdrcnn.video.source import Film, packet_time

ROWS = 64
"""Of a frame that become R'G'B' at once."""
BEFORE = 2
"""Frames that the deinterlacer is given before those that are asked for."""


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

    def _planes(self, width: int, height: int, small: bool) -> list[np.ndarray]:
        """[height, width] each: uint8 or uint16 R', G', B', or 16-bit Y', Cb, Cr."""
        av = pyav()
        Interpolation = av.video.reformatter.Interpolation  # noqa: N806
        exact = (
            Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
        )
        how = exact | (Interpolation.AREA if small else Interpolation.BICUBIC)
        if self.colours.luma is None:
            # Of RGB only the order of samples is changed: its scaler is not exact between depths.
            wanted = {8: "gbrp"}.get(self.depth, f"gbrp{self.depth}le")
        else:
            wanted = "yuv444p16le"
        span = "JPEG" if self.colours.full else "MPEG"
        frame = self.decoded.reformat(
            width,
            height,
            wanted,
            src_color_range=span,
            dst_color_range=span,
            interpolation=int(how),
        )
        kind = np.uint8 if wanted == "gbrp" else np.uint16
        planes = [
            np.frombuffer(plane, kind).reshape(height, plane.line_size // kind().itemsize)[
                :, :width
            ]
            for plane in frame.planes
        ]
        return [planes[2], planes[0], planes[1]] if self.colours.luma is None else planes

    def _rgb(self, planes: list[np.ndarray], rows: slice) -> np.ndarray:
        if self.colours.luma is None:
            rgb = np.stack([plane[rows] for plane in planes], axis=-1)
            return rgb * np.float32(1.0 / (2**self.depth - 1))
        y, cb, cr = (plane[rows] for plane in planes)
        return to_rgb(y, cb, cr, self.colours.luma, self.colours.full, self.depth)

    def strips(self) -> Iterator["Strip"]:
        """The frame from the top; the codes of each may be computed by another thread."""
        planes = self._planes(self.decoded.width, self.decoded.height, False)
        for rows in strips(self.decoded.height, ROWS):
            yield Strip(self, planes, rows)

    def codes(self) -> np.ndarray:
        """[H, W, 3] float32 R'G'B' in [0, 1], in the film's primaries."""
        planes = self._planes(self.decoded.width, self.decoded.height, False)
        return self._rgb(planes, slice(None))

    def reduced(self, longest: int) -> np.ndarray:
        """[h, w, 3] float32, as `codes`: means, its longer side as long as said at most."""
        width, height = self.decoded.width, self.decoded.height
        factor = min(1.0, longest / max(width, height))
        size = max(1, round(factor * width)), max(1, round(factor * height))
        return self._rgb(self._planes(*size, True), slice(None))


@dataclasses.dataclass(frozen=True, eq=False)
class Strip:
    """Rows of a frame."""

    frame: Frame
    planes: list[np.ndarray]
    rows: slice

    def codes(self) -> np.ndarray:
        """[rows, W, 3] float32, as `Frame.codes`."""
        return self.frame._rgb(self.planes, self.rows)


def _decoded(film: Film, container: Any, stream: Any, start: int | None) -> Iterator[Any]:
    """Frames in the order in which they are shown, those from before `start` too. Raises
    ImageError.
    """
    av = pyav()
    if start is not None:
        container.seek(start, stream=stream)
    number, seen = 0, False
    for packet in container.demux(stream):
        at = packet_time(packet)
        if not film.timed and not seen and at is not None and packet.is_keyframe:
            number = int(np.searchsorted(film.times, at))
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            if not seen:  # Broadcasts begin anywhere.
                continue
            where = f" at {clock(film.seconds(at))}" if at is not None else ""
            raise ImageError(f"{film.path}: damaged{where}: {reason(error)}") from error
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
    index = 0 if start is None else int(np.searchsorted(film.times, start))
    enter = film.times[max(0, index - BEFORE * film.interlaced)] if index else None
    while True:
        with reading(film.path), pyav().open(str(film.path)) as container:
            stream = container.streams[film.stream]
            stream.thread_type = "AUTO"
            frames = _decoded(film, container, stream, None if enter is None else int(enter))
            first = next(frames, None)
            if first is not None and (enter is None or first.pts <= enter):
                whole = _chained(first, frames)
                for frame in _deinterlaced(whole, film) if film.interlaced else whole:
                    if start is None or frame.pts >= start:
                        yield frame
                return
        index = index // 2
        enter = film.times[index] if index and enter is not None else None
        if first is None and enter is None:
            raise ImageError(f"{film.path}: no frame can be decoded; is it damaged?")


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def frames(film: Film, start: int | None = None, end: int | None = None) -> Iterator[Frame]:
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
