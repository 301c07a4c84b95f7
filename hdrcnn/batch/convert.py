"""Conversion of one photograph in three steps, read, reconstruct and write, that a run overlaps.

A photograph of any size is held in memory as its codes as stored (8 or 16 bits; float32 if it was
resized), the result as half floats (float32 with `exr_float`), and alpha and mask if there are any.
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn import review
from hdrcnn.batch.choose import Networks, sha256
from hdrcnn.batch.job import (
    FIGURES,
    FileState,
    Outcome,
    SequenceStates,
    Settings,
    Source,
    image_error,
)
from hdrcnn.batch.plan import Job
from hdrcnn.batch.recipe import Provenance, check_place, valid_result
from hdrcnn.batch.result import Result, curve_of, levels_of
from hdrcnn.colour.clipping_level import UNCLIPPED, Levels, clipping_levels, factors
from hdrcnn.colour.measured import Measured, SensorLight
from hdrcnn.colour.transfer import ESTIMATED, CameraCurve
from hdrcnn.files import ImageError, OutputLostError, UserError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.metadata import Band
from hdrcnn.readers.photograph import Photograph, read_photograph, to_integer_codes
from hdrcnn.review import Entry
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.geometry import crop_and_resize, wanted_size
from hdrcnn.writers import WRITERS, Picture


def is_text(path: Path) -> bool:
    """Whether a path can be encoded as UTF-8, which OpenEXR requires."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


class Conversion:
    """Conversion of one photograph: `read`, `reconstruct` and `write`, called in this order.

    An error in a step becomes the error of the outcome, and the later steps do nothing.
    """

    source: Source
    weights: Path
    photograph: Photograph
    """Metadata of the photograph; its arrays are in `frame`, `alpha`, `measured` and `sensor`."""
    levels: Levels
    """Codes at which the channels clip; `UNCLIPPED` if they are not estimated."""
    frame: Frame
    alpha: np.ndarray | None
    panorama: Band | None
    measured: Measured | None
    """Light from the photograph's gain map."""
    sensor: SensorLight | None
    """Light of a RAW file, in the size of `frame`."""
    result: Result
    result_kind: type[Result] = Result

    def __init__(
        self, job: Job, networks: Networks, settings: Settings, sequences: SequenceStates
    ) -> None:
        self.job, self.networks, self.settings, self.sequences = job, networks, settings, sequences
        self.error: ImageError | None = None
        self.kept: Outcome | None = None
        self.figures: dict[str, Any] = {}
        self.seconds = 0.0

    @contextlib.contextmanager
    def _step(self) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        except Exception as error:  # One bad file must not stop the others.
            if isinstance(error, UserError) and not isinstance(error, ImageError):
                raise  # Weights, device or backend: no file could be converted.
            self.error = image_error(self.job.source, error, self.settings.smaller)
        self.seconds += time.perf_counter() - begun

    @property
    def _pending(self) -> bool:
        return self.error is None and self.kept is None

    def read(self) -> "Conversion":
        """Read the photograph unless its result exists already. To be called in the order of the
        jobs: the first frame of a film decides for the others.
        """
        with self._step():
            self._look()
            if self.kept is None:
                state = FileState.of(self.job.source)
                self._take(self._photograph(), state)
        return self

    def _look(self) -> None:
        """Set `kept` if the result exists already. Raises ImageError if it cannot be written."""
        if not is_text(self.job.stem):
            raise ImageError(f"{self.job.source}: its name is not UTF-8; rename it")
        check_place(self.job, self.settings)
        if not self.settings.overwrite:
            self.kept = self._existing_outcome()

    def _photograph(self) -> Photograph:
        """Read the photograph. Raises ImageError."""
        settings = self.settings
        return read_photograph(self.job.source, settings.max_megapixels, settings.gain_map)

    @property
    def _networkless(self) -> bool:
        """Whether no photograph of this run needs a network."""
        return self.settings.gain_map == "only"

    @property
    def _estimator(self) -> str:
        """Return `Provenance.estimator` of the result. Raises WeightsError."""
        return "" if self._networkless else self.networks.estimator(self.settings.camera_curve)

    def _digest(self, weights: Path) -> str:
        """Return the SHA-256 of the weights; empty without a network. Raises WeightsError."""
        return "" if self._networkless else sha256(weights)

    @property
    def _dtype(self) -> type[np.floating]:
        """Type of the samples of the result."""
        return np.float32 if self.settings.options.exr_float else np.float16

    def _settled(self, source: Source) -> Source:
        """Return the source that decides weights and edges: the photograph itself, or the first
        frame of its film. Raises ImageError for a frame of another size than its film.
        """
        return self.sequences.settle(self.job.source, source) if self.settings.sequence else source

    def _existing_outcome(self) -> Outcome | None:
        """Return the outcome if the existing result is the one that is wanted, else None."""
        provenance = valid_result(self.job, self.settings)
        if provenance is None or not {"curve", "clipping_levels"} <= provenance.figures.keys():
            return None
        if self.settings.report_bytes and "exr" not in self.settings.formats:
            return None
        first = self.sequences.first(self.job.source) if self.settings.sequence else None
        weights = self.networks.choose((first or provenance.source).lossy)
        if (provenance.weights, provenance.estimator) != (self._digest(weights), self._estimator):
            return None
        try:
            curve, levels = curve_of(provenance.figures["curve"]), levels_of(provenance.figures)
        except (TypeError, ValueError):  # Not as this tool writes them.
            return None
        # Light measured by a gain map or a sensor does not depend on a curve.
        by_curve = not (provenance.figures.get("gain_map") or provenance.figures.get("raw"))
        # The default curve depends on whether the weights were named, which is not recorded.
        wanted = self.networks.curve_with(self.settings.camera_curve, weights)
        if by_curve and wanted not in (ESTIMATED, curve):
            return None
        self._settled(provenance.source)
        if (
            self.settings.sequence
            and by_curve
            and (
                self.sequences.curve(self.job.source, lambda: curve) != curve
                or self.sequences.levels(self.job.source, lambda: levels) != levels
            )
        ):
            return None
        figures = {name: provenance.figures[name] for name in FIGURES if name in provenance.figures}
        shown = None
        if self.settings.report_bytes:
            shown = self._entry_of(provenance)
            if shown is None:
                return None
        name = "" if self._networkless else weights.name
        note = self._note(str(provenance.figures.get("gain_map_fault", "")))
        return Outcome(self.job, kept=True, entry=shown, weights=name, note=note, **figures)

    def _entry_of(self, provenance: Provenance) -> Entry | None:
        """Return the report entry of an existing result, for which the result and its photograph
        are read again; None if the result is damaged. Raises ImageError.
        """
        try:
            hdr = read_exr(self.job.output(".exr"), unassociated=True)
        except ImageError:
            return None
        photograph = self._photograph()
        codes = self._codes(photograph)
        picture = Picture(
            hdr=hdr,
            codes=codes,
            measured=self._fitted(photograph.measured, codes),
            scaling=self._scaling(levels_of(provenance.figures), photograph),
            curve=curve_of(provenance.figures["curve"]),
            chromaticities=photograph.chromaticities,
        )
        name, files = self.job.source.name, self.settings.links(self.job)
        return review.entry(picture, name, files, self.settings.report_bytes)

    def _scaling(self, levels: Levels, photograph: Photograph) -> float | Levels:
        """Return what the codes are multiplied by. levels: codes at which the channels clip."""
        if photograph.sensor is not None or photograph.measured is not None:
            return 1.0
        asked = self.settings.scaling
        return factors(levels) if isinstance(asked, str) else asked

    def _levels(self, photograph: Photograph) -> Levels:
        """Return the codes at which the channels clip; for a film, those of its first frame.

        They are not estimated if `scaling` is a number, nor for RAW files, which record them.
        """
        if photograph.sensor is not None or not isinstance(self.settings.scaling, str):
            return UNCLIPPED

        def found() -> Levels:
            return clipping_levels(photograph.code, photograph.alpha)

        return self.sequences.levels(self.job.source, found) if self.settings.sequence else found()

    def _codes(self, photograph: Photograph) -> np.ndarray:
        """Return the photograph's codes as stored, or resized to the size asked for. Raises
        ImageError if that size exceeds `max_megapixels`.
        """
        rows, columns = photograph.code.shape[:2]
        size = wanted_size(rows, columns, self.settings.height, self.settings.width)
        if size is None:
            return to_integer_codes(photograph.code, photograph.bits)
        if size[0] * size[1] > self.settings.max_megapixels * 1e6:
            raise ImageError(
                f"{self.job.source}: {size[1]}x{size[0]} is more than "
                f"{self.settings.max_megapixels:g} megapixels; give a smaller --width or --height, "
                "or a greater --max_megapixels"
            )
        return crop_and_resize(photograph.code, *size)

    @staticmethod
    def _fitted(measured: Measured | None, codes: np.ndarray) -> Measured | None:
        """Return the measured light, resized to the size of the codes."""
        if measured is None or measured.light.shape == codes.shape:
            return measured
        light, clipped = (
            crop_and_resize(part.astype(np.float32), *codes.shape[:2])
            for part in (measured.light, measured.clipped)
        )
        return Measured(light.astype(np.float16), np.round(clipped).astype(np.uint8))

    def _take(self, photograph: Photograph, state: FileState | None) -> None:
        """Store what the later steps need of the photograph. state: of its file, from before it
        was read. Raises ImageError.
        """
        rows, columns = photograph.code.shape[:2]
        if state is None:
            raise ImageError(f"{self.job.source}: changed while it was read; run again")
        self.source = Source(
            **dataclasses.asdict(state),
            width=columns,
            height=rows,
            lossy=photograph.lossy,
            panorama=photograph.panorama is not None,
        )
        settled = self._settled(self.source)
        self.weights = self.networks.choose(settled.lossy)
        code, alpha = self._codes(photograph), photograph.alpha
        if alpha is not None and alpha.shape != code.shape[:2]:
            alpha = crop_and_resize(alpha[..., None], *code.shape[:2])[..., 0]
        self.panorama = photograph.panorama
        if self.panorama is None and (self.settings.panorama or settled.panorama):
            self.panorama = Band.around_horizon(rows, columns)
        if self.panorama is not None:
            self.panorama = self.panorama.fitted(rows, columns, *code.shape[:2])
        self.measured = self._fitted(photograph.measured, code)
        # Measured light does not depend on scaled codes.
        self.levels = UNCLIPPED if self.measured else self._levels(photograph)
        scaling = self._scaling(self.levels, photograph)
        self.sensor = photograph.sensor
        if self.sensor is not None and self.sensor.shape != code.shape:
            samples = crop_and_resize(self.sensor.samples, *code.shape[:2])
            self.sensor = dataclasses.replace(self.sensor, samples=samples)
        self.frame = Frame(code, 1, scaling, closed=self.panorama is not None)
        self.alpha = None if alpha is None else alpha.astype(np.float16)
        keeps = any(WRITERS[name].keeps_jpeg for name in self.settings.formats)
        jpeg = photograph.jpeg if keeps else None
        self.photograph = dataclasses.replace(
            photograph, code=code[:0], alpha=None, jpeg=jpeg, measured=None, sensor=None
        )
        if self.settings.sequence and not self.measured:
            self._curve("")  # Settles the curve that later frames are compared with.

    def reconstruct(self) -> "Conversion":
        """Reconstruct the HDR image. Raises WeightsError, DeviceError or BackendError if the
        network cannot be loaded.
        """
        if not self._pending:
            return self
        if self.measured is not None and (self._networkless or not self.measured.clipped.any()):
            with self._step():
                self._found(self.measured.light.astype(self._dtype), "srgb", "")
            return self
        predictor = self.networks.predictor(self.weights)
        with self._step():
            curve: str | CameraCurve = "srgb"
            if self.measured is None:
                curve = self._curve(predictor.metadata.linearisation)
            hdr = predictor.reconstruct(
                self.frame.image,
                gamma=self.settings.gamma,
                scaling=self.frame.scaling,
                camera_curve=curve,
                resolution=self.settings.resolution,
                quality=self.settings.quality,
                panorama=self.frame.closed,
                measured=self.measured,
                dtype=self._dtype,
                sensor=self.sensor,
            )
            self._found(hdr, curve, predictor.metadata.blend)
        return self

    def _found(self, hdr: np.ndarray, curve: str | CameraCurve, blend: str) -> None:
        """Store the image as the result. blend: of the network; empty if nothing is predicted."""
        self.result = self.result_kind(
            hdr=hdr,
            frame=self.frame,
            levels=self.levels,
            curve=curve,
            blend=blend,
            chromaticities=self.photograph.chromaticities,
            alpha=self.alpha,
            panorama=self.panorama,
            camera=self.photograph.camera,
            settings=self.settings,
            jpeg=self.photograph.jpeg,
            measured=self.measured,
            sensor=self.sensor,
            gain_map_fault=self.photograph.gain_map_fault,
        )

    def _curve(self, stored: str) -> str | CameraCurve:
        """Return the curve by which the codes become light. stored: that stored with the weights.

        For a film it is estimated once, so that the light does not flicker. A RAW file has none:
        its codes are a rendering.
        """
        if self.sensor is not None:
            return "srgb"
        wanted = self.networks.curve(self.settings.camera_curve, stored)
        if wanted != ESTIMATED:
            return wanted

        def found() -> str | CameraCurve:
            return self.networks.estimated_curve(self.frame.image, factors(self.levels))

        return self.sequences.curve(self.job.source, found) if self.settings.sequence else found()

    def find_curve(self) -> None:
        """Only estimate the curve of the photograph's film, if it is to be estimated."""
        if self._pending and self.measured is None:
            with self._step():
                self._curve("")

    def _make_folder(self) -> None:
        """Create the folder of the files. Raises OutputLostError, OSError."""
        place, folder = self.job.stem.parent, self.job.folder
        if folder is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            folder.make(place)

    def _unwritten(self) -> Outcome | None:
        """Return the outcome of a failed or kept conversion, None if the files were written. If the
        folder of all results is gone, that replaces any other error.
        """
        try:
            if self.job.folder is not None:
                self.job.folder.check()
        except OutputLostError as error:
            self.error = error
        if self.error is not None:
            output_lost = isinstance(self.error, OutputLostError)
            return Outcome(self.job, str(self.error), output_lost, seconds=self.seconds)
        if self.kept is not None:
            return dataclasses.replace(self.kept, seconds=self.seconds)
        return None

    def write(self) -> Outcome:
        """Write the files. Returns the outcome."""
        if self._pending:
            with self._step():
                self._make_folder()
                weights, estimator = self._digest(self.weights), self._estimator
                figures = self.result.write(self.job, weights, self.source, estimator)
                self.figures = {name: figures[name] for name in FIGURES}
                if self.settings.report_bytes:
                    self.figures["entry"] = self.result.entry(self.job, self.settings.report_bytes)
        if (outcome := self._unwritten()) is not None:
            return outcome
        return Outcome(
            self.job,
            weights="" if self._networkless else self.weights.name,
            seconds=self.seconds,
            note=self._note(self.photograph.gain_map_fault),
            **self.figures,
        )

    def _note(self, fault: str) -> str:
        """Return the note of an outcome. fault: why the gain map is not used; empty: none."""
        return f"{self.job.source}: its gain map is not used: {fault}" if fault else ""
