"""Keras callbacks for monitoring a running training.

    Validate   measures the averaged weights, adds `val_...` to the logs, writes the contact sheet
    Chart      writes the logs to TensorBoard

Keras passes one dictionary of logs to all callbacks in order: `Validate` comes before those that
print or store the logs, `Chart` after those that add to them, and both before the checkpoint. What
a killed run wrote after its last checkpoint is therefore written again and replaced.
"""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training_code.watch.sheets import strip, write_sheet
from training_code.watch.tensorboard import Board
from training_code.watch.validation import Predict, Validation

Logs = dict[str, Any] | None


def inference(network: keras.Model) -> Predict:
    """Return a network as a function of a batch, in inference mode, compiled once per size.

    The function takes codes in [0, 1], [N, H, W, 3] float32, to y = log(H + 1/255) of the same
    shape.
    """
    if keras.config.backend() != "jax":
        network.jit_compile = False  # As in prediction: XLA does not pay off for a few crops.
        # Each replica computes the whole batch, and Keras concatenates the results.
        return lambda codes: network.predict_on_batch(codes)[: len(codes)]
    import jax

    # `predict_on_batch` would donate its buffers to JAX, including those that the averages share.
    @jax.jit
    def run(trainable: list[Any], frozen: list[Any], codes: Any) -> Any:
        return network.stateless_call(trainable, frozen, codes, training=False)[0]

    def predict(codes: np.ndarray) -> np.ndarray:
        # On one device, however many train: the other processes do not take part.
        trainable, frozen = (
            [variable.value.addressable_data(0) for variable in variables]
            for variables in (network.trainable_variables, network.non_trainable_variables)
        )
        return np.asarray(run(trainable, frozen, codes))

    return predict


class Validate(keras.callbacks.Callback):
    """Measures, prints and writes a contact sheet after every few epochs and after the last."""

    def __init__(
        self,
        validation: Validation,
        network: keras.Model,
        averaged: Callable[[], AbstractContextManager[None]],
        folder: Path,
        *,
        epochs: int,
        every: int = 1,
        board: Board | None = None,
    ) -> None:
        """network: takes codes to log HDR; its variables are those being trained.
        averaged: context in which they have the values that are exported.
        folder: of the run. epochs: of the whole run. every: epochs between validations.
        """
        super().__init__()
        self.validation, self.predict, self.averaged = validation, inference(network), averaged
        self.folder, self.epochs, self.every, self.board = folder, epochs, every, board

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        done = epoch + 1
        if done % self.every and done != self.epochs:
            return
        began = time.perf_counter()
        # Under JAX, accessing `self.model` updates the variables, which are stale until then.
        _ = self.model
        with self.averaged():
            outcome = self.validation.score(self.predict)
        figures = outcome.figures
        if logs is not None:
            logs.update(figures.logs())
        title = f"epoch {done}   {figures.line()}"
        write_sheet(self.folder / "sheets" / f"epoch_{done:06d}.png", outcome.sheet_crops, title)
        if self.board is not None:
            for sheet_crop in outcome.sheet_crops:
                self.board.picture(done, f"crops/{sheet_crop.name}", strip(sheet_crop))
        start = "\r\x1b[K" if sys.stdout.isatty() else ""  # Over the progress line.
        seconds = time.perf_counter() - began
        print(f"{start}validation  {figures.line()}  ({seconds:.1f} s)", flush=True)
        if outcome.failed:
            count, first = len(outcome.failed), outcome.failed[0]
            print(f"  {count} results cannot be measured: {first}", flush=True)


class Chart(keras.callbacks.Callback):
    """Writes all logs and the learning rate to TensorBoard after every epoch."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.board.scalars(epoch + 1, {"learning_rate": rate, **(logs or {})})

    def on_train_end(self, logs: Logs = None) -> None:
        self.board.close()
