"""Load scenes from a folder of HDR files.

    load_scenes(folder)                   every scene in memory, at the size of its file
    load_scenes(folder, views=, store=)   reduced to what the views need; in memory up to a budget,
                                          beyond it in files (`scenes.store`)
    photographs.load_photographs(folder)  LDR photographs, linearised, read when they are used

All of them return a `Collection` of `Scene`.
"""

import contextlib
import dataclasses
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import HDR_SUFFIXES, read_hdr, size_of
from hdrcnn.tiles.geometry import resize
from hdrcnn.writers.exr import HALF_MAX
from training_code.scenes.files import SceneFile, chosen_files, none_usable, scene_files
from training_code.scenes.views import KINDS, Views

__all__ = [
    "Collection",
    "Scene",
    "SceneFile",
    "StoredScene",
    "load_scenes",
    "scene_files",
    "usable_pixels",
]

READERS = 4
"""Number of files read at a time."""
LARGE = 24_000_000
"""Files with more samples than this, by their headers, are read one at a time: a panorama 16,384
pixels wide has 400 million and takes some GB until it is reduced. The length of a file says little.
"""
REDUCTION = 2
"""Version of the pixels that `usable_pixels` returns; stored files of other versions are not used.
"""
KNOWN = 0.98
"""Share of a scene's ceiling above which a pixel of a view was clipped or averages clipped pixels.
"""
SHOWN = 50
"""Largest number of rejected files that are listed one by one."""

_one_large_file = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Scene:
    """One image: linear, >= 0, in an arbitrary unit."""

    name: str
    family: str
    """Images of one place share a family and stay on one side of the split."""
    pixels: np.ndarray = dataclasses.field(repr=False)
    """[H, W, 3] float16."""
    ceiling: float = dataclasses.field(default=math.inf, kw_only=True)
    """Light at which the source itself was clipped; light above it is unknown."""
    linearised: bool = dataclasses.field(default=False, kw_only=True)
    """Whether the scene is a linearised 8-bit photograph. Such a scene never counts as a panorama:
    if it is 2:1, it is more likely a crop."""
    file_bytes: int = dataclasses.field(default=0, kw_only=True)
    """Size of the file that it was read from; 0 if unknown."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; does not read the pixels."""
        rows, columns = self.pixels.shape[:2]
        return rows, columns

    @property
    def is_panorama(self) -> bool:
        """Whether the scene is an equirectangular panorama: exactly twice as wide as high."""
        rows, columns = self.shape
        return columns == 2 * rows and not self.linearised

    @property
    def kind(self) -> int:
        """Index into `views.KINDS`."""
        return 2 if self.linearised else 0 if self.is_panorama else 1

    def known(self, light: np.ndarray) -> np.ndarray:
        """Which pixels of a view [..., 3] of this scene were not clipped in its source:
        [..., 1] bool.
        """
        if self.ceiling == math.inf:
            return np.ones((*light.shape[:-1], 1), bool)
        return light.max(axis=-1, keepdims=True) < KNOWN * self.ceiling

    def crop(self, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        """The rectangle [rows, columns, 3] float16 of `pixels` at (top, left)."""
        return self.pixels[top : top + rows, left : left + columns]


class StoredScene(Scene):
    """A scene whose pixels are read from a file at each use. It takes almost no memory and is
    cheap to send to another process. Subclasses define `crop`.
    """

    def __init__(
        self,
        name: str,
        family: str,
        path: str,
        shape: tuple[int, int],
        *,
        ceiling: float = math.inf,
        linearised: bool = False,
        file_bytes: int = 0,
    ) -> None:
        for field, value in (("name", name), ("family", family), ("path", path)):
            object.__setattr__(self, field, value)
        object.__setattr__(self, "_shape", shape)
        object.__setattr__(self, "ceiling", ceiling)
        object.__setattr__(self, "linearised", linearised)
        object.__setattr__(self, "file_bytes", file_bytes)

    path: str
    _shape: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape

    @property
    def pixels(self) -> np.ndarray:
        """[H, W, 3] float16. Raises ImageError if the file can no longer be read."""
        return self.crop(0, 0, *self.shape)


class Store(Protocol):
    """Keeps scenes in memory or in files: see `store.SceneStore`."""

    def find(self, file: SceneFile, settings: Any) -> tuple[Scene, int] | None: ...
    def keep(self, file: SceneFile, settings: Any, pixels: np.ndarray, factor: int) -> Scene: ...


@dataclasses.dataclass(frozen=True)
class Collection:
    """The scenes found in a folder, and the files left out."""

    scenes: list[Scene]
    rejected: list[str]
    """One line for each file that cannot be used: file, reason and remedy."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """Notes of `files.Listing`."""
    reduced: int = 0
    """Number of scenes reduced below the size of their files because no view needs more."""
    saturated: int = 0
    """Number of photographs left out because too many of their pixels are saturated."""

    def summary(self) -> str:
        """One line for the user: how many scenes of which kind, and where they are kept."""
        counts = [sum(scene.kind == kind for scene in self.scenes) for kind in range(len(KINDS))]
        families = len({scene.family for scene in self.scenes})
        held = [scene for scene in self.scenes if not isinstance(scene, StoredScene)]
        memory = sum(scene.pixels.nbytes for scene in held) / 1e9
        parts = [
            ", ".join(f"{n:,} {kind}" for n, kind in zip(counts, KINDS, strict=True) if n),
            f"{families:,} families",
            f"{memory:.2f} GB in memory",
        ]
        if len(held) < len(self.scenes):
            parts.append(f"{len(self.scenes) - len(held):,} read from their files when used")
        if self.reduced:
            parts.append(f"{self.reduced:,} reduced to the pixels that the views need")
        return ", ".join(parts)

    def rejected_lines(self) -> str:
        """Lines for the user: the notes, how many files are left out, and a line for each of the
        first `SHOWN` of these; empty if there is nothing to report.
        """
        lines = "".join(f"{note}\n" for note in self.notes)
        if self.saturated:
            lines += f"{self.saturated:,} photographs are left out: more than 5 % are clipped\n"
        if self.rejected:
            lines += f"{len(self.rejected):,} files are left out:\n"
            lines += "".join(f"  {line}\n" for line in self.rejected[:SHOWN])
        if len(self.rejected) > SHOWN:
            lines += f"  and {len(self.rejected) - SHOWN:,} more\n"
        return lines


def half_scale(maximum: float) -> int:
    """Exponent of the largest power of two that scales a maximum > 0 to at most 65504; else 0.

    With that scale half floats keep full precision down to 29 octaves below the maximum, whatever
    the unit: small values would lose precision, large ones overflow. A power of two rounds nothing.
    """
    if maximum <= 0:
        return 0
    mantissa, exponent = math.frexp(maximum)
    return (16 if mantissa <= HALF_MAX / 65536 else 15) - exponent


def usable_pixels(path: Path, smallest: int, views: Views | None = None) -> tuple[np.ndarray, int]:
    """Read an HDR file as the pixels of a `Scene`, [H, W, 3] float16, linear Rec. 709, in
    [0, 65504]. Also returns the factor by which they were reduced.

    Negative values, which come from lossy compression and colours outside Rec. 709, become 0. The
    image is scaled by 2^`half_scale` of its maximum; the unit of a scene is arbitrary. With `views`
    it is reduced by area averaging to the size that views of `smallest` pixels need. Raises
    ImageError if the image cannot be read, a side is shorter than `smallest`, a value is not
    finite, or there is no light or no contrast.
    """
    size = size_of(path)
    with _one_large_file if size and size.samples > LARGE else contextlib.nullcontext():
        pixels = read_hdr(path)
        rows, columns = pixels.shape[:2]
        if min(rows, columns) < smallest:
            raise ImageError(
                f"{path}: {columns}x{rows} pixels, but the shorter side needs {smallest}; give a "
                "larger version"
            )
        # A single NaN makes both of these NaN.
        low, high = float(pixels.min()), float(pixels.max())
        if not np.isfinite([low, high]).all():
            raise ImageError(f"{path}: holds values that are not finite; repair or remove it")
        np.ldexp(pixels, half_scale(high), out=pixels)
        np.clip(pixels, 0.0, HALF_MAX, out=pixels)
        factor = views.spare(rows, columns, smallest) if views else 1
        if factor > 1:
            height = round(rows / factor)
            width = round(columns / factor)
            if columns == 2 * rows:
                width = 2 * height
            elif width == 2 * height:
                width -= 1  # It would be mistaken for a panorama.
            pixels = resize(pixels, height, width, Image.Resampling.BOX)
        half = pixels.astype(np.float16)
    if half.max() <= 0:
        raise ImageError(f"{path}: holds no light, nothing is above 0; remove it")
    if half.min() == half.max():
        raise ImageError(f"{path}: holds one value everywhere; remove it")
    return half, factor


def load_scenes(
    folder: Path,
    families: frozenset[str] = frozenset(),
    *,
    without: bool = False,
    smallest: int = 64,
    views: Views | None = None,
    store: "Store | None" = None,
) -> Collection:
    """Load the HDR files below a folder that belong to `families` or, with `without`, all others.
    Sorted by path.

    smallest: minimum length of the shorter side, pixels. views: reduce each scene to what these
    need at `smallest` pixels. store: keeps scenes in memory up to its budget and the others in
    files; without it all are in memory. Files that cannot be used are listed with the reason and
    left out. Raises ImageError if nothing is found or nothing is left.
    """
    chosen = chosen_files(folder, families, without, HDR_SUFFIXES, "HDR scenes")

    def load(file: SceneFile) -> tuple[Scene, int] | str:
        # Everything that the stored pixels depend on.
        settings = (REDUCTION, smallest, *views.sparing) if views else None
        stored = store.find(file, settings) if store else None
        if stored is not None:
            return stored
        try:
            pixels, factor = usable_pixels(file.path, smallest, views)
        except ImageError as error:
            return str(error)
        if store:
            return store.keep(file, settings, pixels, factor), factor
        return Scene(file.name, file.family, pixels, file_bytes=file.bytes), factor

    with ThreadPoolExecutor(READERS) as pool:
        loaded = list(pool.map(load, chosen.files))
    scenes = [found for found in loaded if not isinstance(found, str)]
    rejected = [reason for reason in loaded if isinstance(reason, str)]
    if not scenes:
        raise none_usable(folder, "HDR scene", rejected)
    reduced = sum(factor > 1 for _, factor in scenes)
    return Collection([scene for scene, _ in scenes], rejected, chosen.notes, reduced)
