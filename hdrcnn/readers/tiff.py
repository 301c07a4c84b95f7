"""Plain TIFF by tifffile, which keeps 16 bits and knows camera raw files."""

import importlib.util
import io
import logging
import math
import zlib

import numpy as np
import tifffile
from PIL import TiffImagePlugin

from hdrcnn.readers import exif
from hdrcnn.readers.decoded import Decoded, NotReadError, SizeCheck, shares, unmultiplied

logging.getLogger("tifffile").addHandler(logging.NullHandler())

_DNG_VERSION, _SUB_IFDS, _ICC, _XMP = 50706, 330, 34675, 700
_OF_SENSORS = (32803, 34892)
"""Photometric interpretations of raw files: colour filter array, linear raw."""
_DEFLATE = (8, 32946)
_PLAIN = (1, *_DEFLATE)
"""Compressions that tifffile reads without further packages."""
_MOST_SAMPLES = 6
"""Of a pixel: three colours, alpha and two more, as Pillow has it too."""


def _check_inflated(data: bytes, parts: list[tuple[int, int]], largest: int) -> None:
    """Raises ValueError where a part would become more bytes than a whole one may have."""
    for offset, count in parts:
        inflated = zlib.decompressobj().decompress(data[offset : offset + count], largest + 1)
        if len(inflated) > largest:
            raise ValueError("a part of it holds more than its pixels")


def _channels_last(page: tifffile.TiffPage, data: bytes) -> np.ndarray:
    """The samples. Raises ValueError where some lie beyond the file, which tifffile would take
    for black.
    """
    if page.axes not in ("YX", "SYX", "YXS"):
        raise NotReadError(f"its axes are {page.axes}, not those of a picture; save it as RGB")
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(parts) < math.prod(page.chunked) or any(
        count <= 0 or offset + count > len(data) for offset, count in parts
    ):
        raise ValueError("parts of the picture are missing")
    # The decoders of imagecodecs know where to stop, tifffile's own does not.
    if page.compression in _DEFLATE and importlib.util.find_spec("imagecodecs") is None:
        _check_inflated(data, parts, math.prod(page.chunks) * page.bitspersample // 8)
    pixels = page.asarray()
    if page.axes == "YX":
        return pixels[..., None]
    return np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels


def _is_raw(page: tifffile.TiffPage) -> bool:
    """Whether this is a camera raw file: marked as DNG, made of sensor samples, or with a
    thumbnail in the first place and the rest below it.
    """
    tags = page.tags
    if tags.valueof(_DNG_VERSION) is not None or page.photometric in _OF_SENSORS:
        return True
    return bool(page.subfiletype & 1) and tags.valueof(_SUB_IFDS) is not None


def _pillow_has_a_mode(data: bytes) -> bool:
    try:
        TiffImagePlugin.TiffImageFile(io.BytesIO(data)).close()
    except SyntaxError:
        return False
    return True


def _is_ours(page: tifffile.TiffPage, data: bytes) -> bool:
    """Whether the page is grey or RGB of 8 or 16 bits, and compressed as tifffile can by itself
    or nothing for Pillow.
    """
    if page.dtype not in (np.uint8, np.uint16) or page.photometric not in (0, 1, 2):
        return False
    if page.bitspersample != 8 * page.dtype.itemsize:
        return False
    if page.compression in _PLAIN or (page.planarconfig == 2 and page.dtype == np.uint16):
        return True
    return not _pillow_has_a_mode(data)


def read(data: bytes, check: SizeCheck) -> Decoded | None:
    """The first picture of a TIFF file; None where Pillow is to read it.

    Raises NotReadError, what `check` raises, or, for damaged files, anything at all.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        tags = page.tags
        if _is_raw(page):
            raise NotReadError("a camera raw file; develop it to 16-bit TIFF or PNG first")
        check(page.imagewidth, page.imagelength)
        if page.dtype is not None and page.dtype.kind == "f":
            raise NotReadError("floating-point samples, an HDR image already; leave it out")
        if page.dtype is not None and (page.dtype.kind in "ic" or page.dtype.itemsize > 2):
            raise NotReadError(f"{page.dtype} samples; only pictures of 8 and 16 bits are read")
        if page.samplesperpixel > _MOST_SAMPLES:
            raise NotReadError(f"{page.samplesperpixel} samples a pixel; save it as RGB")
        if not _is_ours(page, data):
            return None
        if page.is_tiled:
            check(page.tilewidth, page.tilelength)
        pixels = _channels_last(page, data)
        pixels = np.asarray(pixels, pixels.dtype.newbyteorder("="))
        count = 3 if page.photometric == 2 else 1
        colours, alpha, top = pixels[..., :count], None, np.iinfo(pixels.dtype).max
        extra = int(page.extrasamples[0]) if page.extrasamples else 2  # What most writers mean.
        if extra in (1, 2) and pixels.shape[-1] > count:
            alpha = shares(pixels[..., count])
            colours = unmultiplied(colours, alpha, top) if extra == 1 else colours
        if page.photometric == 0:  # White is stored as zero.
            colours = top - colours
        found = exif.parse(data)  # An Exif block is a TIFF file, and the other way round.
        return Decoded(
            colours,
            8 * colours.itemsize,
            alpha,
            orientation=exif.sensible_orientation(tags.valueof(exif.ORIENTATION, 1)),
            camera=exif.camera_data(found),
            adobe_rgb=exif.says_adobe_rgb(found),
            icc=bytes(tags.valueof(_ICC) or b""),
            xmp=exif.xmp_of({"xmp": tags.valueof(_XMP)}),
        )
