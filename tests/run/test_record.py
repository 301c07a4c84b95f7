"""A run resumes only with the same settings, scenes and held-out families."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from training_code.losses.settings import Loss
from training_code.run import checkpoints, fit
from training_code.run.config import TrainingError
from training_code.run.record import Record
from training_code.scenes.collection import Scene
from training_code.scenes.families import read_list
from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running

PATH = Path("run/checkpoint_000002_000000.npz")
CONFIG = Config(width=2, size=32, batch=2, steps=4, epochs=2)


def scenes(families: str) -> list[Scene]:
    return [Scene(f"{f}.exr", f, np.zeros((4, 4, 3), np.float16)) for f in families]


def record(trained: str = "abc", held_out_scenes: str = "d", **changes) -> Record:
    return Record(
        "hdrcnn", dataclasses.replace(CONFIG, **changes), scenes(trained), scenes(held_out_scenes)
    )


def stored(of: Record, epochs: int = 2) -> dict:
    """Facts of a record as a checkpoint returns them."""
    return json.loads(json.dumps(of.facts() | {"history": epochs * [{"loss": 1.0}]}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"batch": 4}, "batch 2, now 4"),
        ({"seed": 7, "steps": 9}, "steps 4, now 9, seed 1, now 7"),
        ({"loss": Loss(name="log_l2")}, "loss.name 'illumination_reflectance', now 'log_l2'"),
        ({"start": "x/other.npz"}, "start '', now 'other.npz'"),
    ],
)
def test_other_settings_are_refused_and_named(changes, named):
    with pytest.raises(TrainingError, match=rf"^{PATH}: [^\n]*: {named}; [^\n]*--out_dir$"):
        record(**changes).resume(PATH, stored(record()))


@pytest.mark.parametrize(
    ("trained", "held_out_scenes", "named"),
    [
        ("abd", "c", r"trained on families that are held out now: c; [^\n]*held_out\.txt"),
        ("abcd", "", r"other training scenes \(new: d\.exr\)"),
        ("ab", "d", r"other training scenes \(missing: c\.exr\)"),
        ("abc", "de", r"other held-out families \(new: e\)"),
    ],
)
def test_scenes_that_changed_sides_or_were_added_or_removed_are_refused(
    trained, held_out_scenes, named
):
    with pytest.raises(TrainingError, match=rf"^{PATH}: [^\n]*{named}[^\n]*$"):
        record(trained, held_out_scenes).resume(PATH, stored(record()))


def test_permitted_changes_are_recorded_in_the_metadata():
    longer = record(epochs=5, learning_rate=1e-4)
    longer.resume(PATH, stored(record()))
    again = record(epochs=5, learning_rate=1e-4)
    again.resume(PATH, stored(longer, 3))
    changes = again.training([{"loss": 1.0}])["changes"]
    assert changes == [{"epoch": 2, "epochs": [2, 5], "learning_rate": [4e-4, 1e-4]}]


def test_the_start_may_be_in_another_folder():
    moved = record(start="there/a.npz")
    moved.resume(PATH, stored(record(start="here/a.npz")))
    assert moved.changes == []
    with pytest.raises(TrainingError, match=r"a\.npz.*b\.npz"):
        record(start="here/b.npz").resume(PATH, stored(record(start="here/a.npz")))


@pytest.mark.parametrize("facts", [{}, {"history": []}, {"config": {"gone": 1}, "history": []}])
def test_checkpoints_without_a_record_are_not_compared(facts):
    run = record()
    run.resume(PATH, facts)
    assert run.changes == []


def test_the_list_of_a_run_survives_any_names_of_families(tmp_path):
    names = {"plain", "#1 of two", "hall #2", " outer "}
    held_out_scenes = [Scene("a.exr", name, np.zeros((4, 4, 3), np.float16)) for name in names]
    Record("hdrcnn", CONFIG, scenes("a"), held_out_scenes).save(tmp_path)
    assert read_list(tmp_path / "held_out.txt") == names


@pytest.mark.slow
def test_a_refused_run_leaves_the_first_as_it_was(scene_folder, tmp_path):
    """The second run reads the list of families that the first one held out."""
    run, lists = tmp_path / "run", {}
    for family in ("two", "three"):
        lists[family] = tmp_path / f"{family}.txt"
        lists[family].write_text(f"{family}\n")

    def train(held_out: Path, **changes) -> None:
        settings, running = dataclasses.replace(CONFIG, **changes), Running(0, validation_crops=2)
        fit.train(settings, scene_folder, run, held_out, running)

    train(lists["two"])
    assert read_list(run / "held_out.txt") == {"two"}
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with pytest.raises(TrainingError, match=r"held out.*three"):
        train(lists["three"], epochs=3)
    with pytest.raises(TrainingError, match=r"batch 2.*4"):
        train(run / "held_out.txt", batch=4, epochs=3)
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    train(run / "held_out.txt", epochs=3)
    training_facts = json.loads(str(np.load(run / "weights.npz")["metadata"]))["training"]
    assert training_facts["crops"] == 3 * 4 * 2
    assert training_facts["changes"] == [{"epoch": 2, "epochs": [2, 3]}]
    assert sorted(run.glob(checkpoints.PATTERN))[-1].name == "checkpoint_000003_000000.npz"
