"""Losses against their formulas in plain NumPy and SciPy."""

import numpy as np
import pytest
import scipy.ndimage
from keras import ops

from training_code import losses

RNG = np.random.default_rng(0)
TARGET = RNG.lognormal(-0.5, 1.2, (2, 24, 20, 3)).astype(np.float32)
LOG_HDR = (np.log(TARGET + 1 / 255) + RNG.normal(0, 0.4, TARGET.shape)).astype(np.float32)
MASK = np.clip((TARGET.max(-1, keepdims=True) - 0.95) / 0.05, 0, 1)


def numpy_blur(image: np.ndarray) -> np.ndarray:
    """13x13 Gaussian with zero borders."""
    offsets = np.arange(-6, 7)
    profile = np.exp(-0.5 * (offsets / 4.2) ** 2)
    profile /= profile.sum()
    for axis in (1, 2):
        image = scipy.ndimage.convolve1d(image, profile, axis=axis, mode="constant")
    return image


def test_log_l2_by_formula():
    expected = np.mean(((LOG_HDR - np.log(TARGET + 1 / 255)) * MASK) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(np.asarray(losses.log_l2(TARGET, LOG_HDR)), expected, rtol=1e-4)


def test_illumination_and_reflectance_by_formula():
    weights = np.array([0.212656, 0.715158, 0.072186])

    def split(linear):
        log_luminance = np.log((linear * weights).sum(-1, keepdims=True) + 1 / 255)
        illumination = numpy_blur(log_luminance)
        return illumination, np.log(linear + 1 / 255) - illumination

    target_i, target_r = split(TARGET.astype(np.float64))
    i, r = split(np.exp(LOG_HDR.astype(np.float64)) - 1 / 255)
    cost = 0.5 * (i - target_i) ** 2 + 0.5 * (r - target_r) ** 2
    np.testing.assert_allclose(
        np.asarray(losses.illumination_reflectance(TARGET, LOG_HDR)),
        (cost * MASK).mean(axis=(1, 2, 3)),
        rtol=1e-3,
    )


@pytest.mark.parametrize("loss", losses.LOSSES.values(), ids=list(losses.LOSSES))
def test_perfect_costs_nothing_and_only_highlights_count(loss):
    perfect = np.log(TARGET + 1 / 255)
    assert np.asarray(loss(TARGET, perfect)).max() < 1e-10
    dark = np.clip(TARGET, 0, 0.94)
    assert np.asarray(loss(dark, LOG_HDR)).max() == 0.0


@pytest.mark.parametrize("loss", losses.LOSSES.values(), ids=list(losses.LOSSES))
def test_extreme_predictions_stay_finite(loss):
    for value in (-200.0, 200.0):
        assert np.isfinite(np.asarray(loss(TARGET, np.full_like(LOG_HDR, value)))).all()


def test_blur_keeps_a_constant_inside_and_falls_to_a_quarter_in_a_corner():
    blurred = np.asarray(losses.blur(np.ones((1, 40, 40, 1), np.float32)))[0, ..., 0]
    assert blurred[20, 20] == pytest.approx(1.0, abs=1e-5)
    assert 0.25 < blurred[0, 0] < 0.36
    np.testing.assert_allclose(blurred, numpy_blur(np.ones((1, 40, 40, 1)))[0, ..., 0], atol=1e-5)


def test_highlight_rmse_is_in_stops():
    target = np.full((1, 4, 4, 3), 3.0, np.float32)
    target[0, 0] = 0.5  # Not a highlight: whatever is predicted there does not count.
    doubled = ops.log(2.0 * (target + 1 / 255))
    assert float(losses.highlight_rmse(target, doubled)) == pytest.approx(1.0, abs=1e-5)
