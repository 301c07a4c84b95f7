"""TIFF photographs that Pillow has no mode for, and files that claim more than they contain."""

import zlib

import numpy as np
import pytest

from hdrcnn.files import ImageError
from tests.readers.pictures import CODES, DEEP, assert_codes, by_tifffile, with_tags


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
@pytest.mark.parametrize("samples", ["deep grey and alpha", "grey and two more", "colours and two"])
def test_layouts_that_pillow_has_no_mode_for(read, samples, compression, order):
    pixels, extra = {
        "deep grey and alpha": (DEEP[..., :2], ["unassalpha"]),
        "grey and two more": (CODES[..., :3], ["unassalpha", "unspecified"]),
        "colours and two": (np.dstack([DEEP, DEEP[..., 0]]), ["unassalpha", "unspecified"]),
    }[samples]
    count = 3 if samples.startswith("colours") else 1
    photograph = read(
        by_tifffile(
            pixels, photometric="rgb" if count == 3 else "minisblack", extrasamples=extra,
            planarconfig="contig", compression=compression, byteorder=order,
        )
    )  # fmt: skip
    assert_codes(photograph, pixels[..., :count], 8 * pixels.itemsize)
    top = np.float32(np.iinfo(pixels.dtype).max)
    np.testing.assert_array_equal(photograph.alpha, pixels[..., count] / top)


def deflated(strip: bytes, **tags: int) -> bytes:
    """An 8-bit RGB TIFF of 13 x 11 pixels whose only, deflated strip holds the given bytes."""
    data = by_tifffile(np.zeros((11, 13, 3), np.uint8), photometric="rgb", compression="zlib")
    part = zlib.compress(strip, 9)
    return with_tags(data, StripOffsets=len(data), StripByteCounts=len(part), **tags) + part


def test_a_strip_of_more_bytes_than_its_pixels_is_refused(read):
    codes = CODES[..., :3]
    assert_codes(read(deflated(codes.tobytes())), codes, 8)
    with pytest.raises(ImageError, match=r"picture: damaged"):
        read(deflated(codes.tobytes() + bytes(1)))


def test_tiles_far_larger_than_the_picture_are_refused(read):
    data = by_tifffile(CODES[..., :3], photometric="rgb", compression="zlib", tile=(16, 16))
    assert_codes(read(data), CODES[..., :3], 8)
    data = with_tags(data, TileWidth=1 << 20, TileLength=1 << 20)
    with pytest.raises(ImageError, match=r"picture: 1048576x1048576 .*megapixels"):
        read(data)


def test_too_many_samples_per_pixel_are_refused(read):
    data = deflated(bytes(11 * 13 * 3), SamplesPerPixel=60000)
    with pytest.raises(ImageError, match="picture: 60000"):
        read(data)
