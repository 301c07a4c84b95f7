"""Temporal terms match their formulas, and predictions that move with the picture cost nothing."""

import keras
import numpy as np
import pytest

from tests.losses.motion_helpers import (
    COLUMNS,
    IDENTITY,
    IMAGES,
    MOTIONS,
    RNG,
    ROWS,
    gradient,
    scipy_warp,
)
from training_code.losses import motion, temporal

TARGET = RNG.lognormal(-0.5, 1.5, IMAGES.shape).astype(np.float32)
NETWORKS = {"affine": lambda code: 1.7 * code - 0.4, "nonlinear": lambda code: np.sin(5 * code)}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_moves_with_the_picture_costs_nothing(name):
    """Of functions of one pixel, affine ones commute with any motion, others with whole shifts."""
    network = NETWORKS[name]
    whole = np.stack([motion.row(down=2, right=-3), motion.row(right=1), motion.row()])
    rows = MOTIONS.copy() if name == "affine" else whole
    rows[:, 5] = 0.0
    code = RNG.random(IMAGES.shape).astype(np.float32)
    moved = network(temporal.move_picture(code, rows, np)).astype(np.float32)
    still = network(code).astype(np.float32)
    free = np.asarray(temporal.transform_invariance(TARGET, still, moved, rows))
    assert free.max() < 1e-10
    rows[:, 5] = 0.05
    noisy = network(temporal.move_picture(code, rows, np)).astype(np.float32)
    assert np.asarray(temporal.transform_invariance(TARGET, still, noisy, rows)).min() > 1e-5


def test_terms_by_their_formulas():
    moved = (IMAGES[::-1] + 0.3).astype(np.float32)

    def saturated(light):
        return np.clip((light.max(-1, keepdims=True) - 0.95) / 0.05, 0, 1)

    seen = np.minimum(TARGET, 1)
    within = scipy_warp(np.ones_like(TARGET[..., :1]), MOTIONS, mode="constant")
    kept = saturated(scipy_warp(seen, MOTIONS)) * within
    change = moved - scipy_warp(IMAGES, MOTIONS)
    np.testing.assert_allclose(
        np.asarray(temporal.transform_invariance(TARGET, IMAGES, moved, MOTIONS)),
        (change**2 * kept).mean(axis=(1, 2, 3)),
        rtol=1e-4,
    )
    found = np.asarray(temporal.flicker(TARGET, IMAGES, moved, MOTIONS))
    share = kept.mean(axis=(1, 2, 3))
    assert (share > 5 * temporal.SMALL).all()
    root = np.sqrt((change**2 * kept).mean(axis=(1, 2, 3)) / share)
    np.testing.assert_allclose(found, root * np.sqrt(share / (share + temporal.SMALL)), rtol=5e-3)
    light = np.log(TARGET + 1 / 255)
    change = (moved - IMAGES) - (scipy_warp(light, MOTIONS) - light)
    np.testing.assert_allclose(
        np.asarray(temporal.sparse_jacobian(TARGET, IMAGES, moved, MOTIONS)),
        (change**2 * saturated(seen) * kept).mean(axis=(1, 2, 3)),
        rtol=1e-4,
    )


def test_all_terms_are_0_for_the_same_perfect_prediction():
    light = np.log(TARGET + 1 / 255).astype(np.float32)
    perfect = temporal.warp(light, MOTIONS, np)
    worse = perfect + 0.1
    everywhere = np.ones_like(TARGET)
    share = temporal.inside(MOTIONS, ROWS, COLUMNS, np).mean(axis=(1, 2, 3))
    for name, term in temporal.TERMS.items():
        assert np.asarray(term(TARGET, light, perfect, MOTIONS, everywhere)).max() < 1e-9
        cost = np.asarray(term(TARGET, light, worse, MOTIONS, everywhere))
        root = 0.1 * np.sqrt(share / (share + temporal.SMALL)) - temporal.FLOOR
        expected = root if name == "flicker" else 0.01 * share
        np.testing.assert_allclose(cost, expected, rtol=1e-3)


def test_flicker_does_not_depend_on_the_size_of_the_highlights():
    """A picture that is half saturated flickers as much as one that is saturated all over; of the
    mean of squares it has half. Twice the change is twice the flicker, not four times.
    """
    target = np.full((2, 64, 64, 3), 0.5, np.float32)
    target[0], target[1, :, :32] = 3.0, 3.0
    still, rows = np.zeros_like(target), np.stack([IDENTITY, IDENTITY])

    def flicker(change, term=temporal.flicker):
        return np.asarray(term(target, still, still + np.float32(change), rows))

    whole, half = flicker(0.2)
    assert half == pytest.approx(whole, rel=0.01)
    whole, half = flicker(0.2, temporal.transform_invariance)
    assert half == pytest.approx(0.5 * whole)
    np.testing.assert_allclose(flicker(0.4), 2 * flicker(0.2), rtol=0.01)


@pytest.mark.parametrize("term", temporal.TERMS.values(), ids=list(temporal.TERMS))
def test_only_highlights_count_and_those_of_the_code_if_it_is_given(term):
    moved = IMAGES + 1.0
    dark = np.clip(TARGET, 0, 0.94)
    assert np.asarray(term(dark, IMAGES, moved, MOTIONS)).max() == 0.0
    seen = np.clip(TARGET, 0, 1)
    published = np.asarray(term(TARGET, IMAGES, moved, MOTIONS))
    np.testing.assert_array_equal(term(TARGET, IMAGES, moved, MOTIONS, seen), published)
    brighter = np.asarray(term(TARGET, IMAGES, moved, MOTIONS, np.sqrt(seen)))
    if term is temporal.flicker:  # A mean over the highlights, not a sum.
        assert (brighter != published).all()
    else:
        assert (brighter > published).all()


def test_the_rim_of_a_highlight_does_not_count():
    """Between 1.0 and 0.3 the moved codes are not saturated, whatever the light was."""
    target = np.full((1, 20, 20, 3), 0.3, np.float32)
    target[:, 5:15, 5:15] = 500.0
    rows = motion.row(right=0.5)[None]
    mask = np.asarray(temporal.moved_saturation(np.minimum(target, 1), rows))
    expected = np.zeros((1, 20, 20, 1))
    expected[:, 5:15, 6:15] = 1.0
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("term", temporal.TERMS.values(), ids=list(temporal.TERMS))
def test_gradients_are_finite_and_reach_both_predictions(term):
    still = np.where(IMAGES > 2, 90.0, IMAGES).astype(np.float32)
    total = keras.ops.sum
    towards_still = gradient(lambda y: total(term(TARGET, y, IMAGES, MOTIONS)), still)
    towards_moved = gradient(lambda y: total(term(TARGET, still, y, MOTIONS)), IMAGES)
    for found in (towards_still, towards_moved):
        assert np.isfinite(found).all()
        assert (np.abs(found).max(axis=(1, 2, 3)) > 0).all()


def test_jax_gives_the_same(run_python, tmp_path):
    np.savez(tmp_path / "given.npz", images=IMAGES, target=TARGET, motions=MOTIONS)
    script = (
        "import jax, numpy as np\n"
        "from training_code.losses import temporal\n"
        "given = np.load('given.npz')\n"
        "x, t, m = given['images'], given['target'], given['motions']\n"
        "found = {'moved': jax.jit(temporal.move_picture)(np.clip(x, 0, 1), m)}\n"
        "for name, term in temporal.TERMS.items():\n"
        "    value = jax.jit(jax.value_and_grad(lambda y: term(t, y, x + 1.0, m).sum()))\n"
        "    found[name], found[name + '_back'] = value(x)\n"
        "np.savez('found.npz', **found)\n"
    )
    run_python("-c", script, cwd=tmp_path, KERAS_BACKEND="jax")
    found = np.load(tmp_path / "found.npz")
    moved = temporal.move_picture(np.clip(IMAGES, 0, 1), MOTIONS)
    np.testing.assert_allclose(found["moved"], np.asarray(moved), atol=1e-4)
    for name, term in temporal.TERMS.items():

        def total(y, term=term):
            return keras.ops.sum(term(TARGET, y, IMAGES + 1.0, MOTIONS))

        assert float(found[name]) == pytest.approx(float(total(IMAGES)), rel=1e-4)
        np.testing.assert_allclose(found[name + "_back"], gradient(total, IMAGES), atol=1e-5)
