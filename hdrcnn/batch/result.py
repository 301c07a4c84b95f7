"""The reconstructed image with its metadata: conversion of primaries, figures, writing of files.

The image is changed in place and processed in strips, without a float32 copy of the whole.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hdrcnn import review
from hdrcnn.batch.job import PREVIEW_ENDINGS, Settings, Source
from hdrcnn.batch.plan import Job
from hdrcnn.batch.recipe import Provenance, software
from hdrcnn.colour.clipping_level import Levels
from hdrcnn.colour.measured import Measured, SensorLight
from hdrcnn.colour.primaries import REC709, Chromaticities, linear_to_rec709, luminance_weights
from hdrcnn.colour.transfer import CameraCurve, linearise, to_display
from hdrcnn.files import ImageError
from hdrcnn.predict.blend import THRESHOLD, mask
from hdrcnn.readers.metadata import Band, Camera
from hdrcnn.review import Entry
from hdrcnn.review.exposure_strip import write_exposure_strip
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.geometry import Region
from hdrcnn.writers import WRITERS, Picture
from hdrcnn.writers.display import write_png
from hdrcnn.writers.exr import HALF_MAX

STRIP = 256
"""Number of rows processed at once."""


def curve_record(curve: str | CameraCurve) -> str | dict[str, float]:
    """Return a camera curve for JSON: its name, or its parameters if it was estimated."""
    return curve if isinstance(curve, str) else dataclasses.asdict(curve)


def curve_of(record: str | Mapping[str, float]) -> str | CameraCurve:
    """Return the camera curve from `curve_record`. Raises TypeError for anything else."""
    return record if isinstance(record, str) else CameraCurve(**record)


def levels_of(figures: Mapping[str, Any]) -> Levels:
    """Return the codes at which the channels clip from the figures of a result. Raises LookupError,
    TypeError or ValueError.
    """
    red, green, blue = (float(level) for level in figures["clipping_levels"])
    if not all(0.0 < level <= 1.0 for level in (red, green, blue)):
        raise ValueError(f"clipping levels {red}, {green}, {blue}: within 0..1")
    return red, green, blue


def cap(linear: np.ndarray, max_stops: float) -> np.ndarray:
    """Limit light to 2^max_stops: pixels whose largest channel is above it are scaled down to it.

    linear: [..., 3]. Hues are kept, and all other pixels are unchanged.
    """
    largest = linear.max(axis=-1, keepdims=True)
    limit = np.float32(2.0**max_stops)
    return np.where(largest > limit, linear * (limit / np.maximum(largest, limit)), linear)


@dataclasses.dataclass(eq=False)
class Result:
    """An HDR image and everything that is written with it."""

    hdr: np.ndarray
    """[H, W, 3] float16 or float32, linear, in the photograph's primaries until `finish`."""
    frame: Frame
    """Codes of the photograph."""
    levels: Levels
    """Codes at which the channels were found to clip."""
    curve: str | CameraCurve
    """Curve by which the codes became light."""
    blend: str
    chromaticities: Chromaticities
    """Primaries and white of the photograph."""
    alpha: np.ndarray | None
    """[H, W] float16 in [0, 1]."""
    panorama: Band | None
    """Part of the sphere that the photograph shows, if its left and right sides meet."""
    camera: Camera
    settings: Settings
    jpeg: bytes | None = None
    """The photograph's file, if it is a JPEG whose samples are these codes."""
    measured: Measured | None = None
    """Light from the photograph's gain map; `curve` then has no meaning."""
    sensor: SensorLight | None = None
    """Light of a RAW file, whose rendering the codes are."""
    gain_map_fault: str = ""
    """Why the photograph's gain map was not used."""
    finished: bool = False

    @property
    def primaries(self) -> Chromaticities:
        """Primaries of the image in its present state."""
        kept = self.settings.primaries or not self.finished
        return self.chromaticities if kept else REC709

    def finish(self) -> None:
        """Convert the image to its final primaries and limit its peak, in place. Call it once."""
        self.finished = True
        max_stops, convert = self.settings.max_stops, self.primaries != self.chromaticities
        if not convert and max_stops is None:
            return
        for top in range(0, len(self.hdr), STRIP):
            linear = self.hdr[top : top + STRIP].astype(np.float32)
            if convert:
                linear = linear_to_rec709(linear, self.chromaticities)
            if max_stops is not None:
                linear = cap(linear, max_stops)
            if self.hdr.dtype == np.float16:
                linear = np.clip(linear, -HALF_MAX, HALF_MAX)
            self.hdr[top : top + STRIP] = linear

    def _strips(self, of: Callable[[Region, np.ndarray, np.ndarray], Any]) -> list[Any]:
        """Return a function's values for all strips. of: takes a strip, its codes and its part of
        the image, both float32.
        """
        picture = self.frame.picture
        return [
            of(strip, self.frame.codes(strip), self.hdr[strip.within(picture)].astype(np.float32))
            for strip in picture.strips(STRIP)
        ]

    def _before(self, strip: Region, code: np.ndarray) -> np.ndarray:
        """Return the photograph's light in a strip, in its own primaries. code: of the strip."""
        if self.measured is None:
            return linearise(code, self.curve)
        return self.measured.light[strip.within(self.frame.picture)].astype(np.float32)

    def figures(self) -> dict[str, Any]:
        """Return `job.FIGURES`, the curve, and what applies to gain maps and RAW files."""
        before = luminance_weights(self.chromaticities).astype(np.float32)
        after = luminance_weights(self.primaries).astype(np.float32)

        def of(strip: Region, code: np.ndarray, hdr: np.ndarray) -> tuple[int, float, float]:
            light = self._before(strip, code) @ before
            above = code > THRESHOLD
            if self.measured is not None:
                above = above & (self.measured.clipped[strip.within(self.frame.picture)] > 0)
            saturated = above.any(axis=-1).sum()
            return int(saturated), float(light.max()), float((hdr @ after).max())

        saturated, peaks_before, peaks_after = zip(*self._strips(of), strict=True)
        rows, columns = self.hdr.shape[:2]
        return {
            "width": columns,
            "height": rows,
            "saturated": sum(saturated) / (rows * columns),
            "peak_before": max(peaks_before),
            "peak_after": max(peaks_after),
            "curve": curve_record(self.curve),
            "clipping_levels": list(self.levels),
            **({"gain_map": True} if self.measured is not None else {}),
            **({"raw": True} if self.sensor is not None else {}),
            **({"gain_map_fault": self.gain_map_fault} if self.gain_map_fault else {}),
        }

    def write(self, job: Job, weights: str, source: Source, estimator: str = "") -> dict[str, Any]:
        """Write all files. Returns the figures.

        weights, estimator: as in `Provenance`. Raises ImageError.
        """
        self.finish()
        figures = self.figures()
        provenance = self._provenance(job, weights, source, figures, estimator)
        picture = self.picture(provenance.notes())
        if self.settings.previews:
            previews = [job.output(ending) for ending in PREVIEW_ENDINGS]
            for path, codes in zip(previews, self._previews(), strict=False):
                write_png(path, codes, software(provenance))
            write_exposure_strip(previews[-1], picture, job.source.name, software(provenance))
        self._write_light(job, picture)
        return figures

    def _provenance(
        self, job: Job, weights: str, source: Source, figures: Mapping[str, Any], estimator: str
    ) -> Provenance:
        """Return the record for all files. Raises ImageError for light that is not finite."""
        if not math.isfinite(figures["peak_after"]):
            raise ImageError(
                f"{job.source}: not converted, the result holds values that are not finite; "
                "check --params, --gamma and --scaling"
            )
        return Provenance(weights, self.settings.record(), source, figures, estimator=estimator)

    def _write_light(self, job: Job, picture: Picture) -> None:
        """Write the image in all formats. Raises ImageError."""
        # The first format is written last, so that an incomplete result never looks complete.
        for name in reversed(self.settings.formats):
            writer = WRITERS[name]
            writer.write(job.output(writer.ending), picture, self.settings.options)

    def entry(self, job: Job, room: int) -> Entry:
        """Return the entry of the report. Call it after `finish`."""
        return review.entry(self.picture({}), job.source.name, self.settings.links(job), room)

    def picture(self, notes: Mapping[str, str]) -> Picture:
        """Return the image for the writers. Call it after `finish`."""
        return Picture(
            hdr=self.hdr,
            primaries=self.primaries,
            codes=self.frame.image,
            scaling=self.frame.scaling,
            curve=self.curve,
            chromaticities=self.chromaticities,
            jpeg=self.jpeg,
            measured=self.measured,
            alpha=self.alpha,
            mask=self._mask() if notes and self.settings.mask else None,
            panorama=self.panorama,
            camera=self.camera,
            notes=notes,
        )

    def _previews(self) -> tuple[np.ndarray, np.ndarray]:
        """Return photograph and image at the exposure of the previews, uint8 sRGB."""

        def shown(linear: np.ndarray, primaries: Chromaticities) -> np.ndarray:
            return to_display(linear_to_rec709(linear, primaries), self.settings.exposure)

        def of(strip: Region, code: np.ndarray, hdr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            linear = self._before(strip, code)
            return shown(linear, self.chromaticities), shown(hdr, self.primaries)

        before, after = zip(*self._strips(of), strict=True)
        return np.concatenate(before), np.concatenate(after)

    def _mask(self) -> np.ndarray:
        """Return how much of the photograph's red, green and blue is predicted, for a RAW file of
        those of its sensor: [H, W, 3] float16 in [0, 1].
        """
        shares = np.zeros(self.hdr.shape, np.float16)
        if not self.blend:
            return shares
        for strip in self.frame.picture.strips(STRIP):
            part = strip.within(self.frame.picture)
            if self.sensor is not None:
                shares[part] = self.sensor.mask(part)
                continue
            found = mask(self.frame.codes(strip), self.blend, self.settings.gamma)
            if self.measured is not None:
                found = found * (self.measured.clipped[part] / np.float32(255.0))
            shares[part] = found
        return shares
