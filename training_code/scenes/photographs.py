"""LDR photographs as scenes: light by the inverse sRGB curve, not known where they are clipped.

Eilertsen et al. 2017 pre-train on photographs without saturated regions. Beside HDR scenes they
teach what those lack: sharp detail, and pictures in which nothing shines. Their camera has
compressed the light, so it is a lower bound of what was there. What is clipped is not known and is
left out of the loss. Those beyond the memory given are decoded at each use.
"""

import contextlib
import csv
import io
import itertools
import math
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.files import ImageError, finished_whole
from hdrcnn.readers.folders import LDR_SUFFIXES
from hdrcnn.readers.photograph import read_ldr
from training_code.scenes.collection import Collection, Scene, StoredScene
from training_code.scenes.files import SceneFile, chosen_files, none_usable

SATURATED = 254.5 / 255.0
"""A pixel is saturated where its largest channel is above this: 255 in 8 bits."""
MOST_SATURATED = 0.05
"""Share of the pixels. Published are 50 pixels, as there they count as light; here they are not
known, and a photograph with more of them shows little of what lies above any exposure.
"""
CHUNK = 64
"""Files measured by a thread before the next chunk is handed out."""
COLUMNS = ("file", "bytes", "modified", "rows", "columns", "saturated", "flat")

Facts = tuple[int, int, int, int]
"""Rows, columns, saturated pixels, and 1 where all values are the same."""


class LdrScene(StoredScene):
    """A photograph that is decoded at each use; linear in [0, 1]."""

    def crop(self, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        codes = read_ldr(Path(self.path))
        if codes.shape[:2] != self.shape:
            raise ImageError(f"{self.path}: was changed while in use; start again")
        part = codes[top : top + rows, left : left + columns]
        return srgb_decode(part).astype(np.float16)


def measured(path: Path) -> Facts:
    """What decides whether a photograph is usable. Raises ImageError if it cannot be read."""
    codes = read_ldr(path)
    above = codes >= SATURATED
    saturated = np.count_nonzero(above[..., 0] | above[..., 1] | above[..., 2])
    return *codes.shape[:2], int(saturated), int(codes.min() == codes.max())


def _encoded(rows: Iterable[tuple]) -> bytes:
    """Rows as CSV. Names of files on Linux may be any bytes."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", errors="surrogateescape")


def _rows(content: bytes) -> Iterator[list[str]]:
    """What `_encoded` was given, after the line of the columns; ends at what is no CSV."""
    text = content.decode("utf-8", errors="surrogateescape")
    # Names may hold what Python takes for the end of a line: `newline` leaves that to CSV.
    with contextlib.suppress(csv.Error):
        yield from itertools.islice(csv.reader(io.StringIO(text, newline="")), 1, None)


class Index:
    """What was measured, kept in a CSV file that grows as the reading goes on, so that a run
    started again reads only what is new; without a path it is forgotten.
    """

    def __init__(self, path: Path | None) -> None:
        self.path, self._lock = path, threading.Lock()
        self.known: dict[tuple[str, int, int], Facts] = {}
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.is_file() else b""
        # A run that was killed may leave a torn line.
        for row in _rows(content[: content.rfind(b"\n") + 1]):
            with contextlib.suppress(ValueError):  # Then the file is measured again.
                name, *numbers = row
                size, modified, rows, columns, saturated, flat = map(int, numbers)
                self.known[name, size, modified] = (rows, columns, saturated, flat)
        lines = [COLUMNS, *((*key, *facts) for key, facts in self.known.items())]
        if content != _encoded(lines):
            with finished_whole(path) as temporary:
                temporary.write_bytes(_encoded(lines))

    def _append(self, rows: list[tuple]) -> None:
        if self.path and rows:
            with self._lock, self.path.open("ab") as file:
                file.write(_encoded(rows))

    def look_up(self, files: list[SceneFile]) -> list[Facts | str]:
        """Of each file its facts, or one line that says why it cannot be read."""
        found: list[Facts | str] = []
        new: list[tuple] = []
        for file in files:
            try:
                status = file.path.stat()
                key = (file.name, status.st_size, status.st_mtime_ns)
                if key not in self.known:
                    self.known[key] = measured(file.path)
                    new.append((*key, *self.known[key]))
                found.append(self.known[key])
            except ImageError as error:
                found.append(str(error))
            except OSError as error:
                found.append(f"{file.path}: cannot be read: {error.strerror or error}")
        self._append(new)
        return found


def _unusable(file: SceneFile, facts: Facts, smallest: int) -> str:
    """One line that says why a photograph cannot be used; empty where it can."""
    rows, columns, _, flat = facts
    if min(rows, columns) < smallest:
        return (
            f"{file.path}: {columns}x{rows} pixels, but the shorter side needs {smallest}; give a "
            "larger version"
        )
    return f"{file.path}: holds one value everywhere; remove it" if flat else ""


def held(scene: Scene) -> Scene:
    """The scene with its pixels in memory."""
    return Scene(
        scene.name,
        scene.family,
        scene.pixels,
        ceiling=scene.ceiling,
        linearised=scene.linearised,
    )


def load_photographs(
    folder: Path,
    families: frozenset[str] = frozenset(),
    *,
    without: bool = False,
    smallest: int = 64,
    index: Path | None = None,
    memory: int = 0,
) -> Collection:
    """The LDR photographs below a folder, sorted by path: those of `families`, or, `without`, the
    rest.

    Every file is decoded once, by as many threads as there are processors, to count its saturated
    pixels: photographs with more than `MOST_SATURATED` are left out and only counted. Those that
    cannot be read, have a side shorter than `smallest`, or one value everywhere, are listed.
    index: a CSV file of what was found, used and continued. memory: bytes; the first photographs
    that fit are held, 6 bytes a pixel, the others decoded at each use. Raises ImageError if nothing
    is found or nothing is left.
    """
    chosen = chosen_files(folder, families, without, LDR_SUFFIXES, "photographs")
    files = chosen.files
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    scenes: list[Scene] = []
    rejected: list[str] = []
    saturated = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = itertools.chain.from_iterable(pool.map(Index(index).look_up, chunks))
        for file, facts in zip(files, found, strict=True):
            if isinstance(facts, str):
                rejected.append(facts)
            elif facts[2] > MOST_SATURATED * facts[0] * facts[1]:
                saturated += 1
            elif reason := _unusable(file, facts, smallest):
                rejected.append(reason)
            else:
                scenes.append(
                    LdrScene(
                        file.name,
                        file.family,
                        str(file.path),
                        facts[:2],
                        ceiling=1.0,
                        linearised=True,
                    )
                )
        if not scenes:
            counted = f"{saturated:,} with more than {MOST_SATURATED:.0%} of the pixels saturated"
            raise none_usable(folder, "photograph", ([counted] if saturated else []) + rejected)
        sizes = itertools.accumulate(6 * math.prod(scene.shape) for scene in scenes)
        fitting = sum(size <= memory for size in sizes)
        scenes[:fitting] = pool.map(held, scenes[:fitting])
    return Collection(scenes, rejected, chosen.notes, saturated=saturated)
