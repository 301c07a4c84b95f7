"""Check and decompress the samples of one page of a TIFF file: tifffile reads the layout,
imagecodecs the contents of strips and tiles.

Memory use is bounded by the size that the caller has checked, not by what a strip inflates to.
Source: TIFF 6.0 (Adobe 1992) and its Technical Note 2 for JPEG.
"""

import io
import logging
import math

import imagecodecs  # Without it tifffile decompresses without bounds.
import numpy as np
import tifffile
from PIL import Image

from hdrcnn.readers.decoded import NotReadError
from hdrcnn.readers.pillow import pillow_limits_lifted

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # The error says what is wrong.

JPEG, WEBP = 7, 50001
COMPRESSIONS = {
    1: "none",
    5: "lzw",
    JPEG: "jpeg",
    8: "deflate",
    32773: "packbits",
    32946: "deflate",
    34925: "lzma",
    34926: "zstd",
    50000: "zstd",
    WEBP: "webp",
}
"""Compressions decoded here, by their number in tag 259."""
_PICTURES = {JPEG: "JPEG", WEBP: "WEBP"}
"""Compressions whose strips and tiles are complete images with a size of their own; Pillow's
names."""
_MOST_SCANS = 64
_PREDICTED_BITS = (8, 16, 32, 64)


def compression_name(page: tifffile.TiffPage) -> str:
    """Return the name of the page's compression. Raises NotReadError if it is not decoded here."""
    number = int(page.compression)
    if number not in COMPRESSIONS:
        name = getattr(page.compression, "name", str(number))
        raise NotReadError(f"a TIFF with {name} compression; save it without, or as PNG")
    return COMPRESSIONS[number]


def _check_inside(page: tifffile.TiffPage, part: bytes) -> None:
    """Check one JPEG or WebP strip or tile before it is decoded.

    Raises ValueError if it claims more pixels than its strip or tile has, for which decoders
    allocate memory before they find that the data is missing; or if a JPEG has very many scans,
    each of which passes over the whole image.
    """
    if int(page.compression) == JPEG and part.count(b"\xff\xda") > _MOST_SCANS:
        raise ValueError(f"more than {_MOST_SCANS} scans in a part of it")
    rows, columns = min(page.rowsperstrip, page.imagelength), page.imagewidth
    if page.is_tiled:
        rows, columns = page.tilelength, page.tilewidth
    kind = _PICTURES[int(page.compression)]
    with pillow_limits_lifted(), Image.open(io.BytesIO(part), formats=[kind]) as image:
        if image.height > rows + 15 or image.width > columns + 15:  # One more block is harmless.
            raise ValueError(f"a part of it states {image.width}x{image.height}")


def _with_shared_chroma(page: tifffile.TiffPage, data: bytes) -> np.ndarray:
    """Decode YCbCr with subsampled chroma: [H, W, 3] uint8 luma and chroma.

    The strips or tiles contain units of h x v luma samples followed by one Cb and one Cr (TIFF 6.0,
    section 21). tifffile supports this for JPEG only.
    """
    across, down = page.subsampling or (2, 2)
    if across not in (1, 2, 4) or down not in (1, 2, 4) or page.bitspersample != 8:
        raise NotReadError("chroma of an unusual layout; save it as RGB")
    if page.planarconfig != 1 or page.samplesperpixel != 3 or int(page.predictor) != 1:
        raise NotReadError("chroma at a lower resolution in planes; save it as RGB")
    rows, columns = page.imagelength, page.imagewidth
    high = page.tilelength if page.is_tiled else min(page.rowsperstrip, rows)
    wide = page.tilewidth if page.is_tiled else columns
    beside = -(-columns // wide)
    pixels = np.zeros((-(-rows // high) * high, beside * wide, 3), np.uint8)
    for index, (offset, count) in enumerate(
        zip(page.dataoffsets, page.databytecounts, strict=True)
    ):
        top, left = index // beside * high, index % beside * wide
        if top >= rows:
            break
        held = high if page.is_tiled else min(high, rows - top)
        units = (-(-held // down), -(-wide // across), across * down + 2)
        part: bytes | bytearray = data[offset : offset + count]
        part = imagecodecs.bitorder_decode(part) if page.fillorder == 2 else part
        if int(page.compression) != 1:
            part = tifffile.TIFF.DECOMPRESSORS[int(page.compression)](part, out=math.prod(units))
        stored = np.frombuffer(part, np.uint8, math.prod(units)).reshape(units)
        luma = stored[..., :-2].reshape(*units[:2], down, across).swapaxes(1, 2)
        shared = stored[..., -2:].repeat(down, axis=0).repeat(across, axis=1)
        place = pixels[top : top + held, left : left + wide]
        place[..., 0] = luma.reshape(units[0] * down, -1)[:held, :wide]
        place[..., 1:] = shared[:held, :wide]
    return pixels[:rows, :columns]


def samples(page: tifffile.TiffPage, data: bytes) -> np.ndarray:
    """Decode the samples of a page: [H, W, C] in native byte order, unpacked, otherwise as stored.

    YCbCr JPEG is returned as RGB. data: the file. Raises NotReadError for unsupported layouts,
    ValueError if strips or tiles are missing or extend beyond the file, which tifffile would fill
    with black, and any exception for damaged data.
    """
    compression_name(page)
    if page.axes not in ("YX", "SYX", "YXS"):
        raise NotReadError(f"its axes are {page.axes}, not those of a picture; save it as RGB")
    packed = page.bitspersample not in _PREDICTED_BITS
    if int(page.predictor) != 1 and packed and int(page.compression) not in _PICTURES:
        raise NotReadError(f"a predictor over {page.bitspersample} bits; save it without")
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(parts) < math.prod(page.chunked) or any(
        count <= 0 or offset + count > len(data) for offset, count in parts
    ):
        raise ValueError("parts of the picture are missing")
    if int(page.compression) in _PICTURES:
        for offset, count in parts:
            _check_inside(page, data[offset : offset + count])
    elif page.photometric == 6 and page.is_subsampled:
        return _with_shared_chroma(page, data)
    pixels = page.asarray(maxworkers=1)
    pixels = np.asarray(pixels, pixels.dtype.newbyteorder("="))
    if page.axes == "YX":
        return pixels[..., None]
    return np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels
