"""Reading photographs of every kind: the same codes as other packages read, nothing lost."""

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageOps

from hdrcnn.tiles.geometry import upright
from tests.readers.pictures import (
    CODES,
    DEEP,
    SMOOTH,
    assert_codes,
    by_cv2,
    by_pillow,
    by_tifffile,
    chunk,
    deep_png,
    of_each_kind,
    png,
)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_eight_bits_written_by_opencv(read, suffix):
    options = (cv2.IMWRITE_WEBP_QUALITY, 101) if suffix == ".webp" else ()
    photograph = read(by_cv2(suffix, CODES[..., :3], *options))
    assert_codes(photograph, CODES[..., :3], 8)
    assert photograph.alpha is None
    assert not photograph.lossy


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("maker", ["by hand", "opencv"])
def test_sixteen_bit_png_keeps_its_low_bytes(read, channels, maker):
    deep = DEEP[..., :channels]
    if maker == "opencv" and channels == 2:
        pytest.skip("OpenCV writes no grey with alpha")
    photograph = read(deep_png(deep) if maker == "by hand" else by_cv2(".png", deep))
    assert_codes(photograph, deep[..., : 1 if channels < 3 else 3], 16)
    assert (photograph.alpha is not None) == (channels in (2, 4))
    if photograph.alpha is not None:
        np.testing.assert_array_equal(
            photograph.alpha, deep[..., -1].astype(np.float32) / np.float32(65535)
        )


def test_interlaced_sixteen_bit_png(read):
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)]  # fmt: skip
    rows = b"".join(
        b"\0" + row.astype(">u2").tobytes()
        for top, left, down, across in passes
        for row in DEEP[top::down, left::across, :3]
    )
    plain = png(13, 11, 16, 2, rows)
    head = chunk(b"IHDR", plain[16:28] + b"\x01")
    assert_codes(read(plain[:8] + head + plain[33:]), DEEP[..., :3], 16)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", ["strips", "planes", "tiles", "deflate", "big"])
@pytest.mark.parametrize("depth", [8, 16])
def test_tiff_layouts(read, order, layout, depth):
    codes = np.tile(DEEP[..., :3] if depth == 16 else CODES[..., :3], (6, 5, 1))
    layouts: dict[str, dict] = {
        "strips": {},
        "planes": {"planarconfig": "separate"},
        "tiles": {"tile": (32, 32)},
        "deflate": {"compression": "zlib", "predictor": True},
        "big": {"bigtiff": True},
    }
    options = layouts[layout]
    stored = np.moveaxis(codes, -1, 0) if layout == "planes" else codes
    photograph = read(by_tifffile(stored, photometric="rgb", byteorder=order, **options))
    assert_codes(photograph, codes, depth)


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiff_compressions_by_opencv(read, compression, channels):
    deep = DEEP[..., :channels]
    photograph = read(by_cv2(".tif", deep, cv2.IMWRITE_TIFF_COMPRESSION, compression))
    assert_codes(photograph, deep[..., :3], 16)
    assert (photograph.alpha is not None) == (channels == 4)


@pytest.mark.parametrize("codes", [DEEP[..., 0], CODES[..., 0]])
def test_tiff_with_white_as_zero(read, codes):
    top = np.iinfo(codes.dtype).max
    photograph = read(by_tifffile(codes, photometric="miniswhite"))
    assert_codes(photograph, top - codes, 8 * codes.itemsize)


def test_associated_alpha_is_divided_out_again(read):
    colours = np.full((4, 5, 3), 40000, np.uint16)
    alpha = np.full((4, 5, 1), 32768, np.uint16)
    stored = np.round(colours * (alpha / 65535)).astype(np.uint16)
    photograph = read(
        by_tifffile(np.dstack([stored, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    )
    np.testing.assert_allclose(photograph.code * 65535, 40000, atol=1.5)
    np.testing.assert_allclose(photograph.alpha, 32768 / 65535, rtol=1e-6)


def test_colours_under_zero_alpha_are_kept(read):
    rgba = np.dstack([CODES[..., :3], np.zeros(CODES.shape[:2], np.uint8)])
    for kind in ("PNG", "TIFF", "WEBP"):
        photograph = read(by_pillow(kind, rgba, lossless=True, exact=True))
        assert_codes(photograph, rgba[..., :3], 8)
        np.testing.assert_array_equal(photograph.alpha, 0)


def test_grey_palette_and_bilevel(read):
    grey = Image.fromarray(CODES[..., 0])
    assert_codes(read(by_pillow("PNG", grey)), CODES[..., 0], 8)
    assert_codes(read(by_pillow("PNG", CODES[..., 0] > 99)), (CODES[..., 0] > 99) * 255, 8)
    palette = Image.fromarray(CODES[..., :3]).quantize(64)
    for kind in ("PNG", "TIFF", "BMP", "GIF"):
        assert_codes(read(by_pillow(kind, palette)), np.asarray(palette.convert("RGB")), 8)


@pytest.mark.parametrize(
    ("masks", "bits"), [((0xF800, 0x7E0, 0x1F), 6), ((0x7C00, 0x3E0, 0x1F), 5)]
)
def test_bmp_of_two_bytes_a_pixel(read, masks, bits):
    """5, 6 and 5 bits, or 5 each, scaled to 8 bits."""
    stored = DEEP[:10, :12, 0]
    head = struct.pack("<IiiHHIIiiII", 40, 12, -10, 1, 16, 3, stored.nbytes, 0, 0, 0, 0)
    head += struct.pack("<III", *masks)
    data = struct.pack("<2sIII", b"BM", 14 + len(head) + stored.nbytes, 0, 14 + len(head))
    photograph = read(data + head + stored.astype("<u2").tobytes())
    assert photograph.bits == 8
    red, green, blue = ((stored & mask) / mask for mask in masks)
    expected = np.dstack([red, green, blue])
    np.testing.assert_allclose(photograph.code, expected, atol=1.01 / 255)
    assert len(np.unique(photograph.code[..., 1])) > 2**bits / 2


def test_transparency_of_a_palette_and_of_one_colour(read):
    palette = Image.fromarray(CODES[..., 0]).quantize(16)
    index = np.asarray(palette)
    photograph = read(by_pillow("PNG", palette, transparency=3))
    np.testing.assert_array_equal(photograph.alpha, index != 3)
    key = DEEP[5, 6, :3]
    photograph = read(deep_png(DEEP[..., :3], chunk(b"tRNS", key.astype(">u2").tobytes())))
    np.testing.assert_array_equal(photograph.alpha, (DEEP[..., :3] != key).any(axis=-1))
    assert_codes(photograph, DEEP[..., :3], 16)
    four = png(2, 1, 4, 0, b"\0\x3a", chunk(b"tRNS", struct.pack(">H", 0xA)))
    photograph = read(four)
    np.testing.assert_array_equal(photograph.alpha, [[1, 0]])
    assert_codes(photograph, np.array([[3 * 17, 10 * 17]]), 8)
    for clear in (0, 1):
        two = png(2, 1, 1, 0, b"\0\x40", chunk(b"tRNS", struct.pack(">H", clear)))
        np.testing.assert_array_equal(read(two).alpha, [[clear, 1 - clear]])


def test_jpeg_agrees_with_opencv_and_is_lossy(read):
    data = by_pillow("JPEG", SMOOTH, quality=95)
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    photograph = read(data)
    assert photograph.lossy
    assert np.abs(photograph.code * 255 - theirs).max() <= 3
    grey = by_pillow("JPEG", SMOOTH[..., 0])
    assert_codes(read(grey), np.asarray(Image.open(io.BytesIO(grey))), 8)


@pytest.mark.parametrize("transform", [0, 2])
def test_cmyk_and_ycck_jpeg(read, transform):
    """With Adobe's marker inks are stored as 255 - ink; transform 2 is YCCK."""
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    data = bytearray(by_pillow("JPEG", red, quality=100))
    data[data.index(b"Adobe") + 11] = transform
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    code = read(bytes(data)).code
    np.testing.assert_allclose(code * 255, theirs, atol=3)
    if not transform:
        assert code[..., 0].min() > 0.98 > 0.02 > code[..., 1:].max()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_orientation_agrees_with_pillow(read, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = by_pillow(kind, SMOOTH, exif=exif)
    with Image.open(io.BytesIO(data)) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    assert_codes(read(data), expected, 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_images_and_their_alpha_are_rotated_too(read, orientation):
    tag = [(274, "H", 1, orientation, True)]
    photograph = read(
        by_tifffile(DEEP, photometric="rgb", extrasamples=["unassalpha"], extratags=tag)
    )
    small = Image.fromarray(CODES)
    small.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(small))
    np.testing.assert_array_equal((photograph.code * 65535).round() // 256, expected[..., :3])
    np.testing.assert_array_equal((photograph.alpha * 65535).round() // 256, expected[..., 3])


@given(st.integers(1, 8), st.tuples(st.integers(1, 5), st.integers(1, 5)))
@settings(deadline=None)
def test_orientations_have_inverses(orientation, shape):
    pixels = np.arange(np.prod(shape)).reshape(shape)
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    np.testing.assert_array_equal(upright(upright(pixels, orientation), inverse), pixels)


def test_the_first_of_several_images_is_read(read):
    other = Image.fromarray(255 - SMOOTH)
    for kind in ("MPO", "WEBP", "PNG", "AVIF"):
        photograph = read(by_pillow(kind, SMOOTH, save_all=True, append_images=[other]))
        assert np.abs(photograph.code * 255 - SMOOTH).max() <= 25, kind
    both = np.stack([DEEP[..., :3], DEEP[::-1, :, :3]])
    assert_codes(read(by_tifffile(both, photometric="rgb")), DEEP[..., :3], 16)


def test_lossy_files_are_recognised(read):
    lossy = {"jpg", "progressive.jpg", "cmyk.jpg", "mpo", "jpeg.tif", "lossy.webp",
             "animated.webp", "avif", "heic"}  # fmt: skip
    for name, data in of_each_kind().items():
        assert read(data).lossy == (name in lossy), name
