"""Padding and fitting: sizes, mirrored borders, and pixels that stay unchanged."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.tiles.geometry import crop_and_resize, crop_to_aspect, pad_to_multiple, wanted_size

sides = st.integers(1, 80)


@given(rows=sides, columns=sides)
def test_padding_reaches_the_multiple_and_keeps_the_picture(rows, columns):
    image = np.random.default_rng(rows).random((rows, columns, 3))
    padded = pad_to_multiple(image, 32)
    assert padded.shape[0] % 32 == padded.shape[1] % 32 == 0
    assert padded.shape[0] - rows < 32 > padded.shape[1] - columns
    np.testing.assert_array_equal(padded[:rows, :columns], image)


def test_padding_mirrors_right_and_bottom():
    image = np.arange(40 * 50 * 1.0).reshape(40, 50, 1)
    padded = pad_to_multiple(image, 32)
    np.testing.assert_array_equal(padded[40:, :50], image[39:15:-1])
    np.testing.assert_array_equal(padded[:40, 50:], image[:, 49:35:-1])


@given(rows=sides, columns=sides, height=sides, width=sides)
def test_fit_gives_exactly_the_size_and_no_overshoot(rows, columns, height, width):
    image = np.random.default_rng(rows).random((rows, columns, 3), np.float32)
    fitted = crop_and_resize(image, height, width)
    assert fitted.shape == (height, width, 3)
    assert image.min() - 1e-6 <= fitted.min() <= fitted.max() <= image.max() + 1e-6


def test_fit_keeps_a_flat_picture_flat_and_crops_around_the_centre():
    flat = np.full((33, 57, 3), 0.25, np.float32)
    np.testing.assert_allclose(crop_and_resize(flat, 20, 60), 0.25, atol=1e-6)
    wide = np.zeros((10, 30, 3), np.float32)
    wide[:, 10:20] = 1.0
    np.testing.assert_array_equal(crop_to_aspect(wide, 5, 5), np.ones((10, 10, 3)))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(None, None, None), (50, None, (50, 100)), (None, 50, (25, 50)), (7, 9, (7, 9))],
)
def test_one_side_alone_keeps_the_aspect(height, width, expected):
    assert wanted_size(100, 200, height, width) == expected
