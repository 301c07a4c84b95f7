"""The regression check passes for the same weights and fails for worse ones."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.files import ImageError
from hdrcnn.predict.single_image import load
from hdrcnn.writers.exr import write_exr
from training_code.evaluation import regression
from training_code.evaluation.bootstrap import Interval
from training_code.evaluation.regression import Figures, compare, pieces

COMMAND = Path(regression.__file__).parents[2] / "benchmarks" / "regression.py"


@pytest.fixture(scope="module")
def truth_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two truths of 96 x 144, one clipped everywhere, one in two of its six pieces."""
    folder = tmp_path_factory.mktemp("truth")
    y, x = np.mgrid[0:96, 0:144] / 48.0
    grain = np.random.default_rng(1).uniform(0.0, 0.02, (96, 144, 3))
    base = 0.1 + 0.2 * (x / 3.0)[..., None] * [1.0, 0.9, 0.8] + grain
    everywhere = np.exp(-20.0 * ((x % 1.0 - 0.5) ** 2 + (y % 1.0 - 0.5) ** 2))
    left = np.exp(-20.0 * ((x - 0.5) ** 2 + (y % 1.0 - 0.5) ** 2))
    write_exr(folder / "all.exr", base + 9.0 * everywhere[..., None])
    write_exr(folder / "left.exr", base + 9.0 * left[..., None])
    return folder


def test_pieces_cover_a_picture_once() -> None:
    count = np.zeros((51, 100), int)
    for _, place in pieces(51, 100):
        count[place] += 1
    assert (count == 1).all()


def test_pieces_without_highlights_are_left_out(truth_dir: Path, tiny_weights: Path) -> None:
    figures = regression.measure(load(tiny_weights), truth_dir)
    everywhere = [f"all/{i}{j}" for i in range(2) for j in range(3)]
    for condition in regression.CONDITIONS:
        label = regression.condition_name(condition)
        assert figures.pieces[label] == [*everywhere, "left/00", "left/10"]


def darkened(source: Path, target: Path) -> None:
    """Weights whose highlights come out near black."""
    arrays, metadata = weights.load(source)
    arrays["fuse0/bias"] = arrays["fuse0/bias"] + np.float32(3.0)
    weights.save(target, arrays, metadata)


def test_the_same_weights_pass_and_worse_ones_fail(
    run_python, truth_dir: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    found = regression.measure(load(tiny_weights), truth_dir)
    regression.save(tmp_path / "figures.json", found)
    again = regression.measure(load(tiny_weights), truth_dir)
    lines, good = compare(again, regression.load(tmp_path / "figures.json"))
    assert good
    assert len(lines) == 9
    darkened(tiny_weights, tmp_path / "worse.npz")
    arguments = (f"--truth={truth_dir}", "--figures=figures.json", "--params=worse.npz")
    failed = run_python(COMMAND, *arguments, cwd=tmp_path, status=1)
    assert "WORSE" in failed.stdout
    assert "worse than committed" in failed.stderr


def test_command_without_figures_says_how_to_write_them(run_python, tmp_path: Path) -> None:
    error = run_python(COMMAND, "--figures=none.json", cwd=tmp_path, status=1).stderr
    assert "none.json: no usable figures" in error
    assert "--update" in error


def figures(gain: float, rmse: float) -> Figures:
    intervals = {
        "gain_db": Interval(gain, gain - 0.5, gain + 0.5, 9),
        "psnr_crf": Interval(30.0, 29.0, 31.0, 9),
        "highlight_rmse": Interval(rmse, rmse - 0.1, rmse + 0.1, 9),
    }
    return Figures({"c": ["a/00"]}, {"c": intervals})


@pytest.mark.parametrize(
    ("gain", "rmse", "good"),
    [
        (1.0, 0.5, True),
        (0.6, 0.59, True),
        (9.0, 0.01, True),  # Better is never bad.
        (0.4, 0.5, False),
        (1.0, 0.7, False),
        (float("nan"), 0.5, False),
    ],
)
def test_a_fall_beyond_the_interval_fails(gain: float, rmse: float, good: bool) -> None:
    assert compare(figures(gain, rmse), figures(1.0, 0.5))[1] is good


def test_other_pieces_cannot_be_compared() -> None:
    other = dataclasses.replace(figures(1.0, 0.5), pieces={"c": ["b/00"]})
    with pytest.raises(ValueError, match="scenes"):
        compare(figures(1.0, 0.5), other)


def test_figures_survive_the_file(tmp_path: Path) -> None:
    regression.save(tmp_path / "f.json", figures(1.0, 0.5))
    assert regression.load(tmp_path / "f.json") == figures(1.0, 0.5)


@pytest.mark.parametrize("content", ["", "{}", "[]", json.dumps({"intervals": {"c": 1}})])
def test_damaged_figures_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "f.json").write_text(content)
    with pytest.raises(ValueError, match=r"f\.json: .*figures"):
        regression.load(tmp_path / "f.json")


def test_a_folder_without_truths_is_refused(tmp_path: Path, tiny_weights: Path) -> None:
    with pytest.raises(ImageError, match="truths"):
        regression.measure(load(tiny_weights), tmp_path)
