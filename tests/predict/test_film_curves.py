"""Curves on top of method C: zero parameters, monotonicity, greys; tables match the formula."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from hdrcnn.colour.bt2446 import c_to_hdr
from hdrcnn.colour.pq import pq_encode, pq_light
from hdrcnn.colour.sdr import sdr_linear
from hdrcnn.predict import film_curves
from hdrcnn.predict.film_curves import PARAMETERS, PEAK, FrameMap, apply, curve, reduced

RNG = np.random.default_rng(4)
FRAME = RNG.random((24, 36, 3), np.float32)
BENT = hnp.arrays(np.float64, PARAMETERS, elements=st.floats(-2.0, 2.0))


def test_zero_parameters_are_method_c():
    expected = pq_encode(c_to_hdr(sdr_linear(FRAME.astype(np.float64)), 1.0 / 6.0))
    np.testing.assert_allclose(apply(np.zeros(PARAMETERS, np.float32), FRAME), expected, atol=2e-4)


@given(BENT, st.floats(150.0, 400.0), st.floats(500.0, 4000.0))
def test_curves_rise_and_stay_below_the_peak(parameters, white, peak):
    light = curve(parameters, np.linspace(0.0, 1.0, 500)[:, None] ** 2.4, white=white, peak=peak)
    assert (np.diff(light[:, 0]) >= -1e-6 * peak).all()
    assert light.max() <= peak * (1 + 1e-6)


@given(BENT)
def test_grey_stays_grey(parameters):
    grey = np.repeat(np.linspace(0.05, 1.0, 20)[:, None, None], 3, axis=2)
    found = apply(parameters, grey)
    np.testing.assert_allclose(found, np.repeat(found[..., :1], 3, axis=2), atol=1e-4)


@given(hnp.arrays(np.float64, PARAMETERS, elements=st.floats(-0.7, 0.7)))
def test_tables_match_the_formula(parameters):
    found = FrameMap(parameters)(FRAME)
    expected = apply(parameters.astype(np.float32), FRAME)
    assert np.abs(found - expected).mean() < 1e-3
    # A channel next to 0 of a saturated colour has many codes for little light.
    light, wanted = pq_light(found), pq_light(expected)
    assert (np.abs(light - wanted) < 0.02 * wanted.max(axis=-1, keepdims=True)).all()


def test_integer_frames_are_code_values():
    parameters = 0.3 * RNG.standard_normal(PARAMETERS)
    words = np.rint(FRAME * 255.0).astype(np.uint8)
    mapped = FrameMap(parameters)
    expected = mapped(words.astype(np.float32) / np.float32(255.0))
    np.testing.assert_allclose(mapped(words), expected, atol=1e-3)
    np.testing.assert_allclose(mapped(words.astype(np.uint16) * 257), expected, atol=1e-3)


def test_tensors_of_several_frames_match_numpy():
    parameters = 0.3 * RNG.standard_normal((2, PARAMETERS)).astype(np.float32)
    frames = np.stack([FRAME, FRAME[::-1]])
    found = np.asarray(apply(ops.convert_to_tensor(parameters), ops.convert_to_tensor(frames), ops))
    for p, frame, values in zip(parameters, frames, found, strict=True):
        np.testing.assert_allclose(values, apply(p, frame), atol=1e-3)


def test_white_and_peak_can_be_chosen():
    zeros, white = np.zeros(PARAMETERS), np.ones((1, 1, 3))
    for peak in (600.0, PEAK, 2000.0):
        assert pq_light(apply(zeros, white, peak=peak)).max() <= peak * (1 + 1e-4)
    grey = np.full((1, 1, 3), 0.4)
    ratio = pq_light(apply(zeros, grey, white=406.0)) / pq_light(apply(zeros, grey))
    np.testing.assert_allclose(ratio, 2.0, rtol=1e-3)


def test_a_mean_of_parameters_gives_light_in_between():
    low, high = np.full(PARAMETERS, -0.5), np.full(PARAMETERS, 0.5)
    n = np.linspace(0.01, 1.0, 50)[:, None]
    light = [curve(p, n) for p in (low, (low + high) / 2.0, high)]
    assert (light[0] <= light[1] + 1e-6).all()
    assert (light[1] <= light[2] + 1e-6).all()


def test_invalid_parameters_are_refused():
    with pytest.raises(ValueError, match=str(PARAMETERS)):
        FrameMap(np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        FrameMap(np.full(PARAMETERS, np.nan))


def test_a_reduced_frame_is_a_mean():
    frame = np.full((216, 2 * film_curves.SEEN, 3), 51, np.uint8)
    small = reduced(frame)
    assert small.shape == (108, film_curves.SEEN, 3)
    np.testing.assert_allclose(small, 0.2, atol=1e-6)
    np.testing.assert_array_equal(reduced(FRAME), FRAME)


@pytest.mark.parametrize("shape", [(10, 3000), (3000, 1)])
def test_a_frame_of_any_shape_is_reduced_to_means(shape):
    frame = np.zeros((*shape, 3), np.float32)
    frame[::2] = 0.5  # Of every block of an even number of rows the mean is a half of it.
    small = reduced(frame)
    block = min(*shape, round(3000 / film_curves.SEEN))
    assert small.shape == (shape[0] // block, shape[1] // block, 3)
    if shape[0] == 10:
        np.testing.assert_allclose(small, 0.25, atol=1e-6)
    else:
        np.testing.assert_array_equal(small, frame)
