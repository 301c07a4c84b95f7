"""An `.npz` file of named arrays with one JSON record beside them, written whole, read without
pickle.
"""

import json
import math
import stat
import sys
import warnings
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.files import finished_whole, shown

RECORD = "metadata"
"""The key of the record."""
LARGEST = 1 << 31
"""Bytes of all arrays of a file from anywhere, as float32 at least: the widest network 1.9e9."""
MARGIN, RATIO = 1 << 20, 32
"""Bytes that any such file may unpack to, and how many more for each of its own: weights are
noise, which cannot be compressed further than its digits go.
"""
LARGEST_RECORD = 1 << 24
"""Bytes of the record of such a file."""
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class NpzError(Exception):
    """A file that is not such an archive; the message says why, without the file's name."""


def _text(array: np.ndarray) -> str:
    """The one text that an array holds. Raises ValueError.

    NumPy makes strings even of numbers that are no characters; Python breaks on them later.
    """
    if array.dtype.kind != "U" or array.size != 1 or not array.dtype.itemsize:
        raise ValueError("its metadata are no text")
    signs = array.reshape(1).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    if signs.max() > sys.maxunicode:
        raise ValueError("its metadata are no text")
    return str(array.reshape(())[()])


def write(path: Path, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
    """Write arrays by name and a JSON-able record. Raises ImageError if it cannot be written."""
    contents: dict[str, Any] = {RECORD: np.array(json.dumps(record, indent=1)), **arrays}
    with finished_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **contents)


def check_file(path: Path) -> None:
    """Raises FileNotFoundError, or NpzError for what has no length: a pipe, a device, a folder."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise NpzError("it is no file but a folder, a pipe or a device")


def room(path: Path) -> int:
    """Bytes that a file from anywhere may unpack to. Raises OSError."""
    return min(LARGEST, MARGIN + RATIO * path.stat().st_size)


def check_unpacked(members: Iterable[zipfile.ZipInfo], most: float) -> None:
    """Raises NpzError if members of an archive unpack to more than `most` bytes, or may."""
    members = list(members)
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
           for member in members):  # fmt: skip
        raise NpzError("it is compressed in a way that NumPy does not write")
    unpacked = sum(member.file_size for member in members)
    if unpacked > most:
        raise NpzError(f"it unpacks to more than its length allows, {unpacked:,} bytes")


def _held(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Bytes of an array by its header, as float32 at least. Raises ValueError."""
    with archive.open(member) as stream:
        shape, _, dtype = _READ_HEADER[np.lib.format.read_magic(stream)](stream)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != member.file_size - stream.tell():
            raise ValueError(f"{member.filename} is not what its header says")
    return math.prod(shape) * max(dtype.itemsize, 4)


def read_arrays(
    path: Path, names: Collection[str] | None = None, largest: float | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a file by name, or only some. Raises FileNotFoundError, NpzError or whatever
    else a damaged file leads to; KeyError if one of the names is missing.

    largest: bytes that the arrays may take together, by default `room`; infinite for files of
    one's own making. What the headers tell is compared with it before an array is read.
    """
    check_file(path)
    most = room(path) if largest is None else largest
    with zipfile.ZipFile(path) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What is wrong is reported in the error.
        found = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if names is not None:
            found = {name: found[name] for name in names}
        check_unpacked(found.values(), most)
        # As float32 codes of one byte are four times as long, so they may be, up to `LARGEST`.
        held = sum(_held(archive, member) for member in found.values())
        if held > min(4 * most, LARGEST if largest is None else largest):
            raise NpzError(f"it unpacks to more than its length allows, {held:,} bytes")
        arrays = {}
        for name, member in found.items():
            with archive.open(member) as stream:
                arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return arrays


def read(path: Path, largest: float | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays by name and the record. Raises FileNotFoundError or NpzError.

    largest: as for `read_arrays`.
    """
    try:
        arrays = read_arrays(path, largest=largest)
        record = arrays.pop(RECORD)
        if largest is None and record.nbytes > LARGEST_RECORD:
            raise NpzError(f"its metadata are longer than {LARGEST_RECORD:,} bytes")
        return arrays, json.loads(_text(record))
    except (FileNotFoundError, NpzError):
        raise
    except KeyError as error:
        raise NpzError("it has no metadata") from error
    except Exception as error:  # Damaged files make the libraries fail in any way they like.
        said = shown(error) or type(error).__name__
        raise NpzError(f"not a readable .npz file: {said}") from error


def keys(path: Path) -> list[str]:
    """The names in any `.npz`, without reading an array; empty if it is no zip file."""
    try:
        check_file(path)
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except Exception:  # noqa: BLE001  # As above; `read` says what is wrong.
        return []
