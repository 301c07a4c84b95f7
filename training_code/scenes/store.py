"""Keeps scenes in memory up to a budget, and beyond it in memory-mapped files.

A collection larger than memory is read once. Each scene is reduced to the pixels that the views
need, and scenes beyond the budget are written to the folder of the run as plain `.npy` files of
half floats. Such a file is mapped at each use: a view reads only the pages it touches, and the
operating system caches what is used. A run that is started again finds the files and does not read
the originals of these scenes again.
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
"""Files in which Linux states the memory limit of a container."""
UNKNOWN = 8 << 30
"""Bytes of memory assumed if the system does not state them."""


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


def mapped(file: SceneFile, path: Path, pixels: np.ndarray) -> MappedScene:
    """The scene of a file whose pixels are stored at a path."""
    shape = pixels.shape[0], pixels.shape[1]
    return MappedScene(file.name, file.family, str(path), shape, file_bytes=file.bytes)


class SceneStore:
    """Keeps scenes for `load_scenes`. Thread-safe; may be used for several folders."""

    def __init__(self, folder: Path, budget: int) -> None:
        """folder: for the files, created when the first is written; budget: bytes for all scenes in
        memory.
        """
        self.folder, self.budget = folder, budget
        self.used = 0
        self._lock = threading.Lock()

    def keep(self, file: SceneFile, settings: Any, pixels: np.ndarray, factor: int) -> Scene:
        """Keep a scene in memory while the budget lasts, otherwise in a file. Raises ImageError if
        that cannot be written.
        """
        with self._lock:
            fits = self.used + pixels.nbytes <= self.budget
            self.used += pixels.nbytes if fits else 0
        if fits:
            return Scene(file.name, file.family, pixels, file_bytes=file.bytes)
        path = self.folder / f"{self._key(file, settings)}_{factor}.npy"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(
                f"{self.folder}: cannot be created: {error.strerror or error}"
            ) from error
        with finished_whole(path) as temporary:
            np.save(temporary, pixels)
        return mapped(file, path, pixels)

    def find(self, file: SceneFile, settings: Any) -> tuple[Scene, int] | None:
        """The scene and its reduction factor from a file written earlier for the same original and
        the same settings; None if there is no complete one.
        """
        for path in self.folder.glob(f"{self._key(file, settings)}_*.npy"):
            try:
                pixels = np.load(path, mmap_mode="r", allow_pickle=False)
                factor = int(path.stem.rpartition("_")[2])
            except (OSError, ValueError):
                continue
            if pixels.dtype == np.float16 and pixels.ndim == 3:
                return mapped(file, path, pixels), factor
        return None

    def _key(self, file: SceneFile, settings: Any) -> str:
        """Hash of the original's path, size and modification time and of the settings."""
        try:
            status = file.path.stat()
            facts = (str(file.path.resolve()), status.st_size, status.st_mtime_ns, settings)
        except OSError:
            facts = (str(file.path), 0, 0, settings)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def half_of_memory() -> int:
    """Half of the memory of this computer, or of the container this runs in, in bytes."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no `sysconf`.
        total = UNKNOWN
    for limit in LIMITS:
        try:
            text = Path(limit).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total // 2
