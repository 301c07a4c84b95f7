"""Where scenes are held: in memory up to a budget, beyond it in files that are mapped.

A collection larger than memory is read once. Each scene is brought to the pixels that the views
need, and those beyond the budget are written beside the run as plain `.npy`, half floats. Such a
file is mapped at each use: a view reads the pages it touches, the operating system keeps in
memory what is used, and a run that is started again finds the files and does not read the
originals of these scenes again.
"""

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.files import ImageError, finished_whole
from training_code.scenes.collection import Scene, StoredScene
from training_code.scenes.files import SceneFile

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says what a container may take."""
UNKNOWN = 8 << 30
"""Bytes assumed where the system does not say."""


class MappedScene(StoredScene):
    """A scene in an `.npy` file of half floats."""

    def crop(self, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        try:
            pixels = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ImageError(
                f"{self.path}: cannot be read ({error}); delete it and start again"
            ) from error
        return np.asarray(pixels)[top : top + rows, left : left + columns]


class SceneStore:
    """Holds scenes for `load_scenes`; may be used by several threads, and for several folders."""

    def __init__(self, folder: Path, budget: int) -> None:
        """folder: for the files, made when the first is written; budget: bytes of all scenes held
        in memory.
        """
        self.folder, self.budget = folder, budget
        self.used = 0
        self._lock = threading.Lock()

    def keep(self, file: SceneFile, settings: Any, pixels: np.ndarray, factor: int) -> Scene:
        """The scene, in memory while the budget lasts, else in a file. Raises ImageError where
        that cannot be written.
        """
        with self._lock:
            fits = self.used + pixels.nbytes <= self.budget
            self.used += pixels.nbytes if fits else 0
        if fits:
            return Scene(file.name, file.family, pixels)
        path = self.folder / f"{self._key(file, settings)}_{factor}.npy"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(f"{self.folder}: cannot be made: {error.strerror or error}") from error
        with finished_whole(path) as temporary:
            np.save(temporary, pixels)
        return MappedScene(file.name, file.family, str(path), pixels.shape[:2])

    def find(self, file: SceneFile, settings: Any) -> tuple[Scene, int] | None:
        """The scene and its reduction out of a file written before, for the same original and
        the same settings; None where there is no whole one.
        """
        for path in self.folder.glob(f"{self._key(file, settings)}_*.npy"):
            try:
                pixels = np.load(path, mmap_mode="r", allow_pickle=False)
                factor = int(path.stem.rpartition("_")[2])
            except (OSError, ValueError):
                continue
            if pixels.dtype == np.float16 and pixels.ndim == 3:
                return MappedScene(file.name, file.family, str(path), pixels.shape[:2]), factor
        return None

    def _key(self, file: SceneFile, settings: Any) -> str:
        """Changes with the original, by its size and time, and with the settings."""
        try:
            status = file.path.stat()
            facts = (str(file.path.resolve()), status.st_size, status.st_mtime_ns, settings)
        except OSError:
            facts = (str(file.path), 0, 0, settings)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def half_of_memory() -> int:
    """Bytes: half of what this computer, or the container this runs in, has."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Not on Windows.
        total = UNKNOWN
    for limit in LIMITS:
        try:
            text = Path(limit).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total // 2
