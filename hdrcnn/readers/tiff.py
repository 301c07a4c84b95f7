"""Read TIFF photographs of the kinds listed in `_KINDS`.

Compressions that only libtiff decodes are left to Pillow.
"""

import dataclasses
import io
from collections.abc import Callable

import numpy as np
import tifffile

from hdrcnn.readers import metadata, tiff_colours
from hdrcnn.readers.animation import lossy_webp
from hdrcnn.readers.decoded import (
    CameraRawError,
    Decoded,
    NotReadError,
    SizeCheck,
    unpremultiplied,
)
from hdrcnn.readers.tiff_page import JPEG, WEBP, compression_name, samples

_PHOTOMETRIC, _DNG_VERSION, _SUB_IFDS, _ICC, _XMP = 262, 50706, 330, 34675, 700
_OF_SENSORS = (32803, 34892)
"""Photometric interpretations of RAW files: colour filter array, linear raw."""
_OF_LIGHT = (32844, 32845)
"""Photometric interpretations of HDR images: LogL, LogLuv."""
_BY_LIBTIFF = (2, 3, 4, 6, 32766, 32771, 32809)
"""Compressions that Pillow decodes through libtiff: fax, old-style JPEG, NeXT, ThunderScan."""
_MOST_SAMPLES = 6
"""Maximum number of samples per pixel, as in Pillow: four inks, or three colours, and extra
samples."""
_ASSOCIATED, _UNASSOCIATED = 1, 2


@dataclasses.dataclass(frozen=True)
class _Kind:
    """A photometric interpretation (tag 262): colour channels, allowed bit depths, conversion."""

    colours: int
    bits: tuple[int, ...]
    meaning: Callable[[tifffile.TiffPage, np.ndarray], np.ndarray]
    profiled: bool = True
    """Whether the file's ICC profile is that of the converted samples."""


_ANY = tuple(range(1, 17))
_KINDS = {
    0: _Kind(1, _ANY, tiff_colours.white_is_zero),
    1: _Kind(1, _ANY, tiff_colours.unchanged),
    2: _Kind(3, _ANY, tiff_colours.unchanged),
    3: _Kind(1, tuple(range(1, 9)), tiff_colours.palette),
    5: _Kind(4, (8, 16), tiff_colours.cmyk, profiled=False),
    6: _Kind(3, (8,), tiff_colours.ycbcr),
    8: _Kind(3, (8, 16), tiff_colours.cielab, profiled=False),
    9: _Kind(3, (8, 16), tiff_colours.icclab, profiled=False),
}


def _is_raw(page: tifffile.TiffPage) -> bool:
    """Whether this is a camera RAW file: marked as DNG, made of sensor samples, or with a thumbnail
    as its first image and the others below it.
    """
    tags = page.tags
    if tags.valueof(_DNG_VERSION) is not None or page.photometric in _OF_SENSORS:
        return True
    return bool(page.subfiletype & 1) and tags.valueof(_SUB_IFDS) is not None


def _photometric(page: tifffile.TiffPage) -> int:
    """Return the photometric interpretation of the decompressed samples.

    As stated; if it is missing, by the number of samples, as in libtiff. YCbCr JPEG is decompressed
    to RGB.
    """
    if page.tags.get(_PHOTOMETRIC) is None and int(page.photometric) == 0:
        return 2 if page.samplesperpixel >= 3 else 1
    if int(page.photometric) == 6 and int(page.compression) == JPEG and page.planarconfig == 1:
        return 2
    return int(page.photometric)


def _kind(page: tifffile.TiffPage) -> _Kind:
    """Return the page's entry of `_KINDS`. Raises NotReadError if the page is not supported."""
    bits, photometric = page.bitspersample, _photometric(page)
    if photometric in _OF_LIGHT or (page.dtype is not None and page.dtype.kind == "f"):
        raise NotReadError("floating-point samples, an HDR image already; leave it out")
    if page.dtype is not None and (page.dtype.kind in "ic" or page.dtype.itemsize > 2):
        raise NotReadError(f"{page.dtype} samples; only pictures of 8 and 16 bits are read")
    kind = _KINDS.get(photometric)
    if kind is None or page.samplesperpixel > _MOST_SAMPLES:
        what = (
            f"{page.samplesperpixel} samples a pixel" if kind else f"colours of kind {photometric}"
        )
        raise NotReadError(f"{what}; save it as RGB")
    if bits not in kind.bits:
        raise NotReadError(f"samples of {bits} bits; save it as RGB of 8 or 16 bits")
    return kind


def _in_plain_bits(codes: np.ndarray, bits: int) -> tuple[np.ndarray, int]:
    """Scale codes of 1, 2 and 4 bits exactly to 8 bits; others stay. Returns codes and bits."""
    if 255 % (2**bits - 1) or bits >= 8:
        return codes, bits
    return codes * np.uint8(255 // (2**bits - 1)), 8


def _compression(page: tifffile.TiffPage, data: bytes) -> str:
    """Return the name of the compression, which tells lossless WebP from lossy."""
    without_losses = int(page.compression) == WEBP and not lossy_webp(data[page.dataoffsets[0] :])
    return "webp without losses" if without_losses else compression_name(page)


def read(data: bytes, check: SizeCheck) -> Decoded | None:
    """Decode the first image of a TIFF file; None if Pillow has to read it.

    Raises NotReadError, what `check` raises or, for damaged files, any exception.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        tags = page.tags
        if _is_raw(page):
            raise CameraRawError("a camera raw file; develop it to 16-bit TIFF or PNG first")
        check(page.imagewidth, page.imagelength)
        if int(page.compression) in _BY_LIBTIFF:
            return None
        kind, bits = _kind(page), int(page.bitspersample)
        if page.is_tiled:
            check(page.tilewidth, page.tilelength)
        stored = samples(page, data)
        stored = stored.view(np.uint8) if stored.dtype == bool else stored
        colours, alpha = stored[..., : kind.colours], None
        if colours.shape[-1] < kind.colours:
            raise ValueError(f"{colours.shape[-1]} samples a pixel")
        extra = int(page.extrasamples[0]) if page.extrasamples else _UNASSOCIATED  # Most mean this.
        if extra in (_ASSOCIATED, _UNASSOCIATED) and stored.shape[-1] > kind.colours:
            top = 2**bits - 1
            alpha = stored[..., kind.colours].astype(np.float32) / np.float32(top)
            if extra == _ASSOCIATED and _photometric(page) in (0, 1, 2):
                colours = unpremultiplied(colours, alpha, top)
        colours, bits = kind.meaning(page, colours), 8 if _photometric(page) == 3 else bits
        colours, bits = _in_plain_bits(colours, bits)
        found = metadata.parse_exif(data)  # An Exif block is itself a TIFF file.
        return Decoded(
            colours,
            bits,
            alpha,
            orientation=metadata.sensible_orientation(tags.valueof(metadata.ORIENTATION, 1)),
            camera=metadata.camera_data(found),
            adobe_rgb=metadata.says_adobe_rgb(found),
            icc=bytes(tags.valueof(_ICC) or b"") if kind.profiled else b"",
            xmp=metadata.xmp_of({"xmp": tags.valueof(_XMP)}),
            compression=_compression(page, data),
        )
