"""Rows of training data, arrays of equal length: their file in the folder of the run, their order
in a training, and the moments of their statistics.
"""

import dataclasses
import functools
import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from hdrcnn.files import finished_whole
from training_code.scenes.collection import Scene

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar("Kind", bound="DataclassInstance")


def facts_of(version: int, settings: dict[str, Any], scenes: Sequence[Scene]) -> str:
    """What rows are made from, as JSON. version: of the code that makes them, to be raised whenever
    the same settings and scenes give other rows.
    """
    names, sizes = [scene.name for scene in scenes], [scene.file_bytes for scene in scenes]
    return json.dumps({"version": version, **settings, "scenes": names, "bytes": sizes})


def write(file: Path, facts: str, rows: Any) -> None:
    """Write the fields of a record of arrays. facts: of `facts_of`, so that `read` recognises them.
    Raises ImageError.
    """
    with finished_whole(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, facts=np.array(facts), **vars(rows))


def read(file: Path, facts: str, kind: type[Kind]) -> Kind | None:
    """Read a record, a dataclass written by `write`; None if there is no file, it is damaged, or
    its facts differ.
    """
    wanted = json.loads(facts)
    # Files of older programs state neither: they are of the first version.
    unstated = {"version": 1, "bytes": wanted["bytes"]}
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if unstated | json.loads(str(arrays["facts"])) != wanted:
                return None
            return kind(**{field.name: arrays[field.name] for field in dataclasses.fields(kind)})
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


@functools.lru_cache(maxsize=4)
def _order(seed: int, turn: int, count: int) -> np.ndarray:
    """Random permutation of range(count), another one for each turn: [count] int."""
    return np.random.default_rng((seed, turn)).permutation(count)


def place_of(seed: int, number: int, count: int) -> int:
    """Index of item `number` in endless passes over `count` items, each pass in a random order of
    its own.
    """
    turn, place = divmod(number, count)
    return int(_order(seed, turn, count)[place])


class WithStatistics(Protocol):
    """Rows that a network takes statistics of, [N, F] float32."""

    @property
    def statistics(self) -> np.ndarray: ...


def moments(rows: Sequence[WithStatistics]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each of the statistics of all rows, [F] each; the variance is at least
    1e-4.
    """
    together = np.concatenate([own.statistics for own in rows])
    return together.mean(axis=0), np.maximum(together.var(axis=0), 1e-4)
