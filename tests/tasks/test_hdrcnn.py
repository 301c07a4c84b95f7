"""HDRCNN's training with a teacher, a second, wider network."""

import dataclasses

import keras
import numpy as np
import pytest

from hdrcnn.colour.transfer import log_decode
from hdrcnn.models import hdrcnn
from hdrcnn.weights import WeightsError
from tests.run.training import TINY
from training_code.losses.log_hdr import cost
from training_code.tasks import hdrcnn as task

SETTINGS = dataclasses.replace(TINY, width=2, learning_rate=4e-3)


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    target = rng.lognormal(0.0, 1.0, (2, 32, 32, 3)).astype(np.float32)
    return {"picture": np.round(np.clip(target, 0, 1) * 255).astype(np.uint8), "target": target}


def trainee(teacher, share):
    settings = dataclasses.replace(SETTINGS, teacher_share=share)
    network = hdrcnn.build(settings.width)
    made = task.trainee(network, settings, task.Material([], teacher=teacher))
    made.compile(keras.optimizers.Adam(settings.learning_rate))
    return made


def test_the_cost_is_shared_between_truth_and_teacher(tiny_weights, batch):
    teacher = task.load_teacher(tiny_weights)
    made = trainee(teacher, 0.25)
    answer = made(batch, training=False)
    of = cost(SETTINGS.loss, SETTINGS.blend)
    picture, log_hdr = batch["picture"] / np.float32(255), answer["log_hdr"]
    taught = np.maximum(log_decode(np.asarray(teacher(picture))), 0.0)
    expected = 0.75 * np.asarray(of(batch["target"], log_hdr, picture)) + 0.25 * np.asarray(
        of(taught, log_hdr, picture)
    )
    np.testing.assert_allclose(np.asarray(made.cost(answer)), expected, rtol=1e-4)


def test_unknown_light_counts_neither_for_truth_nor_teacher(tiny_weights, batch):
    batch["target"][:, :16] = np.nan
    made = trainee(task.load_teacher(tiny_weights), 0.5)
    answer = made(batch, training=False)
    before = np.asarray(made.cost(answer))
    answer["log_hdr"] = np.array(answer["log_hdr"])
    answer["log_hdr"][:, :8] += 1.0  # The blur of the loss reaches six pixels.
    np.testing.assert_array_equal(np.asarray(made.cost(answer)), before)


@pytest.mark.slow
def test_the_network_learns_from_a_teacher_that_does_not_change(tiny_weights, batch):
    teacher = task.load_teacher(tiny_weights)
    picture = batch["picture"] / np.float32(255)
    said = np.asarray(teacher(picture))
    made = trainee(teacher, 0.999)
    names = {variable.path for variable in made.variables}
    assert names == {variable.path for variable in trainee(None, 0.5).variables}
    first = made.train_on_batch(batch, return_dict=True)["loss"]
    for _ in range(60):
        made.reset_metrics()
        last = made.train_on_batch(batch, return_dict=True)["loss"]
    assert last < 0.5 * first
    np.testing.assert_array_equal(np.asarray(teacher(picture)), said)


def test_a_file_that_is_not_a_teacher_is_refused(tmp_path):
    path = tmp_path / "teacher.npz"
    path.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"teacher\.npz"):
        task.load_teacher(path)
