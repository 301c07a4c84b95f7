"""Estimating the grades that the shots of a film share."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from hdrcnn.predict.film_grade import (
    MAX_WEIGHT,
    PRICE,
    Grades,
    clamp_to_radius,
    merge_parts,
    split_into_parts,
    weighted_quantile,
)

RNG = np.random.default_rng(4)
NUMBERS = 8
ERRORS = RNG.uniform(0.05, 0.4, NUMBERS)
"""Standard deviations of guesses."""
DIRECTIONS = np.eye(3, NUMBERS) / ERRORS / np.sqrt(6.0)
SURE = 1e4
"""Precision of frames, so high that guesses are not pulled towards 0."""


def grades(count: int, apart: float) -> np.ndarray:
    """[count, NUMBERS], spaced by `apart` errors in the first direction, random in the others."""
    drawn = RNG.normal(0.0, 0.5, (count, NUMBERS))
    drawn[:, 0] = apart * ERRORS[0] * np.arange(count)
    return drawn


def evidence(values: np.ndarray, precision: float = SURE) -> np.ndarray:
    """Evidence [N, 2 NUMBERS] of guesses [N, NUMBERS] with a precision."""
    return np.concatenate([precision * values, np.full_like(values, precision)], axis=1)


def decode(pooled: np.ndarray) -> np.ndarray:
    """Means weighted by precision."""
    return pooled[:, :NUMBERS] / (1.0 + pooled[:, NUMBERS:])


class Network:
    """Stand-in for the network; even the smallest difference means another scene."""

    directions = DIRECTIONS
    apart: float | None = 1e-9

    def decode(self, pooled: np.ndarray) -> np.ndarray:
        return decode(pooled)

    def differences(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.mean(np.square(decode(first)[:, None] - decode(second)), axis=-1)


def guesses(truth: np.ndarray, shots: int) -> tuple[np.ndarray, np.ndarray]:
    """True and guessed numbers of `shots` shots in each grade, both [all shots, NUMBERS]."""
    repeated = np.repeat(truth, shots, axis=0)
    return repeated, repeated + ERRORS * RNG.standard_normal(repeated.shape)


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared error in units of that of a single guess."""
    return float(np.mean(np.square((found - truth) / ERRORS)))


def of(samples: np.ndarray) -> Grades:
    """Grades of a film with one sample per second."""
    return Grades(samples, np.arange(len(samples)), Network())


def pooled_values(samples: np.ndarray) -> np.ndarray:
    """Final numbers of all samples of a film of these guesses."""
    said = evidence(samples)
    film = of(said)
    return decode(np.array([film.pool(sample, time) for time, sample in enumerate(said)]))


def test_shots_of_one_grade_are_estimated_from_all():
    truth, samples = guesses(grades(1, 0.0), 60)
    assert error(samples, truth) == pytest.approx(1.0, abs=0.15)
    assert error(pooled_values(samples), truth) < 0.15


@pytest.mark.parametrize(("count", "shots"), [(2, 30), (3, 20), (4, 20)])
def test_shots_of_several_grades_are_estimated_from_their_own_grade(count, shots):
    """Grades in consecutive parts, and in any order."""
    truth, samples = guesses(grades(count, 12.0), shots)
    assert error(pooled_values(samples), truth) < 0.35
    order = RNG.permutation(len(samples))
    assert error(pooled_values(samples[order]), truth[order]) < 0.35


def test_parts_are_separated_where_single_shots_are_not():
    """For grades two errors apart."""
    truth, samples = guesses(grades(2, 0.0), 40)
    truth[40:, :3] += 2.0 * ERRORS[:3]
    samples[40:, :3] += 2.0 * ERRORS[:3]
    order = RNG.permutation(80)
    in_parts = error(pooled_values(samples), truth)
    mixed = error(pooled_values(samples[order]), truth[order])
    assert in_parts < 0.5 * mixed


def test_the_transition_between_parts_lies_between_their_looks():
    truth, samples = guesses(grades(2, 12.0), 20)
    film = of(evidence(samples))
    assert film.groups[[0, 19, 20, 39]].tolist() == [0, 0, 1, 1]
    middle = evidence(0.5 * (truth[:1] + truth[20:21]))[0]
    steps = np.array([film.pool(middle, time) for time in np.linspace(18.0, 21.0, 301)])
    found = decode(steps)[:, 0] / ERRORS[0]
    assert np.ptp(found[:100]) < 0.2
    assert np.ptp(found[201:]) < 0.2
    assert np.abs(np.diff(found)).max() < 0.1 * abs(found[-1] - found[0])


def test_frames_of_higher_precision_count_for_more():
    samples = 0.01 * RNG.standard_normal((40, NUMBERS))
    precisions = np.repeat([[1e3], [3e4]], 20, axis=0)
    said = np.concatenate([precisions * samples, precisions + 0.0 * samples], axis=1)
    order = RNG.permutation(40)
    found = decode(of(said[order]).pool(said[0], 0)[None])[0]
    expected = np.average(samples, axis=0, weights=precisions[:, 0])
    np.testing.assert_allclose(found, expected, atol=5e-4)
    assert np.abs(samples.mean(axis=0) - expected).max() > 1e-3


def test_shots_unlike_all_others_keep_their_own_numbers():
    samples = grades(10, 200.0)
    film, own = of(evidence(samples[:9])), evidence(samples[9:])[0]
    np.testing.assert_allclose(decode(film.pool(own, 4)[None]), samples[9:], rtol=1e-3)


def test_the_only_look_of_a_film_is_kept():
    sample = RNG.normal(size=(1, NUMBERS))
    np.testing.assert_allclose(pooled_values(sample), sample, atol=1e-3)


def test_the_precision_of_many_frames_is_limited():
    """The scenes differ in a number that no direction contains."""
    sums = []
    for count in (1, 5, 11, 64):
        samples = np.zeros((count + 1, NUMBERS))
        samples[:, -1] = 0.01 * np.arange(count + 1)
        *said, own = evidence(samples, 1.0)
        sums.append(of(np.array(said)).pool(own, 0)[-1])
    np.testing.assert_allclose(sums, [2.0, 6.0, MAX_WEIGHT, MAX_WEIGHT])


def test_a_shot_of_many_looks_counts_once():
    samples = guesses(grades(1, 0.0), 3)[1]
    said = evidence(samples, 1.0)
    once = of(said).pool(said[0], 0)
    often = of(np.repeat(said, [40, 1, 1], axis=0)).pool(said[0], 0)
    np.testing.assert_allclose(often, once, rtol=1e-9)
    alone = of(np.repeat(said[:1], 64, axis=0)).pool(said[0], 0)
    np.testing.assert_allclose(alone, said[0], rtol=1e-9)


def test_weights_that_cannot_tell_grades_are_refused():
    network = Network()
    network.apart = None
    with pytest.raises(ValueError, match="directions"):
        Grades(np.zeros((1, 2 * NUMBERS)), np.zeros(1), network)


def test_between_two_grades_nothing_jumps():
    """Slowly changing evidence within a shot must not flip from one grade to the other."""
    truth = grades(2, 8.0)
    samples = guesses(truth, 20)[1]
    film = of(evidence(samples[RNG.permutation(40)]))
    ramp = evidence(truth[0] + np.linspace(0, 1, 4001)[:, None] * (truth[1] - truth[0]))
    steps = decode(np.array([film.pool(sample, 20) for sample in ramp]))
    lengths = np.linalg.norm(np.diff(steps, axis=0) / ERRORS, axis=1)
    assert lengths.max() < 0.05 * lengths.sum()


@given(st.integers(0, 4))
def test_further_numbers_beside_the_evidence_are_unchanged(more):
    own, *samples = evidence(guesses(grades(1, 0.0), 21)[1])
    sample = np.append(own, np.arange(float(more)))
    kept = sample.copy()
    found = of(np.array(samples)).pool(sample, 10)
    np.testing.assert_array_equal(sample, kept)
    np.testing.assert_array_equal(found[2 * NUMBERS :], kept[2 * NUMBERS :])
    assert not np.array_equal(found[: 2 * NUMBERS], kept[: 2 * NUMBERS])


@given(arrays(float, st.tuples(st.integers(1, 7), st.integers(1, 2)), elements=st.floats(-3, 3)))
def test_parts_have_the_lowest_cost_of_all_partitions(values):
    def cost(cuts: tuple[int, ...]) -> float:
        own = np.split(values, cuts)
        return sum(float(np.sum(np.square(v - v.mean(axis=0)))) + PRICE for v in own)

    places = range(1, len(values))
    all_of_them = (c for count in range(len(values)) for c in itertools.combinations(places, count))
    found = split_into_parts(values)
    assert found[0] == 0
    chosen = tuple(int(place) for place in np.flatnonzero(np.diff(found)) + 1)
    assert np.diff(found).max(initial=0) <= 1
    assert cost(chosen) == pytest.approx(min(map(cost, all_of_them)), abs=1e-6)


@given(arrays(float, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.floats(-9, 9)))
def test_values_are_limited_to_a_distance_from_their_median(values):
    found, middle = clamp_to_radius(values, 2.0), np.median(values, axis=0)
    lengths, held = (np.linalg.norm(v - middle, axis=1) for v in (values, found))
    np.testing.assert_allclose(held, np.minimum(lengths, 2.0), atol=1e-9)
    np.testing.assert_allclose(
        (found - middle) * lengths[:, None], (values - middle) * held[:, None], atol=1e-9
    )


def test_a_single_outlier_is_not_a_part():
    samples = guesses(grades(1, 0.0), 40)[1]
    samples[20] += 30.0 * ERRORS
    assert of(evidence(samples)).groups.max() == 0


def test_parts_in_the_same_grade_are_one_group():
    values = np.array([[0.0], [0.1], [9.0], [9.1], [0.05], [50.0], [9.05]])
    assert merge_parts(values, split_into_parts(values)).tolist() == [0, 0, 1, 1, 0, 2, 1]
    assert merge_parts(values[:1], np.zeros(1, int)).tolist() == [0]


@given(
    st.dictionaries(st.integers(-9, 9), st.floats(0.01, 1), min_size=1, max_size=9),
    st.floats(0, 1),
    st.floats(0.1, 5),
    st.floats(-5, 5),
)
def test_a_weighted_quantile_is_equivariant(pairs, share, factor, more):
    values, own = np.array(list(pairs), float), np.array(list(pairs.values()))
    one = weighted_quantile(values, own, share)
    other = weighted_quantile(factor * values + more, 7.0 * own, share)
    assert other == pytest.approx(factor * one + more, abs=1e-6)
    assert values.min() <= one <= values.max()
    middle = weighted_quantile(values, np.ones(len(values)), 0.5)
    assert middle == pytest.approx(float(np.median(values)))
