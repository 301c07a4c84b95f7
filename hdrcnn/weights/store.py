"""Weights files: arrays addressed by layer path, and metadata.

A file is an `.npz` of plain arrays, read without pickle: one array for each variable under its
path (`block1_conv1/kernel`), and `metadata`, a JSON text. Loading is strict: errors name what is
missing, unexpected or wrongly shaped.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hdrcnn.files import WeightsError, one_line
from hdrcnn.models.metadata import Metadata, read
from hdrcnn.weights import npz, published

_INSTALLED = Path(__file__).resolve().parents[1] / "shipped"
FOLDER = _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[1] / "weights"
"""Folder of the shipped weights: inside the installed package, or beside it in a checkout."""
SHIPPED = FOLDER / "hdrcnn.npz"
JPEG = FOLDER / "hdrcnn_jpeg.npz"
"""Trained on compressed photographs; may be missing."""
VIDEO = FOLDER / "hdrcnn_video.npz"
"""Trained for film; may be missing."""
CAMERA_CURVE = FOLDER / "camera_curve.npz"
"""For the estimation of camera curves: `predict.camera_curve`."""
Kind = TypeVar("Kind", bound=Metadata)


def _as_half(array: np.ndarray) -> np.ndarray:
    """Kernels as float16; vectors as float32, as they are small and a variance can exceed 65504."""
    if array.ndim < 2 or np.abs(array).max(initial=0.0) > np.finfo(np.float16).max:
        return array.astype(np.float32)
    return array.astype(np.float16)


def save(path: Path, arrays: dict[str, np.ndarray], metadata: Metadata, half: bool = True) -> None:
    """Write a weights file; kernels as float16 if `half`, everything else as float32.

    Raises WeightsError if a value is not finite, ImageError if the file cannot be written.
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
    """Load arrays by layer path, float32, and the metadata. Raises WeightsError.

    The published layout of 80 arrays is recognised. Its arrays get names, and its metadata are the
    width, linearisation by squaring and the published blend.
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
        raise WeightsError(f"{path}: its metadata cannot be used: {one_line(error)}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            name = one_line(name)
            raise WeightsError(f"{path}: not a weights file of this tool: {name} holds no numbers")
    with np.errstate(over="ignore"):  # `assign` reports values that are not finite.
        for name in list(arrays):  # Converted one by one, to save memory.
            arrays[name] = arrays[name].astype(np.float32, copy=False)
    return arrays, metadata


def expect_kind(
    arrays: dict[str, np.ndarray], metadata: Metadata, kind: type[Kind], source: str
) -> Kind:
    """Return the metadata if they are of the required kind and plausible, else raise WeightsError.

    At least one array must have as many channels as the metadata say: with a damaged number the
    network might be too large for any memory. source: file name for messages.
    """
    if not isinstance(metadata, kind):
        raise WeightsError(f"{source}: for a network {metadata.model!r}; {kind.model!r} is needed")
    if not any(array.shape[-1:] == (metadata.channels,) for array in arrays.values()):
        raise WeightsError(
            f"{source}: does not fit the network: no array has {metadata.channels} channels"
        )
    return metadata


def collect(model: Any) -> dict[str, np.ndarray]:
    """All weights of a Keras model by layer path, float32, without states of random generators."""
    return {variable.path: np.asarray(variable, np.float32) for variable in model.weights}


def assign(model: Any, arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Assign weights to a Keras model by layer path, all of them or none.

    Raises WeightsError that starts with `source` and names what is missing, unexpected, wrongly
    shaped or not finite.
    """
    variables = {variable.path: variable for variable in model.weights}
    faults = [f"{name} is missing" for name in variables if name not in arrays]
    for name, array in arrays.items():
        if name not in variables:
            faults.append(f"{one_line(name)} is unexpected")
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
