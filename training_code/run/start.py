"""Weights to start a training from, by what their file is: ours, the published list, or VGG16."""

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
    """What a file gives."""

    arrays: dict[str, np.ndarray]
    """By layer path, float32: all of the network, or only the encoder."""
    options: dict[str, Any]
    """What the network of the file is built from."""
    whole: bool
    """All variables, batch norms and their statistics too."""
    training: dict[str, Any]
    """Facts about the training behind it, as in `Metadata.training`."""
    model: str = "hdrcnn"
    """Whose arrays they are, as in `Metadata.model`."""
    widest: str = "width"
    """The option of which a network may have a multiple, as in `Metadata.widest`."""


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
    return Start(
        arrays, metadata.options(), True, metadata.training, metadata.model, metadata.widest
    )


def check(start: Start, source: str, model: str, options: dict[str, Any]) -> None:
    """Raises WeightsError, beginning with `source`, unless a start is of such a network, or of one
    that can be widened to it.

    model, options: as `Metadata` has them.
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
    """Give a network its start: all variables where the start is whole, else those it has, and
    the others stay as they were initialised. A network a whole number of times as wide as a whole
    start becomes one that computes the same: `widen`.

    options: what the network was built from. Raises WeightsError, beginning with `source`, where
    they differ from those of the start or something does not fit; then no variable is changed.
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
    """Give a Keras model some of its variables by layer path and leave the others.

    Raises WeightsError, beginning with `source`, naming what is unexpected, wrongly shaped or not
    finite; then no variable is changed.
    """
    weights.assign(model, {**weights.collect(model), **arrays}, source)
