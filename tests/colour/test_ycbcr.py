"""Y'CbCr: values of the standards, and round trips."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.colour.ycbcr import (
    REC2020_LUMA,
    chroma_codes,
    to_rgb,
    to_ycbcr_420,
    upsample_chroma,
)

REC709_LUMA = (0.2126, 0.0722)


def from_rgb(rgb, bits=10):
    """[R, C, 3] R'G'B' to limited-range codes of 4:2:0: Y' [R, C], Cb and Cr [R / 2, C / 2]."""
    luma, cb, cr = to_ycbcr_420(rgb, REC2020_LUMA, bits)
    return luma, chroma_codes(cb, bits), chroma_codes(cr, bits)


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


def test_codes_above_white_are_clipped():
    luma, grey = np.array([250 << 8], np.uint16), np.full(1, 128 << 8, np.uint16)
    assert to_rgb(luma, grey, grey, REC709_LUMA, False, 16, 8).max() == 1.0


@given(st.tuples(*[st.floats(0.0, 1.0, width=32)] * 3))
def test_a_uniform_colour_survives_within_a_code(colour):
    picture = np.broadcast_to(np.array(colour, np.float32), (4, 6, 3))
    luma, blue, red = from_rgb(picture)
    assert luma.shape == (4, 6)
    assert blue.shape == red.shape == (2, 3)
    y, cb, cr = (np.full((4, 6), plane[0, 0] << 6, np.uint16) for plane in (luma, blue, red))
    back = to_rgb(y, cb, cr, REC2020_LUMA, False, 16, 10)
    assert np.abs(back - picture).max() < 2.5 / 876


def test_codes_of_red_match_the_standard():
    """BT.2020, 10 bits, limited range: luma is 64 + 876 * 0.2627, and Cr is at its maximum, 960."""
    luma, blue, red = from_rgb(np.broadcast_to(np.array([1, 0, 0], np.float32), (2, 2, 3)))
    assert luma[0, 0] == round(64 + 876 * 0.2627)
    assert red[0, 0] == 960
    assert blue[0, 0] == round(512 - 896 * 0.2627 / 1.8814)


def test_chroma_is_sited_on_the_left_column_between_two_rows():
    """On a ramp to the right, chroma stored for column 8 is the ramp at column 8."""
    ramp = np.zeros((8, 24, 3), np.float32)
    ramp[..., 2] = np.arange(24) / 24.0
    _, blue, _ = from_rgb(ramp)
    expected = 512 + 896 * 0.5 / (1 - 0.0593) * (1 - 0.0593) * np.arange(0, 24, 2) / 24.0
    assert np.abs(blue[2, 3:-3] - expected[3:-3]).max() <= 1.0


@given(st.integers(0, 9), st.integers(1, 12), st.integers(5, 15))
def test_a_halved_ramp_is_recovered_away_from_its_borders(first, rows, columns):
    """`upsample_chroma` uses the same siting of chroma as `from_rgb`."""
    y, x = np.mgrid[0:48, 0 : 2 * columns].astype(np.float32)
    ramp = np.zeros((48, 2 * columns, 3), np.float32)
    ramp[..., 2] = 0.1 + 0.01 * x + 0.01 * y
    _, blue, _ = from_rgb(ramp, bits=16)
    part = slice(8 + 2 * first, 8 + 2 * first + rows)
    found = upsample_chroma(blue, (48, 2 * columns), part)
    expected = 32768 + 57344 * 0.5 * ramp[part, :, 2]
    assert np.abs(found - expected)[:, 8:-8].max(initial=0.0) < 3.0


@given(st.integers(0, 2**32 - 1))
def test_chroma_of_420_survives_a_round_trip(seed):
    """Halving almost exactly inverts `upsample_chroma`; plain means would not."""
    stored = np.random.default_rng(seed).uniform(-0.4, 0.4, (10, 12)).astype(np.float32)
    rgb = np.zeros((20, 24, 3), np.float32)
    rgb[..., 2] = upsample_chroma(stored, (20, 24), slice(0, 20))
    _, means, _ = to_ycbcr_420(rgb, weights=(0.2627, 0.0))  # Blue does not count for luma.
    back = 2.0 * (chroma_codes(means, 16) - 32768.0) / 57344.0
    error = np.abs(back - stored).mean()
    assert error < 0.01
    assert error < np.abs(2.0 * means - stored).mean() / 8.0


@pytest.mark.parametrize("shape", [(4, 6), (4, 3), (2, 3)])
def test_uniform_chroma_stays_uniform_at_any_size(shape):
    plane = np.full(shape, 77, np.uint8)
    found = upsample_chroma(plane, (4, 6), slice(0, 4))
    assert found.shape == (4, 6)
    assert (found == 77).all()


def test_odd_sizes_are_filled():
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert upsample_chroma(plane, (3, 5), slice(0, 64)).shape == (3, 5)
