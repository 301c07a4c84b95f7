"""Watching a training uses the averaged weights, prints and stores figures, and changes nothing."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hdrcnn.colour.transfer import camera_curve, log_encode
from tests.conftest import ROOT
from training_code.watch.callbacks import Chart, Validate, inference
from training_code.watch.tensorboard import Board
from training_code.watch.validation import Validation

EPOCHS, EVERY = 5, 2
SIDE = 32


def pairs(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """[N, 32, 32, 3] codes and targets: ramps with a light above the clipping level."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    ramp = 0.05 + 0.6 * np.stack([x, y, 0.5 * (x + y)], axis=-1)
    glow = np.exp(-((x - 0.4) ** 2 + (y - 0.5) ** 2) / 0.02)[..., None]
    targets = np.stack([ramp + 4.0 * 2.0**index * glow for index in range(count)])
    codes = np.round(camera_curve(np.clip(targets, 0.0, 1.0)) * 255.0).astype(np.uint8)
    return codes, targets.astype(np.float32)


class Keep(keras.callbacks.Callback):
    """Records the logs that callbacks after `Validate` get."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.seen.append(dict(logs or {}))


def small_network() -> keras.Model:
    """Smallest network to watch: from codes to log HDR, with a batch norm."""
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.5)(x))
    return keras.Model(image, keras.layers.Conv2D(3, 3, padding="same", name="last")(x))


class Around(keras.Model):
    """The model that is trained: it contains the network and shares its variables."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def call(self, codes: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        return self.network(codes, training=training)


def train(folder: Path, watched: bool) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train a tiny network with averaged weights, watched or not; return it and the logs."""
    keras.utils.set_random_seed(4)
    network = small_network()
    trained = Around(network)
    trained.compile(
        keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9),
        loss="mse",
        jit_compile=keras.config.backend() == "jax",
    )

    @contextlib.contextmanager
    def averaged() -> Iterator[None]:
        kept = [np.asarray(variable).copy() for variable in trained.trainable_variables]
        trained.optimizer.finalize_variable_values(trained.trainable_variables)
        yield
        for variable, value in zip(trained.trainable_variables, kept, strict=True):
            variable.assign(value)

    codes, targets = pairs()
    keep, board = Keep(), Board(folder)
    watchers: list[keras.callbacks.Callback] = []
    if watched:
        validation = Validation(
            codes, targets, linearisation="mean_curve", blend="channel", batch=2
        )
        watch = Validate(
            validation, network, averaged, folder, epochs=EPOCHS, every=EVERY, board=board
        )
        watchers = [watch, Chart(board)]
    trained.fit(
        codes.astype(np.float32) / 255.0,
        log_encode(targets),
        batch_size=3,
        shuffle=False,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[*watchers, keep],
    )
    return network, keep.seen


def watch_a_training(folder: Path) -> None:
    """All checks that do not depend on the backend, for TensorFlow and JAX."""
    plain, unwatched = train(folder, watched=False)
    network, seen = train(folder, watched=True)
    for variable, expected in zip(network.variables, plain.variables, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-4, atol=1e-6, err_msg=variable.path)
    assert any(variable.path.endswith("moving_mean") for variable in network.variables)

    # Epochs 2 and 4, and 5, the last.
    assert [("val_gain" in logs) for logs in seen] == [False, True, False, True, True]
    assert [logs["loss"] for logs in seen] == pytest.approx(
        [o["loss"] for o in unwatched], rel=1e-3
    )
    sheets = sorted((folder / "sheets").iterdir())
    assert [path.name for path in sheets] == [f"epoch_{e:06d}.png" for e in (2, 4, 5)]
    assert iio.imread(sheets[0]).shape[-1] == 3

    # At the end of `fit` Keras leaves the averaged weights in the model, as measured last.
    codes, targets = pairs()
    validation = Validation(codes, targets, linearisation="mean_curve", blend="channel")
    figures = validation.score(inference(network)).figures
    assert figures.gain == pytest.approx(seen[-1]["val_gain"], abs=1e-3)

    reader = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0, "images": 0})
    reader.Reload()
    gains = reader.Scalars("validation/gain")
    assert [event.step for event in gains] == [2, 4, 5]
    expected_gains = [seen[event.step - 1]["val_gain"] for event in gains]
    assert [event.value for event in gains] == pytest.approx(expected_gains)
    rates = [event.value for event in reader.Scalars("training/learning_rate")]
    assert rates == pytest.approx([1e-2] * EPOCHS)
    assert [image.step for image in reader.Images("crops/crop_1")] == [2, 4, 5]


def test_watching_changes_nothing_and_sees_the_averaged_weights(tmp_path, capsys):
    watch_a_training(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("validation  ")]) == 3
    assert all("dB to doing nothing  highlight RMSE" in line for line in lines)


def test_watching_works_under_jax_without_tensorflow(tmp_path, run_python):
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from pathlib import Path; from tests.watch import test_callbacks\n"
        f"test_callbacks.watch_a_training(Path({str(tmp_path)!r}))\n"
        "import keras; print('passed under', keras.config.backend())"
    )
    assert "passed under jax" in run_python("-c", script, cwd=ROOT, KERAS_BACKEND="jax").stdout


def test_inference_uses_the_averages_of_batch_norm_unchanged():
    network = small_network()
    codes = pairs()[0].astype(np.float32) / np.float32(255.0)
    before = [np.asarray(variable).copy() for variable in network.variables]
    answer = inference(network)(codes)
    for variable, value in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    np.testing.assert_allclose(answer, network(codes, training=False), rtol=1e-4, atol=1e-4)
    trained = np.asarray(network(codes, training=True))
    assert np.abs(answer - trained).max() > 0.01


def test_a_diverged_network_is_reported_and_does_not_stop_the_run(tmp_path, capsys):
    network = small_network()
    network.get_layer("last").bias.assign([np.nan] * 3)
    codes, targets = pairs()
    watch = Validate(
        Validation(codes, targets, linearisation="mean_curve", blend="channel"),
        network,
        contextlib.nullcontext,
        tmp_path,
        epochs=1,
    )
    watch.set_model(network)
    logs: dict[str, float] = {"loss": 1.0}
    watch.on_epoch_end(0, logs)
    assert logs == {"loss": 1.0}
    assert "3 results cannot be measured: crop 1" in capsys.readouterr().out
    assert (tmp_path / "sheets" / "epoch_000001.png").is_file()


def test_logs_can_be_stored_as_json():
    codes, targets = pairs()
    validation = Validation(codes, targets, linearisation="mean_curve", blend="channel")
    logs = validation.score(lambda batch: log_encode(batch)).figures.logs()
    assert json.loads(json.dumps(logs, allow_nan=False)) == logs
