"""A folder of TIFF or PNG images of one size as a film, in natural order of their names."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.colour.primaries import SAME
from hdrcnn.files import ImageError, natural_key
from hdrcnn.readers.folders import may_be_picture
from hdrcnn.readers.photograph import Photograph, read_photograph, to_integer_codes
from hdrcnn.video.colours import Colours
from hdrcnn.video.library import pyav
from hdrcnn.video.source import Film

ENDINGS = (".png", ".tif", ".tiff")
RATE = Fraction(24)
"""Default frame rate, frames per second."""


def _numbers(files: Sequence[Path]) -> list[int]:
    """Return the numbers in the names of frames; empty if names lack numbers or are not uniform."""
    parts = [re.fullmatch(r"(.*?)(\d+)(\D*)", file.stem) for file in files]
    found = [part for part in parts if part]
    schemes = {(part[1], part[3]) for part in found}
    if len(found) < len(files) or len(schemes) > 1:
        return []
    return [int(part[2]) for part in found]


def _gaps(files: Sequence[Path]) -> list[str]:
    """Return a remark for the user if frame numbers are missing, as a list of at most one.

    Raises ImageError if two frames have the same number.
    """
    numbers = _numbers(files)
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    if 0 in steps:
        first, second = files[steps.index(0) : steps.index(0) + 2]
        raise ImageError(
            f"{first}: has the number of {second.name}; leave one of them in the folder"
        )
    usual = math.gcd(*steps)
    missing = sum(step // usual - 1 for step in steps)
    if not missing:
        return []
    name = next(file.name for file, step in zip(files, steps, strict=False) if step > usual)
    count = (
        f"{missing} frames are missing, the first after"
        if missing > 1
        else "1 frame is missing, after"
    )
    return [f"{count} {name}: the film goes on without a gap"]


def probe(path: Path, rate: Fraction | None) -> Film:
    """Read the properties of a folder of frames; the time of a frame is its index.

    rate: frames per second; None for `RATE`. Raises ImageError.
    """
    pictures = sorted(
        (file for file in path.iterdir() if may_be_picture(file) and file.name[0] != "."),
        key=lambda file: natural_key(file.name),
    )
    files = [file for file in pictures if file.suffix.lower() in ENDINGS]
    others = [file for file in pictures if file.suffix.lower() not in ENDINGS]
    if not files:
        raise ImageError(f"{path}: no frames, PNG or TIFF, in this folder")
    first = read_photograph(files[0])
    rows, columns = first.code.shape[:2]
    notes = [] if rate is not None else [f"{RATE} frames per second: --fps for another rate"]
    notes += _gaps(files)
    if first.alpha is not None:
        notes.append("its alpha channel is left out")
    if others:
        more = f" and {len(others) - 1} more pictures are" if others[1:] else " is"
        notes.append(f"{others[0].name}{more} left out: frames are PNG or TIFF")
    rate = RATE if rate is None else rate
    times = np.arange(len(files), dtype=np.int64)
    colours = Colours(None, True, first.chromaticities)
    return Film(
        path, columns, rows, 1 / rate, rate, times, times, colours, False, Fraction(1), None,
        tuple(notes), files=tuple(files), stream=-1,
    )  # fmt: skip


def _check_frame(film: Film, file: Path, photo: Photograph) -> None:
    """Raise ImageError for a frame of another size or of other primaries than the first."""
    rows, columns = photo.code.shape[:2]
    if (rows, columns) != (film.height, film.width):
        raise ImageError(
            f"{file}: {columns}x{rows}, and the first frame {film.width}x{film.height}; the "
            "frames of a film have one size"
        )
    if np.allclose(photo.chromaticities, film.colours.primaries, rtol=0.0, atol=SAME):
        return
    if (photo.code != photo.code[..., :1]).any():  # Grey is grey in any primaries.
        raise ImageError(
            f"{file}: its colour profile differs from that of {film.files[0].name}; the frames of "
            "a film have one profile: export all of them with the same"
        )


def decoded(film: Film, start: int | None, end: int | None) -> Iterator[tuple[int, Any]]:
    """Yield the times and PyAV frames of `decode.frames`. Raises ImageError."""
    last = len(film.files) if end is None else min(end, len(film.files))
    for time in range(start or 0, last):
        file = film.files[time]
        photo = read_photograph(file)
        _check_frame(film, file, photo)
        codes = to_integer_codes(photo.code, photo.bits)
        if codes.dtype.kind == "f":  # Bit depths other than 8 and 16.
            codes = np.round(codes * np.float32(65535.0)).astype(np.uint16)
        kind = "gbrp" if codes.dtype == np.uint8 else "gbrp16le"
        frame = pyav().VideoFrame.from_ndarray(np.ascontiguousarray(codes), kind)
        frame.pts, frame.time_base = time, film.time_base
        yield time, frame
