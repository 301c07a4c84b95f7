"""Both exposure stack trainings: they learn, both optimisers resume where they stopped, on both
backends, on scenes and on the published layout, and the saved weights are usable.
"""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from hdrcnn import weights
from hdrcnn.models.metadata import ExposureGan, ExposureStack
from tests.conftest import ROOT
from tests.run.training import check_resumed_run, loss_ratio
from training_code.camera.stacks import Stacks
from training_code.run import config as configs, fit
from training_code.tasks import adversarial, exposure_gan_settings, exposure_stack_settings, task
from training_code.tasks.stack_batches import StackBatches

COMMAND = ROOT / "training_code" / "hdrcnn_train.py"
SMALL: dict[str, Any] = {
    "base_channels": 2,
    "discriminator_channels": 2,
    "size": 32,
    "batch": 2,
    "epochs": 2,
    "steps": 2,
}
CONFIGS: dict[str, Any] = {
    "exposure_stack": exposure_stack_settings.Config(**SMALL),
    "exposure_stack, adversarial": exposure_stack_settings.Config(
        **SMALL, terms=exposure_stack_settings.Terms(adversarial=0.1)
    ),
    "exposure_gan": exposure_gan_settings.Config(**SMALL),
}


def task_of(name: str) -> str:
    return name.partition(",")[0]


def batch(size: int = 32) -> dict[str, np.ndarray]:
    """A dark ramp with noise, its clean codes, and its exposures."""
    rng = np.random.default_rng(size)
    clean = np.broadcast_to(np.linspace(0.02, 0.25, size)[:, None, None], (size, size, 3))
    noisy = np.clip(clean + rng.normal(0.0, 0.03, clean.shape), 0.0, 1.0)
    stack = np.stack([np.clip(clean * factor, 0, 1) for factor in (0.3, 0.6, 1.0, 1.8, 3.2)])
    return {
        "picture": np.rint(255.0 * noisy).astype(np.uint8)[None],
        "truth": clean.astype(np.float32)[None],
        "exposures": np.rint(255.0 * stack).astype(np.uint8)[None],
    }


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.slow
def test_one_photograph_is_learnt(name):
    term = "l1" if name == "exposure_gan" else "dark_l1"
    config = dataclasses.replace(CONFIGS[name], base_channels=8)
    assert loss_ratio(task_of(name), config, batch(), term, 100) < 0.8


@pytest.mark.slow
def test_each_network_follows_its_own_loss():
    """A network whose learning rate is almost 0 does not change; the generator lowers its own
    adversarial loss, not that of the discriminator, which learns to tell real from generated.
    """
    terms = exposure_gan_settings.Terms(l1=0.0)
    slow = dataclasses.replace(
        CONFIGS["exposure_gan"], terms=terms, epochs=40, learning_rate=1e-9, discriminator_rate=1e-9
    )

    def stepped(config, still):
        """Terms before and after 30 steps, which must not change the network `still`."""
        trainee = fit.compiled(task.load("exposure_gan"), config)
        variables = getattr(trainee, still).variables
        before = [np.asarray(variable) for variable in variables]
        first = trainee.train_on_batch(batch(), return_dict=True)
        for _ in range(30):
            trainee.reset_metrics()
            last = trainee.train_on_batch(batch(), return_dict=True)
        for variable, value in zip(variables, before, strict=True):
            np.testing.assert_allclose(np.asarray(variable), value, atol=1e-6)
        return first, last

    first, last = stepped(dataclasses.replace(slow, learning_rate=1e-3), "discriminator")
    assert last["adversarial"] < first["adversarial"]
    assert last["discriminator"] > first["discriminator"] - 1e-6
    first, last = stepped(dataclasses.replace(slow, discriminator_rate=3e-3), "network")
    assert last["discriminator"] < first["discriminator"]


def test_combined_optimisers_step_their_own_variables():
    own, other = (keras.Variable(np.ones(2, np.float32), name=n) for n in ("own", "other"))
    first, second = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.5, name="second")
    both = adversarial.JointOptimiser(first, second, [other])
    both.build([other, own])
    both.apply([np.ones(2, np.float32)] * 2, [other, own])
    np.testing.assert_allclose(np.asarray(own), 0.9)
    np.testing.assert_allclose(np.asarray(other), 0.5)
    assert len(both.variables) == len(first.variables) + len(second.variables)
    assert int(both.iterations) == int(second.iterations) == 1


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.slow
def test_a_run_killed_within_an_epoch_resumes_to_the_same_weights(
    name, scene_folder, held_out, tmp_path
):
    end = check_resumed_run(task_of(name), CONFIGS[name], scene_folder, held_out, tmp_path)
    assert any("discriminator" in key for key in end) == (name != "exposure_stack")
    check_weights(name, tmp_path / "broken" / "weights.npz")


def check_weights(name: str, path: Path) -> None:
    """Check that a run saved the network alone, trained on the scenes that are not held out."""
    arrays, record = weights.load(path)
    assert isinstance(record, ExposureGan if name == "exposure_gan" else ExposureStack)
    assert "d.exr" in record.training["scenes"]
    assert not [part for part in arrays if part.startswith("judge")]
    weights.assign(record.build(), arrays, "of the run")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("name", CONFIGS)
def test_training_on_scenes_saves_weights(
    name, backend, scene_folder, held_out, tmp_path, run_python
):
    pytest.importorskip(backend)
    configs.save(CONFIGS[name], task_of(name), tmp_path / "config.json")
    done = run_python(
        COMMAND, f"--task={task_of(name)}", f"--scenes={scene_folder}",
        f"--validation={held_out}", "--config=config.json", "--out_dir=run",
        "--validation_crops=2", cwd=tmp_path, KERAS_BACKEND=backend,
    )  # fmt: skip
    assert "held out: " in done.stdout
    check_weights(name, tmp_path / "run" / "weights.npz")


def published_layout(folder: Path, size: int = 40) -> Path:
    """Two complete views of one scene, one of another, and one without its brightest exposure."""
    rng = np.random.default_rng(2)
    for scene, view, count in (
        ("sofa", "a", 5),
        ("sofa", "b", 5),
        ("box", "a", 5),
        ("box", "z", 4),
    ):
        images = folder / scene / "images"
        images.mkdir(parents=True, exist_ok=True)
        light = rng.uniform(0.01, 0.1, (size, size, 3))
        for k in range(count):
            codes = np.rint(255.0 * np.clip(light * 2.0**k, 0.0, 1.0)).astype(np.uint8)
            Image.fromarray(codes).save(images / f"{view}_{k}.png")
    return folder


@pytest.mark.slow
def test_training_on_the_published_layout(tmp_path, run_python):
    layout = published_layout(tmp_path / "layout")
    configs.save(CONFIGS["exposure_gan"], "exposure_gan", tmp_path / "config.json")
    done = run_python(
        COMMAND, "--task=exposure_gan", f"--exposures={layout}", "--config=config.json",
        "--out_dir=run", "--validation_crops=2", "--epochs=1", cwd=tmp_path,
    )  # fmt: skip
    assert "z: exposures 0, 1, 2, 3" in done.stdout
    training = weights.load(tmp_path / "run" / "weights.npz")[1].training
    # Split by scene: both views of sofa on one side.
    (out,) = training["held_out"]
    kept = {"sofa": ["sofa/images/a", "sofa/images/b"], "box": ["box/images/a"]}
    assert training["scenes"] == kept[{"sofa": "box", "box": "sofa"}[out]]


def test_batches_of_the_published_layout_are_its_files(tmp_path):
    from training_code.scenes.stacks import load_stacks

    scenes = load_stacks(published_layout(tmp_path), 32).scenes
    config = CONFIGS["exposure_gan"]
    batches = StackBatches(scenes, config, wanted="exposures", steps=2)
    shown = batches[0]
    assert shown["exposures"].shape == (2, 5, 32, 32, 3)
    np.testing.assert_array_equal(shown["picture"], shown["exposures"][:, 2])
    assert (np.diff(shown["exposures"].astype(int), axis=1) >= 0).all()


def test_batches_of_scenes_do_not_depend_on_the_kind_of_target(scene_folder):
    from training_code.scenes.collection import load_scenes

    scenes = load_scenes(scene_folder, without=True, smallest=32).scenes
    config = dataclasses.replace(
        CONFIGS["exposure_stack"],
        stacks=Stacks(noise_sd=(0.0, 0.0), photons=(1e9, 1e9), jpeg_share=0.0),
    )
    both = [StackBatches(scenes, config, wanted=w, steps=2)[1] for w in ("exposures", "truth")]
    np.testing.assert_array_equal(both[0]["picture"], both[1]["picture"])
    np.testing.assert_array_equal(both[0]["exposures"][:, 2], np.rint(255 * both[1]["truth"]))
    # Without noise the photograph is its truth in 8 bits.
    apart = np.abs(both[1]["picture"] - 255.0 * both[1]["truth"])
    assert apart.max() <= 0.51


@pytest.mark.parametrize("wrong", [{"size": 30}, {"base_channels": 0}, {"discriminator_rate": 0.0}])
@pytest.mark.parametrize("name", ["exposure_stack", "exposure_gan"])
def test_wrong_settings_are_named(name, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        dataclasses.replace(CONFIGS[name], **wrong)


def test_beta_1_is_that_of_both_networks_of_the_gan_alone():
    betas = {}
    for name in ("exposure_gan", "exposure_stack, adversarial"):
        config = CONFIGS[name]
        if name == "exposure_gan":
            config = dataclasses.replace(config, beta_1=0.7)
        optimiser = fit.compiled(task.load(task_of(name)), config).optimizer
        betas[name] = optimiser.own.beta_1, optimiser.other.beta_1
    assert betas == {"exposure_gan": (0.7, 0.7), "exposure_stack, adversarial": (0.9, 0.5)}


def test_two_optimisers_as_one_average_the_weights_of_the_network_once():
    own, other = (keras.Variable(np.ones(2, np.float32), name=n) for n in ("own", "other"))
    first = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    both = adversarial.JointOptimiser(first, keras.optimizers.SGD(0.5, name="second"), [other])
    both.build([own, other])
    assert both.use_ema
    both.apply([np.ones(2, np.float32)] * 2, [own, other])
    both.apply([np.ones(2, np.float32)] * 2, [own, other])
    both.finalize_variable_values([own, other])
    # The mean of 0.9 and 0.8.
    np.testing.assert_allclose(np.asarray(own), 0.85, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(other), 0.0, atol=1e-7)
    states = keras.optimizers.Optimizer.variables.fget(both)
    assert not [variable.path for variable in states if "average" in variable.path]
