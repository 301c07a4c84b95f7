"""Statistics of codes: what mixtures and shades reveal of a known curve."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from hdrcnn.colour.transfer import MEAN_CURVE_N, MEAN_CURVE_S, camera_curve, srgb_encode
from hdrcnn.predict import curve_statistics as cs

TRIALS = len(cs.TRIALS)


def mixtures(curve, count: int = 3000) -> np.ndarray:
    """Codes of two colours and their mixture in light, [count, 3, 3]."""
    rng = np.random.default_rng(1)
    low, high = rng.uniform(0.02, 0.3, (count, 3)), rng.uniform(0.4, 0.9, (count, 3))
    share = rng.uniform(0.2, 0.8, (count, 1))
    light = np.stack([low, low + share * (high - low), high], axis=1)
    return np.round(255 * curve(light)).astype(np.int16)


@pytest.mark.parametrize("trial", range(TRIALS))
def test_channels_mix_equally_only_in_the_true_light(trial):
    true = cs.TRIALS[trial]
    triples = mixtures(lambda light: camera_curve(light, *true))
    spread = cs.mixing(triples)[TRIALS:-1]
    assert spread.argmin() == trial
    assert np.sort(spread)[1] > spread.min() + 0.5


def test_middles_lie_half_way_in_the_true_light():
    for trial, true in enumerate(cs.TRIALS):
        share = cs.mixing(mixtures(lambda light, t=true: camera_curve(light, *t)))[:TRIALS]
        assert abs(share[trial]) < 0.05
    darkened = cs.mixing(mixtures(srgb_encode))[:TRIALS]
    weaker = [i for i, (n, s) in enumerate(cs.TRIALS) if n >= 0.85 and s == 0.45]
    assert (np.abs(darkened[weaker]) > 0.05).all()


def test_bends_are_0_for_the_mean_curve():
    own = mixtures(lambda light: camera_curve(light, MEAN_CURVE_N, MEAN_CURVE_S))
    assert np.abs(cs.curve_deviation(own)[cs.BANDS :]).max() < 0.02
    assert np.abs(cs.curve_deviation(mixtures(srgb_encode))[cs.BANDS :]).max() > 0.1


@pytest.mark.parametrize("true", cs.TRIALS)
def test_shades_of_one_colour_keep_their_ratios_only_in_the_true_light(true):
    rng = np.random.default_rng(2)
    colour, shade = rng.uniform(0.1, 0.9, (3000, 1, 3)), rng.uniform(0.1, 0.5, (3000, 1, 1))
    light = np.concatenate([colour * shade, colour * np.sqrt(shade), colour], axis=1)
    codes = np.round(255 * camera_curve(light, *true)).astype(np.int16)
    assert cs.SHOULDERS[cs.shading(codes)[:-1].argmin()] == true[1]


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)),
        elements=st.integers(0, 255),
    )
)
def test_any_picture_gives_finite_numbers(picture):
    found = cs.statistics(picture)
    assert found.shape == (cs.SIZE,)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_statistics_are_the_same_at_all_bit_depths():
    picture = np.random.default_rng(4).integers(0, 256, (60, 80, 3), np.uint8)
    found = cs.statistics(picture)
    np.testing.assert_array_equal(found, cs.statistics(picture.astype(np.uint16) * 257))
    np.testing.assert_array_equal(found, cs.statistics(picture.astype(np.float32) / 255))


@pytest.mark.parametrize("shape", [(2000, 3000), (100, 9000), (9000, 60), (513, 770)])
def test_tiles_of_large_pictures_are_few_and_reach_all_sides(shape):
    rows, columns = np.indices(shape, np.int32)
    pieces = cs.tiles(np.stack([rows, columns, rows], axis=-1))
    assert 0.3 * cs.PIXELS < sum(p[..., 0].size for p in pieces) < 1.2 * cs.PIXELS
    corners = np.array([(p[0, 0, :2], p[-1, -1, :2]) for p in pieces])
    np.testing.assert_array_equal(corners.min(axis=(0, 1)), (0, 0))
    np.testing.assert_array_equal(corners.max(axis=(0, 1)), (shape[0] - 1, shape[1] - 1))
