"""Checkpoints of a training run: everything it needs to go on, addressed by name.

Two are kept, so that one spoiled by a crash or a full disk costs one epoch, not the run.
"""

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hdrcnn import npz

KEPT = 2
log = logging.getLogger(__name__)


def _variables(model: keras.Model) -> dict[str, Any]:
    """Weights and optimiser state by unique name."""
    named = {f"model/{variable.path}": variable for variable in model.variables}
    # Keras counts its optimisers: the second one of a process is `adam_1`.
    prefix = f"{model.optimizer.name}/"
    for variable in model.optimizer.variables:
        named[f"optimizer/{variable.path.removeprefix(prefix)}"] = variable
    if len(named) != len(model.variables) + len(model.optimizer.variables):
        raise ValueError("two variables share a name: a checkpoint would lose one")
    return named


def save(folder: Path, model: keras.Model, epoch: int, facts: dict[str, Any]) -> Path:
    """Write `checkpoint_<epoch>.npz` (epochs done) and remove all but the last two.

    facts: JSON-able, returned by `restore`.
    """
    path = folder / f"checkpoint_{epoch:06d}.npz"
    arrays = {name: np.asarray(variable) for name, variable in _variables(model).items()}
    npz.write(path, arrays, {"epoch": epoch, "facts": facts})
    for old in sorted(folder.glob("checkpoint_*.npz"))[:-KEPT]:
        old.unlink()
    return path


def restore(folder: Path, model: keras.Model) -> tuple[int, dict[str, Any]]:
    """Load the newest readable checkpoint into a compiled model.

    Returns the epochs done and the facts saved with it; (0, {}) where there is none. One that
    cannot be read is named in the log and passed over. Raises ValueError where a checkpoint is of
    another network.
    """
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    for path in sorted(folder.glob("checkpoint_*.npz"), reverse=True):
        try:
            arrays, state = npz.read(path)
        except npz.NpzError as error:
            log.warning("%s: damaged, passed over (%s)", path, error)
            continue
        if arrays.keys() != variables.keys() or any(
            arrays[name].shape != tuple(variable.shape) for name, variable in variables.items()
        ):
            raise ValueError(f"{path}: of another network; give another --out_dir")
        for name, variable in variables.items():
            variable.assign(arrays[name])
        return state["epoch"], state["facts"]
    return 0, {}
