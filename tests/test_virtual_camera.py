"""The camera: each part alone, then the chain."""

import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hdrcnn.transfer import inverse_camera_curve
from training_code.virtual_camera import Camera, develop, expose, jitter_colour, photograph, sense

LIGHT = np.random.default_rng(0).lognormal(0.0, 2.0, (40, 60, 3)).astype(np.float32)
light = hnp.arrays(np.float32, (3, 3, 3), elements=st.floats(0, 1000, width=32))


@given(unclipped=st.floats(0.02, 0.98), unit=st.floats(1e-3, 1e3))
def test_exposure_leaves_the_share_below_clipping_whatever_the_unit(unclipped, unit):
    exposed = expose(LIGHT * np.float32(unit), unclipped)
    assert (exposed < 1.0).mean() == pytest.approx(unclipped, abs=2 / LIGHT.size + 1e-4)


def test_black_cannot_be_exposed():
    with pytest.raises(ValueError, match="black"):
        expose(np.zeros((4, 4, 3), np.float32), 0.9)


def test_noise_has_its_deviation_and_light_stays_positive():
    flat = np.full((200, 200, 3), 0.5, np.float32)
    noisy = sense(flat, 0.01, np.random.default_rng(1))
    assert (noisy - flat).std() == pytest.approx(0.01, rel=0.01)
    assert (noisy - flat).mean() == pytest.approx(0.0, abs=1e-4)
    assert sense(np.zeros_like(flat), 0.01, np.random.default_rng(1)).min() == 0.0
    np.testing.assert_array_equal(sense(flat, 0.0, np.random.default_rng(1)), flat)


@given(linear=light, hue=st.floats(-90, 90), saturation=st.floats(-0.3, 0.3))
def test_colour_jitter_against_colorsys(linear, hue, saturation):
    jittered = jitter_colour(linear, hue, saturation)
    for before, after in zip(np.sqrt(linear).reshape(-1, 3), jittered.reshape(-1, 3), strict=True):
        peak = float(before.max()) or 1.0
        h, s, v = colorsys.rgb_to_hsv(*(float(c) / peak for c in before))
        shifted = min(max(s + saturation, 0.0), 1.0) if s > 0 else 0.0
        expected = np.square(np.array(colorsys.hsv_to_rgb((h + hue / 360) % 1, shifted, v)) * peak)
        np.testing.assert_allclose(after, expected, rtol=2e-3, atol=2e-3 * peak**2)


@given(linear=light)
def test_no_jitter_is_the_identity(linear):
    np.testing.assert_allclose(jitter_colour(linear, 0.0, 0.0), linear, rtol=1e-4, atol=1e-5)


@given(n=st.floats(0.4, 2.0), s=st.floats(0.1, 2.0))
def test_developed_codes_rise_and_invert_to_half_a_code(n, s):
    linear = np.linspace(0.0, 3.0, 500, dtype=np.float32)
    codes = develop(linear, n, s)
    assert codes.dtype == np.uint8
    assert codes[0] == 0
    assert (codes[linear >= 1] == 255).all()
    assert (np.diff(codes.astype(int)) >= 0).all()
    low, high = (
        inverse_camera_curve(np.clip((codes + d) / 255.0, 0, 1), n, s) for d in (-0.5, 0.5)
    )
    inside = linear < 1
    assert (low[inside] <= linear[inside] + 1e-4).all()
    assert (high[inside] >= linear[inside] - 1e-4).all()


def test_picture_and_target_fit_together():
    camera = Camera(unclipped=(0.9, 0.9), curve_n=(0.9, 0.0), curve_s=(0.6, 0.0), peak=50.0)
    codes, target = photograph(LIGHT, camera, np.random.default_rng(3))
    assert codes.shape == target.shape == LIGHT.shape
    assert target.dtype == np.float32
    assert target.max() == 50.0
    np.testing.assert_array_equal(codes, develop(target))
    assert (target < 1).mean() == pytest.approx(0.9, abs=0.03)  # The jitter moves a few samples.


def test_the_same_seed_takes_the_same_picture():
    first, second, other = (
        photograph(LIGHT, Camera(), np.random.default_rng(seed))[0] for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
