"""VGG16 weights for the encoder of the network.

Simonyan and Zisserman: "Very deep convolutional networks for large-scale image recognition", ICLR
2015. Three kinds of files are read, none by unpickling:

    Keras, HDF5   layers block1_conv1 ... of a "notop" or a full .h5, with arrays such as
                  block1_conv1_W_1:0 (Keras 1), kernel:0 (Keras 2), kernel (Keras 3), and the
                  .weights.h5 of Keras 3
    .npy          a dictionary name -> {weights, biases} or [weights, biases], as written by
                  caffe-tensorflow; names that begin with conv are used, sorted
    .npz          arrays conv1_1_W, conv1_1_b ...

Channel order: the network was trained in Caffe on BGR, 0..255, minus the mean, which is what
`VggInput` provides. The Keras files and the .npy dictionaries keep that order. The .npz, published
by D. Frossard, expects RGB minus the mean, so the input channels of its first kernel are reversed
here. A file that was trained on another scale of input cannot be recognised by its arrays.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.files import one_line
from hdrcnn.models.vgg import CHANNELS, CONVOLUTIONS
from hdrcnn.weights import WeightsError, array_pickle, npz

WIDTH = 64
HDF5, NUMPY = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY"


def expected() -> dict[str, tuple[int, ...]]:
    """Shapes of the kernels and biases of the 13 convolutions by layer path, in order."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 3
    for level, (count, units) in enumerate(zip(CONVOLUTIONS, CHANNELS, strict=True), 1):
        for index in range(1, count + 1):
            out = WIDTH * units
            shapes[f"block{level}_conv{index}/kernel"] = (3, 3, channels, out)
            shapes[f"block{level}_conv{index}/bias"] = (out,)
            channels = out
    return shapes


def recognised(path: Path) -> bool:
    """Whether a file may contain VGG16, by its first bytes or, for an .npz, by its array names.

    Raises OSError, or npz.NpzError for a pipe or a device.
    """
    npz.check_file(path)
    with path.open("rb") as file:
        start = file.read(8)
    return start.startswith((HDF5, NUMPY)) or "conv1_1_W" in npz.keys(path)


def read(path: Path) -> dict[str, np.ndarray]:
    """Read the 13 convolutions of VGG16, float32, for BGR input, by layer path such as
    `block1_conv1/kernel`.

    Raises WeightsError that names what is missing or wrongly shaped.
    """
    try:
        npz.check_file(path)
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(HDF5):
            found = _from_hdf5(path)
        elif start.startswith(NUMPY):
            found = _from_dictionary(path)
        else:
            found = _from_npz(path)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except Exception as error:  # A damaged file can raise anything.
        raise WeightsError(
            f"{path}: not read as VGG16 ({one_line(error)}); use the Keras .h5 or a .npy "
            "dictionary from a source you trust"
        ) from error
    return {
        name: _checked(path, name, found.get(name), shape) for name, shape in expected().items()
    }


def _checked(path: Path, name: str, array: Any, shape: tuple[int, ...]) -> np.ndarray:
    if array is None:
        raise WeightsError(f"{path}: not VGG16: {name} is missing")
    if not isinstance(array, np.ndarray) or array.shape != shape:
        held = getattr(array, "shape", type(array).__name__)
        raise WeightsError(f"{path}: not VGG16: {name} has shape {held} where {shape} is expected")
    return array.astype(np.float32)


def _from_hdf5(path: Path) -> dict[str, np.ndarray]:
    """Read arrays by the layer name in their path, or in the `name` attribute of their group, which
    Keras 3 sets.
    """
    import h5py  # Installed with Keras.

    shapes, found = expected(), {}

    def take(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or name.startswith("optimizer"):
            return
        layer = re.search(r"block\d_conv\d", f"{name} {item.parent.attrs.get('name', '')}")
        if layer and item.ndim in (1, 4):
            key = f"{layer[0]}/{'bias' if item.ndim == 1 else 'kernel'}"
            # An array of another shape or type may be of any size, so it is not read.
            plain = item.dtype.kind == "f" and item.dtype.itemsize <= 8
            if item.external or item.is_virtual:
                raise ValueError(f"{key} lies in another file")
            found[key] = item[()] if plain and item.shape == shapes.get(key) else item

    with h5py.File(path) as file:
        file.visititems(take)
        for key, item in found.items():
            if isinstance(item, h5py.Dataset):
                raise ValueError(
                    f"{key} has shape {item.shape} of {item.dtype}, expected {shapes.get(key)} of "
                    "floating-point numbers"
                )
    return found


def _in_order(pairs: list[tuple[Any, Any]]) -> dict[str, np.ndarray]:
    """Name pairs of kernel and bias, given in the order of the network, by layer path."""
    layers = list(dict.fromkeys(name.partition("/")[0] for name in expected()))
    if len(pairs) != len(layers):
        raise ValueError(f"{len(pairs)} convolutions where VGG16 has {len(layers)}")
    found = {}
    for layer, (kernel, bias) in zip(layers, pairs, strict=True):
        found[f"{layer}/kernel"], found[f"{layer}/bias"] = kernel, bias
    return found


def _from_dictionary(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        content = array_pickle.read_npy(file, path.stat().st_size)
    layers = content[0] if isinstance(content, list) and len(content) == 1 else content
    if not isinstance(layers, dict):
        raise ValueError("no dictionary of layers")
    names = sorted(name for name in layers if isinstance(name, str) and name.startswith("conv"))
    return _in_order([_pair(layers[name]) for name in names])


def _pair(layer: Any) -> tuple[Any, Any]:
    if isinstance(layer, Mapping):
        return layer["weights"], layer["biases"]
    kernel, bias = layer
    return kernel, bias


def _from_npz(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise ValueError("neither HDF5 nor NumPy")
    names = sorted(name[:-2] for name in npz.keys(path) if re.fullmatch(r"conv\d_\d_W", name))
    held = npz.read_arrays(path, [f"{name}_{part}" for name in names for part in "Wb"])
    found = _in_order([(held[f"{name}_W"], held[f"{name}_b"]) for name in names])
    found["block1_conv1/kernel"] = found["block1_conv1/kernel"][:, :, ::-1]
    return found
