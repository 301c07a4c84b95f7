"""PNG with PQ: pixels read back by OpenCV, chunks parsed from the standard."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from hdrcnn.colour.pq import REC709_TO_REC2020, content_light, pq_codes, pq_decode
from hdrcnn.colour.primaries import DISPLAY_P3
from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.files import ImageError
from hdrcnn.readers.cicp import png_code_points
from hdrcnn.readers.metadata import Band
from hdrcnn.readers.photograph import read_photograph
from hdrcnn.writers import Options, Picture, notes
from hdrcnn.writers.png import write
from tests.writers.outputs import CAMERA, hdr_picture, photograph, png_chunks

LIGHT = Options(look="light")


def codes_of(path) -> np.ndarray:
    """[H, W, C] uint16 by OpenCV, in the order R, G, B, A."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]


def light_of(path) -> np.ndarray:
    """[H, W, 3] cd/m^2, Rec. 709."""
    return pq_decode(codes_of(path)[..., :3] / 65535.0) @ np.linalg.inv(REC709_TO_REC2020).T


@settings(deadline=None, max_examples=40)
@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 130), st.integers(1, 5), st.just(3)),
        elements=st.floats(-1, 60, width=32),
    ),
    st.sampled_from([100.0, 203.0]),
)  # fmt: skip
def test_every_code_is_stored_whatever_the_filters(tmp_path_factory, hdr, nits):
    path = tmp_path_factory.mktemp("png") / "a.png"
    write(path, Picture(hdr), Options(nits=nits))
    np.testing.assert_array_equal(codes_of(path), pq_codes(hdr, nits))


def test_filters_compress_smooth_rows(tmp_path):
    """Rows are stored as differences; the file takes less than three quarters of their size."""
    write(tmp_path / "a.png", hdr_picture(), LIGHT)
    data = (tmp_path / "a.png").read_bytes()
    packed = b"".join(contents for name, contents in png_chunks(data) if name == b"IDAT")
    filters = zlib.decompress(packed)[:: 1 + 70 * 6]
    assert filters == bytes([1]) + bytes([4]) * 44  # Sub, then Paeth.
    assert len(data) < 45 * 70 * 6 * 0.75


def test_light_is_absolute(tmp_path):
    picture = hdr_picture()
    for nits in (203.0, 100.0):
        write(tmp_path / "a.png", picture, Options(nits=nits, look="light"))
        light = picture.hdr.astype(np.float32) * nits
        np.testing.assert_allclose(light_of(tmp_path / "a.png"), light, rtol=2e-3, atol=0.02)


def test_the_look_of_the_photograph_is_kept_below_the_clipping_level(tmp_path):
    picture = hdr_picture()
    write(tmp_path / "a.png", picture, Options())
    light, clipped = light_of(tmp_path / "a.png") / 203, photograph() == 255
    shown = srgb_decode(photograph() / 255.0)
    measured = ~clipped.any(axis=-1)
    np.testing.assert_allclose(light[measured], shown[measured], atol=2e-3)
    np.testing.assert_allclose(light[clipped], picture.hdr[clipped], rtol=3e-3)


def test_a_photograph_of_other_primaries_keeps_its_look_too(tmp_path):
    picture = hdr_picture(DISPLAY_P3, np.float32)
    write(tmp_path / "a.png", picture, Options())
    measured = (photograph() < 255).all(axis=-1)
    shown = srgb_decode(photograph() / 255.0)
    in_2020 = pq_decode(codes_of(tmp_path / "a.png") / 65535.0) / 203
    import colour

    spaces = (colour.RGB_COLOURSPACES[name] for name in ("Display P3", "ITU-R BT.2020"))
    matrix = colour.matrix_RGB_to_RGB(*spaces, chromatic_adaptation_transform=None)
    np.testing.assert_allclose(in_2020[measured], (shown @ matrix.T)[measured], atol=2e-3)


def test_contents_of_the_chunks(tmp_path):
    picture = hdr_picture(camera=CAMERA, notes={"version": "tool 1"}, panorama=Band())
    write(tmp_path / "a.png", picture, LIGHT)
    data = (tmp_path / "a.png").read_bytes()
    found = dict(png_chunks(data))
    order = [name for name, _ in png_chunks(data)]
    assert order.index(b"cICP") < order.index(b"IDAT")
    assert found[b"cICP"] == bytes((9, 16, 0, 1))
    assert png_code_points(data) == (9, 16)
    light = content_light(picture.hdr)
    levels = struct.unpack(">2I", found[b"cLLI"])
    np.testing.assert_allclose(levels, [light.max_cll * 1e4, light.max_fall * 1e4], atol=1)
    mastering = struct.unpack(">8H2I", found[b"mDCV"])
    assert mastering[:8] == (35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450)
    assert mastering[8] == levels[0]
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.info["hdrcnn"] == notes.line({"version": "tool 1"}).decode()
        exif = image.getexif()
        assert exif[0x010F] == "Maker"
        assert exif.get_ifd(0x8769)[0x829A] == pytest.approx(1 / 125)
        assert not exif.get_ifd(0x8825)
        assert 'GPano:FullPanoWidthPixels="70"' in image.info["XML:com.adobe.xmp"]


def test_alpha_is_kept(tmp_path):
    alpha = np.random.default_rng(3).random((45, 70)).astype(np.float32)
    write(tmp_path / "a.png", hdr_picture(alpha=alpha), LIGHT)
    found = codes_of(tmp_path / "a.png")
    np.testing.assert_array_equal(found[..., 3], np.round(alpha * 65535))
    np.testing.assert_array_equal(found[..., :3], pq_codes(hdr_picture().hdr))


def test_the_result_is_refused_as_a_photograph(tmp_path):
    write(tmp_path / "a.png", hdr_picture(), LIGHT)
    with pytest.raises(ImageError, match="PQ"):
        read_photograph(tmp_path / "a.png")
