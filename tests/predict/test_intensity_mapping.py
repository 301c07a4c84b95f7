"""Mappings between exposures: isotonic regression."""

import numpy as np
from hypothesis import given, strategies as st
from scipy.optimize import isotonic_regression

from hdrcnn.predict.intensity_mapping import isotonic

samples = st.lists(st.tuples(st.floats(-300, 300), st.floats(1e-3, 1e6)), min_size=1, max_size=60)


@given(samples)
def test_isotonic_regression_matches_scipy(pairs):
    values, weights = np.array(pairs).T
    expected = isotonic_regression(values, weights=weights).x
    np.testing.assert_allclose(isotonic(values, weights), expected, rtol=1e-9, atol=1e-9)


def test_rising_values_are_kept_and_falling_ones_averaged():
    rising = np.array([-1.0, 0.0, 0.0, 2.5])
    np.testing.assert_array_equal(isotonic(rising, np.ones(4)), rising)
    falling, weights = np.array([3.0, 2.0, 1.0]), np.array([1.0, 1.0, 6.0])
    np.testing.assert_allclose(isotonic(falling, weights), np.average(falling, weights=weights))
