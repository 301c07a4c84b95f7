"""Choice of the library that computes the networks, and loading of weights files for it.

tensorflow, jax     Keras builds the network and receives the arrays of the weights file
onnx                onnxruntime runs the file of the same name with the suffix .onnx, which
                    `hdrcnn export` wrote from the same weights
"""

import contextlib
import importlib.util
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hdrcnn import weights
from hdrcnn.files import UserError, digest
from hdrcnn.models.metadata import Hdrcnn, Metadata
from hdrcnn.predict import runtime
from hdrcnn.predict.runtime import BACKENDS
from hdrcnn.tiles.stages import Network
from hdrcnn.weights import published

VARIABLE = "HDRCNN_BACKEND"
"""Environment variable that names the backend; if it is not set, KERAS_BACKEND does."""
NEEDS = {
    "tensorflow": ("keras", "tensorflow"),
    "jax": ("keras", "jax"),
    "onnx": ("onnxruntime", "onnx"),
}
"""Modules that each backend needs."""


class BackendError(UserError):
    """A backend that is unknown, not installed, or cannot compute what is asked for."""


def _installed(name: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in NEEDS[name])


def select(name: str) -> None:
    """Choose one of `BACKENDS` for this process and those it starts.

    Call it before the first network is loaded: Keras keeps the backend it was loaded with. Raises
    BackendError if the backend is not installed.
    """
    if name != "auto":
        os.environ[VARIABLE] = name
    current()


def prefer_onnx(path: Path) -> None:
    """Choose onnxruntime for a small network, for which loading TensorFlow is not worth it.

    Does nothing unless onnxruntime is installed, the weights file has its .onnx file beside it, and
    neither the environment nor an earlier call has chosen a backend.
    """
    named = any(os.environ.get(name) for name in (VARIABLE, "KERAS_BACKEND"))
    if not named and _installed("onnx"):
        with contextlib.suppress(weights.WeightsError):
            exported(path, "float32")
            select("onnx")


def current() -> str:
    """Return the backend, one of `NEEDS`: the one the environment names, or the first installed.

    Raises BackendError if it is unknown or not installed.
    """
    told = [name for name in (VARIABLE, "KERAS_BACKEND") if os.environ.get(name)]
    source, asked = (told[0], os.environ[told[0]]) if told else ("", "auto")
    if asked not in BACKENDS:
        raise BackendError(f"{source}={asked} is not known; known: {', '.join(BACKENDS)}")
    if asked == "auto":
        found = [name for name in NEEDS if _installed(name)]
        if not found:
            raise BackendError(
                "no library that computes networks is installed; "
                'pip install "hdrcnn[tensorflow]", "hdrcnn[jax]" or "hdrcnn[onnx]"'
            )
        asked = found[0]
    elif not _installed(asked):
        raise BackendError(
            f'{source}={asked}: it is not installed; pip install "hdrcnn[{asked}]", '
            "or give another backend"
        )
    if asked != "onnx":
        os.environ["KERAS_BACKEND"] = asked
    return asked


def prepare(device: str) -> bool:
    """Choose backend and device before the first computation. Returns True for a GPU.

    device: one of `runtime.DEVICES`. Raises BackendError, runtime.DeviceError.
    """
    if current() != "onnx":
        return runtime.prepare(device)
    runtime.check_device(device)
    if device not in ("auto", "cpu"):
        raise runtime.DeviceError(f"--device={device}: the backend onnx only runs on the CPU")
    return False


def network(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    metadata: Metadata,
    precision: str = "float32",
    on_gpu: bool = False,
    output: str | None = None,
) -> Network:
    """Load the network of a weights file, ready to compute.

    arrays, metadata: contents of that file. precision: of the convolutions, one of
    `runtime.PRECISIONS`; on_gpu: result of `prepare`; output: a layer, one of `Metadata.inner`,
    whose output the network is to return instead. Raises weights.WeightsError, BackendError.
    """
    backend = current()
    if backend == "onnx":
        from hdrcnn.tiles import onnx_graph

        runtime.resolve_precision(precision, backend)
        if precision == "bfloat16":
            raise BackendError(
                "--precision=bfloat16: the backend onnx computes in float32 or int8; give either"
            )
        precise = "int8" if precision == "int8" else "float32"
        if precise == "int8" and not isinstance(metadata, Hdrcnn):
            raise BackendError(
                f"--precision=int8: the network {metadata.model} has none; give float32"
            )
        return onnx_graph.network(exported(path, precise), output)
    if precision == "int8":
        raise BackendError(f"--precision=int8: the backend {backend} has none; --backend=onnx has")
    import keras

    from hdrcnn.tiles import keras_graph

    if precision == "auto" and published.recognised(path):
        precision = "float32"
    with runtime.building_in(runtime.resolve_precision(precision, backend, on_gpu)):
        model = metadata.build()
    # XLA would compile again for every image size; with JAX there is no alternative.
    model.jit_compile = keras.config.backend() == "jax"
    weights.assign(model, arrays, str(path))
    if output is not None:
        model = keras.Model(model.input, model.get_layer(output).output)
    return keras_graph.network(model)


def exported(path: Path, precision: str) -> Path:
    """Path of the ONNX file of a weights file. precision: float32 or int8.

    Raises weights.WeightsError if it is missing, damaged, or was written from other weights.
    """
    from hdrcnn.tiles.onnx_graph import facts, name_of

    file = path.with_name(name_of(path.stem, precision))
    remedy = f"write it with TensorFlow installed: hdrcnn export {shlex.quote(str(path))}" + (
        " --precision int8 --calibration FOLDER_OF_PICTURES" if precision == "int8" else ""
    )
    if not file.is_file():
        raise weights.WeightsError(f"{file}: no such file, which the backend onnx needs; {remedy}")
    told = facts(file)
    if not told:
        raise weights.WeightsError(
            f"{file}: damaged, or not as hdrcnn export wrote it; {remedy} --overwrite"
        )
    if told["sha256"] != digest(path):
        raise weights.WeightsError(f"{file}: was not written from {path}; {remedy} --overwrite")
    return file
