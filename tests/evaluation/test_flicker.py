"""Flicker is 0 for predictions that move with the picture and has the right size for noise."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from hdrcnn.predict.single_image import load
from hdrcnn.readers.photograph import read_ldr
from tests.conftest import ROOT
from training_code.evaluation import bootstrap, flicker, run
from training_code.evaluation.flicker import MOTIONS, NETWORK, Flicker
from training_code.evaluation.methods import Named
from training_code.evaluation.protocol import BASE, Protocol
from training_code.evaluation.run import Request

COMMAND = ROOT / "training_code" / "hdrcnn_evaluate.py"
WHITE = np.ones((48, 64, 3), np.float32)


def stand_in(log_hdr: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Stand-in for a predictor whose network is any function of the picture."""
    return SimpleNamespace(
        log_hdr=log_hdr, metadata=SimpleNamespace(linearisation="square", blend="pixel")
    )


def measured(predictor: Any, code: np.ndarray) -> Flicker:
    """Flicker of a picture with saturated pixels."""
    found = flicker.flicker(predictor, code)
    assert found is not None
    return found


def disc(side: int = 96) -> np.ndarray:
    """A saturated disc on a dark ground."""
    y, x = np.mgrid[0:side, 0:side]
    code = np.where(np.hypot(y - side / 2, x - side / 2) < side / 4, 1.0, 0.3)
    return np.repeat(code[..., None], 3, axis=-1).astype(np.float32)


def test_a_constant_does_not_flicker():
    found = measured(stand_in(lambda code: np.full_like(code, 2.0)), WHITE)
    assert found.parts["shift"] < 1e-5
    assert found.parts["rotation"] < 1e-5
    assert found.parts[NETWORK] < 1e-5
    assert found.parts["noise"] > 0.01  # The blend lets measured noise through.


def test_a_linear_network_flickers_by_noise_alone():
    """y = a x commutes with shifts and rotations, and noise on a white picture is clipped to
    min(noise, 0), whose mean square is half the variance.
    """
    slope = 3.0
    found = measured(stand_in(lambda code: np.float32(slope) * code), WHITE)
    sd = [row[5] for row in MOTIONS["noise"]]
    expected = slope / np.log(2) * np.sqrt(0.5 * np.square(sd).sum() / 6)
    assert found.parts[NETWORK] == pytest.approx(expected, rel=0.05)


def test_flicker_is_in_stops_and_pools_all_motions():
    """A network whose answer is one stop higher for every picture after the first."""
    shown = []

    def brighter(code: np.ndarray) -> np.ndarray:
        shown.append(code)
        return np.full_like(code, np.log(2.0) * (len(shown) > 1) + 5.0)

    found = measured(stand_in(brighter), WHITE)
    assert len(shown) == 1 + sum(map(len, MOTIONS.values()))
    assert found.parts[NETWORK] == pytest.approx(1.0, abs=1e-5)
    assert found.parts["shift"] == pytest.approx(1.0, abs=1e-5)
    assert found.parts["rotation"] == pytest.approx(1.0, abs=1e-5)
    squares = [found.parts[kind] ** 2 for kind in MOTIONS]
    assert found.stops**2 == pytest.approx(np.mean(squares), rel=0.02)


def test_only_saturated_pixels_count():
    """Outside saturated pixels even a network that answers with fresh noise does not count."""
    calls: list[int] = []

    def network(picture: np.ndarray) -> np.ndarray:
        calls.append(1)
        near = maximum_filter(picture, (3, 3, 1)) > 0.9
        noise = np.random.default_rng(len(calls)).normal(0, 5, picture.shape)
        return np.where(near, 1.0, noise).astype(np.float32)

    assert measured(stand_in(network), disc()).parts[NETWORK] < 1e-5


def test_nothing_saturated_has_no_flicker():
    assert flicker.flicker(stand_in(lambda code: code), 0.5 * WHITE) is None


def test_motions_are_small_and_of_three_kinds():
    rows = np.concatenate([np.stack(own) for own in MOTIONS.values()])
    assert list(MOTIONS) == ["shift", "rotation", "noise"]
    assert np.abs(rows[:, :2]).max() <= 2.0
    assert np.abs(rows[:, 2:4]).max() <= 1.0
    assert rows[:, 5].max() <= 0.05
    assert len(np.unique(rows, axis=0)) == len(rows)


@pytest.fixture(scope="module")
def done(scene_folder: Path, tiny_weights: Path, tmp_path_factory) -> SimpleNamespace:
    """An evaluation with flicker added, of the same weights twice."""
    out = tmp_path_factory.mktemp("flicker")
    params = (Named("ours", tiny_weights), Named("again", tiny_weights))
    request = Request(
        scenes=scene_folder,
        out_dir=out,
        params=params,
        conditions=(BASE,),
        protocol=Protocol(longest_side=64, view_width=60, view_height=40),
    )
    run.run(request)
    return SimpleNamespace(out=out, rows=flicker.add_to_results(out, BASE, params))


def test_the_rows_are_means_over_places(done: SimpleNamespace, tiny_weights: Path):
    ours, again = done.rows
    predictor = load(tiny_weights)
    families = {"a-bright": "one", "a-away": "one", "b-bright": "one", "b-away": "one"}
    families |= {"c": "two", "d": "three"}
    values = [
        measured(predictor, read_ldr(done.out / "ldr" / BASE.name / f"{view}.png"))
        for view in families
    ]
    expected = bootstrap.unit_means([value.stops for value in values], list(families.values()))
    assert ours.stops.mean == pytest.approx(expected.mean(), rel=1e-4)
    assert ours.stops.units == 3
    assert 0 < ours.stops.low <= ours.stops.mean <= ours.stops.high
    assert again.share == pytest.approx(1.0)
    assert again.difference.mean == pytest.approx(0.0)


def test_the_files_record_what_was_measured(done: SimpleNamespace):
    stored = json.loads((done.out / "summary.json").read_text())
    assert {"settings", "conditions", "flicker"} <= set(stored)
    own = stored["flicker"]["methods"]["ours"]
    assert own["stops"]["mean"] == done.rows[0].stops.mean
    assert set(own["parts"]) == {*MOTIONS, NETWORK}
    assert len(stored["flicker"]["views"]["ours"]) == 6
    assert stored["flicker"]["motions"]["noise"][1]["noise_sd"] == 0.02
    table = (done.out / "table.md").read_text()
    assert f"## Flicker: {BASE.name}" in table
    assert f"| ours | {done.rows[0].stops.mean:.3f} [" in table


def test_half_the_flicker_is_a_share_of_one_half():
    families = ["a", "b", "c", "c"]
    first = [Flicker(value, {"shift": value}) for value in (1.0, 2.0, 3.0, 5.0)]
    half = [Flicker(item.stops / 2, {"shift": 0.0}) for item in first]
    rows = flicker.tabulate({"first": first, "half": half}, families)
    assert rows[0].stops.mean == pytest.approx((1 + 2 + 4) / 3)
    assert rows[1].share == pytest.approx(0.5)
    assert rows[1].difference.mean == pytest.approx(-(1 + 2 + 4) / 6)
    assert "| half | " in flicker.describe(rows, "clip05", 4)
    assert " 50% " in flicker.describe(rows, "clip05", 4)


def test_flicker_needs_an_evaluation(run_python, tmp_path: Path):
    error = run_python(
        COMMAND, "--scenes=.", "--out_dir=out", "--flicker", "--write_only", cwd=tmp_path, status=1
    ).stderr
    assert "--flicker and --write_only: give one of them" in error
    assert error.count("\n") == 1
