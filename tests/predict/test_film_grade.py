"""What the shots of a film have in common."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.predict import film_grade
from hdrcnn.predict.film_curves import PARAMETERS
from hdrcnn.predict.film_grade import SPREAD

RNG = np.random.default_rng(4)
TRUTH = RNG.normal(0.0, 0.5, PARAMETERS)


def guesses(shots: int, apart: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The truth of each shot, `apart` times as far from the others as guesses are from it; and what
    is guessed.
    """
    truth = TRUTH + apart * SPREAD * RNG.standard_normal((shots, PARAMETERS))
    return truth, truth + SPREAD * RNG.standard_normal(truth.shape)


def error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean(((found - truth) / SPREAD) ** 2))


@pytest.mark.parametrize("apart", [0.0, 0.5, 1.0, 3.0, 20.0])
def test_settled_guesses_are_nearer_to_the_truth(apart):
    truth, looks = guesses(60, apart)
    grade = film_grade.of_looks(looks)
    settled = np.array([grade.settled(look) for look in looks])
    assert error(settled, truth) <= 1.01 * error(looks, truth)
    # The part that shots keep is that of their variance which is not an error.
    assert grade.own == pytest.approx(apart**2 / (apart**2 + 1.0), abs=0.12)


def test_one_grade_is_found_among_guesses():
    truth, looks = guesses(60)
    assert error(film_grade.of_looks(looks).centre, truth) < 0.05


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_guesses_that_are_less_sure_are_pooled_more(factor):
    """By a spread of its own, a network keeps what differs by more than that."""
    looks = TRUTH + 1.5 * SPREAD * np.random.default_rng(8).standard_normal((200, PARAMETERS))
    own = film_grade.of_looks(looks, factor * SPREAD).own
    assert own == pytest.approx(max(0.0, 1.0 - (factor / 1.5) ** 2), abs=0.03)


def test_a_film_of_one_look_keeps_it():
    look = RNG.normal(size=PARAMETERS)
    grade = film_grade.of_looks(look[None])
    np.testing.assert_array_equal(grade.settled(look), look)


@given(st.floats(0.0, 1.0), st.integers(0, 4))
def test_what_is_no_parameter_stays(own, more):
    look = np.arange(PARAMETERS + more, dtype=float)
    kept = look.copy()
    settled = film_grade.Grade(TRUTH, own).settled(look)
    np.testing.assert_array_equal(look, kept)
    np.testing.assert_array_equal(settled[PARAMETERS:], kept[PARAMETERS:])
    expected = own * kept[:PARAMETERS] + (1.0 - own) * TRUTH
    np.testing.assert_allclose(settled[:PARAMETERS], expected, atol=1e-9)
