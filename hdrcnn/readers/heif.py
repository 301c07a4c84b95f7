"""Read HEIC files with the optional package pillow-heif.

Its licence is BSD, but its wheels contain LGPL and GPL libraries: it is not installed by default.
"""

import io
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from hdrcnn.readers import metadata
from hdrcnn.readers.decoded import Decoded, NotReadError, SizeCheck, unpremultiplied


def _package() -> ModuleType:
    """Import pillow_heif. Raises NotReadError if it is missing."""
    try:
        import pillow_heif
    except ImportError as error:
        raise NotReadError("HEIC needs one more package; pip install pillow-heif") from error
    return pillow_heif


def exif_of(path: Path) -> Image.Exif:
    """Return the Exif data of a file without decoding its samples; empty if there is none.

    Raises NotReadError or, for damaged files, any exception.
    """
    file = _package().open_heif(path)
    return metadata.parse_exif(file.info.get("exif") or b"")


def read(data: bytes, check: SizeCheck) -> Decoded:
    """Decode the primary image, which is upright already: libheif rotates while decoding.

    Raises NotReadError, what `check` raises or, for damaged files, any exception.
    """
    file = _package().open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    check(*file.size)
    mode = file.mode
    pixels = np.asarray(file)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    depth = int(file.info.get("bit_depth") or 8)
    if pixels.dtype == np.uint16:  # The samples are in the upper bits.
        pixels = pixels >> (16 - depth)
    count = 1 if pixels.shape[-1] <= 2 else 3
    colours, alpha, top = pixels[..., :count], None, 2**depth - 1
    if pixels.shape[-1] > count:
        alpha = pixels[..., count] / np.float32(top)
        colours = unpremultiplied(colours, alpha, top) if "a" in mode else colours
    found = metadata.parse_exif(file.info.get("exif") or b"")
    return Decoded(
        colours,
        depth,
        alpha,
        camera=metadata.camera_data(found),
        adobe_rgb=metadata.says_adobe_rgb(found),
        icc=file.info.get("icc_profile") or b"",
        xmp=metadata.xmp_of(file.info),
        maker_note=metadata.apple_note(found),
    )
