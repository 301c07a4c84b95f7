"""Takes many graded frames as rows of statistics and pixels and keeps them in a file of the run.

    a look at a scene  ->  many grades, each shared by several looks, with x264 or without
      ->  a frame of SDR and its HDR
      -> statistics [F]               of the reduced SDR frame, the only input of the curves
      -> sdr, hdr [h, w, 3]           some of the pixels, on which the loss is computed

The expensive steps, rendering looks, grading and encoding, are thus done once, and a training
iterates over the rows many times.
"""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.models import film_curves
from hdrcnn.predict.film_curves import reduced
from training_code.camera import RandomStream, clips, generator, grades
from training_code.camera.shots import families, in_order
from training_code.scenes.collection import Scene
from training_code.tasks import rows as rows_file
from training_code.tasks.film_settings import Clips, Config

VERSION = 1
"""Version of the rows."""
WARM = 1
"""Number of frames encoded before those that are kept, because an encoder's first frame has a
higher quality than the others."""
LIGHT = clips.light_of_pq_codes(np.arange(1 << 16, dtype=np.uint16))
"""Table of light in cd/m^2, indexed by PQ code."""
KEPT = 24
"""Approximate number of pixel rows kept of a frame; curves have few parameters."""


def look(
    scenes: Sequence[Scene],
    groups: Sequence[Sequence[int]],
    config: Config,
    index: int,
    frames: int = 2,
) -> np.ndarray:
    """Render a look at a random scene: [WARM + frames, H, W, 3] uint16, PQ codes of BT.2020. It
    depends only on the arguments and `config.seed`.

    scenes: sorted as by `in_order`; groups: indices of the scenes of each family. Raises ValueError
    if all views are too black.
    """

    def draw(attempt: int) -> tuple[Scene, clips.Take]:
        rng = generator((config.seed, index, 0, 0, attempt), RandomStream.VIEW)
        group = groups[int(rng.integers(len(groups)))]
        scene = scenes[group[int(rng.integers(len(group)))]]
        return scene, clips.draw_take(rng, frames + WARM, config.views)

    return clips.hdr_pq_codes(clips.filmed(draw, config.size, config.columns)[1])


def graded(
    pq_codes: np.ndarray, chosen: Clips, rng: np.random.Generator, grade: grades.Grade | None = None
) -> np.ndarray:
    """Grade a look, PQ codes [WARM + frames, H, W, 3] uint16, and compress it at random:
    [frames, H, W, 3] uint8. grade: drawn if it is None.
    """
    grade = grade or grades.draw_grade(chosen.grades, rng)
    crf = int(rng.integers(chosen.crf[0], chosen.crf[1] + 1))
    kept = crf if rng.random() < chosen.compressed else None
    return clips.graded(LIGHT[pq_codes], grade, kept)[WARM:]


@dataclasses.dataclass(frozen=True)
class Rows:
    """Frames in the form the network for curves is trained on, one row each."""

    statistics: np.ndarray
    """[N, F] float32: `models.film_curves.statistics`."""
    sdr: np.ndarray
    """[N, h, w, 3] uint8, codes of Rec. 709."""
    hdr: np.ndarray
    """[N, h, w, 3] uint16, PQ codes of BT.2020."""
    film: np.ndarray
    """[N] int32: number of the film; rows of one film are in the same grade."""


def row(
    sdr: np.ndarray, hdr: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The row of a frame [H, W, 3] uint8 and its truth uint16: statistics, and the pixels kept of
    both, a regular grid with a random start.
    """
    every = max(1, sdr.shape[0] // KEPT)
    down, right = rng.integers(every, size=2)
    grid = slice(int(down), None, every), slice(int(right), None, every)
    rows, columns = (size // every for size in sdr.shape[:2])
    found = film_curves.statistics(reduced(sdr)[None])[0].astype(np.float32)
    return found, sdr[grid][:rows, :columns], hdr[grid][:rows, :columns]


def of_frames(
    frames: Sequence[tuple[np.ndarray, np.ndarray]], films: Sequence[str], seed: int
) -> Rows:
    """Rows of given frames, [H, W, 3] uint8 and uint16, all of one size. films: name of the film of
    each frame.
    """
    rng = np.random.default_rng(seed)
    found = zip(*(row(sdr, hdr, rng) for sdr, hdr in frames), strict=True)
    statistics, sdr, hdr = (np.stack(values) for values in found)
    numbers = np.unique(np.array(films), return_inverse=True)[1].astype(np.int32)
    return Rows(statistics, sdr, hdr, numbers)


def films_of(looks: int, chosen: Clips, seed: int) -> np.ndarray:
    """Assign looks to simulated films: number of the film of each look in each of its grades,
    [repeats, looks] int32. At most `alike` looks, grouped at random for each grade, form a film.
    """
    count = -(-looks // chosen.alike)
    return np.stack(
        [
            repeat * count + np.random.default_rng((seed, repeat)).permutation(looks) % count
            for repeat in range(chosen.repeats)
        ]
    ).astype(np.int32)


def gather(
    config: Config, scenes: Sequence[Scene], looks: int, file: Path, workers: int = 1
) -> Rows:
    """The rows of `looks` looks at scenes, each in `clips.repeats` grades, which it shares with
    other looks. Independent of the number of workers.

    file: read if it contains the rows of the same looks, with the same settings, version, and
    names and file sizes of scenes, otherwise written. Raises ImageError if it cannot be written,
    ValueError if no scene can be exposed.
    """
    ordered = in_order(scenes)
    groups = families(ordered)
    asked: dict[str, Any] = {"looks": looks, "seed": config.seed, "size": config.size}
    asked |= {"clips": dataclasses.asdict(config.clips), "views": dataclasses.asdict(config.views)}
    facts = rows_file.facts_of(VERSION, asked, ordered)
    kept = rows_file.read(file, facts, Rows)
    if kept is not None:
        return kept
    count = looks * config.clips.repeats
    every = max(1, config.size // KEPT)
    shape = (count, config.size // every, config.columns // every, 3)
    rows = Rows(
        np.empty((count, film_curves.STATISTICS), np.float32),
        np.empty(shape, np.uint8),
        np.empty(shape, np.uint16),
        np.empty(count, np.int32),
    )
    films = films_of(looks, config.clips, config.seed)

    def take(index: int) -> None:
        pq_codes = look(ordered, groups, config, index, 1)
        rng = generator((config.seed, index, 0, 0, 0), RandomStream.DEVELOPMENT)
        for repeat, film in enumerate(films[:, index]):
            place = index * config.clips.repeats + repeat
            own = generator((config.seed, int(film), 0, 0, 1), RandomStream.DEVELOPMENT)
            grade = grades.draw_grade(config.clips.grades, own)
            sdr = graded(pq_codes, config.clips, rng, grade)[0]
            found = row(sdr, pq_codes[WARM], rng)
            rows.statistics[place], rows.sdr[place], rows.hdr[place] = found
            rows.film[place] = film

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for done, _ in enumerate(pool.map(take, range(looks)), 1):
            if done % max(1, looks // 10) == 0:
                print(f"{done} of {looks} looks", flush=True)
    rows_file.write(file, facts, rows)
    return rows
