"""Metrics of film, by hand; gain and flicker on known changes."""

import numpy as np
import pytest

from hdrcnn.colour.pq import pq_light, pq_signal
from training_code.evaluation import film_metrics as metrics

RNG = np.random.default_rng(8)
TRUTH = RNG.uniform(0.2, 0.6, (20, 24, 3)).astype(np.float32)


def test_psnr_of_codes_by_hand():
    assert metrics.pq_psnr(TRUTH + np.float32(0.1), TRUTH) == pytest.approx(20.0, abs=1e-4)
    assert metrics.pq_psnr(TRUTH, TRUTH) == metrics.pu21(TRUTH, TRUTH) == 99.0


def test_delta_e_of_greys_is_720_times_the_difference_of_codes():
    grey = np.full((4, 4, 3), 0.5, np.float32)
    assert metrics.delta_e(grey + np.float32(0.01), grey) == pytest.approx(7.2, rel=1e-3)


def test_a_gain_is_found_and_undone():
    darker = np.asarray(pq_signal(0.4 * pq_light(TRUTH)))
    factor = metrics.gain(darker, TRUTH)
    assert factor == pytest.approx(2.5, rel=1e-3)
    np.testing.assert_allclose(metrics.with_gain(darker, factor), TRUTH, atol=1e-4)
    assert metrics.gain(np.zeros_like(TRUTH), TRUTH) == 1.0


def test_flicker_is_the_excess_change():
    steady = np.stack([TRUTH] * 6)
    assert metrics.flicker(steady + 0.1, steady) == pytest.approx((0.0, 0.0), abs=1e-6)
    pumping = steady + 0.01 * np.array([0, 1, 0, 1, 0, 1])[:, None, None, None]
    assert metrics.flicker(pumping, steady) == pytest.approx((10.0, 10.0), rel=1e-3)
    # Following a change of the truth is not flicker.
    assert metrics.flicker(pumping, pumping) == (0.0, 0.0)
