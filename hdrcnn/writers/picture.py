"""What a writer is given: the result, what is known of it, and how it is wanted."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hdrcnn.colour.absolute import REFERENCE_WHITE, strips
from hdrcnn.colour.clipping_level import Levels
from hdrcnn.colour.measured import Measured
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


def _option(
    default: Any,
    about: str,
    choices: tuple[str, ...] = (),
    valid: Callable[[Any], bool] | None = None,
    limits: str = "",
) -> Any:
    """A field that tells its help, and how it may be. limits: `valid` in words."""
    told = {"about": about, "choices": choices, "valid": valid, "limits": limits}
    return dataclasses.field(default=default, metadata=told)


def _percent(value: int) -> bool:
    return 1 <= value <= 100


@dataclasses.dataclass(frozen=True)
class Options:
    """How the files are wanted. Raises ValueError, one line. The command makes a flag of each."""

    nits: float = _option(
        REFERENCE_WHITE,
        "cd/m^2 of the clipping level, 1.0.",
        valid=lambda value: 0.0 < value <= 10000.0,
        limits="cd/m^2 above 0, at most 10000",
    )
    look: str = _option(
        "photograph",
        "Of files to look at, below the clipping level: that of the photograph, or the light "
        "behind it.",
        LOOKS,
    )
    exr_float: bool = _option(False, "OpenEXR and JPEG XL of 32 bits a sample. Without: 16.")
    exr_compression: str = _option("zip", "Of OpenEXR.", COMPRESSIONS)
    exr_level: float | None = _option(
        None,
        "Of dwaa and dwab: 45 as a rule, more is smaller and worse.",
        valid=lambda value: value is None or 0.0 <= value < 1e5,
        limits="0 or more",
    )
    jpeg_quality: int = _option(
        95, "Of ultrahdr: gain map, and base where encoded anew.", valid=_percent, limits="1 to 100"
    )
    avif_quality: int = _option(
        95, "Of avif; 100 keeps every code.", valid=_percent, limits="1 to 100"
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, told = getattr(self, field.name), field.metadata
            if told["choices"] and value not in told["choices"]:
                known = ", ".join(told["choices"])
                raise ValueError(f"{field.name} {value!r}; known: {known}")
            if told["valid"] is not None and not told["valid"](value):
                raise ValueError(f"{field.name} {value:g}: {told['limits']}")


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
