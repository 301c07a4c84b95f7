"""LDR photographs as scenes: linearised by the inverse sRGB curve, unknown where clipped.

Eilertsen et al. 2017 pre-train on photographs without saturated regions. Mixed with HDR scenes,
photographs teach what those lack: sharp detail, and pictures without light sources. Their cameras
compressed the light, so they are a lower bound of the true light. Clipped pixels are unknown and
are left out of the loss. Photographs that do not fit into the given memory are decoded at each use.
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
"""A pixel is saturated if its largest channel is at least this: code 255 of 8 bits."""
MOST_SATURATED = 0.05
"""Largest share of saturated pixels in a usable photograph. The published limit is 50 pixels, which
count as light there. Here they are unknown, and a photograph with more of them shows little of what
lies above any exposure.
"""
CHUNK = 64
"""Number of files that a thread measures at a time."""
COLUMNS = ("file", "bytes", "modified", "rows", "columns", "saturated", "flat")

Facts = tuple[int, int, int, int]
"""Rows, columns, number of saturated pixels, and 1 if all values are equal, else 0."""


class LdrScene(StoredScene):
    """A photograph that is decoded and linearised at each use; linear in [0, 1]."""

    def crop(self, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        codes = read_ldr(Path(self.path))
        if codes.shape[:2] != self.shape:
            raise ImageError(f"{self.path}: was changed while in use; start again")
        part = codes[top : top + rows, left : left + columns]
        return srgb_decode(part).astype(np.float16)


def measured(path: Path) -> Facts:
    """Measure the facts that decide whether a photograph is usable. Raises ImageError if it cannot
    be read.
    """
    codes = read_ldr(path)
    above = codes >= SATURATED
    saturated = np.count_nonzero(above[..., 0] | above[..., 1] | above[..., 2])
    return *codes.shape[:2], int(saturated), int(codes.min() == codes.max())


def _encoded(rows: Iterable[tuple]) -> bytes:
    """Rows as CSV. File names on Linux may be any bytes."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", errors="surrogateescape")


def _rows(content: bytes) -> Iterator[list[str]]:
    """The inverse of `_encoded`, without the header; stops at the first line that is not CSV."""
    text = content.decode("utf-8", errors="surrogateescape")
    # File names may contain line breaks: newline="" leaves them to the CSV reader.
    with contextlib.suppress(csv.Error):
        yield from itertools.islice(csv.reader(io.StringIO(text, newline="")), 1, None)


class Index:
    """Facts about photographs, kept in a CSV file that grows as files are measured, so that a run
    that is started again measures only new files. Without a path, facts are not stored.
    """

    def __init__(self, path: Path | None) -> None:
        self.path, self._lock = path, threading.Lock()
        self.known: dict[tuple[str, int, int], Facts] = {}
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.is_file() else b""
        # A killed run may leave an incomplete last line.
        for row in _rows(content[: content.rfind(b"\n") + 1]):
            with contextlib.suppress(ValueError):  # The file of a damaged row is measured again.
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
        """The facts of each file, or one line that says why it cannot be read."""
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
    """One line that says why a photograph cannot be used; empty if it can."""
    rows, columns, _, flat = facts
    if min(rows, columns) < smallest:
        return (
            f"{file.path}: {columns}x{rows} pixels, but the shorter side needs {smallest}; give a "
            "larger version"
        )
    return f"{file.path}: holds one value everywhere; remove it" if flat else ""


def held(scene: Scene) -> Scene:
    """A copy of the scene with its pixels in memory."""
    return Scene(
        scene.name,
        scene.family,
        scene.pixels,
        ceiling=scene.ceiling,
        linearised=scene.linearised,
        file_bytes=scene.file_bytes,
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
    """Load the LDR photographs below a folder that belong to `families` or, with `without`, all
    others. Sorted by path.

    Every file is decoded once, by as many threads as there are processors, to count its saturated
    pixels. Photographs with more than `MOST_SATURATED` of them are left out and only counted; those
    that cannot be read, have a side shorter than `smallest`, or one value everywhere, are left out
    and listed. index: a CSV file of measured facts, used and extended. memory: bytes for
    photographs in memory, 6 per pixel, filled in order; the others are decoded at each use. Raises
    ImageError if nothing is found or nothing is left.
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
                        file_bytes=file.bytes,
                    )
                )
        if not scenes:
            counted = f"{saturated:,} with more than {MOST_SATURATED:.0%} of the pixels saturated"
            raise none_usable(folder, "photograph", ([counted] if saturated else []) + rejected)
        sizes = itertools.accumulate(6 * math.prod(scene.shape) for scene in scenes)
        fitting = sum(size <= memory for size in sizes)
        scenes[:fitting] = pool.map(held, scenes[:fitting])
    return Collection(scenes, rejected, chosen.notes, saturated=saturated)
