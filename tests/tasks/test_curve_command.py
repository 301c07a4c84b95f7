"""The command that trains the curve network, and the rows of the evaluation that use it."""

import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.colour.transfer import linearise
from hdrcnn.predict import camera_curve as curve_estimation
from tests.conftest import ROOT
from training_code.evaluation import protocol
from training_code.evaluation.methods import ESTIMATED, ESTIMATED_SUFFIX, Named, build_methods
from training_code.evaluation.shots import Shot

COMMAND = ROOT / "training_code" / "curve_train.py"


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    place = tmp_path_factory.mktemp("shot")
    return Shot("view", "scene", "family", 20.0, protocol.BASE, place / "a.png", place / "a.exr")


def test_rows_with_estimated_curves(picture, shot, tiny_weights):
    code = picture.astype(np.float32) / 255
    methods = build_methods([Named("ours", tiny_weights)], [], True, weights.CURVES)
    found = {method.name: method.predict(shot, code, code) for method in methods}
    curve = curve_estimation.load().estimate(code)
    np.testing.assert_allclose(found[ESTIMATED], linearise(code, curve), rtol=1e-5)
    unsaturated = code.max(axis=-1) < 0.95
    ours, other = found["ours"], found["ours" + ESTIMATED_SUFFIX]
    np.testing.assert_allclose(other[unsaturated], found[ESTIMATED][unsaturated], rtol=1e-4)
    assert np.abs(ours - other)[unsaturated].max() > 1e-3


def test_without_them_nothing_is_added(tiny_weights):
    names = [method.name for method in build_methods([Named("ours", tiny_weights)], [], True)]
    assert not [name for name in names if "estimated" in name]


def test_from_scenes_to_a_file_that_can_be_loaded(scene_folder, tmp_path, run_python, picture):
    (tmp_path / "held_out.txt").write_text("three\n")
    arguments = (
        COMMAND,
        f"--scenes={scene_folder}",
        f"--out={tmp_path / 'curve.npz'}",
        f"--rows={tmp_path / 'rows.npz'}",
        f"--validation={tmp_path / 'held_out.txt'}",
        "--views=12",
        "--epochs=1",
        "--nofolds",
    )
    done = run_python(*arguments, cwd=tmp_path)
    assert "48 pictures" in done.stdout
    found = curve_estimation.load(tmp_path / "curve.npz").belief(picture)
    assert np.isfinite([found.nearest.n, found.nearest.s, *found.probabilities]).all()
    training = weights.load(tmp_path / "curve.npz")[1].training
    assert training["scenes"] == ["c.exr"]  # The others are too small.
    assert "a.exr: 96x48 pixels where" in done.stdout
    first = (tmp_path / "curve.npz").read_bytes()
    again = run_python(*arguments, cwd=tmp_path)
    assert "views" not in again.stdout
    assert (tmp_path / "curve.npz").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--out=there/c.npz", "--rows=torn.npz", "--nofolds"], "torn.npz: not a file of rows: "),
        (["--out=torn.npz/c.npz"], "torn.npz: "),
        (["--rows=torn.npz", "--rows=none.npz"], "none.npz: no such file of rows"),
        (["--out=folder"], "folder: is a folder; give the name of a file to --out"),
        (["--out=c.npz"], ": all scenes are of one family, none can be held out; "),
    ],
)
def test_what_cannot_be_used_is_said_before_an_hour_of_work(
    scene_folder, tmp_path, run_python, arguments, reason
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "list.txt").write_text("two\nthree\n")
    np.savez(tmp_path / "whole.npz", statistics=np.zeros((100, 100)))
    (tmp_path / "torn.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:5000])
    done = run_python(
        COMMAND, f"--scenes={scene_folder}", "--validation=list.txt", *arguments, cwd=tmp_path,
        status=1,
    )  # fmt: skip
    assert reason in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_without_scenes_is_one_line(tmp_path, run_python):
    done = run_python(
        COMMAND, f"--scenes={tmp_path}", f"--out={tmp_path / 'c.npz'}", cwd=tmp_path, status=1
    )
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "c.npz").exists()
