"""What happens while a training runs: checkpoints, the log, the progress line, stop on NaN."""

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
"""One record an epoch: its number, counted from 1, and whatever was measured."""

CHECKED_EVERY = 16
"""Batches between looks at the loss. A look waits for the accelerator; the loss that Keras hands
out is a mean over the epoch, so that no value that is not finite is ever missed."""


class StopOnNaN(keras.callbacks.Callback):
    """Ends the run when the loss is not finite, before a checkpoint could be made of it. The last
    step before a checkpoint has no loss yet: of it only `checkpoints.save` knows.
    """

    def check(self, batch: int, logs: dict[str, Any] | None) -> None:
        """Raises TrainingError."""
        if not math.isfinite(float((logs or {}).get("loss", 0.0))):
            raise TrainingError(
                f"the loss is not finite at batch {batch + 1} of the epoch; go on from the last "
                "checkpoint with a smaller --learning_rate; if that fails at once, its last "
                "step was too large already: delete it to go on from the one before"
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
        """start, means: position of the checkpoint that the run goes on from and the running
        means of its epoch, which Keras sets to zero when it begins one. facts: stored beside the
        history, JSON-able. writes: False in the processes that only compute.
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
    """The history as CSV, a line an epoch; what was not measured in an epoch is left blank."""
    columns = list(dict.fromkeys(name for record in history for name in record))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    with finished_whole(path) as temporary:
        temporary.write_text(text.getvalue())


class ProgressLine(keras.callbacks.Callback):
    """One line an epoch, and on a terminal one that moves: loss, crops a second, time left.

    It adds `crops_per_second` to the logs, for the callbacks after it.
    """

    def __init__(self, batch: int, epochs: int, steps: int) -> None:
        """steps: of a whole epoch; those of a `fit` within one are fewer."""
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
        """What validation measured has a line of its own."""
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
    """Within the block the trainable variables hold their moving averages: what is exported and
    validated. Without averages it changes nothing.
    """
    if not model.optimizer.use_ema:
        yield
        return
    # TensorFlow writes into what it handed out; JAX does not, and lets no process alone hand
    # numbers to the devices of several.
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
