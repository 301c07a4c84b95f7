"""OpenEXR and PNG out; photographs in are read by `photograph`, HDR images by `hdr_io`.

What cannot be read or written raises `ImageError`, one line that names file, reason and remedy.
Files are written beside their place under a temporary name, then renamed: no half-written file
is ever seen under a final name.
"""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import OpenEXR

from hdrcnn.files import ImageError, finished_whole, remove_temporaries
from hdrcnn.folders import LDR_SUFFIXES
from hdrcnn.photograph import Photograph, read_ldr, read_photograph

__all__ = [
    "HALF_MAX",
    "LDR_SUFFIXES",
    "ImageError",
    "Photograph",
    "finished_whole",
    "read_ldr",
    "read_photograph",
    "remove_temporaries",
    "write_exr",
    "write_png",
]

HALF_MAX = 65504.0


def write_exr(path: Path, hdr: np.ndarray) -> None:
    """[H, W, 3] linear, Rec. 709, to a half-float OpenEXR file, ZIP compressed.

    Values beyond the half-float maximum (65504) are held there, not left to become infinite.
    Raises ImageError where `hdr` is not finite or the place cannot be written.
    """
    if hdr.ndim != 3 or hdr.shape[-1] != 3:
        raise ImageError(f"{path}: an image of shape [H, W, 3] is needed, not {hdr.shape}")
    if not np.isfinite(hdr).all():
        raise ImageError(f"{path}: not written, the image holds values that are not finite")
    half = np.clip(hdr, -HALF_MAX, HALF_MAX).astype(np.float16)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with finished_whole(path) as temporary:
        try:
            OpenEXR.File(header, {"RGB": np.ascontiguousarray(half)}).write(str(temporary))
        except RuntimeError as error:
            raise ImageError(f"{path}: cannot be written: {error}") from error


def write_png(path: Path, codes: np.ndarray) -> None:
    """[H, W, 3] uint8 to a PNG file. Raises ImageError where the place cannot be written."""
    with finished_whole(path) as temporary:
        iio.imwrite(temporary, codes, plugin="pillow")
