"""Methods applied to frames: the formulas' numbers, primaries, peak; means within a shot."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.colour.pq import pq_decode
from hdrcnn.colour.primaries import REC709, REC2020
from hdrcnn.predict import film

GREYS = np.array([0.1, 0.25, 0.5, 0.75, 0.9, 1.0], np.float32)


def of_grey(name, primaries=REC709):
    codes = np.repeat(GREYS[None, :, None], 3, axis=2)
    return pq_decode(film.method(name, primaries).of(np.empty(0))(codes))[0]


@pytest.mark.parametrize("primaries", [REC709, REC2020])
def test_method_a_of_grey_is_that_of_the_report(primaries):
    expected = [1.101, 11.634, 76.281, 278.977, 592.346, 999.525]
    assert np.allclose(of_grey("bt2446a", primaries), np.array(expected)[:, None], rtol=2e-3)


def test_method_c_of_grey_is_that_of_the_report():
    light = 100.0 * GREYS.astype(np.float64) ** 2.4
    below = light < 58.535
    found = of_grey("bt2446c").mean(axis=-1)
    assert np.allclose(found[below], light[below] / 0.83802, rtol=2e-3)
    assert found[-1] == pytest.approx(332.58, rel=2e-3)


def test_the_same_colour_in_other_primaries_gives_the_same_light():
    red = np.array([[[0.6, 0.2, 0.2]]], np.float32)
    wide = np.power(np.power(red, 2.4) @ film._matrix(REC709, REC2020), 1 / 2.4)
    one = film.method("bt2446c", REC709).of(np.empty(0))(red)
    two = film.method("bt2446c", REC2020).of(np.empty(0))(wide.astype(np.float32))
    assert np.allclose(one, two, atol=1e-4)
    assert np.allclose(film.as_rec709(wide.astype(np.float32), REC2020), red, atol=1e-4)


def test_highlights_start_at_white_and_stay_below_the_peak(tiny_weights):
    used = film.Highlights(REC709, 203.0, 600.0, tiny_weights, "cpu")
    codes = np.full((64, 64, 3), 0.5, np.float32)
    codes[20:40, 20:40] = 1.0
    light = pq_decode(used.of(np.empty(0))(codes))
    assert np.allclose(light[0, 0], 203.0 * 0.5**2.4, rtol=0.01)
    assert light[20:40, 20:40].min() >= 202.0
    assert light.max() <= 600.5


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.data())
def test_means_are_those_of_the_shot_alone(cuts, data):
    here = data.draw(st.integers(0, len(cuts) - 1))
    shots = np.cumsum(np.array(cuts) & (np.arange(len(cuts)) > 0)).astype(float)
    found = film.averaged([np.array([number]) for number in shots], cuts, here)
    assert found == pytest.approx(shots[here])


def test_a_mean_is_weighed_to_both_sides_alike():
    ramp = [np.array([float(index)]) for index in range(60)]
    assert film.averaged(ramp, [False] * 60, 30) == pytest.approx(30.0)
    noise = [np.array([float(index % 2)]) for index in range(60)]
    assert film.averaged(noise, [False] * 60, 30) == pytest.approx(0.5, abs=0.01)
