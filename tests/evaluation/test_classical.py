"""The classical operators: end points, monotonicity, and the properties that their papers claim."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.ndimage import gaussian_filter

from hdrcnn.colour.transfer import luminance, srgb_decode
from training_code.evaluation.classical import (
    CLIPPED_CODE,
    MASIA_OFFSET,
    MASIA_SLOPE,
    OPERATORS,
    akyuz_2007,
    cross_bilateral,
    image_key,
    kovaleski_oliveira_2014,
    masia_2009,
    masia_gamma,
)


def ramp(low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """[32, 64, 3] grey, rising to the right."""
    row = np.linspace(low, high, 64)
    return np.broadcast_to(row[None, :, None], (32, 64, 3)).copy()


def picture(seed: int = 0, low: float = 0.02) -> np.ndarray:
    """[32, 48, 3] of 8-bit codes, none clipped."""
    codes = np.random.default_rng(seed).uniform(low, 0.98, (32, 48, 3))
    return np.asarray(np.round(codes * 255.0) / 255.0)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(
    "code",
    [
        np.zeros((16, 20, 3)),
        np.ones((16, 20, 3)),
        np.full((16, 20, 3), 0.5),
        np.eye(16, 20)[..., None] * [1.0, 0.0, 0.0],
        picture(),
        picture().astype(np.float32),
    ],
)
def test_any_picture_gives_finite_light(name: str, code: np.ndarray) -> None:
    light = OPERATORS[name](code)
    assert light.shape == code.shape
    assert np.isfinite(light).all()
    assert light.min() >= 0.0


@pytest.mark.parametrize("name", OPERATORS)
@given(low=st.floats(0.0, 0.4), high=st.floats(0.6, 1.0))
def test_brighter_codes_give_more_light(name: str, low: float, high: float) -> None:
    light = OPERATORS[name](ramp(low, high))
    assert (np.diff(light, axis=1) > -1e-12).all()
    assert light[0, -1, 0] > light[0, 0, 0]


@pytest.mark.parametrize("name", OPERATORS)
def test_colours_keep_the_ratios_of_their_channels(name: str) -> None:
    code = picture(low=0.2)
    light, linear = OPERATORS[name](code), srgb_decode(code)
    np.testing.assert_allclose(light * luminance(linear), linear * luminance(light), rtol=1e-9)


def test_akyuz_stretches_luminance_to_the_whole_range() -> None:
    light = luminance(akyuz_2007(picture()))
    assert light.min() == pytest.approx(0.0, abs=1e-12)
    assert light.max() == pytest.approx(1.0)


def test_akyuz_does_not_stretch_a_picture_from_black_to_white() -> None:
    np.testing.assert_allclose(akyuz_2007(ramp()), srgb_decode(ramp()), atol=1e-12)


def test_akyuz_gamma_is_a_power_of_luminance() -> None:
    first, second = (luminance(akyuz_2007(ramp(), gamma)) for gamma in (1.0, 2.2))
    np.testing.assert_allclose(second, first**2.2, atol=1e-12)


@given(st.floats(1e-3, 1e3), st.floats(0.2, 5.0), st.integers(0, 1000))
def test_key_is_invariant_to_gain_and_power(gain: float, power: float, seed: int) -> None:
    light = np.random.default_rng(seed).uniform(0.01, 1.0, 500)
    key = image_key(light)
    assert 0.0 <= key <= 1.0
    assert image_key(gain * light**power) == pytest.approx(key, abs=1e-9)


def test_key_of_known_distributions() -> None:
    assert image_key(np.geomspace(1e-3, 1.0, 1001)) == pytest.approx(0.5, abs=1e-9)
    bright = np.concatenate([np.full(20, 0.01), np.full(980, 1.0)])
    assert image_key(bright) == pytest.approx(0.98)
    outliers = np.concatenate([[1e-12, 1e9], np.geomspace(1e-3, 1.0, 998)])
    assert image_key(outliers) == pytest.approx(0.5, abs=0.02)
    assert image_key(np.array([0.0, 0.0])) == image_key(np.ones(9)) == 0.5


def test_masia_gamma_rises_with_the_key_and_never_compresses() -> None:
    gammas = [masia_gamma(key) for key in np.linspace(0.0, 1.0, 101)]
    assert gammas[0] == 1.0
    assert gammas[-1] == pytest.approx(4.158)
    assert (np.diff(gammas) >= 0).all()
    assert masia_gamma(0.8) == pytest.approx(2.07)


def test_masia_raises_luminance_to_its_gamma() -> None:
    code = np.sqrt(picture(low=0.3))  # A bright picture.
    linear = luminance(srgb_decode(code))
    gamma = MASIA_SLOPE * image_key(linear) + MASIA_OFFSET
    slope = np.polyfit(np.log(linear).ravel(), np.log(luminance(masia_2009(code))).ravel(), 1)[0]
    assert slope == pytest.approx(max(gamma, 1.0))


def bilateral_by_definition(
    values: np.ndarray, guide: np.ndarray, spatial_sd: float, range_sd: float
) -> np.ndarray:
    """Cross-bilateral filter as a weighted mean over all pixels, pixel by pixel."""
    rows, columns = np.indices(values.shape)
    out = np.empty(values.shape)
    for i, j in np.ndindex(*values.shape):
        apart = ((rows - i) ** 2 + (columns - j) ** 2) / spatial_sd**2
        unlike = ((guide - guide[i, j]) / range_sd) ** 2
        weight = np.exp(-0.5 * (apart + unlike))
        out[i, j] = (weight * values).sum() / weight.sum()
    return out


def test_the_grid_agrees_with_the_definition() -> None:
    rng = np.random.default_rng(1)
    guide = gaussian_filter(rng.uniform(0.0, 1.0, (40, 40)), 3.0)
    guide = (guide - guide.min()) / np.ptp(guide)
    values = (gaussian_filter(rng.normal(size=(40, 40)), 4.0) > 0).astype(float)
    # The grid adds the width of its cells, about an eighth, to both deviations.
    expected = bilateral_by_definition(values, guide, 1.12 * 5.0, 1.12 * 0.1)
    found = cross_bilateral(values, guide, 5.0, 0.1)
    assert np.abs(found - expected).mean() < 0.02
    assert np.abs(found - expected).max() < 0.12


def test_smoothing_stops_at_the_edges_of_the_guide() -> None:
    guide = np.zeros((40, 40))
    guide[:, 20:] = 1.0
    values = np.zeros((40, 40))
    values[:, 30:] = 1.0
    smoothed = cross_bilateral(values, guide, 8.0, 0.1)
    assert np.abs(smoothed[:, :20]).max() < 1e-6
    assert smoothed[20, 20] > 0.1


def test_without_clipping_light_is_only_linearised() -> None:
    code = np.minimum(picture(), CLIPPED_CODE)
    np.testing.assert_array_equal(kovaleski_oliveira_2014(code), srgb_decode(code))


def test_code_254_is_not_clipped() -> None:
    code = np.full((20, 30, 3), np.float32(254) / np.float32(255))
    np.testing.assert_array_equal(kovaleski_oliveira_2014(code), srgb_decode(code.astype(float)))


def test_clipped_areas_become_four_times_brighter() -> None:
    np.testing.assert_allclose(kovaleski_oliveira_2014(np.ones((20, 30, 3))), 4.0)


def test_enhancement_lies_between_one_and_four_and_falls_with_distance() -> None:
    code = np.full((64, 192, 3), 0.9)
    code[:, :40] = 1.0
    enhancement = (kovaleski_oliveira_2014(code) / srgb_decode(code))[32, :, 0]
    assert enhancement.min() >= 1.0
    assert enhancement.max() <= 4.0
    assert (np.diff(enhancement[41:]) <= 1e-9).all()
    assert enhancement[10] > 3.0 > 2.0 > enhancement[45] > enhancement[100]
