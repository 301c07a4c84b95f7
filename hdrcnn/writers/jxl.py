"""JPEG XL, floating point, without losses: light in less space.

Stores: light, as half floats or, on request, 32-bit floats, exactly, including negative values
(half floats below 6.1e-5 lose digits in the library); linear Rec. 709, as stated in the codestream;
alpha, by which the light is not multiplied, as stated in the codestream; camera (Exif), panorama
(XMP), notes. Does not store: cd/m^2 of 1.0 (the package cannot set it: 255 is assumed), MaxCLL, the
mask. Source: ISO/IEC 18181-1 and -2.
"""

from pathlib import Path

import numpy as np

from hdrcnn.files import ImageError, finished_whole
from hdrcnn.readers.heif_items import box
from hdrcnn.tiles.geometry import strips
from hdrcnn.writers import Options, needed, notes
from hdrcnn.writers.exr import HALF_MAX
from hdrcnn.writers.metadata import exif_block, panorama_xmp
from hdrcnn.writers.picture import Picture, check_writable, rec709

EFFORT = 3
"""Encoder effort, 1 to 9; more makes files little smaller for much more time."""


def _end_of_head(data: bytes) -> int:
    """Return where the boxes end that have to come first; the samples follow."""
    at = 0
    while data[at + 4 : at + 8] in (b"JXL ", b"ftyp", b"jxll"):
        at += int.from_bytes(data[at : at + 4], "big")
    return at


def _light(picture: Picture, single: bool) -> np.ndarray:
    """Return [H, W, 3 or 4] linear Rec. 709, as float32 or as half floats clipped to range."""
    kind = np.float32 if single else np.float16
    largest = HALF_MAX if kind == np.float16 else np.inf
    channels = 3 if picture.alpha is None else 4
    light = np.empty((*picture.size, channels), kind)
    for rows in strips(len(light)):
        light[rows, :, :3] = np.clip(rec709(picture, rows), -largest, largest)
        if picture.alpha is not None:
            light[rows, :, 3] = picture.alpha[rows]
    return light


def write(path: Path, picture: Picture, options: Options) -> None:
    """Write a JPEG XL file. Raises ImageError."""
    check_writable(path, picture)
    imagecodecs = needed("jxl", path)
    # The encoder tags floating point as linear.
    try:
        light = _light(picture, options.exr_float)
        data = imagecodecs.jpegxl_encode(light, lossless=True, effort=EFFORT)
    except imagecodecs.JpegxlError as error:
        raise ImageError(f"{path}: cannot be encoded: {error}") from error
    exif = exif_block(picture.camera)
    with finished_whole(path) as temporary, temporary.open("wb") as file:
        head = _end_of_head(data)
        file.write(data[:head])
        if picture.notes:
            file.write(notes.box(picture.notes))
        file.write(data[head:])
        if exif:
            file.write(box(b"Exif", bytes(4) + exif))
        if picture.panorama:
            file.write(box(b"xml ", panorama_xmp(picture.panorama.xmp(*picture.size)).encode()))
