"""Training learns, resumes where it stopped, saves usable weights and reports what is wrong."""

import dataclasses
import itertools
import logging
import shutil
from pathlib import Path

import imageio.v3 as iio
import keras
import numpy as np
import pytest
from PIL import Image

import hdrcnn
from tests.run import training
from tests.run.training import QUICK, compiled, copy_run_after, losses
from training_code.camera import Development
from training_code.run import checkpoints, config, fit, progress, start
from training_code.run.checkpoints import Position
from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running

TINY = dataclasses.replace(training.TINY, blend="pixel", linearisation="srgb")


@pytest.fixture(scope="module")
def whole(scene_folder, held_out, tmp_path_factory) -> Path:
    """The folder of a run of `TINY` that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    fit.train(TINY, scene_folder, folder, held_out, QUICK)
    return folder


@pytest.fixture
def train(scene_folder, held_out, tmp_path):
    """Function that trains in the folder `name` and returns it."""

    def run(name: str, settings: Config = TINY, running: Running = QUICK) -> Path:
        folder = tmp_path / name
        fit.train(settings, scene_folder, folder, held_out, running)
        return folder

    return run


@pytest.fixture
def copied(whole, tmp_path) -> Path:
    """A copy of the run, named `run`, that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def test_one_batch_is_learnt():
    """The loss of one batch, repeated again and again, falls below a fifth."""
    rng = np.random.default_rng(1)
    target = rng.lognormal(-1.0, 1.0, (2, 8, 8, 3)).astype(np.float32).repeat(4, 1).repeat(4, 2)
    batch = {
        "picture": np.round(np.clip(target, 0, 1) * 255).astype(np.uint8),
        "target": target,
    }
    settings = dataclasses.replace(TINY, width=4, learning_rate=4e-3, epochs=30, average=0.0)
    trainee = compiled(settings)
    first = trainee.train_on_batch(batch, return_dict=True)["loss"]
    for _ in range(60):
        trainee.reset_metrics()
        last = trainee.train_on_batch(batch, return_dict=True)["loss"]
    assert last < 0.2 * first


def test_low_precision_affects_only_the_network(tiny_weights):
    """Under bfloat16 the loss stays close to that of float32: only the network is rounded, not the
    target or the log values.
    """
    rng = np.random.default_rng(2)
    target = rng.lognormal(0.0, 1.5, (2, 64, 64, 3)).astype(np.float32)
    picture = np.round(np.clip(target, 0, 1) * 255).astype(np.uint8)
    found = []
    for precision in ("float32", "mixed_bfloat16"):
        settings = dataclasses.replace(TINY, width=4, precision=precision, start=str(tiny_weights))
        trainee = compiled(settings, start.load(tiny_weights))
        answer = trainee({"picture": picture, "target": target}, training=False)
        assert all(keras.backend.standardize_dtype(x.dtype) == "float32" for x in answer.values())
        np.testing.assert_array_equal(np.asarray(answer["target"]), target)
        found.append(float(trainee.compute_loss(y_pred=answer)))
    assert found[1] != found[0]
    assert found[1] == pytest.approx(found[0], rel=0.02)


@pytest.mark.parametrize(
    ("batches", "last"),
    [
        (2, "000000_000002"),
        # The tests of the other networks cover this case, too.
        pytest.param(6, "000001_000002", marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_at_any_batch_resumes_to_the_same_losses_and_weights(
    train, whole, tmp_path, monkeypatch, batches, last
):
    """Within the first epoch and within the second: bit for bit in float32 on a CPU."""
    broken, other = tmp_path / "broken", tmp_path / "other"
    with monkeypatch.context() as patch:
        train("other", TINY, copy_run_after(other, {batches: broken}, patch))
    assert max(path.stem for path in broken.glob("checkpoint_*")) == f"checkpoint_{last}"
    (broken / "weights.npz").unlink(missing_ok=True)
    train("broken")
    expected = np.load(whole / "weights.npz")
    for folder in (broken, other):
        assert losses(folder) == losses(whole)
        found = np.load(folder / "weights.npz")
        for name in expected.files:
            if name != "metadata":
                np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_threads_and_validation_do_not_change_the_losses(train, whole, workers):
    """Validation changes neither the batch-norm statistics nor the trained weights."""
    running = dataclasses.replace(QUICK, workers=workers, validate_every=100)
    assert losses(train("other", running=running)) == losses(whole)


def test_the_weights_have_metadata_and_can_be_used(whole, picture):
    predictor = hdrcnn.load(whole / "weights.npz", precision="float32")
    assert (predictor.metadata.width, predictor.metadata.blend) == (2, "pixel")
    assert predictor.metadata.linearisation == "srgb"
    facts = predictor.metadata.training
    assert facts["scenes"] == ["a.exr", "b.exr", "d.exr"]
    assert facts["crops"] == 16
    assert config.from_json(Config, facts["config"]) == TINY
    assert config.load(whole / "config.json", "hdrcnn") == TINY
    assert np.isfinite(predictor.reconstruct(picture)).all()


def test_the_exported_weights_are_the_average(whole):
    """The last checkpoint contains the average next to the trained weights."""
    checkpoint = np.load(whole / "checkpoint_000002_000000.npz")
    weights = np.load(whole / "weights.npz")
    average = next(
        name
        for name in checkpoint.files
        if name.startswith("optimizer/") and "latent_conv_bias" in name and "average" in name
    )
    exported = weights["latent_conv/bias"]
    np.testing.assert_allclose(exported, checkpoint[average], rtol=1e-6)
    assert (exported != checkpoint["model/latent_conv/bias"]).any()


def test_frozen_norms_keep_their_statistics(train, tiny_weights):
    settings = dataclasses.replace(TINY, width=4, epochs=1, start=str(tiny_weights), freeze=True)
    before = hdrcnn.weights.load(tiny_weights)[0]
    after = hdrcnn.weights.load(train("run", settings) / "weights.npz")[0]
    assert all(np.array_equal(after[name], before[name]) for name in after if "_norm/" in name)
    assert any((after[name] != before[name]).any() for name in after)


@pytest.mark.parametrize(
    "term",
    [
        "flicker",
        *(pytest.param(term, marks=pytest.mark.slow) for term in ("transform", "jacobian")),
    ],
)
def test_temporal_training_lowers_its_loss(train, term, tiny_weights):
    settings = dataclasses.replace(
        TINY, width=4, start=str(tiny_weights), temporal=term, epochs=5, learning_rate=2e-3,
        development=Development(jpeg=(30, 100)),
    )  # fmt: skip
    found = losses(train(term, settings))
    assert found[-1] < found[0]


def test_a_damaged_checkpoint_falls_back_to_the_one_before(train, whole, copied, caplog):
    kept = sorted(path.name for path in copied.glob("checkpoint_*"))
    assert kept == ["checkpoint_000001_000000.npz", "checkpoint_000002_000000.npz"]
    good = (copied / kept[1]).read_bytes()
    (copied / kept[1]).write_bytes(good[: len(good) // 2])
    with caplog.at_level(logging.WARNING):
        train("run")
    assert "checkpoint_000002_000000.npz: damaged" in caplog.text
    assert losses(copied) == losses(whole)


def test_a_checkpoint_of_another_network_is_refused(train, copied):
    with pytest.raises(config.TrainingError, match=r"width 2.*4"):
        train("run", dataclasses.replace(TINY, width=4, epochs=3))
    wider = compiled(dataclasses.replace(TINY, width=4))
    with pytest.raises(ValueError, match="network"):
        checkpoints.restore(copied, wider)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_good_checkpoints(train, copied):
    for name in ("checkpoint_mine.npz", "checkpoint_best_1.npz", "notes.txt"):
        (copied / name).write_text("kept: not made by the run")
    wild = dataclasses.replace(TINY, learning_rate=1e30, epochs=60)
    with pytest.raises(config.TrainingError, match="finite"):
        train("run", wild)
    for path in copied.glob(checkpoints.PATTERN):
        arrays = np.load(path)
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files if "/" in name)
    for name in ("checkpoint_mine.npz", "checkpoint_best_1.npz", "notes.txt"):
        assert (copied / name).read_text() == "kept: not made by the run"


def test_the_log_has_one_line_per_epoch(whole):
    rows = (whole / "log.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,highlight_rmse,loss,val_psnr,val_gain,")
    assert [row.split(",")[0] for row in rows[1:]] == ["1", "2"]


def test_epochs_without_a_figure_leave_it_blank(tmp_path):
    progress.write_log(tmp_path / "log.csv", [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "psnr": 3.0}])
    assert (tmp_path / "log.csv").read_text() == "epoch,loss,psnr\n1,2.0,\n2,,3.0\n"


def test_the_time_left_counts_whole_epochs(monkeypatch, capsys):
    """At 2 minutes per batch, 2 epochs of 10 batches are left when the third epoch ends."""
    line = progress.ProgressLine(batch=2, epochs=5, steps=10)
    line.set_params({"steps": 3})
    clock = itertools.count(step=120)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: float(next(clock)))
    line.on_epoch_begin(2)
    for batch in range(3):
        line.on_train_batch_end(batch)
    line.on_epoch_end(2)
    assert capsys.readouterr().out.endswith("  40 min left\n")


def test_positions_sort_like_their_file_names():
    positions = [Position(0, 5), Position(1, 0), Position(1, 12), Position(2, 3), Position(10, 0)]
    assert sorted(position.file for position in positions) == [p.file for p in positions]


def test_pre_training_uses_photographs(tmp_path, capsys):
    """LDR photographs are linearised; a saturated one is left out and counted."""
    rng = np.random.default_rng(4)
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in "abcd":
        small = Image.fromarray(rng.integers(20, 220, (6, 8, 3)).astype(np.uint8))
        small.resize((64, 48), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    iio.imwrite(folder / "white.png", np.full((48, 64, 3), 255, np.uint8))
    settings = dataclasses.replace(TINY, linearize=True, epochs=1, validation_share=0.3)
    path = fit.train(settings, folder, tmp_path / "run", None, QUICK)
    assert np.isfinite(losses(path.parent)).all()
    assert "1 photographs are left out" in capsys.readouterr().out


def test_the_tests_leave_the_float32_policy():
    assert keras.config.dtype_policy().name == "float32"
