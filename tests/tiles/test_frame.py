"""Parts of a padded picture equal those of a picture that is padded as a whole."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hdrcnn.predict.blend import THRESHOLD, apply_gamma, saturation
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.geometry import Region, block_means, pad_to_multiple

sides = st.integers(1, 70)


@settings(max_examples=40, deadline=None)
@given(rows=sides, columns=sides, part=st.tuples(*[st.floats(0, 1)] * 4))
def test_a_part_matches_the_padded_picture(rows, columns, part):
    image = np.random.default_rng(rows).random((rows, columns, 3), np.float32)
    whole, frame = pad_to_multiple(image, 32), Frame(image, 32)
    assert frame.bounds == Region(0, whole.shape[0], 0, whole.shape[1])
    top, bottom = sorted(int(share * (whole.shape[0] - 1)) for share in part[:2])
    left, right = sorted(int(share * (whole.shape[1] - 1)) for share in part[2:])
    np.testing.assert_array_equal(
        frame.codes(Region(top, bottom + 1, left, right + 1)),
        whole[top : bottom + 1, left : right + 1],
    )


@given(rows=sides, columns=sides, closed=st.booleans())
def test_a_picture_is_mirrored_at_its_borders(rows, columns, closed):
    image = np.random.default_rng(rows).random((rows, columns, 3), np.float32)
    frame = Frame(image, 32, closed=closed, halo=64, margin=32)
    bounds, beside = frame.bounds, 64 if closed else 32
    assert (bounds.top, bounds.left) == (-32, -beside)
    assert (bounds.bottom, bounds.right) >= (rows + 32, columns + beside)
    assert (bounds.bottom + 32) % 32 == (bounds.right + beside) % 32 == 0
    right = bounds.right - columns
    whole = np.pad(image, [(32, bounds.bottom - rows), (0, 0), (0, 0)], mode="symmetric")
    sides = [(0, 0), (beside, right), (0, 0)]
    whole = np.pad(whole, sides, mode="wrap" if closed else "symmetric")
    np.testing.assert_array_equal(frame.codes(bounds), whole)
    # The measures of the picture do not depend on the padding.
    alone = Frame(image, 32, closed=closed, halo=64)
    np.testing.assert_array_equal(frame.saturated(8), alone.saturated(8))
    np.testing.assert_array_equal(frame.reduced(2).image, alone.reduced(2).image)


@given(columns=sides)
def test_a_closed_picture_wraps_around(columns):
    image = np.random.default_rng(columns).random((3, columns, 3), np.float32)
    frame = Frame(image, 32, closed=True, halo=64)
    assert frame.bounds.left == -64
    assert (frame.bounds.right - frame.bounds.left) % 32 == 0
    assert frame.bounds.right >= columns + 64
    codes = frame.codes(frame.bounds)
    for column in range(frame.bounds.left, frame.bounds.right):
        np.testing.assert_array_equal(codes[:3, column + 64], image[:, column % columns])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integer_codes_are_divided_by_the_largest(dtype):
    image = np.full((2, 2, 3), np.iinfo(dtype).max // 5, dtype)
    codes = Frame(image, 1).codes(Region(0, 2, 0, 2))
    assert codes.dtype == np.float32
    np.testing.assert_allclose(codes, 0.2, rtol=1e-6)


@given(rows=sides, columns=sides, factor=st.integers(1, 40))
def test_a_reduced_picture_matches_a_loop_over_blocks(rows, columns, factor):
    image = np.random.default_rng(rows).random((rows, columns, 3), np.float32)
    reduced = Frame(image, 32, scaling=0.5).reduced(factor)
    padded = pad_to_multiple(image, factor)
    expected = [
        [
            0.5 * padded[y : y + factor, x : x + factor].mean(axis=(0, 1), dtype=np.float64)
            for x in range(0, columns, factor)
        ]
        for y in range(0, rows, factor)
    ]
    np.testing.assert_allclose(reduced.codes(reduced.picture), expected, atol=2e-5)
    assert reduced.bounds.bottom % 32 == 0


@pytest.mark.parametrize("gamma", [1.0, 1.3])
def test_saturated_matches_where_the_blend_shows_the_prediction(gamma):
    image = np.random.default_rng(1).random((64, 96, 3), np.float32)
    shown = functools.partial(apply_gamma, gamma=gamma)
    frame = Frame(image, 32, scaling=1.02, transform=shown, threshold=THRESHOLD**gamma)
    alpha = saturation(frame.shown(frame.picture))
    expected = block_means((alpha > 0).astype(np.float32), 32)[..., 0]
    np.testing.assert_allclose(frame.saturated(32), expected, atol=3 / 1024)
