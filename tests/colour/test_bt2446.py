"""Methods A and C of Report BT.2446: its values, inverses, grey and hue."""

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from keras import ops

from hdrcnn.colour import bt2446
from hdrcnn.colour.ictcp import to_ictcp
from hdrcnn.colour.sdr import bt1886, sdr_codes, sdr_linear

A_GREY = {0.1: 1.101, 0.25: 11.634, 0.5: 76.281, 0.75: 278.977, 0.9: 592.346, 1.0: 999.525}
C_LIGHT = {18.0: 21.479, 58.0: 69.211, 80.0: 126.49, 100.0: 332.58}


@pytest.mark.parametrize(("code", "light"), A_GREY.items())
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_method_a_of_grey(code, light, kind):
    found = bt2446.a_to_hdr(np.full((2, 3), code**2.4, kind))
    assert found.dtype == kind
    np.testing.assert_allclose(found, light, rtol=1e-4)


@pytest.mark.parametrize(("sdr", "hdr"), C_LIGHT.items())
def test_method_c_of_grey(sdr, hdr):
    for crosstalk in (0.0, 0.2, 0.33):
        found = bt2446.c_to_hdr(np.full(3, sdr / 100.0), crosstalk)
        np.testing.assert_allclose(found, hdr, rtol=1e-4)


@given(st.floats(0.01, 990.0))
def test_method_a_is_nearly_inverted(light):
    # The two directions are separate fits of the report and agree only approximately.
    there = bt2446.a_to_sdr(np.full(3, light))
    assert sdr_codes(bt2446.a_to_sdr(bt2446.a_to_hdr(there)))[0] == pytest.approx(
        sdr_codes(there)[0], abs=0.015
    )


@given(st.floats(0.001, 0.999), st.floats(0.0, 0.33))
def test_method_c_is_inverted(grey, crosstalk):
    linear = np.array([grey, 0.5 * grey, 0.2])
    back = bt2446.c_to_sdr(bt2446.c_to_hdr(linear, crosstalk), crosstalk)
    np.testing.assert_allclose(back, linear, rtol=1e-6)


@given(st.floats(0.0, 1 / 3))
def test_crosstalk_is_a_matrix_before_and_after_the_curve(crosstalk):
    linear = np.random.default_rng(5).random((7, 3))
    matrix = (1.0 - 3.0 * crosstalk) * np.eye(3) + crosstalk
    assume(abs(np.linalg.det(matrix)) >= 1e-6)
    mixed = linear @ matrix.T
    luminance = 100.0 * mixed @ np.array([0.2627, 0.6780, 0.0593])
    scaled = mixed * (bt2446.c_curve(luminance) / luminance)[:, None]
    expected = 100.0 * scaled @ np.linalg.inv(matrix).T
    np.testing.assert_allclose(bt2446.c_to_hdr(linear, crosstalk), expected, rtol=1e-6)


def test_curves_rise_and_meet_at_the_knee():
    light = np.linspace(0.0, 100.0, 5001)
    hdr = bt2446.c_curve(light)
    assert (np.diff(hdr) > 0).all()
    assert np.abs(np.diff(hdr)).max() < 0.6
    np.testing.assert_allclose(
        np.asarray(bt2446.c_curve(light.astype("float32"), ops)), hdr, rtol=1e-4, atol=1e-4
    )
    grey = np.repeat(np.linspace(0.0, 1.0, 2001)[:, None], 3, axis=1)
    # The two parabolas of the exponent of method A do not meet exactly at 70 codes.
    assert (np.diff(bt2446.a_to_hdr(grey)[:, 0]) > -1e-3).all()
    assert (np.diff(bt2446.a_to_sdr(1000.0 * grey)[:, 0]) > -1e-6).all()


def test_method_c_keeps_the_hue_of_skin():
    skin = sdr_linear(np.array([0.78, 0.57, 0.48]))
    before, after = (to_ictcp(v)[1:] for v in (100.0 * skin, bt2446.c_to_hdr(skin)))
    angles = [np.degrees(np.arctan2(*v)) for v in (before, after)]
    assert abs(angles[0] - angles[1]) < 2.0


def test_bt1886():
    assert bt1886(np.ones(3)) == pytest.approx(np.full(3, 100.0))
    assert bt1886(np.ones(3), 203.0) == pytest.approx(np.full(3, 203.0))
    codes = np.random.default_rng(1).uniform(0.05, 1.0, (9, 3))
    grey = np.repeat(codes[:, :1], 3, axis=1)
    np.testing.assert_allclose(sdr_codes(sdr_linear(grey)), grey, rtol=1e-6)
