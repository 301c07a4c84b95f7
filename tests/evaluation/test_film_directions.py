"""How far guesses of one grade lie apart: against numbers that were drawn so."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from training_code.film_spread import within_and_between

COMMAND = Path(__file__).resolve().parents[2] / "training_code" / "film_spread.py"


def test_deviations_within_and_between_are_those_drawn():
    rng = np.random.default_rng(5)
    within, between = np.array([0.1, 0.5, 2.0]), np.array([3.0, 0.2, 1.0])
    grades, scenes = 400, 200
    drawn = between * rng.standard_normal((grades, 1, 3))
    drawn = drawn + within * rng.standard_normal((grades, scenes, 3))
    found = within_and_between(drawn)
    np.testing.assert_allclose(found[0], within, rtol=0.02)
    # What is within moves the means of the grades by its share of so many scenes.
    np.testing.assert_allclose(found[1], np.sqrt(between**2 + within**2 / scenes), rtol=0.12)


def test_one_guess_for_all_scenes_has_no_spread_within():
    parameters = np.repeat(np.random.default_rng(6).standard_normal((4, 1, 23)), 7, axis=1)
    within, between = within_and_between(parameters)
    np.testing.assert_allclose(within, 0.0, atol=1e-12)
    np.testing.assert_allclose(between, parameters[:, 0].std(axis=0, ddof=1))


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ([], "--scenes"),
        (["--scenes", "{tmp}", "--grades", "technicolor"], "technicolor"),
        (["--scenes", "{tmp}/none"], "none"),
    ],
)
def test_what_cannot_be_measured_is_one_line(flags, word, tmp_path):
    asked = [flag.format(tmp=tmp_path) for flag in flags]
    done = subprocess.run(
        [sys.executable, str(COMMAND), *asked], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert word in done.stderr
    assert "Traceback" not in done.stderr
