"""Takes many pictures as rows of statistics and keeps them in a file of the run."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from training_code.camera.shots import in_order
from training_code.scenes.collection import Scene
from training_code.tasks import rows as rows_file
from training_code.tasks.camera_curve_settings import Config
from training_code.tasks.curve_pictures import Row, pictures_of_view

VERSION = 2
"""Version of the rows. Those of version 1 are of pictures exposed by all pixels, known or not."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """Pictures in the form the network is trained on, one row each."""

    statistics: np.ndarray
    """[N, F] float32: `curve_statistics.statistics`."""
    light: np.ndarray
    """[N, 256] float32: the true light of each code."""
    codes: np.ndarray
    """[N, 256] float32: shares of the codes in the picture."""
    family: np.ndarray
    """[N] str: family of the scene."""
    kind: np.ndarray
    """[N] int: kind of the scene, index into `views.KINDS`."""
    curve: np.ndarray
    """[N] int: index into `camera.CURVES`."""
    processed: np.ndarray
    """[N] bool: whether the picture was changed after the curve."""


def together(rows: Sequence[Row]) -> Rows:
    """Stack rows."""
    names = [field.name for field in dataclasses.fields(Rows)]
    return Rows(**{name: np.stack([getattr(row, name) for row in rows]) for name in names})


def gather(
    config: Config, scenes: Sequence[Scene], looks: int, file: Path, workers: int = 1
) -> Rows:
    """Take the pictures of `looks` views of scenes as rows, independent of the number of workers.

    file: read if it contains the rows of the same views, with the same settings, version, and
    names and file sizes of scenes, otherwise written. Raises ImageError if it cannot be written,
    ValueError if no scene can be exposed.
    """
    ordered = in_order(scenes)
    asked = {"looks": looks, "seed": config.seed, "pictures": dataclasses.asdict(config.pictures)}
    facts = rows_file.facts_of(VERSION, asked, ordered)
    kept = rows_file.read(file, facts, Rows)
    if kept is not None:
        return kept

    def take(index: int) -> list[Row]:
        return pictures_of_view(ordered, config.pictures, config.seed, index)

    rows: list[Row] = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for done, found in enumerate(pool.map(take, range(looks)), 1):
            rows += found
            if done % max(1, looks // 10) == 0:
                print(f"{done} of {looks} looks, {len(rows)} pictures", flush=True)
    gathered = together(rows)
    rows_file.write(file, facts, gathered)
    return gathered
