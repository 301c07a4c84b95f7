"""What the shots of a film have in common."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from hdrcnn.predict.film_curves import PARAMETERS
from hdrcnn.predict.film_grade import Grades, weighted_median

RNG = np.random.default_rng(4)
ERRORS = RNG.uniform(0.05, 0.4, PARAMETERS)
"""Standard deviations of guesses."""
DIRECTIONS = np.eye(3, PARAMETERS) / ERRORS / np.sqrt(6.0)


def grades(count: int, apart: float) -> np.ndarray:
    """[count, PARAMETERS], so many errors apart in the first direction, random in others."""
    drawn = RNG.normal(0.0, 0.5, (count, PARAMETERS))
    drawn[:, 0] = apart * ERRORS[0] * np.arange(count)
    return drawn


def guesses(truth: np.ndarray, shots: int) -> tuple[np.ndarray, np.ndarray]:
    """Of so many shots in each grade, [shots, PARAMETERS] of all: their truth, what is guessed."""
    repeated = np.repeat(truth, shots, axis=0)
    return repeated, repeated + ERRORS * RNG.standard_normal(repeated.shape)


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared, that of guesses is 1."""
    return float(np.mean(np.square((found - truth) / ERRORS)))


def settled(looks: np.ndarray) -> np.ndarray:
    film = Grades(looks, DIRECTIONS)
    return np.array([film.settled(look) for look in looks])


def test_shots_in_one_grade_are_told_by_all_of_them():
    truth, looks = guesses(grades(1, 0.0), 60)
    assert error(looks, truth) == pytest.approx(1.0, abs=0.1)
    assert error(settled(looks), truth) < 0.15


@pytest.mark.parametrize(("count", "shots"), [(2, 30), (3, 20), (4, 20)])
def test_shots_in_some_grades_are_told_by_those_in_their_own(count, shots):
    truth, looks = guesses(grades(count, 12.0), shots)
    assert error(settled(looks), truth) < 0.35


def test_shots_like_no_other_keep_what_they_have():
    looks = grades(10, 200.0)
    film = Grades(looks[:9], DIRECTIONS)
    np.testing.assert_allclose(film.settled(looks[9]), looks[9], atol=1e-6)


def test_a_film_of_one_look_keeps_it():
    look = RNG.normal(size=PARAMETERS)
    np.testing.assert_allclose(Grades(look[None], DIRECTIONS).settled(look), look, atol=1e-12)


def test_the_order_of_the_film_is_of_no_account():
    looks = guesses(grades(3, 4.0), 8)[1]
    film = Grades(looks[RNG.permutation(len(looks))], DIRECTIONS)
    moved = [film.settled(look) for look in looks]
    np.testing.assert_allclose(moved, settled(looks), atol=1e-9)


def test_on_the_way_from_one_grade_to_another_nothing_jumps():
    """Parameters that change slowly within a shot must not flip from one grade to the other."""
    truth = grades(2, 8.0)
    film = Grades(guesses(truth, 20)[1], DIRECTIONS)
    steps = [film.settled(truth[0] + t * (truth[1] - truth[0])) for t in np.linspace(0, 1, 4001)]
    lengths = np.linalg.norm(np.diff(steps, axis=0) / ERRORS, axis=1)
    assert lengths.max() < 0.05 * lengths.sum()


@given(st.integers(0, 4))
def test_what_is_no_parameter_stays(more):
    own, *looks = guesses(grades(1, 0.0), 21)[1]
    look = np.append(own, np.arange(float(more)))
    kept = look.copy()
    found = Grades(np.array(looks), DIRECTIONS).settled(look)
    np.testing.assert_array_equal(look, kept)
    np.testing.assert_array_equal(found[PARAMETERS:], kept[PARAMETERS:])
    assert not np.array_equal(found[:PARAMETERS], kept[:PARAMETERS])


@given(arrays(float, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.floats(-9, 9)))
def test_a_median_of_equal_weights_is_the_median(values):
    found = weighted_median(values, np.ones(len(values)))
    np.testing.assert_allclose(found, np.median(values, axis=0), atol=1e-9)


@given(
    st.lists(
        st.tuples(st.integers(-9, 9), st.floats(0, 1)),
        min_size=1,
        max_size=9,
        unique_by=lambda pair: pair[0],
    ),
    st.floats(0.1, 5),
    st.floats(-5, 5),
)
def test_a_weighted_median_moves_and_grows_with_its_values(pairs, factor, more):
    values, own = np.array(pairs).T
    weights = own + 1e-3
    one = weighted_median(values[:, None], weights)
    other = weighted_median(factor * values[:, None] + more, 7.0 * weights)
    np.testing.assert_allclose(other, factor * one + more, atol=1e-9)
    assert values.min() <= one[0] <= values.max()


def test_more_than_half_of_the_weight_holds_a_median():
    values = np.array([[-3.0], [1.0], [2.0], [50.0]])
    assert weighted_median(values, np.array([1.0, 1e3, 1e3, 1.0]))[0] == pytest.approx(1.5)
    assert weighted_median(values, np.array([1.0, 1.0, 1e6, 1.0]))[0] == pytest.approx(
        2.0, abs=0.01
    )
