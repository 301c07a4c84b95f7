"""Weights to start a training from, by what their file is: ours, the published list, or VGG16."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn import weights
from hdrcnn.weights import WeightsError, npz
from training_code.run import vgg16, widen


@dataclasses.dataclass(frozen=True)
class Start:
    """What a file gives."""

    arrays: dict[str, np.ndarray]
    """By layer path, float32: all of the network, or only the encoder."""
    options: dict[str, Any]
    """What the network of the file is built from."""
    whole: bool
    """All variables, batch norms and their statistics too."""
    training: dict[str, Any]
    """Facts about the training behind it, as in `Metadata.training`."""


def load(path: Path) -> Start:
    """Read a file of any kind: a weights file of this tool, the published 80 arrays (both through
    `weights.load`), or VGG16 in one of the forms of `vgg16`. Raises WeightsError.
    """
    try:
        encoder = vgg16.recognised(path)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except npz.NpzError as error:
        raise WeightsError(f"{path}: no weights: {error}; give a weights file") from error
    if encoder:
        return Start(
            vgg16.read(path), {"width": vgg16.WIDTH}, False, {"encoder": f"VGG16 of {path.name}"}
        )
    arrays, metadata = weights.load(path)
    return Start(arrays, metadata.options(), True, metadata.training)


def assign(model: Any, start: Start, source: str, options: dict[str, Any]) -> None:
    """Give a network its start: all variables where the start is whole, else those it has, and
    the others stay as they were initialised. A network a whole number of times as wide as a whole
    start becomes one that computes the same: `widen`.

    options: what the network was built from. Raises WeightsError, beginning with `source`, where
    they differ from those of the start or something does not fit; then no variable is changed.
    """
    for name, value in start.options.items():
        wanted = options.get(name)
        wider = isinstance(wanted, int) and wanted > value and wanted % value == 0
        if wanted == value or (wider and start.whole):
            continue
        kind = "" if start.whole else "VGG16 has "
        raise WeightsError(
            f"{source}: {kind}{name} {value}, the network {wanted}; give --{name} {value}"
            + (" or a multiple" if start.whole else "")
        )
    if not start.whole:
        assign_partly(model, start.arrays, source)
        return
    arrays = start.arrays
    if start.options != options:
        shapes = {variable.path: tuple(variable.shape) for variable in model.weights}
        try:
            arrays = widen.widened(arrays, shapes)
        except ValueError as error:
            raise WeightsError(f"{source}: does not fit the network: {error}") from error
    weights.assign(model, arrays, source)


def assign_partly(model: Any, arrays: dict[str, np.ndarray], source: str) -> None:
    """Give a Keras model some of its variables by layer path and leave the others.

    Raises WeightsError, beginning with `source`, naming what is unexpected, wrongly shaped or not
    finite; then no variable is changed.
    """
    weights.assign(model, {**weights.collect(model), **arrays}, source)
