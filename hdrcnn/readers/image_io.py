"""OpenEXR and PNG out; photographs in are read by `photograph`, HDR images by `hdr_io`.

What cannot be read or written raises `ImageError`, one line that names file, reason and remedy.
Files are written beside their place under a temporary name, then renamed: no half-written file
is ever seen under a final name.
"""

from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from hdrcnn.files import ImageError, finished_whole, remove_temporaries
from hdrcnn.listing import LDR_SUFFIXES
from hdrcnn.readers.photograph import Photograph, read_ldr, read_photograph
from hdrcnn.writers.exr import HALF_MAX, write_exr

__all__ = [
    "HALF_MAX",
    "LDR_SUFFIXES",
    "STRIP",
    "ImageError",
    "Photograph",
    "finished_whole",
    "read_ldr",
    "read_photograph",
    "remove_temporaries",
    "write_exr",
    "write_png",
]

STRIP = 256
"""Rows of a picture that are worked on together."""


def write_png(path: Path, codes: np.ndarray, software: str | None = None, xmp: str = "") -> None:
    """[H, W, 3] uint8 to a PNG file, which may name the software that made it, and hold XMP data.

    Raises ImageError where the place cannot be written.
    """
    notes = PngImagePlugin.PngInfo()
    if software is not None:
        notes.add_text("Software", software)
    if xmp:
        notes.add_itxt("XML:com.adobe.xmp", xmp)
    with finished_whole(path) as temporary:
        Image.fromarray(codes).save(temporary, format="PNG", pnginfo=notes)
