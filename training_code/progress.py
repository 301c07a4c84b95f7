"""What happens between the epochs of a training: progress line, checkpoint, stop on NaN."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from training_code import checkpoints
from training_code.config import TrainingError


class StopOnNaN(keras.callbacks.Callback):
    """Ends the run at the first batch whose loss is not finite; the last checkpoint is good."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            raise TrainingError(
                f"the loss is not finite at batch {batch}; the last checkpoint is good: "
                "go on from it with a smaller --learning_rate"
            )


class SaveCheckpoint(keras.callbacks.Callback):
    """After every epoch a checkpoint, with the losses so far, and whatever `export` writes."""

    def __init__(
        self, folder: Path, history: list[dict[str, float]], export: Callable[[], None]
    ) -> None:
        super().__init__()
        self.folder, self.history, self.export = folder, history, export

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.history.append({name: round(float(value), 6) for name, value in (logs or {}).items()})
        checkpoints.save(self.folder, self.model, epoch + 1, {"history": self.history})
        self.export()


class ProgressLine(keras.callbacks.Callback):
    """One line an epoch: losses, crops a second, time left."""

    def __init__(self, crops_per_epoch: int) -> None:
        super().__init__()
        self.crops = crops_per_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.began = time.perf_counter()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = time.perf_counter() - self.began
        left = seconds * (self.params["epochs"] - epoch - 1) / 60
        rate = self.crops / (self.trained - self.began)
        values = "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        print(
            f"epoch {epoch + 1}/{self.params['epochs']}  {values}  "
            f"{rate:.1f} crops/s  {left:.0f} min left",
            flush=True,
        )
