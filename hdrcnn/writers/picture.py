"""What a writer is given: the result, and what is known of it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hdrcnn.colour.clipping_level import Levels
from hdrcnn.colour.measured import Measured
from hdrcnn.colour.primaries import REC709, Chromaticities
from hdrcnn.colour.transfer import CameraCurve
from hdrcnn.files import ImageError
from hdrcnn.readers.exif import Camera
from hdrcnn.readers.panorama import Band
from hdrcnn.tiles.regions import strips


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """An HDR picture and where it comes from. Upright; all arrays have the same rows and columns.

    Only what stands here reaches a file: no place (GPS), no name, no serial number.
    """

    hdr: np.ndarray
    """[H, W, 3] float16 or float32, linear, finite; 1.0 = clipping level of the photograph."""
    primaries: Chromaticities = REC709
    """Of `hdr`."""
    codes: np.ndarray | None = None
    """[H, W, 3] uint8, uint16, or float in [0, 1]: the photograph, display-encoded."""
    scaling: float | Levels = 1.0
    """What the codes, or those of each channel, were multiplied by, and clipped, before they became
    light."""
    curve: str | CameraCurve | None = None
    """How they became light, as for `transfer.linearise`. None: not known."""
    chromaticities: Chromaticities = REC709
    """Of `codes`."""
    jpeg: bytes | None = None
    """The photograph's file where it is a JPEG whose samples are `codes`."""
    measured: Measured | None = None
    """What the photograph's own gain map gave, in the primaries of `codes`."""
    alpha: np.ndarray | None = None
    """[H, W] float in [0, 1], not multiplied in."""
    mask: np.ndarray | None = None
    """[H, W] or [H, W, 3] float in [0, 1]: how much is predicted; 1 = all. `blend.mask`."""
    panorama: Band | None = None
    """What it shows of a sphere where it is equirectangular and goes all the way round."""
    camera: Camera = dataclasses.field(default_factory=dict)
    """As `readers.exif.camera_data`."""
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What is to be known of the making: version, weights, settings. Name to text."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.hdr.shape[0], self.hdr.shape[1]


def check(path: Path, picture: Picture) -> None:
    """Raises ImageError where the picture is none, or holds values that are not finite."""
    hdr = picture.hdr
    if hdr.ndim != 3 or hdr.shape[-1] != 3 or 0 in hdr.shape:
        raise ImageError(f"{path}: an image of shape [H, W, 3] is needed, not {hdr.shape}")
    for name, plane in (("codes", picture.codes), ("alpha", picture.alpha), ("mask", picture.mask)):
        if plane is not None and plane.shape[:2] != hdr.shape[:2]:
            raise ImageError(
                f"{path}: not written, its {name} {plane.shape} and its light {hdr.shape} "
                "differ in size"
            )
    if not all(np.isfinite(hdr[rows]).all() for rows in strips(len(hdr))):
        raise ImageError(f"{path}: not written, the image holds values that are not finite")
