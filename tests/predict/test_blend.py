"""Mask and blends: end points, ordering, and measured light that stays unchanged."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from hdrcnn.colour.clipping_level import THRESHOLD, saturation, saturation_ramp
from hdrcnn.colour.transfer import LINEARISATIONS, linearise, log_encode
from hdrcnn.predict.blend import BLENDS, RAMPS, apply_gamma, reconstruct_light

codes = hnp.arrays(np.float32, (4, 5, 3), elements=st.floats(0, 1, width=32))
predictions = hnp.arrays(np.float32, (4, 5, 3), elements=st.floats(-5, 8, width=32))


def test_ramp_end_points_and_middle():
    values = np.array([0.0, 0.95, 0.975, 1.0, 7.0])
    np.testing.assert_allclose(saturation_ramp(values), [0, 0, 0.5, 1, 1], atol=1e-12)


def test_no_blend_begins_before_the_threshold_and_all_end_at_white():
    assert set(RAMPS) == set(BLENDS)
    for begin, end in RAMPS.values():
        assert THRESHOLD <= begin < end <= 1.0


def test_saturation_depends_on_the_largest_channel():
    code = np.array([[[0.2, 0.975, 0.1], [0.9, 0.9, 0.94]]])
    np.testing.assert_allclose(saturation(code), [[[0.5], [0.0]]], atol=1e-12)


@pytest.mark.parametrize("linearisation", LINEARISATIONS)
@pytest.mark.parametrize("blend", BLENDS)
@given(code=codes, log_hdr=predictions, gamma=st.floats(0.5, 2.0))
def test_unsaturated_pixels_keep_their_light_for_any_gamma(
    linearisation, blend, code, log_hdr, gamma
):
    hdr = reconstruct_light(code, log_hdr, linearisation, blend, gamma)
    assert np.isfinite(hdr).all()
    untouched = apply_gamma(code, gamma).max(axis=-1) <= THRESHOLD
    np.testing.assert_allclose(
        hdr[untouched], linearise(code, linearisation)[untouched], rtol=2e-4, atol=1e-6
    )


@given(code=codes, log_hdr=predictions)
def test_pixel_blend_is_the_published_formula(code, log_hdr):
    hdr = reconstruct_light(code, log_hdr, "square", "pixel")
    alpha = np.clip((code.max(axis=-1, keepdims=True) - 0.95) / 0.05, 0, 1)
    expected = (1 - alpha) * code**2 + alpha * (np.exp(log_hdr) - 1 / 255)
    np.testing.assert_allclose(hdr, expected, rtol=1e-4, atol=1e-4)


def test_gamma_is_applied_to_the_prediction():
    white = np.ones((1, 1, 3), np.float32)
    hdr = reconstruct_light(white, log_encode(4 * white), "square", "pixel", 1.25)
    np.testing.assert_allclose(hdr, 4**1.25, rtol=1e-5)


@given(code=codes, log_hdr=predictions)
def test_channel_blend_is_never_darker_than_measured(code, log_hdr):
    hdr = reconstruct_light(code, log_hdr, "mean_curve", "channel")
    assert (hdr >= linearise(code, "mean_curve") * (1 - 1e-5)).all()


def test_channel_blend_keeps_the_channel_that_is_not_clipped():
    code = np.array([[[1.0, 0.5, 0.9]]], np.float32)
    prediction = log_encode(np.array([[[9.0, 8.0, 7.0]]], np.float32))
    hdr = reconstruct_light(code, prediction, "mean_curve", "channel")
    linear = linearise(code, "mean_curve")
    np.testing.assert_allclose(hdr[0, 0], [9.0, linear[0, 0, 1], linear[0, 0, 2]], rtol=1e-5)


@given(jitter=hnp.arrays(np.float32, (4, 5, 3), elements=st.floats(0, 0.029296875, width=32)))
def test_clipped_codes_may_jitter_under_the_steady_blend(jitter):
    """By 7 of 255, as compression and noise do; under `channel` the light changes with them."""
    log_hdr = log_encode(np.full(jitter.shape, 8.0, np.float32))
    light = reconstruct_light(1.0 - jitter, log_hdr, "mean_curve", "steady")
    np.testing.assert_allclose(light, 8.0, rtol=1e-4)
    light = reconstruct_light(1.0 - jitter, log_hdr, "mean_curve", "channel")
    expected = 8.0 - jitter / 0.05 * (8.0 - linearise(1.0 - jitter, "mean_curve"))
    np.testing.assert_allclose(light, expected, rtol=1e-3)


@pytest.mark.parametrize("blend", BLENDS)
def test_numpy_and_tensors_agree(blend):
    rng = np.random.default_rng(2)
    code = rng.uniform(0.8, 1.0, (1, 6, 6, 3)).astype(np.float32)
    log_hdr = rng.normal(1.0, 1.0, code.shape).astype(np.float32)
    arguments = ("mean_curve", blend, 1.2)
    tensor = reconstruct_light(
        ops.convert_to_tensor(code), ops.convert_to_tensor(log_hdr), *arguments, xp=ops
    )
    array = reconstruct_light(code, log_hdr, *arguments)
    np.testing.assert_allclose(np.asarray(tensor), array, rtol=1e-4)
