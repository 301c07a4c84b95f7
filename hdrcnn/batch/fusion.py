"""Conversion of one bracket: read, align, remove ghosts, fuse, merge, write.

All frames of a bracket are in memory at once, as they were stored (8 or 16 bits). They are
therefore read only when the bracket is fused, not in advance while another one is.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hdrcnn import review as report
from hdrcnn.batch.choose import sha256
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.job import FIGURES, FileState, Outcome, Settings, Source
from hdrcnn.batch.recipe import Provenance, valid_result
from hdrcnn.batch.result import curve_record
from hdrcnn.colour.clipping_level import UNCLIPPED
from hdrcnn.colour.primaries import REC709, linear_to_rec709, luminance_weights
from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.files import ImageError
from hdrcnn.predict.bracket import Bracket, Choices, prepared
from hdrcnn.predict.fusion import NETWORKS, fuse, resolve_method
from hdrcnn.predict.radiance import (
    clipped_everywhere,
    estimate_response,
    merge,
    with_highlights,
)
from hdrcnn.readers.brackets import bias_of, exposure_of
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import Photograph, read_photograph, to_integer_codes
from hdrcnn.weights import SHIPPED
from hdrcnn.writers import ALL_WRITERS, DISPLAY_WRITERS, WRITERS, Picture, Writer

if TYPE_CHECKING:
    from hdrcnn.colour.transfer import CameraCurve

NO_LIGHT = "leave out --merge, and name only tiff, sdr_png or jpeg in --format"
"""Remedy in messages about unusable exposures."""
FARTHEST = 40.0
"""Largest range of a bracket, in stops. More must be an error in the Exif data, and the light would
not fit a float."""
STRIP = 256
"""Number of rows processed at once."""


@dataclasses.dataclass(frozen=True)
class FusionSettings(Settings):
    """Settings of a run of `hdrcnn fuse`."""

    formats: tuple[str, ...] = ("tiff",)
    method: str = "auto"
    """One of `predict.fusion.METHODS`."""
    align: bool = True
    deghost: bool = True
    reference: int | None = None
    """Number, from 1, of the frame that the others are aligned with and that moving objects are
    taken from; None: the best exposed."""
    known_formats: ClassVar[Mapping[str, Writer]] = ALL_WRITERS
    conversion_class: ClassVar[tuple[str, str]] = ("fusion", "Fusion")
    smaller: ClassVar[str] = "give smaller frames"

    @property
    def merges(self) -> bool:
        """Whether the frames are merged: a format that stores light is asked for."""
        return bool(set(self.formats) & set(WRITERS))

    def record(self) -> dict[str, Any]:
        """Return what a result depends on, as `Settings.record` does."""
        names = ("method", "align", "deghost", "reference", "camera_curve", "resolution",
                 "precision", "merges")  # fmt: skip
        return {
            "command": "fuse",
            **{name: getattr(self, name) for name in names},
            "options": dataclasses.asdict(self.options),
            "previews": None,
        }


def _codes(photograph: Photograph) -> np.ndarray:
    """Return codes [H, W, 3] as stored in 8 or 16 bits, in 16 bits for other depths; for a RAW file
    sRGB in 16 bits, clipped at 1.0.
    """
    if photograph.sensor is None:
        if photograph.bits in (8, 16):
            return to_integer_codes(photograph.code, photograph.bits)
        return to_integer_codes(photograph.code, 16)
    codes = np.empty(photograph.sensor.shape, np.uint16)
    for top in range(0, len(codes), STRIP):
        part = slice(top, top + STRIP), slice(None)
        light = np.clip(photograph.sensor.light(part), 0.0, 1.0)
        codes[part] = np.round(np.asarray(srgb_encode(light)) * 65535.0)
    return codes


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two frames of the same shape have the same type and codes."""
    strips = (slice(top, top + STRIP) for top in range(0, len(one), STRIP))
    return one.dtype == other.dtype and all(np.array_equal(one[s], other[s]) for s in strips)


class Fusion(Conversion):
    """Conversion of a bracket, with the steps of `Conversion`."""

    settings: FusionSettings
    bracket: Bracket
    source: Source
    summary: str = ""
    note: str = ""
    raw: bool = False
    """Whether frames are RAW files."""

    def read(self) -> "Fusion":
        """Check whether the result exists already. The frames are read by `reconstruct`."""
        with self._step():
            self._look()
        return self

    def _existing_outcome(self) -> Outcome | None:
        provenance = valid_result(self.job, self.settings)
        name = resolve_method(self.settings.method)
        if provenance is None or provenance.figures.get("method") != name:
            return None
        if provenance.weights != self._weights(name):
            return None
        figures = {name: provenance.figures[name] for name in FIGURES if name in provenance.figures}
        if self.settings.report_bytes:
            shown = self._entry_of_files()
            if shown is None:
                return None
            figures["entry"] = shown
        return Outcome(self.job, kept=True, weights=name, **figures)

    def _entry_of_files(self) -> report.Entry | None:
        """Return the report entry of an existing result, read from its files; None if they do not
        contain all of it or are damaged.
        """
        names = [name for name in DISPLAY_WRITERS if name in self.settings.formats]
        if not names or (self.settings.merges and "exr" not in self.settings.formats):
            return None
        try:
            path = self.job.output(ALL_WRITERS[names[0]].ending)
            fused = read_photograph(path, self.settings.max_megapixels, "ignore")
            if self.settings.merges:
                self.light = read_exr(self.job.output(ALL_WRITERS["exr"].ending))
        except ImageError:
            return None
        self.photograph, self.fused = fused, to_integer_codes(fused.code, 16)
        if not self.settings.merges:
            self.light = np.broadcast_to(np.float16(0.0), self.fused.shape)
        return self._entry() if self.light.shape == self.fused.shape else None

    def _weights(self, method: str) -> str:
        """Return the SHA-256 of all weights that the result depends on. method: its name, one of
        `predict.fusion.resolve_method`. Raises WeightsError.
        """
        used = (NETWORKS.get(method), SHIPPED if self.settings.merges else None)
        return " ".join(sha256(path) for path in used if path is not None)

    def _read_frames(self) -> tuple[list[np.ndarray], list[Photograph]]:
        """Return the codes of all frames and the metadata of their files. Raises ImageError."""
        codes: list[np.ndarray] = []
        known: list[Photograph] = []
        for path in self.job.sources:
            photograph = read_photograph(path, self.settings.max_megapixels, "ignore")
            code = _codes(photograph)
            first = codes[0] if codes else code
            if code.shape != first.shape:
                turned = code.shape[:2] == first.shape[1::-1]
                raise ImageError(
                    f"{path}: {code.shape[1]}x{code.shape[0]}, and {self.job.source.name} "
                    f"{first.shape[1]}x{first.shape[0]}: frames of one bracket are of one "
                    f"{'orientation' if turned else 'size'}; leave one out, or give --per"
                )
            if known and photograph.chromaticities != known[0].chromaticities:
                raise ImageError(
                    f"{path}: another colour profile than {self.job.source.name}; convert them to "
                    "one"
                )
            for other, name in zip(codes, self.job.sources, strict=False):
                if _same(other, code):
                    raise ImageError(f"{path}: the same picture as {name.name}; leave one out")
            self.raw = self.raw or photograph.sensor is not None
            if photograph.alpha is not None and photograph.alpha.min() < 1.0:
                self.transparent.append(path.name)
            codes.append(code)
            known.append(
                dataclasses.replace(
                    photograph, code=code[:0], alpha=None, jpeg=None, measured=None, sensor=None
                )
            )
        if len({code.dtype for code in codes}) > 1:
            codes = [c if c.dtype == np.uint16 else c.astype(np.uint16) * np.uint16(257)
                     for c in codes]  # fmt: skip
        return codes, known

    def reconstruct(self) -> "Fusion":
        """Read, fuse and merge the frames. Raises WeightsError, DeviceError or BackendError if a
        network cannot be loaded.
        """
        if self._pending:
            with self._step():
                self._fuse()
        return self

    def _fuse(self) -> None:
        state, settings = FileState.of(*self.job.sources), self.settings
        self.transparent: list[str] = []
        frames, known = self._read_frames()
        if state is None or not state.is_unchanged(*self.job.sources):
            raise ImageError(f"{self.job.source}: changed while it was read; run again")
        if settings.reference is not None and settings.reference > len(frames):
            raise ImageError(
                f"{self.job.source}: {len(frames)} frames, and --reference={settings.reference}; "
                f"give one of 1 to {len(frames)}"
            )
        self.method = self.networks.fusion(settings.method)
        if self.method.frames not in (None, len(frames)):
            raise ImageError(
                f"{self.job.source}: {len(frames)} frames, and --method={self.method.name} takes "
                f"{self.method.frames}; give another --method"
            )
        rows, columns = frames[0].shape[:2]
        self.source = Source(
            **dataclasses.asdict(state), width=columns, height=rows,
            lossy=any(each.lossy for each in known), panorama=False,
        )  # fmt: skip
        choices = Choices(settings.align, settings.deghost, settings.reference)
        files = [path.name for path in self.job.sources]
        levels = UNCLIPPED if self.raw else None  # RAW files record their clipping level.
        try:
            self.bracket = prepared(frames, choices, files, levels)
        except ImageError as error:
            raise ImageError(f"{self.job.source}: {error}") from error
        del frames
        self.fused = self.bracket.unscaled(fuse(self.bracket.frames, self.method))
        self.photograph = known[self.bracket.reference]
        self.curve: str | CameraCurve = "srgb"
        self.light = np.broadcast_to(np.float16(0.0), self.fused.shape)
        self.clipped = 0.0
        notes = [f"{self.job.source}: {note}" for note in self.bracket.notes]
        if self.transparent:
            names = ", ".join(self.transparent)
            notes.append(
                f"{self.job.source}: the transparency of {names} is not kept, all pixels are fused "
                "as opaque"
            )
        if settings.merges:
            notes += self._merge(known)
        self.note = "; ".join(notes)
        parts = [f"{len(self.job.sources)} frames", self.method.name, self.bracket.summary]
        self.summary = "  ".join(part for part in parts if part)
        self.bracket.frames.clear()

    def _merge(self, known: list[Photograph]) -> list[str]:
        """Merge the frames to light. Returns notes for the user. Raises ImageError."""
        exposures = [exposure_of(each.camera) for each in known]
        biases = [bias_of(each.camera) for each in known]
        if None in exposures and None not in biases:
            exposures = [2.0**bias for bias in biases if bias is not None]
        if None in exposures:
            path = self.job.sources[exposures.index(None)]
            raise ImageError(
                f"{path}: no exposure time in its Exif data, so nothing is merged; {NO_LIGHT}"
            )
        told = [float(exposure) for exposure in exposures if exposure is not None]
        if max(told) < 1.05 * min(told):
            raise ImageError(
                f"{self.job.source}: all frames have the same exposure time by their Exif data, so "
                f"nothing is merged; {NO_LIGHT}, or, if other frames belong together, give --per"
            )
        apart = math.log2(max(told)) - math.log2(min(told))
        if apart > FARTHEST:
            raise ImageError(
                f"{self.job.source}: its frames are {apart:.0f} stops apart by their Exif data, "
                f"which no bracket is, so nothing is merged; {NO_LIGHT}"
            )
        said, frames = [], self.bracket.frames
        asked = self.settings.camera_curve
        named = asked if asked not in (None, "estimated") else None
        found = estimate_response(frames, told, named)
        self.curve = found.curve
        if math.isinf(found.spread):
            said.append(
                f"{self.job.source}: no two frames show the same pixels neither dark nor clipped, "
                "so its exposures are not checked, and the camera curve is taken to be "
                f"{self.curve}"
            )
        elif found.doubtful or abs(found.ratio - 1.0) > 0.15:
            said.append(
                f"{self.job.source}: its exposures fit its frames badly: {found.spread:.2f} stops "
                f"off, and its frames {found.ratio:.2f} times as many stops apart as their Exif "
                f"data say; check those{', and --camera_curve,' if named else ''} before you use "
                "its light"
            )
        reference = self.bracket.reference
        kind = np.float32 if self.settings.options.exr_float else np.float16
        self.light = merge(frames, told, self.curve, reference, kind)
        clipped = clipped_everywhere(frames, told)
        self.clipped = float(clipped.mean())
        if clipped.any():
            predictor = self.networks.predictor(SHIPPED)
            with_highlights(self.light, frames, told, predictor, self.curve, reference,
                            self.settings.resolution)  # fmt: skip
        chromaticities = self.photograph.chromaticities
        if chromaticities != REC709:
            largest = np.finfo(kind).max
            for top in range(0, len(self.light), STRIP):
                part = self.light[top : top + STRIP].astype(np.float32)
                part = linear_to_rec709(part, chromaticities)
                self.light[top : top + STRIP] = np.clip(part, -largest, largest)
        return said

    def _figures(self) -> dict[str, Any]:
        """Return `job.FIGURES` and what else is stored with the result."""
        weights = luminance_weights(REC709).astype(np.float32)
        peaks, rows, columns = [0.0], *self.fused.shape[:2]
        for top in range(0, rows if self.settings.merges else 0, STRIP):
            peaks.append(float((self.light[top : top + STRIP].astype(np.float32) @ weights).max()))
        return {
            "width": columns,
            "height": rows,
            "saturated": self.clipped,
            "peak_before": 1.0 if self.settings.merges else 0.0,
            "peak_after": max(peaks),
            "curve": curve_record(self.curve),
            "clipping_levels": list(self.bracket.levels),
            "method": self.method.name,
            "frames": [path.name for path in self.job.sources],
            **self.bracket.record(),
        }

    def _picture(self, notes: Mapping[str, str]) -> Picture:
        chromaticities = self.photograph.chromaticities
        return Picture(
            hdr=self.light, codes=self.fused, chromaticities=chromaticities,
            camera=self.photograph.camera, notes=notes,
        )  # fmt: skip

    def write(self) -> Outcome:
        """Write the files. Returns the outcome."""
        figures: dict[str, Any] = {}
        if self._pending:
            with self._step():
                self._make_folder()
                found = self._figures()
                weights = self._weights(self.method.name)
                provenance = Provenance(weights, self.settings.record(), self.source, found)
                picture = self._picture(provenance.notes())
                for name in reversed(self.settings.formats):
                    writer = ALL_WRITERS[name]
                    writer.write(self.job.output(writer.ending), picture, self.settings.options)
                figures = {name: found[name] for name in FIGURES}
                if self.settings.report_bytes:
                    figures["entry"] = self._entry()
        if (outcome := self._unwritten()) is not None:
            return outcome
        return Outcome(
            self.job, weights=self.method.name, seconds=self.seconds, summary=self.summary,
            note=self.note, **figures,
        )  # fmt: skip

    def _entry(self) -> report.Entry:
        """Return the report entry: of the light, or of the fused image as a display shows it."""
        light, primaries = self.light, REC709
        if not self.settings.merges:
            light = np.empty(self.fused.shape, np.float16)
            primaries = self.photograph.chromaticities
            for top in range(0, len(light), STRIP):
                code = self.fused[top : top + STRIP] / np.float32(65535.0)
                light[top : top + STRIP] = srgb_decode(code)
        picture = dataclasses.replace(self._picture({}), hdr=light, primaries=primaries)
        name, files = self.job.source.name, self.settings.links(self.job)
        return report.entry(picture, name, files, self.settings.report_bytes)
