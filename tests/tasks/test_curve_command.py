"""The command that trains the curve network, and the rows of the evaluation that use it."""

import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.colour.transfer import linearise
from hdrcnn.predict import camera_curve
from tests.conftest import ROOT
from tests.run.training import TINY
from training_code.evaluation import protocol
from training_code.evaluation.methods import ESTIMATED, ESTIMATED_SUFFIX, Named, build_methods
from training_code.evaluation.shots import StoredShot
from training_code.run import config, fit

COMMAND = ROOT / "training_code" / "hdrcnn_train.py"


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    place = tmp_path_factory.mktemp("shot")
    return StoredShot(
        "view", "scene", "family", 20.0, protocol.BASE, place / "a.png", place / "a.exr"
    )


def test_rows_with_estimated_curves(picture, shot, tiny_weights):
    code = picture.astype(np.float32) / 255
    methods = build_methods([Named("ours", tiny_weights)], [], True, weights.CAMERA_CURVE)
    found = {method.name: method.predict(shot, code, code) for method in methods}
    curve = camera_curve.load().estimate(code)
    np.testing.assert_allclose(found[ESTIMATED], linearise(code, curve), rtol=1e-5)
    unsaturated = code.max(axis=-1) < 0.95
    ours, other = found["ours"], found["ours" + ESTIMATED_SUFFIX]
    np.testing.assert_allclose(other[unsaturated], found[ESTIMATED][unsaturated], rtol=1e-4)
    assert np.abs(ours - other)[unsaturated].max() > 1e-3


def test_no_rows_are_added_without_weights_for_curves(tiny_weights):
    names = [method.name for method in build_methods([Named("ours", tiny_weights)], [], True)]
    assert not [name for name in names if "estimated" in name]


@pytest.mark.slow
def test_training_on_scenes_saves_weights_that_can_be_loaded(
    scene_folder, tmp_path, run_python, picture
):
    (tmp_path / "held_out.txt").write_text("three\n")
    arguments = (
        COMMAND,
        "--task=camera_curve",
        f"--scenes={scene_folder}",
        "--out_dir=run",
        "--validation=held_out.txt",
        "--looks=6",
        "--steps=2",
    )
    done = run_python(*arguments, "--epochs=1", cwd=tmp_path)
    assert "24 pictures" in done.stdout
    assert "held out, stops RMS" in done.stdout
    path = tmp_path / "run" / "weights.npz"
    found = camera_curve.load(path).belief(picture)
    assert np.isfinite([found.nearest.n, found.nearest.s, *found.probabilities]).all()
    training = weights.load(path)[1].training
    assert training["scenes"] == ["c.exr"]  # The others are too small.
    assert "a.exr: 96x48 pixels" in done.stdout
    again = run_python(*arguments, "--epochs=2", cwd=tmp_path)
    assert "looks," not in again.stdout
    assert "going on after epoch 1" in again.stdout
    with pytest.raises(config.TrainingError, match="--task"):
        fit.train(TINY, scene_folder, tmp_path / "run", tmp_path / "held_out.txt")
