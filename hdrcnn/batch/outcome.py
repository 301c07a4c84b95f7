"""What came of one picture, as it is reported to the user, the log and the page."""

import dataclasses
import traceback
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hdrcnn.batch.plan import Job
from hdrcnn.colour.clipping_level import UNCLIPPED, described
from hdrcnn.files import ImageError, not_written
from hdrcnn.review import Entry

FIGURES = ("width", "height", "saturated", "peak_before", "peak_after", "clipping_levels")
"""Fields of an outcome that are stored with the result, for later runs."""


def image_error(source: Path, error: Exception) -> ImageError:
    """What went wrong with a photograph, as the one line that users see."""
    if isinstance(error, ImageError):
        return error
    if isinstance(error, OSError):
        named = error.filename if isinstance(error.filename, str) else None
        path, reason = Path(named or source), error.strerror or error
        if path == source:
            return ImageError(f"{source}: cannot be read: {reason}")
        return not_written(path, reason)
    if isinstance(error, MemoryError):
        return ImageError(f"{source}: too large for this machine's memory; give a small --width")
    place = traceback.extract_tb(error.__traceback__)[-1]
    return ImageError(
        f"{source}: not converted: {type(error).__name__}: {' '.join(str(error).split())[:200]} "
        f"({Path(place.filename).name}:{place.lineno}); please report it, and leave the picture out"
    )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a job: figures, or the one line that says why there are none."""

    job: Job
    error: str | None = None
    no_room: bool = False
    """The error is that nothing can be written any more."""
    kept: bool = False
    """The result was there already; the figures are those it was written with."""
    entry: Entry | None = None
    """What the report shows, where there is one."""
    weights: str = ""
    """Name of the weights file."""
    width: int = 0
    height: int = 0
    saturated: float = 0.0
    """Share of pixels with a code above 0.95 in any channel."""
    peak_before: float = 0.0
    """Largest luminance of the linearised picture; 1.0 = its clipping level."""
    peak_after: float = 0.0
    clipping_levels: Sequence[float] = UNCLIPPED
    """Codes in (0, 1] at which red, green and blue were found to clip."""
    seconds: float = 0.0
    summary: str = ""
    """What a line says of a fused bracket, instead of the figures of a photograph."""
    note: str = ""
    """One line that the user is to know besides; empty: none."""

    @property
    def status(self) -> str:
        if self.error is not None:
            return "failed"
        return "kept" if self.kept else "done"

    def line(self, ending: str) -> str:
        """For the user; ending: of the file that is named."""
        if self.error is not None:
            return self.error
        if self.kept:
            return f"{self.job.output(ending)}  kept"
        if self.summary:
            size = f"{self.width}x{self.height}"
            return f"{self.job.output(ending)}  {size}  {self.summary}  {self.seconds:.1f} s"
        codes = described(self.clipping_levels)
        clips = f"clips at {codes}  " if codes else ""
        return (
            f"{self.job.output(ending)}  {self.width}x{self.height}  {clips}"
            f"saturated {self.saturated:.1%}  "
            f"peak {self.peak_before:.2f} -> {self.peak_after:.2f} "
            f"({self.stops_gained:+.1f} stops)  {self.seconds:.1f} s"
        )

    @property
    def stops_gained(self) -> float:
        """How far the peak moved; 0 for a black picture."""
        if self.peak_before <= 0 or self.peak_after <= 0:
            return 0.0
        return float(np.log2(self.peak_after / self.peak_before))
