"""An `.npz` file of named arrays with one JSON record beside them, written whole, read without
pickle.
"""

import json
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.files import finished_whole

RECORD = "metadata"
"""The key of the record."""
LARGEST = 1 << 31
"""Bytes of all arrays of a file from anywhere; a small one can claim to hold any number."""


class NpzError(Exception):
    """A file that is not such an archive; the message says why, without the file's name."""


def shown(said: object) -> str:
    """What a file or an error about it says, as part of one line."""
    words = "".join(sign if sign.isprintable() else " " for sign in str(said)).split()
    return " ".join(words)[:200]


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
    """Write arrays by name and a JSON-able record. Raises ImageError where it cannot be written."""
    contents: dict[str, Any] = {RECORD: np.array(json.dumps(record, indent=1)), **arrays}
    with finished_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **contents)


def read(path: Path, largest: float | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays by name and the record. Raises FileNotFoundError or NpzError.

    largest: bytes that the arrays may take together, by default `LARGEST`; infinite for files of
    one's own making.
    """
    most = LARGEST if largest is None else largest
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > most:
                raise NpzError("it unpacks to more than 2 GB")
        with warnings.catch_warnings(), np.load(path, allow_pickle=False) as file:
            warnings.simplefilter("ignore")  # What is wrong is said in the error.
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(_text(arrays.pop(RECORD)))
    except (FileNotFoundError, NpzError):
        raise
    except KeyError as error:
        raise NpzError("it has no metadata") from error
    except Exception as error:  # Damaged files make the libraries fail in any way they like.
        said = shown(error) or type(error).__name__
        raise NpzError(f"not a readable .npz file: {said}") from error


def keys(path: Path) -> list[str]:
    """The names in any `.npz`, without reading an array; empty where it is no zip file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except Exception:  # noqa: BLE001  # As above; `read` says what is wrong.
        return []
