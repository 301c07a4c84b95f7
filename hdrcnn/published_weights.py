"""The originally published parameter files: 80 unnamed arrays in one pickled list.

A pickle is a program, so it is not run by NumPy here: the unpickler below admits NumPy arrays of
plain numbers, rebuilt by stand-ins of this file, and nothing else. Layout: the arrays in the
order in which the network of Eilertsen et al. 2017 was constructed.
"""

import io
import math
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.models.layout import CONVOLUTIONS
from hdrcnn.weights import Metadata, WeightsError

KEY = "params"
"""The one key of such an .npz file."""
LARGEST = 1 << 28
"""Bytes of one array: the largest published one has 10 million."""


class _DType:
    """Stands in for numpy.dtype: a plain number type, or the object type of the outer list."""

    def __init__(self, code: object, *_: object) -> None:
        self.code, self.order = str(code).lstrip("<>=|"), "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.order = ">"


class _Array:
    """Stands in for numpy.ndarray; `value` is a real array, or a list for the object type."""

    value: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, fortran, data = state[-4:]
        if not isinstance(dtype, _DType):
            raise pickle.UnpicklingError("an array without a number type")
        if dtype.code.startswith("O") and isinstance(data, list):
            self.value = data
            return
        if dtype.code not in ("f2", "f4", "f8"):
            raise pickle.UnpicklingError(f"an array of type {dtype.code!r}")
        if isinstance(data, str):  # Written by Python 2, read as Latin-1.
            data = data.encode("latin1")
        plain = np.dtype(dtype.order + dtype.code)
        if math.prod(shape) * plain.itemsize != len(data) or len(data) > LARGEST:
            raise pickle.UnpicklingError(f"an array of shape {shape} with {len(data)} bytes")
        flat = np.frombuffer(data, plain).astype(np.float32)
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any = "C", *_: object) -> _Array:
    """Stands in for numpy's rebuilding of an array of pickle protocol 5."""
    if order not in ("C", "F"):
        raise pickle.UnpicklingError(f"an array in order {order!r}")
    array = _Array()
    array.__setstate__((tuple(shape), dtype, order == "F", bytes(data)))
    return array


def _encode(text: str, encoding: str) -> bytes:
    """Stands in for _codecs.encode, by which Python 3 writes bytes into old pickles."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin1")


_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Looks up stand-ins only: no name of a hostile file reaches an import."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ADMITTED[module, name]


def names() -> Iterator[str]:
    """Layer paths of this project in the order of the published list."""
    affine = ("kernel", "bias")
    norm = ("beta", "gamma", "moving_mean", "moving_variance")
    for level, count in enumerate(CONVOLUTIONS, 1):
        for index in range(1, count + 1):
            yield from (f"block{level}_conv{index}/{part}" for part in affine)
    yield from (f"latent_conv/{part}" for part in affine)
    yield from (f"latent_norm/{part}" for part in norm)
    for level in range(5, 0, -1):
        yield from (f"up{level}/{part}" for part in affine)
        yield from (f"up{level}_norm/{part}" for part in norm)
        yield from (f"fuse{level}/{part}" for part in affine)
    yield from (f"rgb_conv/{part}" for part in affine)
    yield from (f"rgb_norm/{part}" for part in norm)
    yield from (f"fuse0/{part}" for part in affine)


def read_list(path: Path) -> list[np.ndarray]:
    """The arrays of a published file, float32, in their order. Raises WeightsError."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{KEY}.npy") as member:
            stream = io.BytesIO(member.read())
        version = np.lib.format.read_magic(stream)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        _, _, dtype = reader(stream)
        if dtype != np.dtype(object):
            raise pickle.UnpicklingError(f"an array of {dtype} where a list of arrays is expected")
        outer = _ArrayUnpickler(stream, encoding="latin1").load()
        listed = outer.value if isinstance(outer, _Array) else outer
        if not isinstance(listed, list):
            raise pickle.UnpicklingError("no list")
        arrays = [item.value if isinstance(item, _Array) else item for item in listed]
        if not all(isinstance(array, np.ndarray) for array in arrays):
            raise pickle.UnpicklingError("something in the list is not an array of numbers")
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except Exception as error:
        raise WeightsError(
            f"{path}: not read: not a plain list of number arrays as published ({error}); "
            "use a file from a source you trust"
        ) from error
    return arrays


def load(path: Path) -> tuple[dict[str, np.ndarray], Metadata]:
    """A published file as arrays by layer path, with the published arithmetic. Raises
    WeightsError.
    """
    arrays, order = read_list(path), list(names())
    if len(arrays) != len(order):
        raise WeightsError(
            f"{path}: {len(arrays)} arrays where the published layout has {len(order)}"
        )
    # 64 in all that was published; files of other widths come out of tests.
    width = arrays[0].shape[-1] if arrays[0].ndim else 0
    metadata = Metadata(width=width, linearisation="square", blend="pixel")
    return dict(zip(order, arrays, strict=True)), metadata
