"""JPEG XL: exact, and its boxes. How a browser shows it: test_outputs_browser."""

import numpy as np
import pytest

from hdrcnn.colour.primaries import DISPLAY_P3, linear_to_rec709
from hdrcnn.readers.panorama import Band
from hdrcnn.writers import Options, Picture
from hdrcnn.writers.jxl import write
from tests.writers.outputs import CAMERA, boxes, made

imagecodecs = pytest.importorskip("imagecodecs")


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_light_is_exact_negative_values_too(tmp_path, kind):
    rng = np.random.default_rng(4)
    hdr = rng.lognormal(0, 4, (30, 40, 3)).clip(0, 6e4).astype(kind)
    hdr[::3, ::2] *= -1
    if kind == np.float16:
        hdr[np.abs(hdr) < np.finfo(kind).smallest_normal] = 0
    write(tmp_path / "a.jxl", Picture(hdr), Options())
    found = imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes())
    assert found.dtype == kind
    np.testing.assert_array_equal(found, hdr)


def test_alpha_camera_and_panorama(tmp_path):
    alpha = np.random.default_rng(3).random((45, 70)).astype(np.float16)
    picture = made(alpha=alpha, camera=CAMERA, panorama=Band())
    write(tmp_path / "a.jxl", picture, Options())
    data = (tmp_path / "a.jxl").read_bytes()
    found = imagecodecs.jpegxl_decode(data)
    np.testing.assert_array_equal(found[..., :3], picture.hdr)
    np.testing.assert_array_equal(found[..., 3], alpha)
    held = dict(boxes(data))
    assert held[b"Exif"][:8] == bytes(4) + b"MM\0*"
    assert b"Maker" in held[b"Exif"]
    assert b"equirectangular" in held[b"xml "]


def test_half_floats_beyond_their_range_in_rec709_are_held_there(tmp_path):
    hdr = np.zeros((9, 8, 3), np.float16)
    hdr[..., 0] = 60000  # Red of Display P3: 1.22 in Rec. 709, green and blue negative.
    write(tmp_path / "a.jxl", Picture(hdr, primaries=DISPLAY_P3), Options())
    found = imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes())
    assert (found[..., 0] == 65504).all()
    assert np.isfinite(found).all()
    assert (found[..., 1:] < 0).all()


def test_other_primaries_become_rec709(tmp_path):
    hdr = np.random.default_rng(5).random((9, 8, 3)).astype(np.float32)
    write(tmp_path / "a.jxl", Picture(hdr, primaries=DISPLAY_P3), Options())
    found = imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes())
    np.testing.assert_allclose(found, linear_to_rec709(hdr, DISPLAY_P3), atol=1e-6)
