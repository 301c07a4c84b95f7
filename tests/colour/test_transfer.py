"""Camera curves, sRGB and the log domain: inverses, end points, monotonicity, references."""

import colour
import numpy as np
import pytest
from hypothesis import given, strategies as st
from keras import ops

from hdrcnn.colour import transfer

CODES = np.linspace(0.0, 1.0, 256)


@given(n=st.floats(0.3, 2.5), s=st.floats(0.05, 5.0))
def test_camera_curve_and_its_inverse(n, s):
    linear = np.linspace(0.0, 1.0, 101)
    code = transfer.camera_curve(linear, n, s)
    assert code[[0, -1]] == pytest.approx([0.0, 1.0])
    assert (np.diff(code) > 0).all()
    np.testing.assert_allclose(transfer.inverse_camera_curve(code, n, s), linear, atol=1e-6)


def test_mean_curve_by_hand():
    assert transfer.camera_curve(0.5) == pytest.approx(1.6 * 0.5**0.9 / (0.5**0.9 + 0.6))
    # Code 0.95 is linear 0.864: pixels between are blended although they are not clipped.
    assert transfer.inverse_camera_curve(0.95) == pytest.approx(0.864, abs=5e-4)


def test_srgb_against_colour_science():
    np.testing.assert_allclose(transfer.srgb_decode(CODES), colour.eotf(CODES, "sRGB"), atol=2e-8)
    linear = transfer.srgb_decode(CODES)
    np.testing.assert_allclose(
        transfer.srgb_encode(linear), colour.eotf_inverse(linear, "sRGB"), atol=2e-8
    )
    np.testing.assert_allclose(transfer.srgb_encode(linear), CODES, atol=1e-7)


@pytest.mark.parametrize("name", transfer.LINEARISATIONS)
def test_linearisations_rise_from_0_to_1(name):
    linear = transfer.linearise(CODES, name)
    assert linear[[0, -1]] == pytest.approx([0.0, 1.0])
    assert (np.diff(linear) > 0).all()


@pytest.mark.parametrize("name", transfer.LINEARISATIONS)
def test_numpy_and_tensors_agree(name):
    code = CODES.astype(np.float32)
    tensor = transfer.linearise(ops.convert_to_tensor(code), name, xp=ops)
    np.testing.assert_allclose(np.asarray(tensor), transfer.linearise(code, name), atol=1e-6)


def test_unknown_linearisation_is_named():
    with pytest.raises(ValueError, match=r"rec2020.*square"):
        transfer.linearise(CODES, "rec2020")


@given(st.floats(0.0, 1e5))
def test_log_domain_round_trip(light):
    assert transfer.log_decode(transfer.log_encode(light)) == pytest.approx(
        light, rel=1e-6, abs=1e-9
    )


def test_log_domain_end_points():
    assert transfer.log_encode(0.0) == pytest.approx(-np.log(255))
    assert transfer.log_encode(254 / 255) == pytest.approx(0.0, abs=1e-12)


def test_luminance_against_colour_science():
    rgb = np.random.default_rng(1).random((5, 7, 3))
    xyz = colour.RGB_to_XYZ(rgb, "sRGB", apply_cctf_decoding=False)
    # colour-science rounds the matrix of IEC 61966-2-1 to four digits.
    np.testing.assert_allclose(transfer.luminance(rgb)[..., 0], xyz[..., 1], atol=2e-4)
