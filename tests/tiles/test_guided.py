"""Guided enlargement from reduced to full size: edges are kept, without dark fringes."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter, zoom

from hdrcnn.tiles.geometry import Region, block_means, enlarge
from hdrcnn.tiles.guided import RADIUS, Reduced, slopes, window_mean


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_enlarging_is_bilinear_and_a_part_matches_the_whole(factor):
    image = np.random.default_rng(factor).random((9, 11, 2)).astype(np.float32)
    whole = Region(0, 9 * factor, 0, 11 * factor)
    enlarged = enlarge(image, factor, whole)
    expected = zoom(image, (factor, factor, 1), order=1, grid_mode=True, mode="nearest")
    np.testing.assert_allclose(enlarged, expected, atol=1e-5)
    for region in (Region(factor, 3 * factor + 1, 2, 7), Region(8 * factor, 9 * factor, 0, 1)):
        part = enlarge(image, factor, region)
        np.testing.assert_allclose(part, enlarged[region.within(whole)], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 30, 2), (40, 5, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_of_windows_match_scipy(shape, dtype):
    values = np.random.default_rng(4).normal(size=shape).astype(dtype)
    side = 2 * RADIUS + 1
    expected = uniform_filter(values, (side, side, 0), mode="nearest")
    found = window_mean(values)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=8 * np.finfo(dtype).eps)


def test_slopes_match_a_weighted_regression():
    """In the middle of one window, compared with NumPy's least squares, shrunk by epsilon."""
    rng = np.random.default_rng(0)
    code, weight = rng.random((9, 9, 3)), rng.uniform(0.5, 1.0, (9, 9, 1))
    log_hdr = 3.0 * code - 1.0 + 0.1 * rng.standard_normal((9, 9, 3))
    found = slopes(log_hdr, code, weight)[4, 4]
    for channel in range(3):
        x, w = code[..., channel].ravel(), weight.ravel()
        fit = np.polyfit(x, log_hdr[..., channel].ravel(), 1, w=np.sqrt(w))[0]
        variance = np.cov(x, aweights=w, ddof=0)
        np.testing.assert_allclose(found[channel], fit * variance / (variance + 1e-2), rtol=1e-6)


def test_a_prediction_that_follows_the_code_follows_it_at_full_size():
    """A prediction linear in the codes keeps the sharp edges that bilinear enlargement smears."""
    code = np.full((64, 64, 3), 0.2, np.float32)
    code[:, 29:] = 0.9
    weight = np.ones((16, 16), np.float32)
    reduced = Reduced(4, 4.0 * block_means(code, 4), block_means(code, 4), weight)
    region = Region(0, 64, 0, 64)
    error = np.abs(reduced.enlarged(region, code) - 4.0 * code)
    bilinear = np.abs(enlarge(reduced.log_hdr, 4, region) - 4.0 * code)
    assert error.max() < 0.25 * bilinear.max()


def test_no_dark_fringe_at_the_rim():
    """A dark prediction for the unsaturated surroundings does not bleed into a lamp."""
    code = np.full((96, 96, 3), 0.1, np.float32)
    y, x = np.mgrid[0:96, 0:96]
    lamp = np.hypot(y - 47, x - 45) < 17.3
    code[lamp] = 1.0
    weight = block_means(lamp[..., None].astype(np.float32), 8)[..., 0]
    log_hdr = np.where(weight[..., None] > 0, 3.0, -5.0).astype(np.float32) * np.ones(3, np.float32)
    reduced = Reduced(8, log_hdr, block_means(code, 8), weight)
    region = Region(0, 96, 0, 96)
    np.testing.assert_allclose(reduced.enlarged(region, code)[lamp], 3.0, atol=0.01)
    assert enlarge(log_hdr, 8, region)[lamp].min() < 1.0


def test_columns_before_the_first_belong_to_the_left():
    rng = np.random.default_rng(1)
    log_hdr, code = rng.random((2, 8, 12, 3)).astype(np.float32)
    weight = np.ones((8, 12), np.float32)
    full = np.repeat(np.repeat(code, 4, axis=0), 4, axis=1)
    plain = Reduced(4, log_hdr, code, weight).enlarged(Region(0, 32, 16, 40), full[:, 16:40])
    moved = Reduced(4, log_hdr, code, weight, 2).enlarged(Region(0, 32, 8, 32), full[:, 16:40])
    np.testing.assert_allclose(moved, plain, atol=1e-5)
