"""Weights files: arrays addressed by layer path, with what belongs to them.

A file is an `.npz` of plain arrays, read without pickle: one array for each variable under its
path (`block1_conv1/kernel`), and `metadata`, a JSON text. Loading is strict: what is missing,
unexpected or wrongly shaped is named.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hdrcnn.files import WeightsError, shown
from hdrcnn.models.metadata import Metadata, read
from hdrcnn.weights import npz, published

_INSTALLED = Path(__file__).resolve().parents[1] / "shipped"
FOLDER = _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[1] / "weights"
"""The weights that come with the project: inside the installed package, or beside it."""
SHIPPED = FOLDER / "hdrcnn.npz"
JPEG = FOLDER / "hdrcnn_jpeg.npz"
"""Trained on compressed photographs; may be missing."""
VIDEO = FOLDER / "hdrcnn_video.npz"
"""Trained for film; may be missing."""
CURVES = FOLDER / "camera_curve.npz"
"""Estimates the camera curve of a picture: `predict.camera_curve`."""
Kind = TypeVar("Kind", bound=Metadata)


def _as_half(array: np.ndarray) -> np.ndarray:
    """Kernels as float16; vectors stay float32: they are few, and a variance can exceed 65504."""
    if array.ndim < 2 or np.abs(array).max(initial=0.0) > np.finfo(np.float16).max:
        return array.astype(np.float32)
    return array.astype(np.float16)


def save(path: Path, arrays: dict[str, np.ndarray], metadata: Metadata, half: bool = True) -> None:
    """Write a weights file; kernels as float16 where `half`, everything else as float32.

    Raises WeightsError if a value is not finite, ImageError if the place cannot be written.
    """
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise WeightsError(f"{path}: not written, {name} holds values that are not finite")
    stored = {
        name: _as_half(array) if half else array.astype(np.float32)
        for name, array in arrays.items()
    }
    npz.write(path, stored, metadata.as_record())


def load(path: Path) -> tuple[dict[str, np.ndarray], Metadata]:
    """Arrays by layer path, float32, and the metadata. Raises WeightsError.

    The published 80-array layout is recognised and given names; its metadata is its width,
    linearisation by squaring and the published blend.
    """
    if published.recognised(path):
        return published.load(path)
    try:
        arrays, fields = npz.read(path)
        metadata = read(fields)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except npz.NpzError as error:
        raise WeightsError(f"{path}: not a weights file of this tool: {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its metadata cannot be used: {shown(error)}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            name = shown(name)
            raise WeightsError(f"{path}: not a weights file of this tool: {name} holds no numbers")
    with np.errstate(over="ignore"):  # What is not finite is named when it is assigned.
        for name in list(arrays):  # One after the other: not all of them are held twice.
            arrays[name] = arrays[name].astype(np.float32, copy=False)
    return arrays, metadata


def checked(
    arrays: dict[str, np.ndarray], metadata: Metadata, kind: type[Kind], source: str
) -> Kind:
    """The metadata, if they are of the network that is needed and can be: no array that is as wide
    as a damaged number says means a network that may fill any memory. Raises WeightsError.
    """
    if not isinstance(metadata, kind):
        raise WeightsError(f"{source}: for a network {metadata.model!r}; {kind.model!r} is needed")
    if not any(array.shape[-1:] == (metadata.channels,) for array in arrays.values()):
        raise WeightsError(
            f"{source}: does not fit the network: no array has {metadata.channels} channels"
        )
    return metadata


def collect(model: Any) -> dict[str, np.ndarray]:
    """Every weight of a Keras model, float32, by layer path; the states of its random generators
    are none.
    """
    return {variable.path: np.asarray(variable, np.float32) for variable in model.weights}


def assign(model: Any, arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Give a Keras model its weights by layer path, all of them or none.

    Raises WeightsError, beginning with `source`, naming what is missing, unexpected, wrongly
    shaped or not finite.
    """
    variables = {variable.path: variable for variable in model.weights}
    faults = [f"{name} is missing" for name in variables if name not in arrays]
    for name, array in arrays.items():
        if name not in variables:
            faults.append(f"{shown(name)} is unexpected")
        elif tuple(variables[name].shape) != array.shape:
            expected = tuple(variables[name].shape)
            faults.append(f"{name} has shape {array.shape}; {expected} is expected")
        elif not np.isfinite(array).all():
            faults.append(f"{name} holds values that are not finite")
    if faults:
        more = f" and {len(faults) - 6} more" if len(faults) > 6 else ""
        raise WeightsError(f"{source}: does not fit the network: {'; '.join(faults[:6])}{more}")
    for name, variable in variables.items():
        variable.assign(arrays[name])
