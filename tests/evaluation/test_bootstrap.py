"""Bootstrap intervals: compared with SciPy, their coverage, and limiting cases."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, strategies as st

from training_code.evaluation.bootstrap import (
    MIN_UNITS,
    Interval,
    interval,
    paired,
    unit_means,
    verdict,
)

VALUES = st.lists(st.floats(-50.0, 50.0), min_size=2, max_size=20)


def test_agrees_with_scipy() -> None:
    values = np.random.default_rng(2).gamma(2.0, 3.0, 25)
    found = interval(values)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(8)
    ).confidence_interval
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(expected.low, abs=0.1)
    assert found.high == pytest.approx(expected.high, abs=0.1)


def test_covers_the_true_mean_about_as_often_as_stated() -> None:
    rng = np.random.default_rng(5)
    found = [interval(rng.normal(1.0, 2.0, 30), resamples=1000) for _ in range(300)]
    covered = np.mean([i.low <= 1.0 <= i.high for i in found])
    assert 0.90 <= covered <= 0.98


@given(VALUES, st.floats(-10.0, 10.0))
def test_the_interval_shifts_with_its_values(values: list[float], shift: float) -> None:
    here = interval(values, resamples=200)
    there = interval(np.array(values) + shift, resamples=200)
    assert here.low - 1e-9 <= here.mean <= here.high + 1e-9
    assert min(values) - 1e-9 <= here.low <= here.high <= max(values) + 1e-9
    assert [there.low, there.high] == pytest.approx([here.low + shift, here.high + shift])


@given(VALUES)
def test_the_same_values_give_the_same_interval(values: list[float]) -> None:
    assert interval(values, resamples=200) == interval(values, resamples=200)
    assert paired(values, values) == Interval(0.0, 0.0, 0.0, len(values))


def test_pairing_removes_the_variation_that_both_share() -> None:
    """Scenes differ by tens of decibels; a steady half decibel between methods still shows."""
    rng = np.random.default_rng(6)
    scenes = rng.normal(30.0, 8.0, 20)
    better = scenes + 0.5 + rng.normal(0.0, 0.1, 20)
    difference = paired(better, scenes)
    assert difference.mean == pytest.approx(0.5, abs=0.1)
    assert difference.high - difference.low < 0.2
    assert verdict(difference) == "win"
    assert verdict(paired(scenes, better)) == "loss"
    apart = interval(better)
    assert apart.high - apart.low > 3.0


def test_an_interval_that_contains_zero_is_a_tie() -> None:
    assert verdict(Interval(0.4, -0.1, 0.9, 20)) == "tie"
    assert verdict(Interval(0.4, 0.0, 0.9, 20)) == "tie"
    assert verdict(Interval(-0.4, -0.9, 0.0, 20)) == "tie"
    assert verdict(Interval(0.4, 0.1, 0.9, 20)) == "win"


def test_too_few_units_decide_nothing() -> None:
    """All n have one sign by chance in 2 of 2^n cases: more than 5 % for n = 5, less for n = 6."""
    assert 2 / 2 ** (MIN_UNITS - 1) > 0.05 > 2 / 2**MIN_UNITS
    assert verdict(paired([9.0] * (MIN_UNITS - 1), [1.0] * (MIN_UNITS - 1))) == ""
    assert verdict(paired([9.0] * MIN_UNITS, [1.0] * MIN_UNITS)) == "win"


def test_each_unit_counts_once() -> None:
    means = unit_means([1.0, 2.0, 3.0, 10.0], ["b", "b", "b", "a"])
    np.testing.assert_array_equal(means, [10.0, 2.0])


def test_infinite_scores_are_accepted() -> None:
    assert interval([np.inf] * 8) == Interval(np.inf, np.inf, np.inf, 8)
    some = interval([np.inf, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0])
    assert some.mean == some.high == np.inf
    assert 30.0 < some.low < 40.0


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]]])
def test_no_values_are_refused(values: list) -> None:
    with pytest.raises(ValueError, match="needed"):
        interval(values)


def test_unequal_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="many"):
        paired([1.0, 2.0], [1.0])
