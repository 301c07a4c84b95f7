"""The training command: the same on every backend, repeatable from its settings, clear errors."""

import dataclasses
import re
import shlex

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.run.training import QUICK, TINY, losses
from training_code.camera import Development
from training_code.run import config, fit
from training_code.tasks import fusion_unsupervised_settings
from training_code.tasks.hdrcnn_settings import Config

COMMAND = ROOT / "training_code" / "hdrcnn_train.py"
SMALL = ("--width=4", "--size=32", "--batch=2", "--steps=1", "--validation_crops=2")


@pytest.mark.slow
def test_backends_and_cameras_have_the_same_first_ten_losses(
    scene_folder, held_out, tmp_path, tiny_weights, run_python
):
    """From the same start, without sensor noise: TensorFlow, JAX without TensorFlow, and JAX with
    the scenes on the accelerator, whose camera rounds a few codes differently.
    """
    found = []
    for backend, render in (("tensorflow", False), ("jax", False), ("jax", True)):
        folder = f"{backend}{render}"
        arguments = [
            "hdrcnn_train.py", f"--scenes={scene_folder}", f"--out_dir={folder}", *SMALL,
            f"--validation={held_out}", f"--start={tiny_weights}", "--epochs=10",
            "--validate_every=10", "--learning_rate=1e-3", "--set=sensor.noise_sd=0,0",
            f"--render={render}",
        ]  # fmt: skip
        script = (
            "import runpy, sys\n"
            + ("sys.modules['tensorflow'] = None\n" if backend == "jax" else "")
            + f"sys.argv = {arguments!r}\n"
            f"runpy.run_path({str(COMMAND)!r}, run_name='__main__')"
        )
        done = run_python("-c", script, cwd=tmp_path, KERAS_BACKEND=backend)
        assert f"wrote {folder}" in done.stdout
        found.append(losses(tmp_path / folder))
    assert len(found[0]) == 10
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3)
    np.testing.assert_allclose(found[2], found[0], rtol=0.05)


@pytest.mark.slow
def test_a_run_is_repeated_from_its_settings(scene_folder, held_out, tmp_path, run_python):
    settings = dataclasses.replace(TINY, epochs=1, development=Development(jpeg=(30, 100)))
    first = tmp_path / "first"
    fit.train(settings, scene_folder, first, held_out, QUICK)
    run_python(
        COMMAND, f"--scenes={scene_folder}", "--out_dir=second", f"--validation={held_out}",
        f"--config={first / 'config.json'}", "--validation_crops=2", cwd=tmp_path,
    )  # fmt: skip
    assert losses(tmp_path / "second") == losses(first)


def test_more_specific_settings_override_less_specific_ones(tmp_path, run_python):
    """In this order: defaults, file, `--jpeg` or `--nojpeg`, `--set`."""
    compressed = Config(development=Development(jpeg=(50, 60)))
    config.save(compressed, "hdrcnn", tmp_path / "jpeg.json")
    cases = {
        (): None,
        ("--jpeg",): (30, 100),
        ("--jpeg", "--set=development.jpeg=80,95"): (80, 95),
        ("--set=development.hue_sd=1", "--jpeg"): (30, 100),
        ("--config=jpeg.json",): (50, 60),
        ("--config=jpeg.json", "--jpeg"): (30, 100),
        ("--config=jpeg.json", "--nojpeg"): None,
        ("--config=jpeg.json", "--nojpeg", "--set=development.jpeg=80,95"): (80, 95),
    }
    script = (
        "from absl.testing import flagsaver\n"
        "from training_code.hdrcnn_train import FLAGS, choose_config\n"
        f"for arguments in {list(cases)!r}:\n"
        "    with flagsaver.flagsaver():\n"
        "        FLAGS(['train', '--scenes=x', '--out_dir=y', *arguments])\n"
        "        print(choose_config().development.jpeg)\n"
    )
    done = run_python("-c", script, cwd=tmp_path)
    assert done.stdout.splitlines() == [str(qualities) for qualities in cases.values()]


def test_flags_are_checked_against_the_settings_of_sections(tmp_path, run_python):
    """Crops of 96 pixels are too small for MS-SSIM, but allowed if it is left out."""
    script = (
        "import sys\n"
        "from training_code.hdrcnn_train import FLAGS, choose_config\n"
        "FLAGS(sys.argv)\n"
        "print(choose_config().size)\n"
    )
    asked = ("--task=fusion_supervised", "--size=96", "--scenes=x", "--out_dir=y")
    done = run_python("-c", script, *asked, "--set=terms.ms_ssim=0", cwd=tmp_path)
    assert done.stdout.split() == ["96"]
    done = run_python("-c", script, *asked, cwd=tmp_path, status=1)
    assert "MS-SSIM" in done.stderr


def documented() -> dict[str, list[list[str]]]:
    """Arguments of every training command in the documents and of every row of the table of further
    settings, by task.
    """
    found = []
    for path in ("README.md", "training_code/README.md", "weights/README.md"):
        text = (ROOT / path).read_text(encoding="utf-8").replace("\\\n", " ")
        found += re.findall(
            r"^ *(?:\w+=\w+ )*python training_code/hdrcnn_train.py (-.*)$", text, re.M
        )
        table = text.partition("## What else can be asked for")[2].partition("\n\n## ")[0]
        found += re.findall(r"^\| [^|]+ \| [^|]*?`(--[^`]*)`", table, re.M)
    commands: dict[str, list[list[str]]] = {}
    for line in found:
        words = shlex.split(line, comments=True)
        task = words[words.index("--task") + 1] if "--task" in words else "hdrcnn"
        commands.setdefault(task, []).append(words)
    return commands


def test_every_documented_training_has_valid_settings(tmp_path, run_python):
    """A section may have a setting that is only valid together with a flag."""
    commands = documented()
    assert len(commands) >= 6
    assert len(commands["hdrcnn"]) > 12
    for task, lines in commands.items():
        script = (
            "from absl.testing import flagsaver\n"
            "from training_code.hdrcnn_train import FLAGS, choose_config\n"
            f"for line in {lines!r}:\n"
            "    with flagsaver.flagsaver():\n"
            "        FLAGS(['train', '--out_dir=x', *line])\n"
            "        choose_config()\n"
        )
        run_python("-c", script, f"--task={task}", cwd=tmp_path)


def test_settings_without_effect_are_refused(tmp_path, run_python):
    """Only if they are given as flags: a file contains all settings, used or not."""
    film = ("--task=film", "--network=unet", "--width=32")
    unused = {
        film: "--width changes nothing without --network=curves",
        (*film[:2], "--set=clips.repeats=3"): "--set clips.repeats changes nothing",
        ("--task=film", "--base_channels=8"): "--network=unet",
        ("--task=film", "--set=clips.share=0.5"): "--pairs",
        ("--task=exposure_stack", "--discriminator_rate=1e-3"): "terms.adversarial",
        ("--task=fusion_unsupervised", "--set=terms.gamma=variance"): "terms.weighted_ssim",
        ("--task=fusion_supervised", "--set=brackets.frames=2,3"): "two",
        ("--task=camera_curve", "--validation_crops=9"): "--validation_crops changes nothing",
        ("--teacher_share=0.3",): "without --teacher",
        ("--temporal_weight=0.01",): "without --temporal",
        ("--set=motion.shift=1",): "--set motion.shift changes nothing without --temporal",
        ("--validation_share=0.1", "--validation=x.txt"): "--validation_share changes nothing",
    }
    for arguments, reason in unused.items():
        done = run_python(
            COMMAND, *arguments, "--scenes=none", "--out_dir=run", cwd=tmp_path, status=1
        )
        assert reason in done.stderr
        assert done.stderr.count("\n") == 1
    used = ("--task=exposure_stack", "--discriminator_rate=1e-3", "--set=terms.adversarial=0.01")
    done = run_python(COMMAND, *used, "--scenes=none", "--out_dir=run", cwd=tmp_path, status=1)
    assert "none: holds no HDR scenes" in done.stderr


def test_settings_of_a_section_are_checked_together():
    """Replacing one of two terms by the other works in either order, although one leaves none."""
    terms = ["terms.mef_ssim=0", "terms.weighted_ssim=1"]
    for order in (terms, terms[::-1]):
        found = config.with_overrides(fusion_unsupervised_settings.Config(), order).terms.weights()
        assert found == {"mef_ssim": 0.0, "weighted_ssim": 1.0}
    with pytest.raises(ValueError, match=r"--set terms\.mef_ssim=0: "):
        config.with_overrides(fusion_unsupervised_settings.Config(), terms[:1])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--scenes=none"], "none: holds no HDR scenes"),
        (["--scenes=none", "--set=exposure.unclipped=2"], "--set exposure.unclipped=2"),
        (["--scenes=none", "--width=0"], "--width 0"),
    ],
)
def test_mistakes_give_no_traceback(tmp_path, run_python, arguments, reason):
    done = run_python(COMMAND, *arguments, "--out_dir=run", cwd=tmp_path, status=1)
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
