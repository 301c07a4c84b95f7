"""Rows that a training goes over many times, arrays of one length each, in a file of the run."""

import zipfile
import zlib
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hdrcnn.files import finished_whole

Kind = TypeVar("Kind")


def write(file: Path, facts: str, rows: Any) -> None:
    """The fields of a record of arrays, and what they were made of. Raises ImageError."""
    with finished_whole(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, facts=np.array(facts), **vars(rows))


def read(file: Path, facts: str, kind: type[Kind]) -> Kind | None:
    """What `write` wrote; None where there is no file, or it is damaged or made of others."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if str(arrays["facts"]) != facts:
                return None
            return kind(**{name: arrays[name] for name in arrays.files if name != "facts"})
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
