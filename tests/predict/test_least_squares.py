"""Least squares compared with SciPy and with known solutions."""

import numpy as np
import pytest
import scipy.optimize

from hdrcnn.predict.least_squares import least_squares

TIMES = np.linspace(0.0, 4.0, 60)
LOW, HIGH = np.array([-1.0, -2.0]), np.array([2.0, 3.0])
START = np.array([0.2, 0.1])


def decay(numbers: np.ndarray) -> np.ndarray:
    """Exponential decay; `numbers` are the logarithms of size and rate."""
    return np.exp(numbers[0]) * np.exp(-np.exp(numbers[1]) * TIMES)


@pytest.mark.parametrize("truth", [(1.0, 0.5), (0.0, -1.5), (-0.5, 2.0)])
def test_the_true_parameters_are_found(truth):
    samples = decay(np.array(truth))
    found = least_squares(lambda numbers: decay(numbers) - samples, START, LOW, HIGH)
    np.testing.assert_allclose(found, truth, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_the_minimum_with_noise_and_outliers_matches_scipy(seed):
    rng = np.random.default_rng(seed)
    samples = decay(rng.uniform([0.0, -1.0], [1.5, 1.0])) + 0.05 * rng.standard_normal(60)
    samples[::9] += 1.0

    def residuals(numbers: np.ndarray) -> np.ndarray:
        return np.clip(decay(numbers) - samples, -0.5, 0.5)

    expected = scipy.optimize.least_squares(residuals, START, bounds=(LOW, HIGH)).x
    found = least_squares(residuals, START, LOW, HIGH)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("truth", [(2.6, 0.5), (1.0, -2.7), (3.0, 4.0)])
def test_a_minimum_beyond_the_bounds_is_found_at_them(truth):
    samples = decay(np.array(truth))

    def residuals(numbers: np.ndarray) -> np.ndarray:
        assert (numbers >= LOW).all()
        assert (numbers <= HIGH).all()
        return decay(numbers) - samples

    expected = scipy.optimize.least_squares(residuals, START, bounds=(LOW, HIGH)).x
    found = least_squares(residuals, START, LOW, HIGH)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (np.isclose(found, LOW) | np.isclose(found, HIGH)).any()


def test_constant_residuals_leave_the_start_unchanged():
    np.testing.assert_array_equal(
        least_squares(lambda numbers: np.ones(5), START, LOW, HIGH), START
    )
