"""What every decoder returns, and how it refuses."""

import dataclasses
from collections.abc import Callable

import numpy as np

from hdrcnn.readers.exif import Camera

SizeCheck = Callable[[int, int], None]
"""Called with width and height before decoding; raises where the picture is not wanted."""


class NotReadError(Exception):
    """A sound file that is no photograph of the kind wanted: `reason; remedy`."""


class CameraRawError(NotReadError):
    """What begins like a TIFF holds the samples of a sensor, for `readers.raw`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Decoded:
    """The first picture of a file."""

    colours: np.ndarray
    """[H, W, 1] grey or [H, W, 3] RGB, uint8 or uint16, as stored."""
    bits: int
    """Of a sample; the largest code is 2^bits - 1."""
    alpha: np.ndarray | None = None
    """[H, W] float32 in [0, 1]."""
    orientation: int = 1
    """What remains to be turned, as in Exif."""
    camera: Camera = dataclasses.field(default_factory=dict)
    adobe_rgb: bool = False
    """The Exif data say so."""
    icc: bytes = b""
    """The profile of these samples."""
    xmp: bytes = b""
    maker_note: bytes = b""
    """Apple's, for the headroom of a gain map; it goes into no result."""
    compression: str = ""
    """Of a TIFF, as Pillow calls it."""
    converted: bool = False
    """By a profile of tables in the file; the samples are no longer those that are stored."""

    def __post_init__(self) -> None:
        """Raises ValueError if damage has led to samples that are no picture."""
        shape = self.colours.shape
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise ValueError(f"samples of the shape {shape}")
        if self.alpha is not None and self.alpha.shape != shape[:2]:
            raise ValueError(f"alpha of the shape {self.alpha.shape}")


def shares(alpha: np.ndarray) -> np.ndarray:
    """Integer alpha to float32 in [0, 1]."""
    return np.asarray(alpha, np.float32) / np.float32(np.iinfo(alpha.dtype).max)


def unmultiplied(colours: np.ndarray, alpha: np.ndarray, top: int) -> np.ndarray:
    """[H, W, C] integers that were stored times alpha ([H, W] in [0, 1]), divided by it again.

    top: the largest code, where colours greater than their alpha end. Where alpha is 0 nothing is
    known of the colour; it stays as it is stored.
    """
    share = np.where(alpha > 0, alpha, 1)[..., None]
    return np.minimum(np.round(colours / share), top).astype(colours.dtype)
