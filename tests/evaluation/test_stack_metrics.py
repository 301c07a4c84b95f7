"""Metrics of stacks of five exposures: a perfect stack, and stacks with one known fault."""

import shutil

import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.models.metadata import ExposureGan, ExposureStack
from hdrcnn.writers.exr import write_exr
from tests.conftest import ROOT
from training_code.evaluation.stack_methods import STOPS, formula, load_method, rendered
from training_code.evaluation.stack_metrics import (
    DARK,
    dark_texture,
    disagreement,
    measure,
    order_violations,
    true_exposures,
)

RAMP = (2.0 ** np.linspace(-9.0, 4.0, 96))[:, None, None] * np.ones((96, 80, 3))
TRUTH = RAMP.astype(np.float32)
CODE = (np.rint(255.0 * srgb_encode(np.clip(TRUTH, 0.0, 1.0))) / 255.0).astype(np.float32)


def test_a_perfect_stack_is_nearly_perfect():
    found = measure(rendered(TRUTH), TRUTH, CODE)
    assert found["clipped_psnr"] > 55
    assert found["dark_psnr"] > 55
    assert found["order_violations"] == 0.0
    assert found["disagreement"] < 0.03
    assert found["highlight_rmse"] < 0.05
    assert found["psnr_crf"] > 40


def test_the_formula_cannot_restore_clipped_light():
    perfect, found = measure(rendered(TRUTH), TRUTH, CODE), measure(formula(CODE), TRUTH, CODE)
    assert found["clipped_psnr"] < 25
    assert found["dark_psnr"] < perfect["dark_psnr"] - 5
    assert found["order_violations"] == 0.0
    assert found["highlight_rmse"] > 1.0


def test_where_nothing_is_lost_the_formula_is_exact():
    middle = TRUTH[60:70] / TRUTH[60:70].max() * 0.25
    code = srgb_encode(middle).astype(np.float32)
    np.testing.assert_array_equal(formula(code)[1:4], rendered(middle)[1:4])


def test_order_and_agreement_by_hand():
    stack = rendered(TRUTH)
    stack[3, :10] = 0
    below = stack[2, :10] > 0
    assert order_violations(stack) == pytest.approx(below.mean() * 10 / 96)
    grey = srgb_encode(np.array([0.02 * 2.0**k for k in STOPS]))
    codes = np.rint(255.0 * np.clip(grey, 0.0, 1.0)).astype(np.uint8)
    flat = np.broadcast_to(codes[:, None, None, None], (5, 8, 8, 3)).copy()
    assert disagreement(flat) < 0.05
    flat[3] = np.rint(255.0 * srgb_encode(np.float64(0.02 * 2.0**3)))  # One stop too bright.
    assert disagreement(flat) > 0.4


def test_noise_and_banding_are_told_apart():
    """On a smooth dark picture: white noise of a known strength, and steps of many pixels."""
    light = np.broadcast_to(np.linspace(0.002, 0.004, 160)[:, None, None], (160, 160, 3))
    code = srgb_encode(light)
    assert code.max() < DARK
    true = true_exposures(light.astype(np.float32))[-1]
    rng = np.random.default_rng(6)
    noise, blotches = dark_texture(true + rng.normal(0.0, 4.0, true.shape), true, code)
    # Smoothing leaves 1 / (4 pi sigma^2) of the variance of white noise.
    assert noise == pytest.approx(4.0, rel=0.1)
    assert blotches < 1.0
    # The formula shows the steps of the 8-bit photograph; the truth is only rounded.
    eight = formula(np.rint(255.0 * code) / 255.0)[-1]
    assert sum(dark_texture(eight, true, code)) > 2.0 * sum(dark_texture(np.rint(true), true, code))
    steps = 6.0 * np.round(true / 6.0)
    noise, bands = dark_texture(steps, true, code)
    assert bands > 2.0 * noise


@pytest.mark.parametrize("record", [ExposureGan(2), ExposureStack(2)], ids=lambda r: r.model)
def test_weights_become_a_method_for_any_size(record, tmp_path):
    """An untrained dark part leaves the result of the single-image network unchanged."""
    path = tmp_path / "w.npz"
    weights.save(path, weights.collect(record.build()), record)

    def highlights(code):
        return 3.0 * srgb_decode(code)

    code = CODE[:63, :50]
    found = load_method(path, highlights)(code)
    assert found.shape == (5, 63, 50, 3)
    assert found.dtype == np.uint8
    if record.model == "exposure_stack":
        np.testing.assert_array_equal(found, rendered(3.0 * srgb_decode(code)))


def test_the_command_makes_a_table(scene_folder, held_out, tmp_path, run_python):
    files = []
    for record in (ExposureGan(2), ExposureStack(2)):
        files.append(tmp_path / f"{record.model}.npz")
        weights.save(files[-1], weights.collect(record.build()), record)
    done = run_python(
        ROOT / "training_code" / "stack_evaluate.py", f"--scenes={scene_folder}",
        f"--validation={held_out}", f"--params=gan={files[0]}", f"--params=ours={files[1]}",
        "--kinds=png,jpeg80", "--out_dir=out", cwd=tmp_path,
    )  # fmt: skip
    table = (tmp_path / "out" / "stack.md").read_text()
    assert table.strip() in done.stdout
    for row in ("formula", "single-image network", "gan", "ours"):
        assert table.count(f"| {row} |") == 2
    lines = (tmp_path / "out" / "stack.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 4
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


def test_weights_of_another_network_are_named():
    with pytest.raises(weights.WeightsError, match=r"camera_curve\.npz"):
        load_method(weights.CAMERA_CURVE, formula)


def test_a_view_by_which_nothing_can_be_aligned_is_left_out(scene_folder, tmp_path, run_python):
    """A night in which everything is clipped or black, beside a scene that can be judged."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    night = np.zeros((70, 80, 3), np.float32)
    night[:7] = 1.0
    write_exr(folder / "night.exr", night)
    shutil.copy(scene_folder / "d.exr", folder / "d.exr")
    # With the formula alone, which needs no network.
    script = (
        "from training_code import console, stack_evaluate as command\n"
        "from training_code.evaluation.stack_methods import formula\n"
        "command.methods = lambda: {'formula': formula}\n"
        "console.run(command.main)\n"
    )
    flags = (f"--scenes={folder}", "--kinds=noiseless", "--out_dir=out")
    done = run_python("-c", script, *flags, cwd=tmp_path)
    assert "night, noiseless, is left out: " in done.stdout
    lines = (tmp_path / "out" / "stack.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == ["d"]
