"""Losses of film, compared with the metrics (NumPy, double precision) and by hand."""

import numpy as np
import pytest
from keras import ops

from hdrcnn.colour.pq import pq_signal
from training_code.evaluation import film_metrics as metrics
from training_code.evaluation.metrics import ssim
from training_code.losses import film

RNG = np.random.default_rng(2)
TRUTH = RNG.uniform(0.1, 0.7, (2, 24, 30, 3)).astype(np.float32)
FOUND = np.clip(TRUTH + 0.03 * RNG.standard_normal(TRUTH.shape), 0.0, 1.0).astype(np.float32)


@pytest.mark.parametrize("name", film.TERMS)
def test_terms_are_almost_0_for_the_truth_and_larger_for_others(name):
    right, wrong = (np.asarray(film.TERMS[name](f, TRUTH)) for f in (TRUTH, FOUND))
    assert right.shape == (2,)
    assert (right < 2e-4).all()
    assert (wrong > 5e-4).all()


def test_mse_and_colour_difference_match_the_metrics():
    found = np.asarray(film.mse(FOUND, TRUTH))
    colour = 720.0 * np.asarray(film.delta_e_itp(FOUND, TRUTH))
    for index in range(2):
        psnr = metrics.pq_psnr(FOUND[index], TRUTH[index])
        assert -10.0 * np.log10(found[index]) == pytest.approx(psnr, abs=1e-3)
        assert colour[index] == pytest.approx(metrics.delta_e(FOUND[index], TRUTH[index]), rel=0.01)


def test_ssim_matches_the_metric():
    found = 1.0 - np.asarray(film.ssim_loss(FOUND, TRUTH))
    expected = [
        np.mean([ssim(a[..., c].astype(float), b[..., c].astype(float), 1.0) for c in range(3)])
        for a, b in zip(FOUND, TRUTH, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_temporal_ignores_errors_that_do_not_change():
    truth = np.stack([TRUTH, TRUTH])
    shifted = truth + 0.05
    np.testing.assert_allclose(np.asarray(film.temporal(shifted, truth)), 0.0, atol=1e-6)
    pumping = truth + np.array([0.0, 0.02], np.float32)[None, :, None, None, None]
    np.testing.assert_allclose(np.asarray(film.temporal(pumping, truth)), 0.02, atol=1e-6)


@pytest.mark.parametrize("name", film.TERMS)
def test_gradients_are_finite_at_black_and_beyond_white(name):
    tf = pytest.importorskip("tensorflow")
    extreme = np.zeros((1, 16, 16, 3), np.float32)
    extreme[:, 8:] = 1.3
    with tf.GradientTape() as tape:
        found = tf.convert_to_tensor(extreme)
        tape.watch(found)
        loss = ops.mean(film.TERMS[name](found, np.zeros_like(extreme)))
    assert np.isfinite(np.asarray(tape.gradient(loss, found))).all()


def test_aligned_ignores_a_gain_and_penalises_shape():
    light = np.geomspace(0.5, 200.0, 2 * 16 * 16 * 3).reshape(2, 16, 16, 3)
    truth = pq_signal(light).astype(np.float32)
    brighter = pq_signal(light * np.array([4.0, 0.3]).reshape(2, 1, 1, 1)).astype(np.float32)
    steeper = pq_signal(light**1.2).astype(np.float32)
    assert (np.asarray(film.aligned(brighter, truth)) < 2e-3).all()
    assert (np.asarray(film.aligned(steeper, truth)) > 1e-2).all()
    one, two = (metrics.with_gain(f[0], metrics.gain(f[0], truth[0])) for f in (steeper, brighter))
    assert metrics.delta_e(one, truth[0]) > 10 * metrics.delta_e(two, truth[0])


def test_rmse_is_the_root_of_mse():
    np.testing.assert_allclose(film.rmse(FOUND, TRUTH) ** 2, film.mse(FOUND, TRUTH), atol=2e-8)


def test_slope_roughness_is_least_for_equal_slopes():
    slopes = np.array([[0.5] * 4, [0.0, 0.2, 0.0, 0.2]], np.float32)
    np.testing.assert_allclose(np.asarray(film.slope_roughness(slopes)), [0.0, 0.04], atol=1e-7)
