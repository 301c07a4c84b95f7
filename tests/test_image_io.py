"""Files in and out: every kind of 8-bit picture, EXR round trips, faults in one line."""

import imageio.v3 as iio
import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from hdrcnn.hdr_io import read_exr
from hdrcnn.image_io import HALF_MAX, ImageError, read_ldr, write_exr, write_png

RGB = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_lossless_pictures_keep_their_codes(tmp_path, suffix):
    Image.fromarray(RGB).save(tmp_path / f"a{suffix}", lossless=True)
    code = read_ldr(tmp_path / f"a{suffix}")
    assert code.dtype == np.float32
    np.testing.assert_array_equal(np.round(code * 255), RGB)


def test_grey_palette_bilevel_and_alpha(tmp_path):
    grey = Image.fromarray(RGB[..., 0])
    grey.save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_ldr(tmp_path / "grey.png")[..., 2] * 255, RGB[..., 0])
    grey.convert("P").save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        np.round(read_ldr(tmp_path / "palette.png")[..., 1] * 255), RGB[..., 0]
    )
    Image.fromarray(RGB[..., 0] > 127).save(tmp_path / "bilevel.png")
    np.testing.assert_array_equal(read_ldr(tmp_path / "bilevel.png")[..., 0], RGB[..., 0] > 127)
    rgba = np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(np.round(read_ldr(tmp_path / "rgba.png") * 255), RGB)
    Image.fromarray(rgba[..., 2:]).save(tmp_path / "la.png")
    np.testing.assert_array_equal(
        np.round(read_ldr(tmp_path / "la.png")[..., 0] * 255), RGB[..., 2]
    )


def test_sixteen_bits_keep_their_depth(tmp_path):
    deep = np.arange(0, 65536, 255, dtype=np.uint16)[None, :]
    iio.imwrite(tmp_path / "deep.png", deep)
    np.testing.assert_allclose(
        read_ldr(tmp_path / "deep.png")[..., 0], deep / 65535.0, rtol=1e-6, atol=0
    )


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "c.jpg")
    code = read_ldr(tmp_path / "c.jpg")
    assert code.shape == (16, 16, 3)
    assert code[..., 0].min() > 0.9 > 0.1 > code[..., 1:].max()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_against_pillow(tmp_path, orientation):
    from PIL import ImageOps

    image = Image.fromarray(np.repeat(np.repeat(RGB, 8, 0), 8, 1))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "o.jpg", exif=exif, quality=95)
    with Image.open(tmp_path / "o.jpg") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(np.round(read_ldr(tmp_path / "o.jpg") * 255), expected)


def test_faults_give_one_line_with_the_name(tmp_path):
    iio.imwrite(tmp_path / "good.jpg", np.repeat(np.repeat(RGB, 16, 0), 16, 1))
    whole = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    for name, reason in (
        ("cut.jpg", "damaged or truncated"),
        ("empty.png", "not a picture"),
        ("text.png", "not a picture"),
        ("missing.png", "no such file"),
    ):
        with pytest.raises(ImageError, match=rf"^[^\n]*{name}: {reason}[^\n]*$"):
            read_ldr(tmp_path / name)


@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
        elements=st.floats(0, 65504, width=16),
    )
)  # fmt: skip
def test_exr_round_trip_is_exact_for_half_floats(tmp_path_factory, hdr):
    path = tmp_path_factory.mktemp("exr") / "a.exr"
    write_exr(path, hdr)
    np.testing.assert_array_equal(read_exr(path), hdr)


def test_exr_is_half_zip_and_below_its_maximum(tmp_path):
    write_exr(tmp_path / "a.exr", np.full((2, 2, 3), 1e9, np.float32))
    with OpenEXR.File(str(tmp_path / "a.exr")) as file:
        assert file.header()["compression"] == OpenEXR.ZIP_COMPRESSION
        pixels = np.array(file.channels()["RGB"].pixels)
    assert pixels.dtype == np.float16
    np.testing.assert_array_equal(pixels, np.float16(HALF_MAX))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_is_not_written(tmp_path, value):
    with pytest.raises(ImageError, match=r"a\.exr.*not finite"):
        write_exr(tmp_path / "a.exr", np.full((2, 2, 3), value))
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_gives_one_line(tmp_path):
    for write, image in ((write_exr, np.ones((2, 2, 3))), (write_png, RGB)):
        with pytest.raises(ImageError, match=r"^[^\n]*nowhere[^\n]*cannot be written[^\n]*$"):
            write(tmp_path / "nowhere" / "a.exr", image)
