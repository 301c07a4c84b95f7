"""PyAV, an optional package: FFmpeg's decoders, encoders and containers.

FFmpeg is always given absolute paths: in a relative one it takes what precedes a colon for a
protocol.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from hdrcnn.files import ImageError, one_line

MIN_PYAV = 18
"""Oldest supported major version of PyAV."""


def pyav() -> ModuleType:
    """Import and return the module `av`. Raises ImageError with how to install or update it."""
    os.environ.setdefault("SVT_LOG", "1")  # Log only errors, which are raised as well.
    try:
        import av
    except ImportError as error:
        raise ImageError("films need the package PyAV; pip install av") from error
    if int(av.__version__.partition(".")[0]) < MIN_PYAV:  # Older ones lack PQ formats and rotation.
        raise ImageError(
            f"films need PyAV {MIN_PYAV} or newer, not {av.__version__}; pip install --upgrade av "
            "(Python 3.11 or newer)"
        )
    return av


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds, with hours if needed: `1:05.2`, `2:00:10.0`."""
    minutes, tenths = divmod(round(max(0.0, seconds) * 10), 600)  # 59.96 s are 1:00.0.
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths / 10:04.1f}"
    return f"{hours}:{minutes:02}:{rest}" if hours else f"{minutes}:{rest}"


def reason(error: Exception) -> str:
    """Return the reason of an FFmpeg error, as part of one line."""
    return one_line(getattr(error, "strerror", None) or error)


@contextlib.contextmanager
def reading(path: Path, what: str = "cannot be read") -> Iterator[None]:
    """Turn errors of FFmpeg while `path` is read into an ImageError of one line."""
    av = pyav()
    try:
        yield
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except (av.error.FFmpegError, OSError) as error:
        raise ImageError(f"{path}: {what}: {reason(error)}") from error
