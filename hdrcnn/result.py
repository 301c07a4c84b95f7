"""What was reconstructed and what came along, written to files.

The image is changed in place and looked at in strips: no float32 copy of the whole is made.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hdrcnn.camera_attributes import camera_attributes
from hdrcnn.display import to_display
from hdrcnn.files import ImageError
from hdrcnn.folders import Job
from hdrcnn.formats.exif import Camera
from hdrcnn.frame import Frame
from hdrcnn.highlights import THRESHOLD, mask
from hdrcnn.image_io import HALF_MAX, STRIP, write_exr, write_png
from hdrcnn.primaries import REC709, Chromaticities, linear_to_rec709, luminance_weights
from hdrcnn.provenance import Making, Source, software
from hdrcnn.settings import Settings
from hdrcnn.transfer import CameraCurve, linearise


def cap(linear: np.ndarray, max_stops: float) -> np.ndarray:
    """Held to 2^max_stops: where the largest channel is above, the pixel is scaled down to it.

    linear: [..., 3]. Hues are kept; everything below is left as it is.
    """
    largest = linear.max(axis=-1, keepdims=True)
    limit = np.float32(2.0**max_stops)
    return np.where(largest > limit, linear * (limit / np.maximum(largest, limit)), linear)


@dataclasses.dataclass(eq=False)
class Result:
    """An HDR image on its way to its files."""

    hdr: np.ndarray
    """[H, W, 3] float16, linear, in the photograph's primaries until it is finished."""
    frame: Frame
    """The codes it was made from."""
    curve: str | CameraCurve
    """By which they became light."""
    blend: str
    chromaticities: Chromaticities
    """Of the photograph."""
    alpha: np.ndarray | None
    """[H, W] float16 in [0, 1]."""
    camera: Camera
    settings: Settings

    @property
    def primaries(self) -> Chromaticities:
        """Of the finished image."""
        return self.chromaticities if self.settings.primaries else REC709

    def finish(self) -> None:
        """Brings it to its own primaries and holds its peak. To be called once."""
        max_stops, convert = self.settings.max_stops, self.primaries != self.chromaticities
        if not convert and max_stops is None:
            return
        for top in range(0, len(self.hdr), STRIP):
            linear = self.hdr[top : top + STRIP].astype(np.float32)
            if convert:
                linear = linear_to_rec709(linear, self.chromaticities)
            if max_stops is not None:
                linear = cap(linear, max_stops)
            self.hdr[top : top + STRIP] = np.clip(linear, -HALF_MAX, HALF_MAX)

    def _strips(self, of: Callable[[np.ndarray, np.ndarray], Any]) -> list[Any]:
        """Something of the codes and the image, float32, of each strip."""
        picture = self.frame.picture
        return [
            of(self.frame.codes(strip), self.hdr[strip.within(picture)].astype(np.float32))
            for strip in picture.strips(STRIP)
        ]

    def figures(self) -> dict[str, Any]:
        """Width, height, saturated, peak_before, peak_after of an `Outcome`; once finished."""
        before = luminance_weights(self.chromaticities).astype(np.float32)
        after = luminance_weights(self.primaries).astype(np.float32)

        def of(code: np.ndarray, hdr: np.ndarray) -> tuple[int, float, float]:
            light = linearise(code, self.curve) @ before
            saturated = (code.max(axis=-1) > THRESHOLD).sum()
            return int(saturated), float(light.max()), float((hdr @ after).max())

        saturated, peaks_before, peaks_after = zip(*self._strips(of), strict=True)
        rows, columns = self.hdr.shape[:2]
        return {
            "width": columns,
            "height": rows,
            "saturated": sum(saturated) / (rows * columns),
            "peak_before": max(peaks_before),
            "peak_after": max(peaks_after),
        }

    def write(self, job: Job, weights: str, source: Source) -> dict[str, Any]:
        """All files, the OpenEXR file last: where it is, the others are. Returns the figures.

        weights: SHA-256 of their file. Raises ImageError.
        """
        self.finish()
        figures = self.figures()
        exr, *previews = map(job.output, self.settings.endings)
        if not math.isfinite(figures["peak_after"]):
            raise ImageError(f"{exr}: not written, the image holds values that are not finite")
        if previews:
            for path, codes in zip(previews, self._previews(), strict=True):
                write_png(path, codes, software())
        making = Making(weights, self.settings.record(), source, figures)
        attributes = {
            **camera_attributes(self.camera),
            **making.attributes(),
            "chromaticities": self.primaries,
        }
        planes = self._mask() if self.settings.mask else {}
        if self.alpha is not None:
            planes["A"] = self.alpha
            attributes["hdrcnn:alpha"] = "unassociated"
        write_exr(exr, self.hdr, planes, attributes)
        return figures

    def _previews(self) -> tuple[np.ndarray, np.ndarray]:
        """Photograph and image at the exposure of the previews, uint8 sRGB."""

        def shown(linear: np.ndarray, primaries: Chromaticities) -> np.ndarray:
            return to_display(linear_to_rec709(linear, primaries), self.settings.exposure)

        def of(code: np.ndarray, hdr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            linear = linearise(code, self.curve)
            return shown(linear, self.chromaticities), shown(hdr, self.primaries)

        before, after = zip(*self._strips(of), strict=True)
        return np.concatenate(before), np.concatenate(after)

    def _mask(self) -> dict[str, np.ndarray]:
        """How much of the photograph's red, green and blue is predicted, as channels."""
        layer = np.empty((3, *self.hdr.shape[:2]), np.float16)
        for strip in self.frame.picture.strips(STRIP):
            shares = mask(self.frame.codes(strip), self.blend, self.settings.gamma)
            rows, columns = strip.within(self.frame.picture)
            layer[:, rows, columns] = np.moveaxis(shares, -1, 0)
        return dict(zip(("mask.R", "mask.G", "mask.B"), layer, strict=True))
