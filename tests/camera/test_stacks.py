"""A photograph and its exposures show the same light through the same curve."""

import dataclasses

import numpy as np
import pytest

from training_code.camera import CURVES, TooBlackError
from training_code.camera.stacks import Stacks, draw_stack, exposed, exposures, photographed

RNG = np.random.default_rng(5)
LIGHT = (4.0 ** RNG.uniform(-5.0, 1.0, (64, 48, 3))).astype(np.float32)
CLEAN = Stacks(noise_sd=(0.0, 0.0), photons=(1e9, 1e9), jpeg_share=0.0)


@pytest.mark.parametrize("curve", range(len(CURVES)))
def test_without_noise_the_photograph_is_the_middle_exposure(curve):
    shares = (float(curve == 0), float(curve == 1), float(curve == 2))
    stack = draw_stack(dataclasses.replace(CLEAN, curves=shares), np.random.default_rng(1))
    assert stack.curve == curve
    shown = exposures(LIGHT, stack)
    assert shown.shape == (5, 64, 48, 3)
    assert (np.abs(photographed(LIGHT, stack).astype(int) - shown[2]) <= 1).all()
    np.testing.assert_array_equal(np.rint(255.0 * stack.encode(LIGHT)), shown[2])
    assert (np.diff(shown.astype(int), axis=0) >= 0).all()
    # Exposures are two stops apart: each equals the next one of a quarter of the light.
    np.testing.assert_array_equal(exposures(LIGHT * 0.25, stack)[1:], shown[:-1])


def test_the_drawn_share_of_the_light_is_clipped():
    stack = draw_stack(dataclasses.replace(CLEAN, under=(0.0, 0.0)), np.random.default_rng(1))
    stack = dataclasses.replace(stack, unclipped=0.9)
    light = exposed(LIGHT, stack)
    assert abs((light >= 1.0).mean() - 0.1) < 0.01
    np.testing.assert_allclose(exposed(LIGHT, dataclasses.replace(stack, under=2.0)), light / 4.0)
    with pytest.raises(TooBlackError):
        exposed(np.zeros_like(LIGHT), stack)


def test_noise_combines_photon_and_read_noise():
    level = np.full((200, 200, 3), 0.25, np.float32)
    stack = draw_stack(dataclasses.replace(CLEAN, curves=(0.0, 1.0, 0.0)), np.random.default_rng(2))
    stack = dataclasses.replace(stack, noise_sd=0.03, photons=100.0)
    slope = (stack.encode(level + 0.001) - stack.encode(level)).mean() / 0.001
    found = photographed(level, stack).std() / 255.0 / slope
    assert found == pytest.approx(np.sqrt(0.03**2 + 0.25 / 100.0), rel=0.05)


def test_compression_changes_no_other_draw():
    drawn = [
        draw_stack(dataclasses.replace(CLEAN, jpeg_share=share), np.random.default_rng(3))
        for share in (0.0, 1.0)
    ]
    assert drawn[0].jpeg_quality == 0 < drawn[1].jpeg_quality
    assert dataclasses.replace(drawn[1], jpeg_quality=0) == drawn[0]


@pytest.mark.parametrize(
    "wrong", [{"spacing": 0.0}, {"unclipped": (0.9, 1.0)}, {"jpeg": (0, 90)}, {"jpeg_share": 2.0}]
)
def test_wrong_distributions_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Stacks(**wrong)
