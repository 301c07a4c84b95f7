"""What a writer is given: the result, what is known of it, and how it is wanted."""

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from hdrcnn.colour.absolute import REFERENCE_WHITE, strips
from hdrcnn.colour.primaries import REC709, Chromaticities
from hdrcnn.colour.transfer import CameraCurve
from hdrcnn.files import ImageError
from hdrcnn.readers.exif import Camera
from hdrcnn.readers.panorama import Band

COMPRESSIONS = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")
LOOKS = ("photograph", "light")


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
    scaling: float = 1.0
    """What the codes were multiplied with, and clipped, before they became light."""
    curve: str | CameraCurve | None = None
    """How they became light, as for `transfer.linearise`. None: not known."""
    chromaticities: Chromaticities = REC709
    """Of `codes`."""
    jpeg: bytes | None = None
    """The photograph's file where it is a JPEG whose samples are `codes`."""
    alpha: np.ndarray | None = None
    """[H, W] float in [0, 1], not multiplied in."""
    mask: np.ndarray | None = None
    """[H, W] or [H, W, 3] float in [0, 1]: how much is predicted; 1 = all. `highlights.mask`."""
    panorama: Band | None = None
    """What it shows of a sphere where it is equirectangular and goes all the way round."""
    camera: Camera = dataclasses.field(default_factory=dict)
    """As `formats.exif.camera_data`."""
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What is to be known of the making: version, weights, settings. Name to text."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.hdr.shape[0], self.hdr.shape[1]


@dataclasses.dataclass(frozen=True)
class Options:
    """How the files are wanted. Raises ValueError, one line."""

    nits: float = REFERENCE_WHITE
    """cd/m^2 of linear 1.0."""
    exr_float: bool = False
    """32 bits a sample instead of 16."""
    exr_compression: str = "zip"
    """One of `COMPRESSIONS`."""
    exr_level: float | None = None
    """Of DWAA and DWAB: 45 as a rule, more is smaller and worse."""
    jpeg_quality: int = 95
    """Of the picture in an Ultra HDR file, where it is encoded anew, and of its gain map."""
    avif_quality: int = 95
    """1 to 100; 100 keeps every code."""
    look: str = "photograph"
    """Of files that are looked at (Ultra HDR, AVIF, PNG); see `outputs.look`."""

    def __post_init__(self) -> None:
        if not 0.0 < self.nits <= 10000.0:
            raise ValueError(f"nits {self.nits:g}: cd/m^2 above 0, at most 10000")
        if self.exr_compression not in COMPRESSIONS:
            raise ValueError(
                f"exr_compression {self.exr_compression!r}; known: {', '.join(COMPRESSIONS)}"
            )
        if self.exr_level is not None and not 0.0 <= self.exr_level < 1e5:
            raise ValueError(f"exr_level {self.exr_level:g}: 0 or more")
        for name in ("jpeg_quality", "avif_quality"):
            if not 1 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} {getattr(self, name)}: 1 to 100")
        if self.look not in LOOKS:
            raise ValueError(f"look {self.look!r}; known: {', '.join(LOOKS)}")


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


def needed(package: str, hint: str, what: str) -> ModuleType:
    """A package that is not always installed. Raises ImageError, one line that says how to."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImageError(f"{what} needs one package more; {hint}") from error
