"""Monitors a training on held-out pictures: mean figures and a contact sheet."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from hdrcnn.writers.display import write_png
from training_code.tasks import task

SHOWN = 6
"""Number of batches on a sheet."""
Batch = dict[str, np.ndarray]


class HeldOut(keras.callbacks.Callback):
    """After every few epochs, logs and prints mean figures over batches of one picture each, and
    writes a sheet of the first ones.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        answer: Callable[[Batch], np.ndarray],
        figures: Callable[[Batch, np.ndarray], dict[str, float]],
        cells: Callable[[Batch, np.ndarray], Sequence[np.ndarray]],
        monitored: task.MonitoredRun,
        epochs: int,
    ) -> None:
        """answer: computes the network's output for a batch. figures: computes named figures from
        a batch and its output. cells: the images of a row of the sheet for a batch and its output,
        [S, S, 3] uint8, shown side by side. epochs: the number of epochs of the run, the last of
        which is always evaluated.
        """
        super().__init__()
        self.held, self.answer, self.figures, self.cells = batches, answer, figures, cells
        self.monitored, self.epochs = monitored, epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.monitored.running.validate_every and epoch + 1 != self.epochs:
            return
        _ = self.model  # Under JAX, accessing it updates the variables.
        with self.monitored.averaged():
            answers = [self.answer(batch) for batch in self.held]
        found = [self.figures(b, a) for b, a in zip(self.held, answers, strict=True)]
        means = {name: float(np.mean([f[name] for f in found])) for name in found[0]}
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in means.items()})
        print("held out: " + "  ".join(f"{n} {v:.4f}" for n, v in means.items()), flush=True)
        shown = zip(self.held[:SHOWN], answers[:SHOWN], strict=True)
        rows = [np.concatenate(self.cells(batch, answer), axis=1) for batch, answer in shown]
        sheet = self.monitored.folder / "sheets" / f"epoch_{epoch + 1:03d}.png"
        sheet.parent.mkdir(exist_ok=True)
        write_png(sheet, np.concatenate(rows))
