"""Weights to start a training from: a weights file of ours, the published arrays, or VGG16."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hdrcnn import weights
from hdrcnn.weights import WeightsError, npz
from training_code.run import vgg16, widen


@dataclasses.dataclass(frozen=True)
class Start:
    """Contents of a file of start weights."""

    arrays: dict[str, np.ndarray]
    """Float32 arrays by layer path, of the whole network or of the encoder only."""
    options: dict[str, Any]
    """Options from which the network of the file is built."""
    whole: bool
    """Whether all variables are present, including batch norms and their statistics."""
    training: dict[str, Any]
    """Facts about the training that produced it, as in `Metadata.training`."""
    model: str = "hdrcnn"
    """Network the arrays belong to, as in `Metadata.model`."""
    widest: str = "width"
    """Option of which the trained network may have a multiple, as in `Metadata.width_field`."""


def load(path: Path) -> Start:
    """Read start weights of any kind: a weights file of this tool, the published 80 arrays (both
    through `weights.load`), or VGG16 in one of the formats of `vgg16`. Raises WeightsError.
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
    return Start(
        arrays, metadata.options(), True, metadata.training, metadata.model, metadata.width_field
    )


def check(start: Start, source: str, model: str, options: dict[str, Any]) -> None:
    """Raises WeightsError, beginning with `source`, unless a start is of the given network, or of
    one that can be widened to it.

    model, options: of the network to train, as in `Metadata`.
    """
    if start.model != model:
        raise WeightsError(f"{source}: for a network {start.model!r}; {model!r} is needed")
    for name, value in start.options.items():
        wanted, multiple = options.get(name), start.whole and name == start.widest
        if wanted == value or (multiple and wanted and wanted > value and wanted % value == 0):
            continue
        kind = "" if start.whole else "VGG16 has "
        remedy = f"give --{name} {value}" + (" or a multiple" if multiple else "")
        if name not in (start.widest, "members"):
            remedy = "give other weights"
        raise WeightsError(f"{source}: {kind}{name} {value}, the network {wanted}; {remedy}")


def assign(model: Any, start: Start, source: str, options: dict[str, Any]) -> None:
    """Assign start weights to a network.

    If the start is not whole, variables that it lacks keep their initial values. If the network is
    wider than a whole start by an integer factor, it is made to compute the same: see `widen`.

    options: those the network was built from. Raises WeightsError, beginning with `source`, if they
    do not match those of the start or something does not fit; then no variable is changed.
    """
    check(start, source, start.model, options)
    if not start.whole:
        assign_partly(model, start.arrays, source)
        return
    arrays = start.arrays
    if start.options != options:
        shapes = {variable.path: tuple(variable.shape) for variable in model.weights}
        ups = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
        transposed = {layer.kernel.path for layer in ups}
        try:
            arrays = widen.widened(arrays, shapes, transposed=transposed)
        except ValueError as error:
            raise WeightsError(f"{source}: does not fit the network: {error}") from error
    weights.assign(model, arrays, source)


def assign_partly(model: Any, arrays: dict[str, np.ndarray], source: str) -> None:
    """Assign some variables of a Keras model by layer path and leave the others unchanged.

    Raises WeightsError, beginning with `source`, that names what is unexpected, wrongly shaped or
    not finite; then no variable is changed.
    """
    weights.assign(model, {**weights.collect(model), **arrays}, source)
