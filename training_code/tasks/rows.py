"""Stores rows of training data, arrays of equal length, in a file of the run."""

import zipfile
import zlib
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hdrcnn.files import finished_whole

Kind = TypeVar("Kind")


def write(file: Path, facts: str, rows: Any) -> None:
    """Write the fields of a record of arrays. facts: describes what they were made from, so that
    `read` recognises them. Raises ImageError.
    """
    with finished_whole(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, facts=np.array(facts), **vars(rows))


def read(file: Path, facts: str, kind: type[Kind]) -> Kind | None:
    """Read a record written by `write`; None if there is no file, it is damaged, or its facts
    differ.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if str(arrays["facts"]) != facts:
                return None
            return kind(**{name: arrays[name] for name in arrays.files if name != "facts"})
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
