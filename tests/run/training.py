"""What the tests of training share: a run that takes seconds, and its losses."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running

TINY = Config(width=2, size=32, batch=2, epochs=2, steps=4, average=0.9)
QUICK = Running(workers=0, validation_crops=2)
FAST = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""`XLA_FLAGS` that compile in less time; the graphs of a run run for a second."""


def compiled(config: Config, start: Any = None) -> Any:
    """HDRCNN's trainee."""
    from training_code.run import fit
    from training_code.tasks import task

    return fit.compiled(task.load("hdrcnn"), config, start)


def losses(folder: Path) -> list[float]:
    history = json.loads(str(np.load(folder / "weights.npz")["metadata"]))["training"]["history"]
    return [record["loss"] for record in history]
