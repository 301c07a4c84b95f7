"""Callbacks of a running training: checkpoints, the log, the progress line, stop on NaN."""

import contextlib
import csv
import io
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hdrcnn.files import finished_whole
from training_code.run import checkpoints
from training_code.run.checkpoints import Position
from training_code.run.config import TrainingError

History = list[dict[str, float]]
"""One record per epoch: its number, counted from 1, and everything that was measured."""

CHECKED_EVERY = 16
"""Number of batches between checks of the loss, each of which waits for the accelerator. Keras
reports a running mean over the epoch, so a value that is not finite is never missed."""


class StopOnNaN(keras.callbacks.Callback):
    """Ends the run when the loss is not finite, before a checkpoint of it can be written.

    The effect of the last step before a checkpoint is not in any loss yet; only `checkpoints.save`
    can detect it.
    """

    def check(self, batch: int, logs: dict[str, Any] | None) -> None:
        """Raises TrainingError."""
        if not math.isfinite(float((logs or {}).get("loss", 0.0))):
            raise TrainingError(
                f"the loss is not finite at batch {batch + 1} of the epoch; resume from the last "
                "checkpoint with a smaller --learning_rate; if that fails at once, its last "
                "step was too large already: delete it to resume from the one before"
            )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch % CHECKED_EVERY == CHECKED_EVERY - 1:
            self.check(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.check(self.params["steps"] - 1, logs)


class SaveCheckpoint(StopOnNaN):
    """A checkpoint every few minutes and after every epoch, with the history so far."""

    def __init__(
        self,
        folder: Path,
        history: History,
        start: Position,
        means: list[Any],
        minutes: float,
        export: Callable[[History], None],
        facts: dict[str, Any],
        writes: bool = True,
    ) -> None:
        """start, means: position of the checkpoint from which the run resumes, and the running
        means of its epoch, which Keras resets when it begins an epoch. facts: stored with the
        history, JSON-serialisable. writes: False in processes that only compute.
        """
        super().__init__()
        self.folder, self.history, self.export = folder, history, export
        self.start, self.means, self.seconds = start, means, 60.0 * minutes
        self.saved, self.facts, self.writes = time.monotonic(), facts, writes

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch, self.first = epoch, 0
        if epoch == self.start.epoch and self.start.batch:
            self.first = self.start.batch
            for variable, value in zip(self.model.metrics_variables, self.means, strict=True):
                variable.assign(value)

    def save(self, position: Position) -> None:
        facts = {**self.facts, "history": self.history}
        checkpoints.save(self.folder, self.model, position, facts)
        self.saved = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        due = self.writes and time.monotonic() - self.saved >= self.seconds
        if due and batch + 1 < self.params["steps"]:
            self.check(batch, logs)
            self.save(Position(self.epoch, self.first + batch + 1))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        values = {name: round(float(value), 6) for name, value in (logs or {}).items()}
        self.history.append({"epoch": epoch + 1, **values})
        if not self.writes:
            return
        write_log(self.folder / "log.csv", self.history)
        self.save(Position(epoch + 1))
        self.export(self.history)


def write_log(path: Path, history: History) -> None:
    """Write the history as CSV, a line per epoch; values missing from an epoch are left blank."""
    columns = list(dict.fromkeys(name for record in history for name in record))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    with finished_whole(path) as temporary:
        temporary.write_text(text.getvalue())


class ProgressLine(keras.callbacks.Callback):
    """Prints a line per epoch: loss, crops per second, time left; on a terminal it is updated live.

    It adds `crops_per_second` to the logs, for the callbacks after it.
    """

    def __init__(self, batch: int, epochs: int, steps: int) -> None:
        """steps: batches of a whole epoch; a `fit` that resumes within an epoch has fewer."""
        super().__init__()
        self.batch, self.epochs, self.steps = batch, epochs, steps
        self.shown = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch, self.began = epoch, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.done, now = batch + 1, time.perf_counter()
        self.ended = now
        if sys.stdout.isatty() and now - self.shown > 2.0:
            self.shown = now
            print(f"\r{self._line(logs or {})}  batch {self.done}   ", end="", flush=True)

    def _line(self, logs: dict[str, Any]) -> str:
        """Format the line; figures of validation, which are printed separately, are left out."""
        seconds = max(self.ended - self.began, 1e-9)
        later = (self.epochs - self.epoch - 1) * self.steps
        left = self.params["steps"] - self.done + later
        values = "  ".join(
            f"{name} {float(value):.4f}"
            for name, value in logs.items()
            if not name.startswith("val_")
        )
        return (
            f"epoch {self.epoch + 1}/{self.epochs}  {values}  "
            f"{self.done * self.batch / seconds:.1f} crops/s  "
            f"{seconds * left / self.done / 60:.0f} min left"
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        start = "\r" if sys.stdout.isatty() else ""
        print(f"{start}{self._line(logs)}", flush=True)
        logs["crops_per_second"] = self.done * self.batch / max(self.ended - self.began, 1e-9)


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Context in which the trainable variables have the values of their moving averages, which are
    exported and validated. Without averages it changes nothing.
    """
    if not model.optimizer.use_ema:
        yield
        return
    # TensorFlow may overwrite the arrays that it returned, so they are copied. JAX never does, and
    # one process alone could not copy an array back to the devices of several.
    constant = keras.config.backend() == "jax"
    kept = [
        variable.value if constant else np.asarray(variable).copy()
        for variable in model.trainable_variables
    ]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, kept, strict=True):
            variable.assign(value)
