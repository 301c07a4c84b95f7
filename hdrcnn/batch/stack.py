"""Conversion of one photograph to several exposures: as in `batch.convert`, then rendered.

photo.jpg   ->   photo_0.png ... photo_4.png     darkest first, each with its exposure in Exif data
                 photo.exr                       the light, in the formats asked for
"""

import dataclasses
import functools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np

from hdrcnn.batch.choose import sha256
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.job import Outcome, Settings, Source
from hdrcnn.batch.plan import Job
from hdrcnn.batch.recipe import provenance_of
from hdrcnn.batch.result import Result
from hdrcnn.colour.transfer import CameraCurve
from hdrcnn.predict.exposure_stack import (
    FILES,
    MAX_EXPOSURES,
    METHODS,
    STOPS,
    check_stops,
    plain_light,
    published_exposures,
    rendered,
    restore_shadows,
)
from hdrcnn.predict.radiance import merge
from hdrcnn.readers.metadata import Camera
from hdrcnn.tiles.tiling import Tiling
from hdrcnn.writers import WRITERS, Picture, Writer
from hdrcnn.writers.display import write_exposure

BITS = (8, 16)
COMMAND = "stack"
"""Name of the command in the settings that are stored with a result."""
LEAST_TIME = 1.0 / (2**32 - 1)
"""Shortest exposure time that Exif can store, in seconds; its inverse is the longest."""
AT_ONCE = 2
"""Number of exposures that are rendered and compressed at the same time."""


@dataclasses.dataclass(frozen=True)
class StackSettings(Settings):
    """Settings of a run of `hdrcnn stack`. Raises ValueError with a one-line message."""

    formats: tuple[str, ...] = ()
    """Formats of the HDR image; may be empty."""
    method: str = "reconstruct"
    """One of `exposure_stack.METHODS`."""
    stops: tuple[float, ...] = STOPS
    """Exposures in stops relative to the photograph, increasing; for the method `gan` those of its
    network, `exposure_stack.stops_of`."""
    bits: int = 8
    """Bits per sample of the exposures, 8 or 16."""
    known_formats: ClassVar[Mapping[str, Writer]] = WRITERS
    conversion_class: ClassVar[tuple[str, str]] = ("stack", "Stack")
    smaller: ClassVar[str] = "give a smaller photograph"

    def __post_init__(self) -> None:
        if self.formats:
            super().__post_init__()
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r}; known: {', '.join(METHODS)}")
        if self.bits not in BITS:
            raise ValueError(f"bits {self.bits}: 8 or 16")
        check_stops(self.stops)

    @property
    def exposures(self) -> tuple[str, ...]:
        """Endings of the exposures, darkest first."""
        return tuple(f"_{index}.png" for index in range(len(self.stops)))

    @property
    def light_endings(self) -> tuple[str, ...]:
        """Endings of the exposures and of the HDR image."""
        return (*self.exposures, *super().light_endings)

    def files(self, job: Job) -> dict[str, str]:
        """Return paths as `Settings.files` does; exposures are named by their stops."""
        exposures = zip(self.stops, self.exposures, strict=True)
        told = {f"{stops:+g} EV": str(job.output(ending)) for stops, ending in exposures}
        return told | super().files(job)

    def links(self, job: Job) -> dict[str, str]:
        """Return paths as `Settings.links` does; exposures are named by their stops."""
        return {
            WRITERS[name].label if name in WRITERS else name: path
            for name, path in self.files(job).items()
        }

    def record(self) -> dict[str, Any]:
        """Return what a result depends on, as `Settings.record` does."""
        names = ("method", "stops", "bits", "camera_curve", "resolution", "panorama", "precision",
                 "gain_map", "primaries")  # fmt: skip
        return {
            "command": COMMAND,
            **{name: getattr(self, name) for name in names},
            "options": dataclasses.asdict(self.options),
            "previews": None,
        }


def with_exposure(camera: Camera, stops: float) -> Camera:
    """Return the Exif data of a photograph changed to another exposure: exposure compensation, and
    exposure time if it has one.
    """
    own, seconds = camera.get("ExposureBiasValue"), camera.get("ExposureTime")
    bias = float(own) if isinstance(own, (int, float)) else 0.0
    found: Camera = {**camera, "ExposureBiasValue": bias + stops}
    if isinstance(seconds, (int, float)) and seconds > 0:
        time = float(seconds) * 2.0**stops
        # Exif would store a time out of range as another one.
        found.pop("ExposureTime")
        if LEAST_TIME <= time <= 1.0 / LEAST_TIME:
            found["ExposureTime"] = time
    return found


@dataclasses.dataclass(eq=False)
class StackResult(Result):
    """A `Result` with exposures."""

    settings: StackSettings
    codes: list[np.ndarray] | None = None
    """Codes of the exposures if they are not rendered from the light."""
    dark: float = 0.0
    """Share of pixels whose shadows were restored."""

    def figures(self) -> dict[str, Any]:
        """Return the figures of `Result.figures` and `dark`."""
        return {**super().figures(), "dark": self.dark}

    def write(self, job: Job, weights: str, source: Source, estimator: str = "") -> dict[str, Any]:
        """Write all files as `Result.write` does; exposures in the photograph's own primaries."""
        figures = self.figures()
        provenance = self._provenance(job, weights, source, figures, estimator)
        notes = provenance.notes()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            write = functools.partial(self._write_exposure, job, notes)
            list(pool.map(write, range(len(self.settings.stops))))
        if self.codes is not None:
            self.codes.clear()
        self.finish()
        self._write_light(job, self.picture(notes))
        self._remove_others(job, source)
        return figures

    def _remove_others(self, job: Job, source: Source) -> None:
        """Remove surplus exposures that an earlier run with more stops made of this photograph."""
        for index in range(len(self.settings.stops), MAX_EXPOSURES):
            path = job.output(f"_{index}.png")
            provenance = provenance_of(path)
            if provenance is None or provenance.settings.get("command") != COMMAND:
                continue
            if provenance.source.name == source.name:
                path.unlink(missing_ok=True)

    def _write_exposure(self, job: Job, notes: Mapping[str, str], index: int) -> None:
        stops = self.settings.stops[index]
        codes = (
            rendered(self.hdr, stops, self.curve, self.settings.bits)
            if self.codes is None
            else self.codes[index]
        )
        picture = Picture(
            hdr=self.hdr,
            chromaticities=self.chromaticities,
            camera=with_exposure(self.camera, stops),
            notes=notes,
        )
        write_exposure(job.output(self.settings.exposures[index]), codes, picture)


class Stack(Conversion):
    """Conversion of a photograph to exposures, with the steps of `Conversion`."""

    settings: StackSettings
    result: StackResult
    result_kind = StackResult

    @property
    def _networkless(self) -> bool:
        """Whether no photograph of this run needs the single-image network."""
        return self.settings.method != "reconstruct" or super()._networkless

    @property
    def _estimator(self) -> str:
        return self.networks.estimator(self.settings.camera_curve)

    def _digest(self, weights: Any) -> str:
        own = FILES.get(self.settings.method)
        found = [super()._digest(weights), sha256(own) if own is not None else ""]
        return " ".join(part for part in found if part)

    @property
    def _dtype(self) -> type[np.floating]:
        """Type of the samples of the result; half floats cannot hold codes of 16 bits."""
        return np.float32 if self.settings.bits == 16 else super()._dtype

    def reconstruct(self) -> "Stack":
        """Reconstruct the light. Raises WeightsError, DeviceError or BackendError if a network is
        unusable.
        """
        if not self._pending:
            return self
        method = self.settings.method
        network = self.networks.stack(method) if method in FILES else None
        if method == "reconstruct":
            super().reconstruct()
        with self._step():
            if self.error is not None:
                return self
            if network is None:
                self._by_formula()
            elif method == "gan":
                self._by_gan(network)
            else:
                # Light measured by a sensor or a gain map is better than what codes can restore.
                if self.sensor is None and self.measured is None:
                    curve, blend = self.result.curve, self.result.blend
                    self.result.dark = restore_shadows(
                        self.result.hdr, self.frame, network, curve, blend
                    )
        return self

    def _by_formula(self) -> None:
        curve = self._curve("")
        self._found(plain_light(self.frame, curve, self._dtype, self.sensor), curve, "")

    def _by_gan(self, network: Tiling) -> None:
        curve: str | CameraCurve = self._curve("")
        codes = published_exposures(self.frame, network, self.settings.bits)
        exposures = [2.0**stops for stops in self.settings.stops]
        light = merge(codes, exposures, curve, None, self._dtype)
        self._found(light, curve, "")
        self.result.codes = codes

    def write(self) -> Outcome:
        """Write the files. Returns the outcome."""
        outcome = super().write()
        if outcome.error is not None or outcome.kept:
            return outcome
        stops, own = self.settings.stops, FILES.get(self.settings.method)
        names = [name for name in (outcome.weights, own.name if own else "") if name]
        dark = f"dark {self.result.dark:.1%}  " if self.settings.method == "reconstruct" else ""
        summary = f"{stops[0]:+g} to {stops[-1]:+g} EV  {self.settings.method}  {dark}"
        return dataclasses.replace(
            outcome, summary=summary + outcome.figures, weights=" ".join(names)
        )
