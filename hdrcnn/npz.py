"""An `.npz` file of named arrays with one JSON record beside them, written whole, read without
pickle.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.image_io import finished_whole

RECORD = "metadata"
"""The key of the record."""


class NpzError(Exception):
    """A file that is not such an archive; the message says why, without the file's name."""


def write(path: Path, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
    """Write arrays by name and a JSON-able record. Raises ImageError where it cannot be written."""
    contents: dict[str, Any] = {RECORD: np.array(json.dumps(record, indent=1)), **arrays}
    with finished_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **contents)


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays by name and the record. Raises FileNotFoundError or NpzError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(str(arrays.pop(RECORD)))
    except FileNotFoundError:
        raise
    except KeyError as error:
        raise NpzError("it has no metadata") from error
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise NpzError(f"not a readable .npz file: {error}") from error


def keys(path: Path) -> list[str]:
    """The names in any `.npz`, without reading an array; empty where it is no zip file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return []
