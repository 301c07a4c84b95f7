"""PQ or HLG codes to HEVC Main 10 or AV1 of 10 bits, with the tags of HDR10 and HLG.

HDR10: PQ, BT.2020 with non-constant luminance, limited range (BT.2100), the mastering display
(SMPTE ST 2086) and MaxCLL and MaxFALL (CTA-861.3).
"""

import contextlib
import dataclasses
import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.colour.ycbcr import chroma_codes, halved
from hdrcnn.files import ImageError, not_written
from hdrcnn.video.colours import BT2020, HLG, LIMITED, PQ, Tags
from hdrcnn.video.library import pyav, reason

ENCODERS = {"hevc": "libx265", "av1": "libsvtav1"}
CRF = {"hevc": 18.0, "av1": 24.0}
PRESET = {"hevc": "medium", "av1": "8"}
PRESETS = {"hevc": "give another of ultrafast to placebo", "av1": "give a number, at most 13"}
CRFS = {"hevc": (0.0, 51.0), "av1": (2.0, 63.0)}
"""Least and most: at 1 SVT-AV1 4 writes streams that cannot be decoded, and it takes 0 for none."""
KEY_SECONDS = 5.0
"""A key frame at least as often."""
BLACK = 0.005
"""cd/m^2 of the mastering display."""
LEAST = {"hevc": 16, "av1": 64}
"""Rows and columns that the encoder takes."""
REORDERED = 2
"""Frames that x265 looks back for times of decoding. It leaves them unset if there are no more, and
such films are decoded in the order in which they are shown.
"""
PIXELS = "yuv420p10le"
THREADS = Path("/proc/self/task")
"""The threads of this process by their numbers, where the system has such a folder."""


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How a film is encoded. Raises ValueError."""

    codec: str = "hevc"
    transfer: str = "pq"
    """`pq`: HDR10; or `hlg`."""
    peak: float = 1000.0
    """cd/m^2 of the mastering display."""
    crf: float | None = None
    """Quality, smaller is better, 0 of hevc without losses; None: that of `CRF`."""
    preset: str | None = None
    """The encoder's own; None: that of `PRESET`."""

    def __post_init__(self) -> None:
        if self.codec not in ENCODERS:
            raise ValueError(f"codec {self.codec!r}; known: {', '.join(ENCODERS)}")
        least, most = CRFS[self.codec]
        if self.crf is not None and not least <= self.crf <= most:
            raise ValueError(f"--crf={self.crf:g}: {least:g} to {most:g} for {self.codec}")

    @property
    def tags(self) -> Tags:
        """Of the result."""
        return Tags(BT2020, LIMITED, BT2020, HLG if self.transfer == "hlg" else PQ)

    def options(self) -> dict[str, str]:
        """Of the encoder. MaxCLL and MaxFALL are still to be put in: see `light`."""
        crf, preset = self.crf, self.preset
        chosen = {
            "crf": f"{CRF[self.codec] if crf is None else crf:g}",
            "preset": preset or PRESET[self.codec],
        }
        pq, peak = self.transfer == "pq", self.peak
        if self.codec == "hevc":
            shared = "repeat-headers=1:open-gop=0:info=0:log-level=none:chromaloc=0"
            if crf == 0.0:  # Its 0 of 10 bits is coarser than that.
                shared += ":lossless=1"
            display = (
                ":hdr10=1:hdr10-opt=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)"
                f"WP(15635,16450)L({round(1e4 * peak)},{round(1e4 * BLACK)}):max-cll=1,1"
            )
            return {**chosen, "x265-params": shared + (display if pq else "")}
        shared = "chroma-sample-position=left"
        if not pq:
            return {**chosen, "svtav1-params": shared}
        display = (
            ":mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)"
            f"L({peak:g},{BLACK:g}):content-light=1,1"
        )
        return {**chosen, "svtav1-params": shared + display}


@contextlib.contextmanager
def scheduled_as_before() -> Iterator[None]:
    """Threads that are started inside are scheduled as this one was, and so is this one afterwards.

    Where root opens SVT-AV1, it gives its threads, and the one that opens it, real-time priority:
    they would keep all else off the processors, and so would whatever is started later.
    """
    if not (hasattr(os, "sched_setscheduler") and THREADS.is_dir()):
        yield
        return
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    before = {path.name for path in THREADS.iterdir()} - {str(threading.get_native_id())}
    try:
        yield
    finally:
        for name in {path.name for path in THREADS.iterdir()} - before:
            with contextlib.suppress(OSError):  # It has ended.
                os.sched_setscheduler(int(name), policy, parameter)


def check(encoding: Encoding, width: int, height: int) -> None:
    """Raises ImageError if this FFmpeg has no such encoder, or it takes no such preset or size."""
    av, name = pyav(), ENCODERS[encoding.codec]
    try:
        av.Codec(name, "w")
    except (av.error.FFmpegError, ValueError) as error:
        other = next(codec for codec in ENCODERS if codec != encoding.codec)
        raise ImageError(
            f"--codec={encoding.codec}: this PyAV has no encoder {name}; give --codec={other}, or "
            "pip install --upgrade av"
        ) from error
    least = LEAST[encoding.codec]
    if min(width, height) < least:
        raise ImageError(
            f"{width}x{height} is too small for {encoding.codec}, which takes {least}x{least} at "
            "least"
        )
    trial = av.CodecContext.create(name, "w")
    # What a preset takes depends on the size: its largest blocks have to fit.
    trial.width, trial.height = padded(width), padded(height)
    trial.pix_fmt, trial.time_base, trial.options = PIXELS, Fraction(1, 24), encoding.options()
    try:
        with scheduled_as_before():
            trial.open()
    except (av.error.FFmpegError, OverflowError) as error:
        raise ImageError(
            f"--preset={encoding.preset or PRESET[encoding.codec]}: {name} does not take it for "
            f"{width}x{height}; {PRESETS[encoding.codec]}"
        ) from error


def padded(size: int) -> int:
    """Rows or columns of the result: even, as 4:2:0 needs."""
    return size + size % 2


def planes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[R, C, 3] float32 PQ or HLG codes to Y' of 10 bits, limited range, and float32 Cb and Cr of
    half the size; an odd last row or column is repeated.
    """
    rows, columns = codes.shape[:2]
    if rows % 2 or columns % 2:
        codes = np.pad(codes, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")
    return halved(codes)


class Segment:
    """Frames that are encoded into one file of their own, NUT, which keeps their times exactly."""

    def __init__(
        self, container: Any, encoding: Encoding, size: tuple[int, int], time_base: Fraction,
        rate: Fraction, aspect: Fraction,
    ) -> None:  # fmt: skip
        """size: width and height of the frames, before padding."""
        av = pyav()
        width, height = map(padded, size)
        self._shape, self._time_base, self._container = (height, width), time_base, container
        self._frames = 0
        options = encoding.options()
        self._stream = container.add_stream(
            ENCODERS[encoding.codec], rate=rate.limit_denominator(1 << 20), options=options
        )
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, PIXELS
        context.time_base, context.sample_aspect_ratio = time_base, aspect
        context.gop_size = max(1, round(KEY_SECONDS * rate))
        tags = encoding.tags
        context.colorspace, context.color_range = tags.matrix, tags.range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        if encoding.codec == "hevc":
            context.profile = "Main 10"
        self._frame = av.VideoFrame
        with scheduled_as_before():
            container.start_encoding()

    def add(self, time: int, parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
        """A frame, in strips of `planes` from the top."""
        height, width = self._shape
        samples = np.empty((height * 3 // 2, width), np.uint16)
        np.concatenate([part[0] for part in parts], out=samples[:height])
        chroma = samples[height:].reshape(2, height // 2, width // 2)
        for plane in (0, 1):
            chroma[plane] = chroma_codes(np.concatenate([part[plane + 1] for part in parts]))
        frame = self._frame.from_ndarray(samples, PIXELS)
        frame.pts, frame.time_base = time, self._time_base
        self._frames += 1
        self._container.mux(self._stream.encode(frame))

    def end(self) -> None:
        """Takes what the encoder still holds."""
        held = self._stream.encode(None)
        if self._frames <= REORDERED:
            for packet in held:
                packet.dts = packet.pts
        self._container.mux(held)


@contextlib.contextmanager
def segment(
    path: Path, encoding: Encoding, size: tuple[int, int], time_base: Fraction, rate: Fraction,
    aspect: Fraction = Fraction(1),
) -> Iterator[Segment]:  # fmt: skip
    """A new file of frames. Raises ImageError if it cannot be written or the encoder refuses."""
    av = pyav()
    try:
        with av.open(str(path.absolute()), "w", format="nut") as container:
            made = Segment(container, encoding, size, time_base, rate, aspect)
            yield made
            made.end()
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise not_written(path, reason(error)) from error
        raise ImageError(
            f"{path}: {ENCODERS[encoding.codec]} does not encode this: {reason(error)}; another "
            "--codec or --preset may"
        ) from error


def verify(path: Path, frames: int, codec: str) -> None:
    """Decodes what was encoded. Raises ImageError if it cannot be, or frames are missing."""
    av = pyav()
    found = 0
    try:
        with av.open(str(path.absolute()), format="nut") as container:
            container.streams.video[0].thread_type = "AUTO"
            for _ in container.decode(video=0):
                found += 1
    except av.error.FFmpegError:
        found = -1
    if found != frames:
        raise ImageError(
            f"{path}: what {ENCODERS[codec]} wrote cannot be decoded; give another --crf or "
            "--preset"
        )
