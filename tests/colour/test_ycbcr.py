"""Y'CbCr: the numbers of the standards, and there and back."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.colour.ycbcr import REC2020_LUMA, from_rgb, full_size, to_rgb

REC709_LUMA = (0.2126, 0.0722)


@pytest.mark.parametrize("weights", [REC709_LUMA, REC2020_LUMA, (0.299, 0.114)])
def test_black_and_white_of_limited_range_are_16_and_235(weights):
    luma = np.array([16, 235], np.uint16) << 8
    grey = np.full(2, 128 << 8, np.uint16)
    assert np.allclose(
        to_rgb(luma, grey, grey, weights, False, 16, 8), [[0] * 3, [1] * 3], atol=1e-6
    )


@pytest.mark.parametrize(("depth", "white"), [(8, 255 << 8), (10, 1023 << 6), (16, 65535)])
def test_white_of_full_range_is_the_largest_code_of_its_depth(depth, white):
    grey = np.full(1, 1 << 15, np.uint16)
    found = to_rgb(np.array([white], np.uint16), grey, grey, REC709_LUMA, True, 16, depth)
    assert np.allclose(found, 1.0, atol=1e-6)


def test_codes_above_white_are_held():
    luma, grey = np.array([250 << 8], np.uint16), np.full(1, 128 << 8, np.uint16)
    assert to_rgb(luma, grey, grey, REC709_LUMA, False, 16, 8).max() == 1.0


@given(st.tuples(*[st.floats(0.0, 1.0, width=32)] * 3))
def test_an_even_colour_comes_back_within_a_code(colour):
    picture = np.broadcast_to(np.array(colour, np.float32), (4, 6, 3))
    luma, blue, red = from_rgb(picture)
    assert luma.shape == (4, 6)
    assert blue.shape == red.shape == (2, 3)
    y, cb, cr = (np.full((4, 6), plane[0, 0] << 6, np.uint16) for plane in (luma, blue, red))
    back = to_rgb(y, cb, cr, REC2020_LUMA, False, 16, 10)
    assert np.abs(back - picture).max() < 2.5 / 876


def test_red_is_where_the_standard_has_it():
    """BT.2020, 10 bits, limited: luma 64 + 876 * 0.2627; Cr is at its end, 960."""
    luma, blue, red = from_rgb(np.broadcast_to(np.array([1, 0, 0], np.float32), (2, 2, 3)))
    assert luma[0, 0] == round(64 + 876 * 0.2627)
    assert red[0, 0] == 960
    assert blue[0, 0] == round(512 - 896 * 0.2627 / 1.8814)


def test_chroma_lies_on_the_left_column_between_two_rows():
    """A ramp to the right: the mean around column 2 is the ramp at column 2."""
    ramp = np.zeros((2, 8, 3), np.float32)
    ramp[..., 2] = np.arange(8) / 10.0
    _, blue, _ = from_rgb(ramp)
    expected = 512 + 896 * 0.5 / (1 - 0.0593) * (1 - 0.0593) * np.arange(0, 8, 2) / 10.0
    assert np.abs(blue[0, 1:] - expected[1:]).max() <= 1.0


@given(st.integers(0, 9), st.integers(1, 12), st.integers(2, 15))
def test_a_ramp_that_was_halved_comes_back_away_from_its_borders(first, rows, columns):
    """What `from_rgb` puts on a place is taken from there."""
    y, x = np.mgrid[0:24, 0 : 2 * columns].astype(np.float32)
    ramp = np.zeros((24, 2 * columns, 3), np.float32)
    ramp[..., 2] = 0.1 + 0.01 * x + 0.02 * y
    _, blue, _ = from_rgb(ramp, bits=16)
    part = slice(2 * first, min(24, 2 * first + rows))
    found = full_size(blue, (24, 2 * columns), part)
    expected = 32768 + 57344 * 0.5 * ramp[part, :, 2]
    top = 1 if part.start == 0 else 0
    bottom = -1 if part.stop == 24 else None
    assert np.abs(found - expected)[:, 2:-2][top:bottom].max(initial=0.0) < 2.0


@pytest.mark.parametrize("shape", [(4, 6), (4, 3), (2, 3)])
def test_even_chroma_stays_even_at_any_size(shape):
    plane = np.full(shape, 77, np.uint8)
    found = full_size(plane, (4, 6), slice(0, 4))
    assert found.shape == (4, 6)
    assert (found == 77).all()


def test_odd_sizes_are_filled():
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert full_size(plane, (3, 5), slice(0, 64)).shape == (3, 5)
