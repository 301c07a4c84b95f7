"""JPEG XL: exact light, and its boxes. How a browser shows it: test_writers_browser."""

import numpy as np
import pytest

from hdrcnn.colour.primaries import DISPLAY_P3, linear_to_rec709
from hdrcnn.readers.metadata import Band
from hdrcnn.writers import Options, Picture
from hdrcnn.writers.jxl import write
from tests.writers.outputs import CAMERA, boxes, hdr_picture

imagecodecs = pytest.importorskip("imagecodecs")


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_light_is_exact_including_negative_values(tmp_path, kind):
    rng = np.random.default_rng(4)
    hdr = rng.lognormal(0, 4, (30, 40, 3)).clip(0, 6e4).astype(kind)
    hdr[::3, ::2] *= -1
    if kind == np.float16:
        hdr[np.abs(hdr) < np.finfo(kind).smallest_normal] = 0
    write(tmp_path / "a.jxl", Picture(hdr), Options(exr_float=kind == np.float32))
    found = imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes())
    assert found.dtype == kind
    np.testing.assert_array_equal(found, hdr)


def alpha_is_associated(codestream: bytes) -> bool:
    """Parse from the headers of a codestream whether alpha is associated; ISO/IEC 18181-1,
    annex D.
    """
    assert codestream[:2] == b"\xff\x0a"
    bits = np.unpackbits(np.frombuffer(codestream[2:200], np.uint8), bitorder="little")
    at = 0

    def u(count: int) -> int:
        nonlocal at
        at += count
        return int(sum(int(bit) << place for place, bit in enumerate(bits[at - count : at])))

    def choice(*ways: tuple[int, int]) -> int:
        """U32(): a selector of two bits chooses a base and a number of bits."""
        base, count = ways[u(2)]
        return base + u(count)

    sizes = (1, 9), (1, 13), (1, 18), (1, 30)
    small = u(1)
    if small:
        u(5)
    else:
        choice(*sizes)
    if u(3) == 0:  # No ratio: the width is stored too.
        u(5) if small else choice(*sizes)
    assert not u(1)  # Not all default.
    assert not u(1)  # Nor orientation, preview or animation.

    def bit_depth() -> None:
        if u(1):
            assert choice((32, 0), (16, 0), (24, 0), (1, 6)) in (16, 32)
            u(4)
        else:
            choice((8, 0), (10, 0), (12, 0), (1, 6))

    bit_depth()
    u(1)
    assert choice((0, 0), (1, 0), (2, 4), (1, 12)) == 1  # One channel beside the colours.
    if u(1):
        return False  # All default: alpha that is not associated.
    assert choice((0, 0), (1, 0), (2, 4), (18, 6)) == 0  # Alpha.
    bit_depth()
    choice((0, 0), (3, 0), (4, 0), (1, 3))
    u(8 * choice((0, 0), (0, 4), (16, 5), (48, 10)))
    return bool(u(1))


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_alpha_is_marked_as_unassociated(tmp_path, kind):
    alpha = np.random.default_rng(3).random((45, 70)).astype(np.float16)
    write(
        tmp_path / "a.jxl",
        hdr_picture(kind=kind, alpha=alpha),
        Options(exr_float=kind == np.float32),
    )
    held = dict(boxes((tmp_path / "a.jxl").read_bytes()))
    assert not alpha_is_associated(held[b"jxlc"])


def test_alpha_camera_and_panorama(tmp_path):
    alpha = np.random.default_rng(3).random((45, 70)).astype(np.float16)
    picture = hdr_picture(alpha=alpha, camera=CAMERA, panorama=Band())
    write(tmp_path / "a.jxl", picture, Options())
    data = (tmp_path / "a.jxl").read_bytes()
    found = imagecodecs.jpegxl_decode(data)
    np.testing.assert_array_equal(found[..., :3], picture.hdr)
    np.testing.assert_array_equal(found[..., 3], alpha)
    held = dict(boxes(data))
    assert held[b"Exif"][:8] == bytes(4) + b"MM\0*"
    assert b"Maker" in held[b"Exif"]
    assert b"equirectangular" in held[b"xml "]


def test_half_floats_beyond_their_range_in_rec709_are_clipped(tmp_path):
    hdr = np.zeros((9, 8, 3), np.float16)
    hdr[..., 0] = 60000  # Red of Display P3: 1.22 in Rec. 709, green and blue negative.
    write(tmp_path / "a.jxl", Picture(hdr, primaries=DISPLAY_P3), Options())
    found = imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes())
    assert (found[..., 0] == 65504).all()
    assert np.isfinite(found).all()
    assert (found[..., 1:] < 0).all()


def test_other_primaries_become_rec709(tmp_path):
    hdr = np.random.default_rng(5).random((9, 8, 3)).astype(np.float32)
    write(tmp_path / "a.jxl", Picture(hdr, primaries=DISPLAY_P3), Options(exr_float=True))
    found = imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes())
    np.testing.assert_allclose(found, linear_to_rec709(hdr, DISPLAY_P3), atol=1e-6)
