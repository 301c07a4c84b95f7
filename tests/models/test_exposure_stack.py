"""The network changes dark samples and nothing else."""

import keras
import numpy as np
import pytest

from hdrcnn.models import exposure_stack
from hdrcnn.models.exposure_stack import BOUND, DARK, LIGHT, dark_weight

CODES = np.random.default_rng(3).random((2, 32, 24, 3), np.float32)


def shaken(scale: float) -> keras.Model:
    """A network whose last convolution is not 0."""
    network = exposure_stack.build(4)
    for variable in network.get_layer("correction").weights:
        variable.assign(scale * np.random.default_rng(4).standard_normal(variable.shape))
    return network


def test_an_untrained_network_is_the_identity():
    np.testing.assert_array_equal(np.asarray(exposure_stack.build(4)(CODES)), CODES)


@pytest.mark.parametrize("scale", [0.3, 1e4])
def test_bright_samples_stay_and_dark_ones_change_within_the_bound(scale):
    restored = np.asarray(shaken(scale)(CODES))
    bright = CODES >= LIGHT
    np.testing.assert_array_equal(restored[bright], CODES[bright])
    change = np.abs(restored - CODES)
    assert (change <= BOUND * dark_weight(CODES) + 1e-6).all()
    assert change[CODES < DARK].mean() > 0.01
    assert restored.min() >= 0.0


def test_darkness_falls_from_one_to_nothing():
    codes = np.linspace(0.0, 1.0, 1001)
    mask = dark_weight(codes)
    assert (mask[codes <= DARK] == 1.0).all()
    assert (mask[codes >= LIGHT] == 0.0).all()
    assert (np.diff(mask) <= 0.0).all()
    # Without a step: the slope of the cubic is at most 1.5 divided by its width.
    assert -np.diff(mask).min() <= 1.5 * 0.001 / (LIGHT - DARK) + 1e-9


def test_a_dark_channel_changes_beside_bright_ones():
    codes = np.full((1, 8, 8, 3), 0.9, np.float32)
    codes[..., 2] = 0.05
    restored = np.asarray(shaken(0.3)(codes))
    np.testing.assert_array_equal(restored[..., :2], codes[..., :2])
    assert np.abs(restored[..., 2] - 0.05).min() > 0.0
