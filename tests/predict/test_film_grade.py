"""What the shots of a film have in common."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from hdrcnn.predict.film_grade import COUNTED, Grades, weighted_median

RNG = np.random.default_rng(4)
NUMBERS = 8
ERRORS = RNG.uniform(0.05, 0.4, NUMBERS)
"""Standard deviations of guesses."""
DIRECTIONS = np.eye(3, NUMBERS) / ERRORS / np.sqrt(6.0)
SURE = 1e4
"""Precision of frames: guesses are not drawn to 0."""


def grades(count: int, apart: float) -> np.ndarray:
    """[count, NUMBERS], so many errors apart in the first direction, random in others."""
    drawn = RNG.normal(0.0, 0.5, (count, NUMBERS))
    drawn[:, 0] = apart * ERRORS[0] * np.arange(count)
    return drawn


def evidence(values: np.ndarray, precision: float = SURE) -> np.ndarray:
    """Of guesses [N, NUMBERS] with a precision: [N, 2 NUMBERS]."""
    return np.concatenate([precision * values, np.full_like(values, precision)], axis=1)


def decode(pooled: np.ndarray) -> np.ndarray:
    """Means by precision."""
    return pooled[:, :NUMBERS] / (1.0 + pooled[:, NUMBERS:])


class Network:
    """What is known of guesses that lie apart by their errors: all are of scenes of their own."""

    directions = DIRECTIONS
    apart: float | None = 1e-9

    def decode(self, pooled: np.ndarray) -> np.ndarray:
        return decode(pooled)

    def differences(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.mean(np.square(decode(first)[:, None] - decode(second)), axis=-1)


def guesses(truth: np.ndarray, shots: int) -> tuple[np.ndarray, np.ndarray]:
    """Of so many shots in each grade, [shots, NUMBERS] of all: their truth, what is guessed."""
    repeated = np.repeat(truth, shots, axis=0)
    return repeated, repeated + ERRORS * RNG.standard_normal(repeated.shape)


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared, that of guesses is 1."""
    return float(np.mean(np.square((found - truth) / ERRORS)))


def settled(looks: np.ndarray, film: Grades | None = None) -> np.ndarray:
    """Guesses for all looks of a film of them, or of another."""
    said = evidence(looks)
    film = film or Grades(said, Network())
    return decode(np.array([film.settled(look) for look in said]))


def test_shots_in_one_grade_are_told_by_all_of_them():
    truth, looks = guesses(grades(1, 0.0), 60)
    assert error(looks, truth) == pytest.approx(1.0, abs=0.15)
    assert error(settled(looks), truth) < 0.15


@pytest.mark.parametrize(("count", "shots"), [(2, 30), (3, 20), (4, 20)])
def test_shots_in_some_grades_are_told_by_those_in_their_own(count, shots):
    truth, looks = guesses(grades(count, 12.0), shots)
    assert error(settled(looks), truth) < 0.35


def test_surer_frames_count_for_more():
    truth = grades(1, 0.0)
    looks = guesses(truth, 40)[1]
    said = evidence(looks, 1e3)
    said[::2] = evidence(looks[::2], 3e4)
    found = decode(Grades(said, Network()).settled(said[0])[None])
    by_sure, by_others = (np.abs(found - looks[half::2].mean(axis=0)).mean() for half in (0, 1))
    assert by_sure < 0.5 * by_others


def test_shots_like_no_other_keep_what_they_have():
    looks = grades(10, 200.0)
    film = Grades(evidence(looks[:9]), Network())
    np.testing.assert_allclose(settled(looks[9:], film), looks[9:], rtol=1e-3)


def test_a_film_of_one_look_keeps_it():
    look = RNG.normal(size=(1, NUMBERS))
    np.testing.assert_allclose(settled(look), look, atol=1e-3)


def test_many_frames_are_no_surer_than_sets_of_the_training():
    """Of scenes that are told apart by what is no direction."""
    sums = []
    for count in (1, 5, 11, 64):
        looks = np.zeros((count + 1, NUMBERS))
        looks[:, -1] = 0.01 * np.arange(count + 1)
        *said, own = evidence(looks, 1.0)
        sums.append(Grades(np.array(said), Network()).settled(own)[-1])
    np.testing.assert_allclose(sums, [2.0, 6.0, COUNTED, COUNTED])


def test_a_shot_of_many_looks_speaks_once():
    looks = guesses(grades(1, 0.0), 3)[1]
    said = evidence(looks, 1.0)
    once = Grades(said, Network()).settled(said[0])
    often = Grades(np.repeat(said, [40, 1, 1], axis=0), Network()).settled(said[0])
    np.testing.assert_allclose(often, once, rtol=1e-9)
    alone = Grades(np.repeat(said[:1], 64, axis=0), Network()).settled(said[0])
    np.testing.assert_allclose(alone, said[0], rtol=1e-9)


def test_weights_that_cannot_tell_grades_are_refused():
    network = Network()
    network.apart = None
    with pytest.raises(ValueError, match="directions"):
        Grades(np.zeros((1, 2 * NUMBERS)), network)


def test_the_order_of_the_film_is_of_no_account():
    looks = guesses(grades(3, 4.0), 8)[1]
    film = Grades(evidence(looks[RNG.permutation(len(looks))]), Network())
    np.testing.assert_allclose(settled(looks, film), settled(looks), atol=1e-9)


def test_on_the_way_from_one_grade_to_another_nothing_jumps():
    """Evidence that changes slowly within a shot must not flip from one grade to the other."""
    truth = grades(2, 8.0)
    film = Grades(evidence(guesses(truth, 20)[1]), Network())
    steps = settled(truth[0] + np.linspace(0, 1, 4001)[:, None] * (truth[1] - truth[0]), film)
    lengths = np.linalg.norm(np.diff(steps, axis=0) / ERRORS, axis=1)
    assert lengths.max() < 0.05 * lengths.sum()


@given(st.integers(0, 4))
def test_what_is_no_evidence_stays(more):
    own, *looks = evidence(guesses(grades(1, 0.0), 21)[1])
    look = np.append(own, np.arange(float(more)))
    kept = look.copy()
    found = Grades(np.array(looks), Network()).settled(look)
    np.testing.assert_array_equal(look, kept)
    np.testing.assert_array_equal(found[2 * NUMBERS :], kept[2 * NUMBERS :])
    assert not np.array_equal(found[: 2 * NUMBERS], kept[: 2 * NUMBERS])


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
