"""Reader for pickled arrays of plain numbers that never executes code from the pickle.

A pickle is a program, so NumPy does not load it here. The unpickler below only admits NumPy arrays
of plain numbers, in lists and dictionaries, and rebuilds them by stand-ins defined in this file.
"""

import functools
import math
import pickle
import struct
from collections.abc import Callable
from itertools import count
from typing import IO, Any, ClassVar

import numpy as np

from hdrcnn.weights import npz

MAX_ARRAY_BYTES = 1 << 29
"""Largest size in bytes of one array; the largest published one, a layer of VGG16, has 411 million.
The limit for all arrays together is `npz.MAX_TOTAL_BYTES`.
"""
MAX_EXPANSION = 4
"""Largest number of bytes of arrays and byte strings per byte of the file. A half float has two
bytes in the pickle, two more in old pickles as bytes encoded from text, and four in the array.
"""


class _DType:
    """Stand-in for numpy.dtype: a plain number type, or the object type of the outer list."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or len(code) > 8:
            raise pickle.UnpicklingError("a number type of no known name")
        self.code, self.order = code.lstrip("<>=|"), "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.order = ">"


class _Array:
    """Stand-in for numpy.ndarray; `value` is a real array, or a list for the object type."""

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
        if math.prod(shape) * plain.itemsize != len(data) or len(data) > MAX_ARRAY_BYTES:
            raise pickle.UnpicklingError(f"an array whose shape does not go with {len(data)} bytes")
        flat = np.frombuffer(data, plain).astype(np.float32)
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any = "C", *_: object) -> _Array:
    """Stand-in for the NumPy function that rebuilds arrays of pickle protocol 5."""
    if order not in ("C", "F"):
        raise pickle.UnpicklingError("an array in neither of the two orders")
    if not isinstance(data, (bytes, bytearray)):
        raise pickle.UnpicklingError("an array whose data are no bytes")
    array = _Array()
    array.__setstate__((tuple(shape), dtype, order == "F", data))
    return array


def _encode(text: str, encoding: str) -> bytes:
    """Stand-in for _codecs.encode, with which Python 3 writes bytes into old pickles."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("text that is not in Latin-1")
    return text.encode("latin1")


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


class _ArrayUnpickler(pickle._Unpickler):
    """Unpickler that only finds stand-ins: no name in a hostile file reaches an import.

    Derived from the pure Python unpickler, because the one in C allocates as much memory as a
    damaged file asks for.
    """

    def __init__(self, stream: IO[bytes], length: int) -> None:
        """length: size of the file in bytes."""
        super().__init__(stream, encoding="latin1")
        self.most = min(npz.MAX_TOTAL_BYTES, npz.MARGIN + MAX_EXPANSION * length)
        self.made = 0
        """Size so far of arrays and byte strings; one string in a file can become many of them."""

    def _count(self, item: object) -> None:
        """Add the size of an item. Raises UnpicklingError if the total is too large."""
        data = item.value if isinstance(item, _Array) else item
        if isinstance(data, np.ndarray):
            self.made += data.nbytes
        elif isinstance(data, bytes):
            self.made += len(data)
        if self.made > self.most:
            raise pickle.UnpicklingError(f"its arrays take more than {self.most:,} bytes")

    def _call(self, stand_in: Callable[..., Any], *arguments: Any) -> Any:
        made = stand_in(*arguments)
        self._count(made)
        return made

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        found = _ADMITTED[module, name]
        return found if isinstance(found, type) else functools.partial(self._call, found)

    def _load_bytearray(self) -> None:
        """Read the bytes present; the original first allocates as many as the file claims."""
        (size,) = struct.unpack("<Q", self.read(8))  # type: ignore[attr-defined]
        self.append(bytearray(self.read(size)))  # type: ignore[attr-defined]

    def _load_build(self) -> None:
        """Set the state of a stand-in, and of no other object that the file has obtained."""
        state = self.stack.pop()  # type: ignore[attr-defined]
        target = self.stack[-1]  # type: ignore[attr-defined]
        if not isinstance(target, (_Array, _DType)):
            raise pickle.UnpicklingError("a state for something other than an array")
        target.__setstate__(state)
        self._count(target)

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: _load_bytearray,
        pickle.BUILD[0]: _load_build,
    }


MAX_OBJECTS = 10_000
"""Largest number of arrays, lists and other objects in a file; references can make a small file
endless."""


def _plain(item: Any, seen: "count[int]") -> Any:
    """Replace the stand-ins in an item by real arrays."""
    if next(seen) > MAX_OBJECTS:
        raise pickle.UnpicklingError(f"more than {MAX_OBJECTS} parts")
    if isinstance(item, _Array):
        return _plain(item.value, seen)
    if isinstance(item, (list, tuple)):
        return [_plain(part, seen) for part in item]
    if isinstance(item, dict):
        return {key: _plain(part, seen) for key, part in item.items()}
    return item


def read_npy(stream: IO[bytes], length: int) -> Any:
    """Read an .npy file of Python objects: lists and dictionaries of float32 arrays.

    length: size of the file in bytes; its arrays may have `MAX_EXPANSION` times as many plus
    `npz.MARGIN`. An object array is returned as the flat list of its items, a single object as a
    list of one. Raises UnpicklingError, or any other exception for a damaged or hostile file.
    """
    _, _, dtype = npz.READ_HEADER[np.lib.format.read_magic(stream)](stream)
    if dtype != np.dtype(object):
        raise pickle.UnpicklingError(f"an array of {dtype}; a list of arrays is expected")
    return _plain(_ArrayUnpickler(stream, length).load(), count())
