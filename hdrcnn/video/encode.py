"""PQ or HLG codes to HEVC Main 10 or 10-bit AV1, with the tags of HDR10 or HLG.

HDR10 is PQ, BT.2020 with non-constant luminance and limited range (BT.2100), with the mastering
display (SMPTE ST 2086) and MaxCLL and MaxFALL (CTA-861.3) as metadata.
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

from hdrcnn.colour.ycbcr import chroma_codes, to_ycbcr_420
from hdrcnn.files import ImageError, not_written
from hdrcnn.video.colours import BT2020, HLG, LIMITED, PQ, Tags
from hdrcnn.video.library import pyav, reason

ENCODERS = {"hevc": "libx265", "av1": "libsvtav1"}
CRF = {"hevc": 18.0, "av1": 24.0}
PRESET = {"hevc": "medium", "av1": "8"}
PRESETS = {"hevc": "give another of ultrafast to placebo", "av1": "give a number, at most 13"}
CRFS = {"hevc": (0.0, 51.0), "av1": (2.0, 63.0)}
"""Smallest and largest CRF. SVT-AV1 4 writes streams that cannot be decoded at 1, and treats 0 as
not set."""
KEY_SECONDS = 5.0
"""Largest distance between key frames, in seconds."""
BLACK = 0.005
"""Minimum luminance of the mastering display, cd/m^2."""
MIN_SIZE = {"hevc": 16, "av1": 64}
"""Smallest width and height that the encoder accepts."""
X265_LOOKBACK = 2
"""Number of frames that x265 looks back to derive decoding times. It leaves those unset in films of
no more frames, which are decoded in the order in which they are shown.
"""
PIXELS = "yuv420p10le"
THREADS = Path("/proc/self/task")
"""Folder with one entry per thread of this process; exists on Linux only."""


@dataclasses.dataclass(frozen=True)
class Encoding:
    """Encoder settings. Raises ValueError for an unknown codec or a CRF outside `CRFS`."""

    codec: str = "hevc"
    transfer: str = "pq"
    """`pq` for HDR10, or `hlg`."""
    peak: float = 1000.0
    """Peak luminance of the mastering display, cd/m^2."""
    crf: float | None = None
    """Constant rate factor: smaller is better, and 0 is lossless for hevc; None for `CRF`."""
    preset: str | None = None
    """Preset of the encoder; None for `PRESET`."""

    def __post_init__(self) -> None:
        if self.codec not in ENCODERS:
            raise ValueError(f"codec {self.codec!r}; known: {', '.join(ENCODERS)}")
        least, most = CRFS[self.codec]
        if self.crf is not None and not least <= self.crf <= most:
            raise ValueError(f"--crf={self.crf:g}: {least:g} to {most:g} for {self.codec}")

    @property
    def tags(self) -> Tags:
        """Colour tags of the encoded film."""
        return Tags(BT2020, LIMITED, BT2020, HLG if self.transfer == "hlg" else PQ)

    def options(self) -> dict[str, str]:
        """Encoder options, with MaxCLL and MaxFALL 1, which `content_light` replaces later."""
        crf, preset = self.crf, self.preset
        chosen = {
            "crf": f"{CRF[self.codec] if crf is None else crf:g}",
            "preset": preset or PRESET[self.codec],
        }
        pq, peak = self.transfer == "pq", self.peak
        if self.codec == "hevc":
            shared = "repeat-headers=1:open-gop=0:info=0:log-level=none:chromaloc=0"
            if crf == 0.0:  # In 10 bits, CRF 0 of x265 is not lossless by itself.
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
    """Reset the scheduling policy of this thread and of all threads started in the block.

    Opened by root, SVT-AV1 gives real-time priority to its threads and to the one that opens it.
    These, and any thread started later, would keep everything else off the processors.
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
    """Raise ImageError if FFmpeg lacks the encoder, or the encoder rejects the preset or size."""
    av, name = pyav(), ENCODERS[encoding.codec]
    try:
        av.Codec(name, "w")
    except (av.error.FFmpegError, ValueError) as error:
        other = next(codec for codec in ENCODERS if codec != encoding.codec)
        raise ImageError(
            f"--codec={encoding.codec}: this PyAV has no encoder {name}; give --codec={other}, or "
            "pip install --upgrade av"
        ) from error
    least = MIN_SIZE[encoding.codec]
    if min(width, height) < least:
        raise ImageError(
            f"{width}x{height} is too small for {encoding.codec}, which takes {least}x{least} at "
            "least"
        )
    trial = av.CodecContext.create(name, "w")
    # Whether a preset is accepted depends on the size: its largest blocks have to fit.
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
    """Round a number of rows or columns up to an even one, as 4:2:0 requires."""
    return size + size % 2


def planes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Convert [R, C, 3] float32 PQ or HLG codes to 10-bit limited-range Y' and float32 Cb and Cr of
    half the size; the last row or column is repeated if their number is odd.
    """
    rows, columns = codes.shape[:2]
    if rows % 2 or columns % 2:
        codes = np.pad(codes, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")
    return to_ycbcr_420(codes)


class SegmentEncoder:
    """Encoder of one segment into a NUT file of its own, a format that stores times exactly."""

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
        """Encode a frame, given as strips of `planes` from the top."""
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
        """Flush the encoder."""
        flushed = self._stream.encode(None)
        if self._frames <= X265_LOOKBACK:
            for packet in flushed:
                packet.dts = packet.pts
        self._container.mux(flushed)


@contextlib.contextmanager
def segment_encoder(
    path: Path, encoding: Encoding, size: tuple[int, int], time_base: Fraction, rate: Fraction,
    aspect: Fraction = Fraction(1),
) -> Iterator[SegmentEncoder]:  # fmt: skip
    """Encode a segment into a new file. Raises ImageError if it cannot be written or the encoder
    fails.
    """
    av = pyav()
    try:
        with av.open(str(path.absolute()), "w", format="nut") as container:
            encoder = SegmentEncoder(container, encoding, size, time_base, rate, aspect)
            yield encoder
            encoder.end()
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise not_written(path, reason(error)) from error
        raise ImageError(
            f"{path}: {ENCODERS[encoding.codec]} does not encode this: {reason(error)}; another "
            "--codec or --preset may"
        ) from error


def verify(path: Path, frames: int, codec: str) -> None:
    """Decode an encoded segment. Raises ImageError if that fails or frames are missing."""
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
