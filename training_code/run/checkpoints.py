"""Checkpoints of a training run: everything it needs to resume, addressed by name.

Two are kept, so that one damaged by a crash or a full disk costs a few minutes and not the run.
"""

import dataclasses
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hdrcnn.weights import npz
from training_code.run.config import TrainingError

KEPT = 2
PATTERN = "checkpoint_[0-9]*_[0-9]*.npz"
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, order=True)
class Position:
    """Progress of a run: number of epochs done, and of batches done in the next one."""

    epoch: int = 0
    batch: int = 0

    @property
    def file(self) -> str:
        return f"checkpoint_{self.epoch:06d}_{self.batch:06d}.npz"


def _variables(trainee: keras.Model) -> dict[str, Any]:
    """Variables of the networks and the optimiser, and running means of the epoch, by unique name.

    Scenes that a trainee stores on the accelerator are excluded.
    """
    networks = [trainee.network, *trainee.auxiliary_networks]
    learnt = [variable for network in networks for variable in network.variables]
    named = {f"model/{variable.path}": variable for variable in learnt}
    # Keras numbers its optimisers: the second one of a process is `adam_1`.
    prefix = f"{trainee.optimizer.name}/"
    for variable in trainee.optimizer.variables:
        named[f"optimizer/{variable.path.removeprefix(prefix)}"] = variable
    metrics = trainee.metrics_variables
    named |= {f"metric/{index}": variable for index, variable in enumerate(metrics)}
    if len(named) != len(learnt) + len(trainee.optimizer.variables) + len(metrics):
        raise ValueError("two variables share a name: a checkpoint would lose one")
    return named


def save(folder: Path, trainee: keras.Model, position: Position, facts: dict[str, Any]) -> Path:
    """Write a checkpoint and remove all but the last two; return its path.

    facts: JSON-serialisable; `restore` returns them. Raises TrainingError and writes nothing if a
    weight or a variable of the optimiser is not finite.
    """
    path = folder / position.file
    arrays = {name: np.asarray(variable) for name, variable in _variables(trainee).items()}
    for name, array in arrays.items():
        # The running means of the epoch may be NaN although the weights are fine.
        if not name.startswith("metric/") and not np.isfinite(array).all():
            raise TrainingError(
                f"{folder}: {name} is not finite after epoch {position.epoch}, batch "
                f"{position.batch}, and is not saved; resume from the last checkpoint, or start "
                "again if there is none, with a smaller --learning_rate"
            )
    npz.write(path, arrays, {"position": dataclasses.asdict(position), "facts": facts})
    for old in sorted(folder.glob(PATTERN))[:-KEPT]:
        old.unlink()
    return path


def restore(
    folder: Path,
    trainee: keras.Model,
    check: Callable[[Path, dict[str, Any]], None] = lambda path, facts: None,
) -> tuple[Position, dict[str, Any]]:
    """Load the newest readable checkpoint into a compiled trainee.

    check: called with the path and the facts of the checkpoint before anything is loaded; raises
        an error if they do not belong to this run.
    Returns the position and the facts, or the start and {} if there is no checkpoint. One that
    cannot be read is logged and skipped. Raises ValueError if a checkpoint is of another network or
    another kind of training.
    """
    trainee.optimizer.build(trainee.trainable_variables)
    variables = _variables(trainee)
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            # No limit: a checkpoint is four times as large as the network.
            arrays, state = npz.read(path, largest=math.inf)
        except npz.NpzError as error:
            log.warning("%s: damaged, skipped (%s)", path, error)
            continue
        check(path, state["facts"])
        if arrays.keys() != variables.keys() or any(
            arrays[name].shape != tuple(variable.shape) for name, variable in variables.items()
        ):
            raise ValueError(f"{path}: of another network; give another --out_dir")
        for name, variable in variables.items():
            variable.assign(arrays[name])
        return Position(**state["position"]), state["facts"]
    return Position(), {}
