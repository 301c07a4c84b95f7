"""Directions that separate guesses for different grades, on numbers drawn with known ones."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from training_code.film_directions import LOADED, discriminants

COMMAND = Path(__file__).resolve().parents[2] / "training_code" / "film_directions.py"


def drawn(between: np.ndarray, errors: np.ndarray, mixed: np.ndarray) -> np.ndarray:
    """[grades, scenes, P] numbers, which vary between grades and between the scenes of one by these
    deviations, along the rows of `mixed` [P, P].
    """
    rng = np.random.default_rng(5)
    grades, scenes = 400, 50
    found = between * rng.standard_normal((grades, 1, len(between)))
    return (found + errors * rng.standard_normal((grades, scenes, len(errors)))) @ mixed


def test_directions_are_those_in_which_the_grades_differ():
    errors, between = np.array([1.0, 0.5, 2.0, 1.0]), np.array([2.0, 0.05, 0.2, 4.0])
    directions, ratios = discriminants(drawn(between, errors, np.eye(4)), 2)
    expected = np.array([16.0, 4.0]) / (1.0 + LOADED)
    np.testing.assert_allclose(ratios, expected, rtol=0.15)
    lengths = np.abs(directions * errors)
    np.testing.assert_allclose(lengths[0] / np.linalg.norm(lengths[0]), [0, 0, 0, 1], atol=0.1)
    np.testing.assert_allclose(lengths[1] / np.linalg.norm(lengths[1]), [1, 0, 0, 0], atol=0.1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_two_guesses_for_one_grade_are_about_1_apart(count):
    mixed = np.random.default_rng(3).normal(size=(4, 4))
    guesses = drawn(np.array([2.0, 0.05, 0.2, 4.0]), np.array([1.0, 0.5, 2.0, 1.0]), mixed)
    directions, _ = discriminants(guesses, count)
    apart = (guesses[:, ::2] - guesses[:, 1::2]) @ directions.T
    length = float(np.square(apart).sum(axis=-1).mean())
    assert 1.0 / (1.0 + LOADED * 4) < length <= 1.02


def test_guesses_that_are_the_same_for_all_scenes_are_refused():
    guesses = np.repeat(np.random.default_rng(6).standard_normal((4, 1, 23)), 7, axis=1)
    with pytest.raises(ValueError, match="same"):
        discriminants(guesses, 3)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ([], "--scenes"),
        (["--scenes", "{tmp}", "--grades", "technicolor"], "technicolor"),
        (["--scenes", "{tmp}", "--grades", "camera"], "two"),
        (["--scenes", "{tmp}/none"], "none"),
    ],
)
def test_errors_have_no_traceback(flags, word, tmp_path):
    asked = [flag.format(tmp=tmp_path) for flag in flags]
    done = subprocess.run(
        [sys.executable, str(COMMAND), *asked], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert word in done.stderr
    assert "Traceback" not in done.stderr
