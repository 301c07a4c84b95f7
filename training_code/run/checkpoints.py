"""Checkpoints of a training run: everything it needs to go on, addressed by name.

Two are kept, so that one spoiled by a crash or a full disk costs some minutes, not the run.
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
    """How far a run has come: epochs done, and batches done of the next one."""

    epoch: int = 0
    batch: int = 0

    @property
    def file(self) -> str:
        return f"checkpoint_{self.epoch:06d}_{self.batch:06d}.npz"


def _variables(trainee: keras.Model) -> dict[str, Any]:
    """Networks, optimiser state and running means of the epoch, by unique name.

    Scenes that a trainee holds on the accelerator are not part of it.
    """
    networks = [trainee.network, *trainee.beside]
    learnt = [variable for network in networks for variable in network.variables]
    named = {f"model/{variable.path}": variable for variable in learnt}
    # Keras counts its optimisers: the second one of a process is `adam_1`.
    prefix = f"{trainee.optimizer.name}/"
    for variable in trainee.optimizer.variables:
        named[f"optimizer/{variable.path.removeprefix(prefix)}"] = variable
    metrics = trainee.metrics_variables
    named |= {f"metric/{index}": variable for index, variable in enumerate(metrics)}
    if len(named) != len(learnt) + len(trainee.optimizer.variables) + len(metrics):
        raise ValueError("two variables share a name: a checkpoint would lose one")
    return named


def save(folder: Path, trainee: keras.Model, position: Position, facts: dict[str, Any]) -> Path:
    """Write a checkpoint and remove all but the last two.

    facts: JSON-able, returned by `restore`. Raises TrainingError, and writes nothing, where a
    weight or what the optimiser holds is not finite.
    """
    path = folder / position.file
    arrays = {name: np.asarray(variable) for name, variable in _variables(trainee).items()}
    for name, array in arrays.items():
        # A mean of the epoch says nothing about the weights.
        if not name.startswith("metric/") and not np.isfinite(array).all():
            raise TrainingError(
                f"{folder}: {name} is not finite after epoch {position.epoch}, batch "
                f"{position.batch}, and is not saved; go on from the last checkpoint, or start "
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

    check: is shown its path and the facts saved with it before anything is loaded, and raises
    where they are not of the run at hand. Returns the position and the facts; the beginning and
    {} where there is none. One that cannot be read is named in the log and passed over. Raises
    ValueError where a checkpoint is of another network or another kind of training.
    """
    trainee.optimizer.build(trainee.trainable_variables)
    variables = _variables(trainee)
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            arrays, state = npz.read(path, largest=math.inf)  # Four times the network.
        except npz.NpzError as error:
            log.warning("%s: damaged, passed over (%s)", path, error)
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
