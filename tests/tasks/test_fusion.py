"""Both fusion trainings: they learn, resume where they stopped, and save weights that fuse."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hdrcnn import weights
from hdrcnn.files import ImageError
from hdrcnn.models.metadata import Fusion
from tests.conftest import ROOT
from tests.run.training import QUICK, check_resumed_run, loss_ratio
from training_code.camera.brackets import Brackets
from training_code.evaluation import fusion_metrics
from training_code.evaluation.fusion_methods import load_method
from training_code.run import config as configs, fit
from training_code.scenes.files import Folders
from training_code.tasks import fusion_supervised_settings, fusion_unsupervised_settings

COMMAND = ROOT / "training_code" / "hdrcnn_train.py"
SMALL: dict[str, Any] = {"base_channels": 2, "size": 64, "batch": 2, "epochs": 2, "steps": 2}
CONFIGS: dict[str, Any] = {
    # MS-SSIM needs crops larger than the scenes of the tests.
    "fusion_supervised": fusion_supervised_settings.Config(
        **SMALL, terms=fusion_supervised_settings.Terms(ms_ssim=0.0)
    ),
    "fusion_unsupervised": fusion_unsupervised_settings.Config(
        **SMALL, brackets=Brackets(frames=(2, 2))
    ),
}


def bracket(count: int = 2) -> dict[str, np.ndarray]:
    """Frames of a grainy ramp, from dark to bright; bright ones clip, the truth does not."""
    rng = np.random.default_rng(count)
    light = 4.0 ** np.linspace(-2.0, 1.0, 64)[:, None, None] * rng.uniform(0.5, 1.0, (64, 64, 3))
    stops = np.linspace(-2.0, 2.0, count)
    frames = np.stack([255.0 * np.clip(light * 2.0**s, 0, 1) ** 0.45 for s in stops])
    truth = 255.0 * np.clip(light / 4.0, 0, 1) ** 0.3
    return {
        "frames": np.rint(frames).astype(np.uint8)[None],
        "truth": np.rint(truth).astype(np.uint8)[None],
    }


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.slow
def test_one_bracket_is_learnt(name):
    assert loss_ratio(name, CONFIGS[name], bracket(), "loss", 60) < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fusion_supervised", "fusion_unsupervised"])
def test_a_killed_run_resumes_to_the_same_weights_which_can_be_evaluated(
    name, scene_folder, held_out, tmp_path, run_python, capsys
):
    check_resumed_run(name, CONFIGS[name], scene_folder, held_out, tmp_path)
    assert "held out: " in capsys.readouterr().out
    path = tmp_path / "broken" / "weights.npz"
    record = weights.load(path)[1]
    assert isinstance(record, Fusion)
    assert record.pair == (name == "fusion_supervised")
    assert "d.exr" in record.training["scenes"]
    frames = bracket()["frames"][0]
    fused = load_method(path)(frames)
    # Fusion is a convex combination of the frames.
    assert ((frames.min(axis=0) <= fused) & (fused <= frames.max(axis=0))).all()
    assert fused.std() > 10
    if name == "fusion_supervised":
        return
    pytest.importorskip("cv2")
    arguments = [f"--scenes={scene_folder}", f"--validation={held_out}"]
    done = run_python(
        ROOT / "training_code" / "fusion_evaluate.py", *arguments, f"--params=ours={path}",
        "--size=64", "--frames=2", "--brackets=2", "--out_dir=out", cwd=tmp_path,
    )  # fmt: skip
    table = (tmp_path / "out" / "fusion.md").read_text()
    assert table.strip() in done.stdout
    for row in ("hdrcnn fuse", "ours", "mean of the frames", "OpenCV Mertens"):
        assert table.count(f"| {row}") == 2
    lines = (tmp_path / "out" / "fusion.csv").read_text().splitlines()
    assert len(lines) >= 1 + 2 * 2 * 4
    still, moving = table.split("2 frames, hand-held")
    assert "PSNR" in still  # Hand-held brackets have no truth.
    assert "PSNR" not in moving
    assert (tmp_path / "out" / "worst_2_moving.png").is_file()


@pytest.mark.slow
def test_training_on_three_folders(tmp_path, run_python):
    """The published supervised setting: photographs as they are, without HDR scenes."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        light = rng.uniform(0.05, 0.6, (72, 80, 3))
        for kind, gain, ending in (
            ("gt", 1.0, "png"),
            ("under", 0.25, "png"),
            ("over", 4.0, "jpg"),
        ):
            codes = np.rint(255.0 * np.clip(gain * light, 0.0, 1.0) ** 0.45).astype(np.uint8)
            path = tmp_path / "pairs" / kind / f"{name}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(codes).save(path)
    (tmp_path / "held_out.txt").write_text("c\n")
    configs.save(CONFIGS["fusion_supervised"], "fusion_supervised", tmp_path / "config.json")
    arguments = (
        "--task=fusion_supervised", "--config=config.json", "--epochs=1", "--steps=2",
        "--validation_crops=2", "--validation=held_out.txt", "--photographs=pairs/gt",
    )  # fmt: skip
    done = run_python(COMMAND, *arguments, "--pairs=pairs", "--out_dir=run", cwd=tmp_path)
    assert "psnr" in done.stdout
    record = weights.load(tmp_path / "run" / "weights.npz")[1]
    assert isinstance(record, Fusion)
    assert record.pair
    assert {Path(name).stem for name in record.training["scenes"]} == {"a", "b"}
    (tmp_path / "pairs" / "over" / "b.jpg").unlink()
    settings = dataclasses.replace(CONFIGS["fusion_supervised"], pairs=str(tmp_path / "pairs"))
    folders = Folders(photographs=(tmp_path / "pairs" / "gt",))
    with pytest.raises(ImageError, match=r"b\.png: .*missing"):
        fit.train(
            settings, folders, tmp_path / "second", tmp_path / "held_out.txt", QUICK,
            "fusion_supervised",
        )  # fmt: skip


def test_scores_against_the_truth():
    """The truth scored against itself has an infinite PSNR and an SSIM of 1."""
    rng = np.random.default_rng(3)
    truth = rng.integers(20, 230, (176, 168, 3)).astype(np.uint8)
    wanted = np.stack([truth // 2, truth])
    same = fusion_metrics.score(wanted, truth, truth)
    assert same.psnr == np.inf
    assert same.ssim == pytest.approx(1.0)
    assert same.ms_ssim == pytest.approx(1.0, abs=1e-5)
    brighter = fusion_metrics.score(wanted, truth + np.uint8(10), truth)
    assert brighter.psnr == pytest.approx(20 * np.log10(25.5))
    assert 0.9 < brighter.ms_ssim < same.ms_ssim
    small = fusion_metrics.score(wanted[:, :100], truth[:100], truth[:100])
    assert np.isnan(small.ms_ssim)
    none = fusion_metrics.score(wanted, truth, None)
    assert np.isnan(none[2:]).all()
    assert none[:2] == same[:2]
