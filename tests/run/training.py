"""Helpers of the tests of training: runs that take seconds, and their losses."""

import dataclasses
import itertools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running

TINY = Config(width=2, size=32, batch=2, epochs=2, steps=4, average=0.9)
QUICK = Running(workers=0, validation_crops=2)


def compiled(config: Config, start: Any = None) -> Any:
    """Compiled trainee of HDRCNN."""
    from training_code.run import fit
    from training_code.tasks import task

    return fit.compiled(task.load("hdrcnn"), config, start)


def losses(folder: Path) -> list[float]:
    history = json.loads(str(np.load(folder / "weights.npz")["metadata"]))["training"]["history"]
    return [record["loss"] for record in history]


def copy_run_after(run: Path, batches: Mapping[int, Path], patch: pytest.MonkeyPatch) -> Running:
    """Running options that save a checkpoint after every batch. After as many batches as a key of
    `batches`, the folder `run` is copied to its value: what a run killed there leaves.
    """
    from training_code.run import checkpoints

    save, seen = checkpoints.save, itertools.count(1)

    def save_and_copy(*arguments: Any) -> None:
        save(*arguments)
        place = batches.get(next(seen))
        if place is not None:
            shutil.copytree(run, place)

    patch.setattr(checkpoints, "save", save_and_copy)
    return dataclasses.replace(QUICK, minutes=1e-9)


def loss_ratio(
    task_name: str, config: Any, batch: dict[str, np.ndarray], term: str, steps: int
) -> float:
    """Ratio of a term of the loss after `steps` steps with one batch to that before."""
    from training_code.run import fit
    from training_code.tasks import task

    config = dataclasses.replace(config, epochs=60, learning_rate=1e-2, average=0.0)
    trainee = fit.compiled(task.load(task_name), config)
    first = trainee.train_on_batch(batch, return_dict=True)[term]
    for _ in range(steps):
        trainee.reset_metrics()
        last = trainee.train_on_batch(batch, return_dict=True)[term]
    return float(last / first)


def check_resumed_run(
    task_name: str, config: Any, scenes: Path, held_out: Path, folder: Path
) -> dict[str, np.ndarray]:
    """Return the arrays of the last checkpoint of a run, and check that a run that is killed within
    its second epoch and resumed ends with the same arrays, losses and sheets.
    """
    from training_code.run import fit

    whole, broken = folder / "whole", folder / "broken"
    with pytest.MonkeyPatch.context() as patch:
        running = copy_run_after(whole, {3: broken}, patch)
        fit.train(config, scenes, whole, held_out, running, task_name)
    assert (broken / "checkpoint_000001_000001.npz").is_file()
    assert not (broken / "checkpoint_000002_000000.npz").exists()
    assert not (broken / "sheets" / "epoch_002.png").exists()
    (broken / "weights.npz").unlink()
    fit.train(config, scenes, broken, held_out, QUICK, task_name)
    assert losses(broken) == losses(whole)
    ends = []
    for place in (broken, whole):
        assert (place / "sheets" / "epoch_002.png").is_file()
        with np.load(place / "checkpoint_000002_000000.npz") as end:
            ends.append({key: end[key] for key in end.files if key != "metadata"})
    assert ends[0].keys() == ends[1].keys()
    for key, values in ends[1].items():
        np.testing.assert_array_equal(ends[0][key], values)
    return ends[1]
