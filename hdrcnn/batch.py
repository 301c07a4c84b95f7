"""Many pictures on one machine: what is to be done, doing it, and what came of it."""

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hdrcnn.display import to_display
from hdrcnn.geometry import fit, wanted_size
from hdrcnn.image_io import LDR_SUFFIXES, ImageError, read_ldr, write_exr, write_png
from hdrcnn.transfer import linearise, luminance

if TYPE_CHECKING:
    from hdrcnn.predictor import Predictor


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is asked for, the same for every picture; meanings as for `Predictor.reconstruct`."""

    gamma: float = 1.0
    scaling: float = 1.0
    camera_curve: str | None = None
    width: int | None = None
    height: int | None = None
    previews: bool = False
    exposure: float = -3.0


@dataclasses.dataclass(frozen=True)
class Job:
    """One picture and the stem of what is written for it."""

    source: Path
    stem: Path

    def output(self, ending: str) -> Path:
        """The stem with an ending; dots in the stem are kept."""
        return self.stem.with_name(self.stem.name + ending)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a job: figures, or the one line that says why there are none."""

    job: Job
    error: str | None = None
    width: int = 0
    height: int = 0
    saturated: float = 0.0
    """Share of pixels with a code above 0.95 in any channel."""
    peak_before: float = 0.0
    """Largest luminance of the linearised picture; 1.0 = its clipping level."""
    peak_after: float = 0.0
    seconds: float = 0.0

    @property
    def stops_gained(self) -> float:
        """How far the peak moved; 0 for a black picture."""
        if self.peak_before <= 0 or self.peak_after <= 0:
            return 0.0
        return float(np.log2(self.peak_after / self.peak_before))


def find_pictures(place: Path) -> list[Path]:
    """A picture itself, or all pictures of a folder by name. Raises ImageError."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise ImageError(f"{place}: no such file or folder")
    found = sorted(
        path
        for path in place.iterdir()
        if path.suffix.lower() in LDR_SUFFIXES and path.is_file() and path.name[0] != "."
    )
    if not found:
        raise ImageError(f"{place}: holds no pictures ({', '.join(LDR_SUFFIXES)})")
    return found


def plan(place: Path, out_dir: Path, previews: bool = False) -> list[Job]:
    """Jobs for a picture or a folder.

    Where two sources share a stem, both keep their ending in the output (`a.jpg.exr`). Raises
    ImageError where nothing is found or a preview would fall on a source.
    """
    sources = find_pictures(place)
    stems = Counter(path.stem for path in sources)
    jobs = [
        Job(path, out_dir / (path.stem if stems[path.stem] == 1 else path.name)) for path in sources
    ]
    taken = {path.resolve() for path in sources}
    for job in jobs:
        for ending in ("_in.png", "_out.png") if previews else ():
            if job.output(ending).resolve() in taken:
                raise ImageError(
                    f"{job.output(ending)}: a source that a preview would overwrite; "
                    "give another --out_dir"
                )
    return jobs


def convert(job: Job, predictor: "Predictor", settings: Settings) -> Outcome:
    """Read, reconstruct, write one picture; what goes wrong becomes the outcome's error."""
    begun = time.perf_counter()
    try:
        code = read_ldr(job.source)
        size = wanted_size(code.shape[0], code.shape[1], settings.height, settings.width)
        if size is not None:
            code = fit(code, *size)
        code = np.minimum(code * np.float32(settings.scaling), np.float32(1.0))
        curve = settings.camera_curve or predictor.metadata.linearisation
        hdr = predictor.reconstruct(code, gamma=settings.gamma, camera_curve=curve)
        linear = linearise(code, curve)
        job.stem.parent.mkdir(parents=True, exist_ok=True)
        write_exr(job.output(".exr"), hdr)
        if settings.previews:
            write_png(job.output("_in.png"), to_display(linear, settings.exposure))
            write_png(job.output("_out.png"), to_display(hdr, settings.exposure))
    except (ImageError, OSError) as error:
        return Outcome(job, error=str(error))
    return Outcome(
        job,
        width=code.shape[1],
        height=code.shape[0],
        saturated=float((code.max(axis=-1) > 0.95).mean()),
        peak_before=float(luminance(linear).max()),
        peak_after=float(luminance(hdr).max()),
        seconds=time.perf_counter() - begun,
    )


def convert_all(jobs: list[Job], predictor: "Predictor", settings: Settings) -> Iterator[Outcome]:
    """Outcomes as they come, in the order of the jobs; one bad file does not stop the others."""
    for job in jobs:
        yield convert(job, predictor, settings)
