"""Convert an SDR film to HDR10 or HLG; sound, subtitles and chapters are copied.

hdrcnn film holiday.mp4 --out holiday_hdr.mp4

holiday.mp4                    ->  holiday_hdr.mp4   HEVC Main 10, PQ, BT.2020, MaxCLL and MaxFALL
frames/0001.png 0002.png ...   ->  the same, with --fps
holiday.mp4 --out frames/      ->  frames of 16 bits, PQ, or of light with --format exr

The film is converted in segments of a few seconds, which are stored beside the result until all are
complete: a run that is killed and started again continues with the segment it was working on. A
film that is already HDR is refused.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from hdrcnn.batch.machines import Shard
from hdrcnn.cli import arguments as shared
from hdrcnn.cli.parser import Parser, UsageError, nonempty, number
from hdrcnn.console import interrupt_delayed, say

if TYPE_CHECKING:
    from hdrcnn.batch.film import Progress

METHODS = ("curves", "unet", "bt2446a", "bt2446c", "hdrcnn")
GRADES = ("film", "shot")
FRAMES = ("exr", "png", "tiff")
COMMON = (
    "paths", "out", "method", "codec", "transfer", "white", "peak", "format", "overwrite",
)  # fmt: skip
SLOWEST = Fraction(1, 3600)
"""Lowest frame rate, in frames per second: one frame an hour."""
LONGEST_EXPONENT = 4
"""Longest exponent that is read, in characters: Python computes all digits of 1e999999999."""
NEAR = Fraction(1, 5000)
"""Relative error of a rate that may be due to rounding, as of 23.98 for 24000/1001."""
PAUSE = 1.0
"""Seconds between two updates of the progress line on a terminal."""


def rate(text: str) -> Fraction:
    """Parse a number of frames per second: 25, 23.976 or 24000/1001. A rounded NTSC rate, such as
    23.976, becomes the exact one. Raises ArgumentTypeError.
    """
    value = Fraction(0)
    if len(text.lower().partition("e")[2]) <= LONGEST_EXPONENT:
        with contextlib.suppress(ValueError, ZeroDivisionError):
            value = Fraction(text)
    if not SLOWEST <= value <= 1000:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of frames per second, such as 25 or 24000/1001"
        )
    value = value.limit_denominator(1 << 20)  # FFmpeg stores both numbers in 32 bits.
    near = Fraction(round(value * 1001 / 1000) * 1000, 1001)
    rounded = value.denominator > 1 and abs(near - value) < NEAR * value
    return near if rounded else value


def add_arguments(parser: Parser) -> None:
    """Add the arguments of `hdrcnn film`."""
    parser.common = COMMON
    parser.usage = "%(prog)s [--flag value ...] FILM"
    group = parser.add_argument_group("Input and output")
    group.add_argument(
        "paths", metavar="FILM", nargs="*", type=nonempty, help="a film, or a folder of frames"
    )
    group.add_argument(
        "--out", metavar="PATH", type=nonempty,
        help="result: .mp4, .mov or .mkv, or a folder for frames",
    )  # fmt: skip
    parser.switch(group, "--overwrite", "replace an existing result")
    group.add_argument(
        "--fps", metavar="RATE", type=rate,
        help="frames per second of a folder of frames: 25, 24000/1001 (default: 24)",
    )  # fmt: skip
    shared.flagfile(group)
    group = parser.add_argument_group("Conversion")
    group.add_argument(
        "--method", choices=METHODS, default="curves",
        help="curves: a formula fitted to each frame by a network; unet: the published network; "
        "bt2446a, bt2446c: formulas; hdrcnn: predicted highlights",
    )  # fmt: skip
    group.add_argument(
        "--params",
        metavar="FILE",
        type=nonempty,
        help="weights of the method (default: those shipped)",
    )
    group.add_argument(
        "--white", metavar="NITS", type=number(float, 50.0, 1000.0), default=203.0,
        help="diffuse white in cd/m^2",
    )  # fmt: skip
    group.add_argument(
        "--peak", metavar="NITS", type=number(float, 100.0, 10000.0), default=1000.0,
        help="brightest light in cd/m^2",
    )  # fmt: skip
    group.add_argument(
        "--grade", choices=GRADES, default="film",
        help="for --method=curves. film: shots that appear to share a grade are evaluated "
        "together; shot: each shot by itself",
    )  # fmt: skip
    shared.network(group)
    group = parser.add_argument_group("Encoding")
    group.add_argument("--transfer", choices=("pq", "hlg"), default="pq", help="pq: HDR10; or HLG")
    group.add_argument(
        "--codec", choices=("hevc", "av1"), default="hevc",
        help="hevc: television sets; av1: browsers",
    )  # fmt: skip
    group.add_argument(
        "--crf", metavar="NUMBER", type=number(float, 0.0, 63.0),
        help="constant rate factor: smaller gives better quality and larger files; 0 is lossless "
        "with hevc (default: 18 for hevc, 24 for av1)",
    )  # fmt: skip
    group.add_argument(
        "--preset", metavar="NAME", type=nonempty,
        help="preset of the encoder (default: medium for hevc, 8 for av1)",
    )  # fmt: skip
    group.add_argument(
        "--format", choices=FRAMES,
        help="format of frames. exr: linear light; png, tiff: PQ codes (default: png)",
    )  # fmt: skip
    group = parser.add_argument_group("Long films")
    group.add_argument(
        "--segment_seconds", metavar="NUMBER", type=number(float, 0.1, 3600.0), default=8.0,
        help="minimum length of a segment, which ends at the next key frame",
    )  # fmt: skip
    parser.switch(group, "--quiet", "print only what went wrong")
    shared.machines(
        group,
        "convert one of N equal shares of the segments: 3/16 is the third of sixteen; the last "
        "share to finish joins all of them",
    )


def _check(arguments: argparse.Namespace) -> None:
    """Raise UsageError for flags that have no effect or contradict each other."""
    if len(arguments.paths) != 1:
        raise UsageError("name one FILM, or one folder of frames; see --help")
    if arguments.out is None:
        raise UsageError("--out is missing: a film, as holiday_hdr.mp4, or a folder for frames")
    formula = arguments.method.startswith("bt2446")
    for name, used in (
        # In EXR frames 1.0 is diffuse white, whatever the method.
        ("white", arguments.method in ("curves", "hdrcnn") or arguments.format == "exr"),
        ("peak", not formula),
        ("params", not formula),
        ("grade", arguments.method == "curves"),
        ("backend", not formula),
        ("device", not formula),
    ):
        if name in arguments.given and not used:
            raise UsageError(
                f"--{name} changes nothing of --method={arguments.method}; leave it out"
            )
    # The method unet has no parameter for diffuse white.
    if arguments.peak < arguments.white and arguments.method in ("curves", "hdrcnn"):
        raise UsageError(f"--peak={arguments.peak:g} is below --white={arguments.white:g}")


def remaining(seconds: float) -> str:
    """Format a duration as minutes and seconds, with hours if there are any: 0:05, 2:00:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Reporter:
    """Report progress and time left: a line per segment; on a terminal also an update per second.

    The speed is measured from the first converted frame on: neither segments kept from an earlier
    run nor the loading of a network predict how fast the rest will be. Frames that Dask workers
    convert are counted by segments, from when the first of them are handed out: neither do workers
    that start, nor the search for the grades.
    """

    def __init__(self, quiet: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: returns seconds since any fixed time."""
        self._quiet, self._clock, self._last = quiet, clock, 0.0
        self._start, self._before = clock(), 0
        self._terminal = not quiet and sys.stdout.isatty()

    def tell(self, progress: "Progress") -> None:
        """Report the progress of a film; a `batch.film.OnProgress`."""
        now = self._clock()
        if progress.converted <= 1 and not progress.segment_done:
            self._start, self._before = now, progress.converted
        if self._quiet or not (progress.segment_done or self._due(now)):
            return
        self._last = now
        line = f"[{progress.segment.number}/{progress.of}] "
        line += f"{progress.frames} of {progress.total} frames"
        made = progress.converted - self._before
        if progress.kept:
            line += "  kept"
        elif made > 0:
            speed = made / max(now - self._start, 1e-3)
            left = max(0, progress.total - progress.frames) / speed
            line += f"  {speed:.1f} frames/s  {remaining(left)} left"
        if self._terminal:
            sys.stdout.write(f"\r{line:<79}" + ("\n" if progress.segment_done else ""))
            sys.stdout.flush()
        else:
            say(line, sys.stdout)

    def _due(self, now: float) -> bool:
        return self._terminal and now - self._last >= PAUSE


def main(arguments: argparse.Namespace) -> int:
    """Convert a film. Returns the exit status.

    Raises UserError, ValueError, OSError.
    """
    _check(arguments)
    workers_config, shard = shared.workers_config(arguments), shared.shard(arguments) or Shard()
    with interrupt_delayed():
        from hdrcnn.batch import film as batch
        from hdrcnn.batch.film_segment import FilmSettings, opened
        from hdrcnn.predict import backend
        from hdrcnn.predict.film import FILM_CURVES, PEAK
        from hdrcnn.video.encode import Encoding
        from hdrcnn.video.library import clock, pyav
    pyav()
    params = None if arguments.params is None else Path(arguments.params)
    if arguments.method == "curves" and (arguments.backend, arguments.device) == ("auto",) * 2:
        backend.prefer_onnx(
            params or FILM_CURVES
        )  # Needs a seventh of the memory and starts at once.
    backend.select(arguments.backend)
    path, out = Path(arguments.paths[0]), Path(arguments.out)
    peak = PEAK if arguments.method.startswith("bt2446") else arguments.peak
    encoding = Encoding(arguments.codec, arguments.transfer, peak, arguments.crf, arguments.preset)
    settings = FilmSettings(
        arguments.method, encoding, arguments.white,
        params, arguments.device, arguments.fps, arguments.segment_seconds, arguments.grade,
    )  # fmt: skip
    film = opened(path, arguments.fps)
    if arguments.fps is not None and not film.files:
        raise UsageError(f"--fps changes nothing: {path} is a film and has a rate of its own")

    def note(line: str) -> None:
        say(line, sys.stderr)

    if not arguments.quiet:
        size = f"{film.width}x{film.height}"
        say(f"{path}: {size}, {float(film.rate):.6g} frames/s, {clock(film.duration)}", sys.stdout)
    for known in film.notes:
        note(f"{path}: {known}")
    if settings.samples_film and not settings.pools_shots:
        note(
            f"{params or FILM_CURVES}: contains no directions of grades, so each shot is converted "
            "by itself; training_code/film_directions.py --save measures and adds them"
        )
    reporter = Reporter(arguments.quiet)
    if not out.suffix or out.is_dir():
        for name in ("transfer", "codec", "crf", "preset"):
            if name in arguments.given:
                raise UsageError(f"--{name} changes nothing of frames: --out={out} is a folder")
        kind = arguments.format or "png"
        batch.to_frames(
            film,
            out,
            settings,
            kind,
            shard,
            arguments.overwrite,
            reporter.tell,
            workers_config,
            note,
        )
        return 0
    if arguments.format is not None:
        raise UsageError(f"--format={arguments.format} is for frames: give --out a folder")
    if not batch.has_share(film, settings, shard):
        # The other shares write the result, which may exist already.
        note(f"{out}: --shard={shard.number}/{shard.of} has nothing to do: the film is too short")
        return 0
    batch.check_place(film, out, arguments.overwrite)
    if film.width % 2 or film.height % 2:
        more = " and ".join(
            name for name, size in (("column", film.width), ("row", film.height)) if size % 2
        )
        note(f"{path}: odd size: one more {more} is added, as 4:2:0 requires")
    found = batch.to_file(film, out, settings, shard, reporter.tell, note, workers_config)
    if found is None:
        if not arguments.quiet:
            say(f"{out}: this share is done; the last share to finish joins them", sys.stdout)
        return 0
    if not arguments.quiet:
        say(f"{out}: {found.described}", sys.stdout)
    return 0
