"""`.npz` files of named arrays and one JSON record, written atomically and read without pickle."""

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

from hdrcnn.files import finished_whole, one_line

RECORD = "metadata"
"""Key of the record."""
MAX_TOTAL_BYTES = 1 << 31
"""Largest size in bytes of all arrays of an untrusted file, as float32 or their own type if that is
larger; the widest network has 1.9e9."""
MARGIN, MAX_EXPANSION = 1 << 20, 32
"""Number of bytes that any untrusted file may unpack to, and additional number for each byte of the
file. Weights resemble noise, which can hardly be compressed.
"""
LARGEST_RECORD = 1 << 24
"""Largest size in bytes of the record of an untrusted file."""
READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""Functions that read the header of an array, by the version of its format."""


class NpzError(Exception):
    """A file is not such an archive; the message gives the reason, without the file's name."""


def _text(array: np.ndarray) -> str:
    """The single string in an array. Raises ValueError.

    NumPy also creates strings from numbers that are not characters, on which Python fails later.
    """
    if array.dtype.kind != "U" or array.size != 1 or not array.dtype.itemsize:
        raise ValueError("its metadata are no text")
    signs = array.reshape(1).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    if signs.max() > sys.maxunicode:
        raise ValueError("its metadata are no text")
    return str(array.reshape(())[()])


def write(path: Path, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
    """Write arrays by name and a JSON-serialisable record. Raises ImageError if that fails."""
    contents: dict[str, Any] = {RECORD: np.array(json.dumps(record, indent=1)), **arrays}
    with finished_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **contents)


def check_file(path: Path) -> None:
    """Raise FileNotFoundError if missing, NpzError unless it is a regular file."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise NpzError("it is a folder, a pipe or a device, not a file")


def allowed_bytes(path: Path) -> int:
    """Number of bytes that an untrusted file may unpack to. Raises OSError."""
    return min(MAX_TOTAL_BYTES, MARGIN + MAX_EXPANSION * path.stat().st_size)


def check_unpacked(members: Iterable[zipfile.ZipInfo], most: float) -> None:
    """Raise NpzError if members of an archive unpack to more than `most` bytes.

    Also if their compression method is one that NumPy does not write.
    """
    members = list(members)
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
           for member in members):  # fmt: skip
        raise NpzError("it is compressed in a way that NumPy does not write")
    unpacked = sum(member.file_size for member in members)
    if unpacked > most:
        raise NpzError(f"it unpacks to more than its length allows, {unpacked:,} bytes")


def _held(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Size of an array in bytes by its header, as float32 or larger. Raises ValueError."""
    with archive.open(member) as stream:
        shape, _, dtype = READ_HEADER[np.lib.format.read_magic(stream)](stream)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != member.file_size - stream.tell():
            raise ValueError(f"{member.filename} is not what its header says")
    return math.prod(shape) * max(dtype.itemsize, 4)


def read_arrays(
    path: Path, names: Collection[str] | None = None, largest: float | None = None
) -> dict[str, np.ndarray]:
    """Read the arrays of a file by name, all of them or those in `names`.

    largest: total size in bytes that the arrays may have, by default `room`; infinite for trusted
    files. The sizes in the headers are checked before an array is read. Raises FileNotFoundError,
    NpzError, KeyError if a name is missing, or any other exception for a damaged file.
    """
    check_file(path)
    most = allowed_bytes(path) if largest is None else largest
    with zipfile.ZipFile(path) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Faults are reported by exceptions.
        found = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if names is not None:
            found = {name: found[name] for name in names}
        check_unpacked(found.values(), most)
        # Allow for codes of one byte, which are four times as large as float32.
        held = sum(_held(archive, member) for member in found.values())
        if held > min(4 * most, MAX_TOTAL_BYTES if largest is None else largest):
            raise NpzError(f"it unpacks to more than its length allows, {held:,} bytes")
        arrays = {}
        for name, member in found.items():
            with archive.open(member) as stream:
                arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return arrays


def read(path: Path, largest: float | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays by name, and the record. Raises FileNotFoundError or NpzError.

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
    except Exception as error:  # Libraries raise all kinds of exceptions for damaged files.
        said = one_line(error) or type(error).__name__
        raise NpzError(f"not a readable .npz file: {said}") from error


def keys(path: Path) -> list[str]:
    """Names of the arrays in any `.npz`, without reading them; empty if it is not a zip file."""
    try:
        check_file(path)
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except Exception:  # noqa: BLE001  # As above; `read` reports what is wrong.
        return []
