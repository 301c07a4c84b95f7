"""Motions of pictures, compared with NumPy's shifts and SciPy's affine transform."""

import keras
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import given, settings, strategies as st

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


@pytest.mark.parametrize("xp", [np, keras.ops], ids=["numpy", "keras"])
def test_the_identity_changes_nothing(xp):
    rows = np.repeat(IDENTITY[None], 3, axis=0)
    np.testing.assert_array_equal(temporal.warp(IMAGES, rows, xp), IMAGES)
    code = np.clip(IMAGES, 0, 1)
    np.testing.assert_array_equal(temporal.move_picture(code, rows, xp), code)
    assert np.asarray(temporal.inside(rows, ROWS, COLUMNS, xp)).min() == 1.0


@given(st.integers(-5, 5), st.integers(-5, 5))
@settings(max_examples=20, deadline=None)
def test_whole_shifts_match_numpy(down, right):
    rows = motion.row(down=down, right=right)[None]
    moved = temporal.warp(IMAGES[:1], rows, np)
    within = temporal.inside(rows, ROWS, COLUMNS, np)
    expected = np.roll(IMAGES[:1], (down, right), axis=(1, 2))
    np.testing.assert_array_equal(moved * within, expected * within)
    assert within.sum() == (ROWS - abs(down)) * (COLUMNS - abs(right))


def test_a_quarter_turn_matches_numpy():
    square = IMAGES[:1, :31, :31]
    turned = np.asarray(temporal.warp(square, motion.row(rotation=90.0)[None]))
    np.testing.assert_allclose(turned[0], np.rot90(square[0]), atol=1e-4)


@pytest.mark.parametrize("xp", [np, keras.ops], ids=["numpy", "keras"])
def test_warp_and_inside_match_scipy(xp):
    moved = np.asarray(temporal.warp(IMAGES, MOTIONS, xp))
    np.testing.assert_allclose(moved, scipy_warp(IMAGES, MOTIONS), atol=1e-4)
    within = np.asarray(temporal.inside(MOTIONS, ROWS, COLUMNS, xp))
    expected = scipy_warp(np.ones((3, ROWS, COLUMNS, 1)), MOTIONS, mode="constant")
    assert 0 < within.mean() < 1
    np.testing.assert_array_equal(within, expected > 0.5)


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ({"rotation": 9.0}, {"rotation": -9.0}),
        ({"zoom": 1.25}, {"zoom": 0.8}),
        ({"shear": 7.0}, {"shear": -7.0}),
        ({"down": 1.5, "right": -2.25}, {"down": -1.5, "right": 2.25}),
    ],
)
def test_there_and_back_returns_a_smooth_picture(there, back):
    y, x = np.mgrid[0:64, 0:64] / 64.0
    smooth = np.sin(3 * x + 1)[..., None] * np.cos(2 * y)[..., None] * [1.0, 0.5, -1.0]
    smooth = smooth[None].astype(np.float32)
    moved = temporal.warp(smooth, motion.row(**there)[None], np)
    assert np.abs(moved - smooth)[:, 14:-14, 14:-14].max() > 0.03
    returned = temporal.warp(moved, motion.row(**back)[None], np)
    np.testing.assert_allclose(
        returned[:, 14:-14, 14:-14], smooth[:, 14:-14, 14:-14], atol=2e-3, rtol=0
    )


def test_zoom_enlarges_and_shifts_go_down_and_right():
    y, x = np.mgrid[0:65, 0:65]
    disc = (np.hypot(y - 32, x - 32) < 10).astype(np.float32)[None, ..., None]
    enlarged = temporal.warp(disc, motion.row(zoom=1.5)[None], np)
    assert enlarged.sum() / disc.sum() == pytest.approx(1.5**2, rel=0.02)
    moved = temporal.warp(disc, motion.row(down=3.5, right=-6.25, zoom=1.2)[None], np)[0, ..., 0]
    assert np.average(y, weights=moved) == pytest.approx(32 + 3.5, abs=0.03)
    assert np.average(x, weights=moved) == pytest.approx(32 - 6.25, abs=0.03)


def test_the_gradient_of_the_warp_is_its_adjoint():
    """<g, T x> = <T* g, x>: holds for the gradient of a linear map, and only for it."""
    weights = RNG.normal(0, 1, IMAGES.shape).astype(np.float32)
    product = np.sum(weights * temporal.warp(IMAGES, MOTIONS, np), dtype=np.float64)
    back = gradient(lambda images: keras.ops.sum(temporal.warp(images, MOTIONS) * weights), IMAGES)
    assert np.sum(back.astype(np.float64) * IMAGES) == pytest.approx(product, rel=1e-4)


def test_motions_are_drawn_uniformly_within_their_bounds():
    settings_ = motion.Motion()
    drawn = np.array([settings_.draw(np.random.default_rng(seed)) for seed in range(2000)])
    assert drawn.dtype == np.float32
    bounds = [(-2, 2), (-2, 2), (-1, 1), (-1, 1), (0.97, 1.03), (0.01, 0.05)]
    bounds += [(0, 65536), (0, 65536)]
    for values, (low, high) in zip(drawn.T, bounds, strict=True):
        uniform = scipy.stats.uniform(low, high - low)
        assert scipy.stats.kstest(values, uniform.cdf).pvalue > 1e-3
    np.testing.assert_array_equal(drawn[:, 6:], np.round(drawn[:, 6:]))
    np.testing.assert_array_equal(drawn[7], settings_.draw(np.random.default_rng(7)))


@given(st.integers(0, 2**32 - 1))
def test_seeds_are_kept_exactly(seed):
    high, low = motion.row(seed=seed)[6:]
    assert int(high) * 65536 + int(low) == seed


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"shift": -1.0}, "shift"),
        ({"rotation": 90.0}, "rotation"),
        ({"zoom": 1.0}, "zoom"),
        ({"noise_sd": (0.05, 0.01)}, "noise_sd"),
        ({"noise_sd": (float("nan"), 0.1)}, "noise_sd"),
    ],
)
def test_bad_distributions_are_named(fields, name):
    with pytest.raises(ValueError, match=rf"motion\.{name}"):
        motion.Motion(**fields)


def test_noise_has_the_requested_deviation_and_depends_on_the_seed():
    code = np.full((3, 96, 96, 3), 0.5, np.float32)
    rows = np.stack(
        [motion.row(noise_sd=sd, seed=s) for sd, s in ((0.01, 9), (0.05, 9), (0.05, 8))]
    )
    moved = np.asarray(temporal.move_picture(code, rows)) - 0.5
    np.testing.assert_allclose(moved.std(axis=(1, 2, 3)), [0.01, 0.05, 0.05], rtol=0.02)
    np.testing.assert_allclose(moved[1], 5 * moved[0], atol=1e-6)
    assert abs(np.corrcoef(moved[1].ravel(), moved[2].ravel())[0, 1]) < 0.03
    white = np.asarray(temporal.move_picture(np.ones_like(code), rows))
    assert white.max() == 1.0
    assert 0.4 < (white < 1.0).mean() < 0.6
