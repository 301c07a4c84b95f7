"""Sensor: noise of the right size, one formula for both array libraries."""

import numpy as np
import pytest
from keras import ops
from scipy import stats

from training_code.camera import Sensor, add_noise, sense

FLAT = np.full((200, 200, 3), 0.5, np.float32)


def test_noise_is_normal_and_light_stays_positive():
    residual = (sense(FLAT, 0.01, np.random.default_rng(1)) - FLAT) / 0.01
    assert stats.kstest(residual.ravel(), "norm").pvalue > 1e-4
    assert sense(np.zeros_like(FLAT), 0.01, np.random.default_rng(1)).min() == 0.0
    np.testing.assert_array_equal(sense(FLAT, 0.0, np.random.default_rng(1)), FLAT)


def test_noise_of_a_batch_under_keras_is_that_of_each():
    rng = np.random.default_rng(2)
    light, noise = rng.random((3, 8, 8, 3), np.float32), rng.standard_normal((3, 8, 8, 3))
    noise, sd = noise.astype(np.float32), np.array([0.0, 0.01, 0.5], np.float32)
    together = np.asarray(add_noise(light, sd.reshape(-1, 1, 1, 1), noise, xp=ops))
    for item in range(3):
        alone = add_noise(light[item], sd[item], noise[item])
        np.testing.assert_allclose(together[item], alone, rtol=1e-6, atol=1e-7)


def test_draws_stay_in_their_range_and_seeds_differ():
    rng = np.random.default_rng(3)
    drawn = [Sensor(noise_sd=(0.002, 0.004)).draw(rng) for _ in range(500)]
    assert min(noise.noise_sd for noise in drawn) >= 0.002
    assert max(noise.noise_sd for noise in drawn) <= 0.004
    seeds = {noise.noise_seed for noise in drawn}
    assert len(seeds) == 500
    assert min(seeds) >= 0
    assert 2**31 < max(seeds) < 2**32


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"noise_sd": (0.2, 0.1)}, "noise_sd"),
        ({"noise_sd": (-0.1, 0.1)}, "noise_sd"),
        ({"peak": 0.5}, "peak 0.5"),
    ],
)
def test_unusable_settings_are_named(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Sensor(**changes)
