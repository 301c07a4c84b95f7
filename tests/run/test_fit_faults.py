"""Faults during a training: it stops, reports the reason in one line, and keeps good files."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hdrcnn import weights
from hdrcnn.files import HOST, ImageError
from hdrcnn.weights import WeightsError, npz
from hdrcnn.writers.exr import write_exr
from tests.conftest import ROOT
from tests.run.training import compiled
from training_code.camera.batches import Pairs
from training_code.run import checkpoints, fit, material
from training_code.run.checkpoints import Position
from training_code.run.config import TrainingError
from training_code.scenes.files import Folders
from training_code.scenes.views import Views
from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running

TINY = Config(width=2, size=32, batch=2, epochs=2, steps=4, validation_share=0.0)
QUICK = Running(workers=0)


@pytest.fixture
def photographs(tmp_path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(4)
    for name in "abc":
        soft = rng.integers(20, 220, (6, 8, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(soft).save(folder / f"{name}.png")
    return folder


def vanishing(photographs: Path, monkeypatch, after: int) -> None:
    """Delete the photographs when pair number `after` is taken."""
    taken, item = [], Pairs.item

    def gone(self, *arguments):
        taken.append(arguments)
        if len(taken) == after:
            for path in photographs.iterdir():
                path.unlink()
        return item(self, *arguments)

    monkeypatch.setattr(Pairs, "item", gone)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_photograph_lost_during_training_is_named(photographs, tmp_path, monkeypatch, workers):
    vanishing(photographs, monkeypatch, after=6)
    settings = dataclasses.replace(TINY, linearize=True)
    running = Running(workers=workers, memory_gb=1e-8)
    with pytest.raises(ImageError, match=r"^[^\n]*photographs/[abc]\.png: [^\n]*$"):
        fit.train(settings, photographs, tmp_path / "run", None, running)


def test_the_command_reports_a_lost_photograph_in_one_line(photographs, tmp_path, run_python):
    """The file exists when it is measured and is gone when it is used."""
    script = (
        "import runpy, sys\n"
        "from pathlib import Path\n"
        "from training_code.camera.batches import Pairs\n"
        "item = Pairs.item\n"
        "def gone(self, *arguments):\n"
        "    for path in Path('photographs').iterdir():\n"
        "        path.unlink()\n"
        "    return item(self, *arguments)\n"
        "Pairs.item = gone\n"
        "sys.argv = ['hdrcnn_train.py', '--scenes=photographs', '--out_dir=run', '--linearize',\n"
        "    '--width=2', '--size=32', '--batch=2', '--steps=2', '--validation_share=0',\n"
        "    '--memory_gb=1e-8']\n"
        f"runpy.run_path({str(ROOT / 'training_code' / 'hdrcnn_train.py')!r}, "
        "run_name='__main__')\n"
    )
    done = run_python("-c", script, cwd=tmp_path, status=1)
    assert ".png: no such file" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_files_that_a_killed_run_left_half_written_are_removed(tmp_path, scene_folder, monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = tmp_path / "run"
    run.mkdir()
    left = run / f".{Position(1).file}.{HOST}-{gone.pid}.tmp.npz"
    kept = run / f".{Position(2).file}.other-host-{gone.pid}.tmp.npz"
    for path in (left, kept):
        path.write_bytes(b"half")
    monkeypatch.setattr(material, "training_and_held_out", lambda *_: sys.exit("far enough"))
    with pytest.raises(SystemExit, match="far enough"):
        fit.train(TINY, scene_folder, run, None, QUICK)
    assert list(run.iterdir()) == [kept]


def test_a_run_folder_among_the_photographs_is_refused(photographs):
    settings, run = dataclasses.replace(TINY, linearize=True), photographs / "run"
    with pytest.raises(ImageError, match=r"^[^\n]*run/sheets: [^\n]*scenes[^\n]*$"):
        fit.train(settings, photographs, run, None, QUICK)
    assert not run.exists()


def test_a_start_trained_on_held_out_scenes_is_reported(
    scene_folder, held_out, tiny_weights, tmp_path, monkeypatch, capsys
):
    """The run is stopped before the model is built."""
    arrays, metadata = weights.load(tiny_weights)
    facts = {"scenes": ["a.exr"], "start": {"scenes": ["c.exr", "d.exr"]}}
    start = tmp_path / "start.npz"
    weights.save(start, arrays, dataclasses.replace(metadata, training=facts))
    monkeypatch.setattr(fit, "compiled", lambda *_: sys.exit("far enough"))
    printed = []
    for path in (start, tiny_weights):
        settings = dataclasses.replace(TINY, start=str(path), width=4)
        with pytest.raises(SystemExit, match="far enough"):
            fit.train(settings, scene_folder, tmp_path / "run", held_out, QUICK)
        printed.append(capsys.readouterr().out.splitlines())
    (line,) = (line for line in printed[0] if line not in printed[1])
    assert line.startswith(f"{start}: trained on scenes of the same names as 1 of the 1 ")
    assert ": c.exr; " in line


@pytest.mark.parametrize("part", ["model", "optimizer"])
def test_weights_that_are_not_finite_are_not_saved(tmp_path, part):
    trainee = compiled(TINY)
    checkpoints.restore(tmp_path, trainee)
    spoiled = trainee.trainable_variables[3] if part == "model" else trainee.optimizer.variables[5]
    spoiled.assign(np.full(spoiled.shape, np.nan, np.float32))
    with pytest.raises(TrainingError, match=rf"^{tmp_path}: {part}/[^\n]*finite[^\n]*$"):
        checkpoints.save(tmp_path, trainee, Position(1), {})
    assert not list(tmp_path.iterdir())


def test_checkpoints_may_be_larger_than_files_from_elsewhere(tmp_path, monkeypatch):
    trainee = compiled(TINY)
    checkpoints.restore(tmp_path, trainee)
    checkpoints.save(tmp_path, trainee, Position(1), {"a": 1})
    monkeypatch.setattr(npz, "MAX_TOTAL_BYTES", 1000)
    assert checkpoints.restore(tmp_path, trainee) == (Position(1), {"a": 1})
    with pytest.raises(npz.NpzError, match="unpacks"):
        npz.read(tmp_path / Position(1).file)


def test_a_run_whose_checkpoints_cannot_be_read_back_stops(scene_folder, tmp_path, monkeypatch):
    """Otherwise it would train the same epochs again and again."""

    def damaged(*_, **__):
        raise npz.NpzError("a disk that forgets")

    monkeypatch.setattr(npz, "read", damaged)
    settings = dataclasses.replace(TINY, epochs=1)
    with pytest.raises(TrainingError, match=r"run: [^\n]*read back"):
        fit.train(settings, scene_folder, tmp_path / "run", None, QUICK)


def test_a_start_that_does_not_fit_is_refused_before_scenes_are_read(tmp_path, tiny_weights):
    for width, kind, reason in ((6, WeightsError, "width 4"), (64, ImageError, "nowhere")):
        settings = dataclasses.replace(TINY, start=str(tiny_weights), width=width)
        with pytest.raises(kind, match=reason):
            fit.train(settings, tmp_path / "nowhere", tmp_path / "run")


@pytest.mark.parametrize(
    ("teacher", "kind", "reason"),
    [
        ("gone.npz", WeightsError, r"gone\.npz: no such"),
        (str(ROOT / "weights" / "film_curves.npz"), WeightsError, r"film_curves\.npz.*'hdrcnn'"),
        (str(ROOT / "weights" / "hdrcnn.npz"), ImageError, "nowhere"),  # Another width is accepted.
    ],
)
def test_a_teacher_of_another_kind_is_refused_before_scenes_are_read(
    tmp_path, monkeypatch, teacher, kind, reason
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=reason):
        fit.train(
            dataclasses.replace(TINY, teacher=teacher), tmp_path / "nowhere", tmp_path / "run"
        )


def test_a_folder_may_contain_scenes_and_photographs(photographs, tmp_path):
    light = 0.5 + np.eye(48, 64, dtype=np.float32)[..., None].repeat(3, axis=2)
    write_exr(photographs / "scene.exr", light)
    folders = Folders((photographs,), (photographs,))
    found = material.load_all_scenes(TINY, (Views(), 32), folders, tmp_path / "run", 1.0)
    assert sorted(scene.name for scene in found) == ["a.png", "b.png", "c.png", "scene.exr"]


def test_a_folder_that_is_given_twice_is_refused(photographs, tmp_path):
    folders = Folders((), (photographs, photographs.parent / "." / "photographs"))
    with pytest.raises(ImageError, match="photographs: given twice"):
        material.load_all_scenes(TINY, (Views(), 32), folders, tmp_path / "run", 1.0)
