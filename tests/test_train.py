"""Training: it learns, it goes on where it stopped, its weights are usable, its faults are said."""

import dataclasses
import json
import logging
from pathlib import Path

import keras
import numpy as np
import pytest

import hdrcnn
from hdrcnn.models import BUILDERS
from tests.conftest import ROOT
from training_code import checkpoints, config, losses, training
from training_code.config import Config
from training_code.pairs import Pairs
from training_code.scenes import Views, load_scenes
from training_code.virtual_camera import Camera

TINY = Config(width=2, size=32, batch=2, epochs=2, steps=3)


@pytest.fixture
def validation(tmp_path) -> Path:
    path = tmp_path / "validation.txt"
    path.write_text("two\n")
    return path


def test_one_batch_is_learnt(scene_folder):
    """The loss of one batch, seen again and again, falls to a small part."""
    keras.utils.set_random_seed(1)
    pictures, targets = Pairs(
        load_scenes(scene_folder, without=True, smallest=32).scenes,
        Camera(),
        Views(),
        size=32,
        batch=2,
        steps=1,
        seed=1,
    )[0]
    model = BUILDERS["hdrcnn"]()(4)
    model.compile(
        keras.optimizers.Adam(2e-3, global_clipnorm=1.0),
        loss=losses.illumination_reflectance,
        jit_compile=False,
    )
    history = model.fit(pictures, targets, batch_size=2, epochs=120, verbose=0).history["loss"]
    assert history[-1] < 0.2 * history[0]


def test_a_stopped_run_goes_on_to_the_same_losses(scene_folder, validation, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        training.train(TINY, scene_folder, validation, folder)
    for name in ("checkpoint_000002.npz", "weights.npz"):
        (broken / name).unlink()
    training.train(TINY, scene_folder, validation, broken)
    expected, found = (
        np.load(folder / "weights.npz", allow_pickle=False) for folder in (whole, broken)
    )
    for name in expected.files:
        if name != "metadata":
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-5)
    last = [
        json.loads(str(file["metadata"]))["training"]["last_epoch"] for file in (expected, found)
    ]
    assert last[0] == pytest.approx(last[1], rel=1e-3)


def test_the_weights_say_what_they_are_and_can_be_used(scene_folder, validation, tmp_path, picture):
    settings = dataclasses.replace(TINY, epochs=1, blend="pixel", linearisation="srgb")
    path = training.train(settings, scene_folder, validation, tmp_path / "run")
    predictor = hdrcnn.load(path)
    assert (predictor.metadata.width, predictor.metadata.blend) == (2, "pixel")
    assert predictor.metadata.linearisation == "srgb"
    facts = predictor.metadata.training
    assert facts["scenes"] == ["a.exr", "b.exr", "d.exr"]
    assert facts["crops"] == 6
    assert Config(**facts["config"]) == settings == config.load(tmp_path / "run/config.json")
    assert np.isfinite(predictor.reconstruct(picture)).all()


def test_validation_leaves_the_batch_norm_statistics_alone(scene_folder):
    model = BUILDERS["hdrcnn"]()(2)
    model.compile(loss=losses.log_l2, jit_compile=False)
    scenes = load_scenes(scene_folder, without=True, smallest=32).scenes
    before = {v.path: np.asarray(v) for v in model.non_trainable_variables}
    assert any(name.endswith("moving_mean") for name in before)
    model.evaluate(Pairs(scenes, Camera(), Views(), size=32, batch=2, steps=2, seed=1), verbose=0)
    for variable in model.non_trainable_variables:
        np.testing.assert_array_equal(np.asarray(variable), before[variable.path])


def test_frozen_norms_keep_their_statistics(scene_folder, validation, tmp_path, tiny_weights):
    settings = dataclasses.replace(TINY, width=4, epochs=1, start=str(tiny_weights), freeze=True)
    path = training.train(settings, scene_folder, validation, tmp_path / "run")
    before, after = hdrcnn.weights.load(tiny_weights)[0], hdrcnn.weights.load(path)[0]
    assert all(np.array_equal(after[name], before[name]) for name in after if "_norm/" in name)
    assert any((after[name] != before[name]).any() for name in after)


def compiled() -> keras.Model:
    model = BUILDERS["hdrcnn"]()(2)
    model.compile(keras.optimizers.Adam(1e-3), loss=losses.log_l2, jit_compile=False)
    return model


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, caplog):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    for epoch in (1, 2, 3):
        checkpoints.save(tmp_path, model, epoch, {"epoch": epoch})
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["checkpoint_000002.npz", "checkpoint_000003.npz"]
    whole = (tmp_path / kept[1]).read_bytes()
    (tmp_path / kept[1]).write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING):
        assert checkpoints.restore(tmp_path, compiled()) == (2, {"epoch": 2})
    assert "checkpoint_000003.npz: damaged" in caplog.text


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    checkpoints.save(tmp_path, model, 1, {})
    other = BUILDERS["hdrcnn"]()(4)
    other.compile(keras.optimizers.Adam(1e-3), loss=losses.log_l2)
    with pytest.raises(ValueError, match="another network"):
        checkpoints.restore(tmp_path, other)


def test_a_loss_that_is_not_finite_stops_the_run(scene_folder, validation, tmp_path):
    wild = dataclasses.replace(TINY, learning_rate=1e30, clip_norm=1e30, epochs=60)
    with pytest.raises(config.TrainingError, match="not finite"):
        training.train(wild, scene_folder, validation, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": 40}, "multiple of 32"),
        ({"batch": 0}, "--batch 0"),
        ({"unclipped_low": 0.99}, "rising"),
        ({"loss": "l1"}, "illumination_reflectance, log_l2"),
    ],
)
def test_unusable_settings_are_named(changes, reason):
    with pytest.raises(ValueError, match=reason):
        dataclasses.replace(TINY, **changes)


def test_every_setting_is_explained():
    assert list(config.HELP) == [field.name for field in dataclasses.fields(Config)]


def test_the_command_trains_under_jax_without_tensorflow(
    scene_folder, validation, tmp_path, run_python
):
    """The whole way, as on a machine that has JAX and no TensorFlow."""
    arguments = ["hdrcnn_train.py", f"--scenes={scene_folder}", "--out_dir=run", "--width=2"]
    arguments += [f"--validation={validation}", "--size=32", "--batch=2", "--epochs=1", "--steps=2"]
    script = (
        "import runpy, sys; sys.modules['tensorflow'] = None\n"
        f"sys.argv = {arguments!r}\n"
        f"runpy.run_path({str(ROOT / 'training_code/hdrcnn_train.py')!r}, run_name='__main__')"
    )
    done = run_python("-c", script, cwd=tmp_path, KERAS_BACKEND="jax")
    assert "wrote run" in done.stdout
    assert hdrcnn.load(tmp_path / "run" / "weights.npz").metadata.width == 2


def test_a_mistake_gets_one_line(tmp_path, run_python):
    done = run_python(
        ROOT / "training_code" / "hdrcnn_train.py", "--scenes=none", "--out_dir=run",
        cwd=tmp_path, status=1,
    )  # fmt: skip
    assert "none: holds no HDR scenes" in done.stderr
    assert "Traceback" not in done.stderr
