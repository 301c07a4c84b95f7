"""A folder of HDR files becomes scenes: what is usable, how it is held, how it is looked at.

    load_scenes(folder)                   every scene in memory, as it is in its file
    load_scenes(folder, views=, store=)   reduced to what the views need; in memory up to a budget,
                                          beyond it in files (`scenes.store`)
    photographs.load_photographs(folder)  LDR photographs, linearised, read when they are used

Whichever way, what comes out is a `Collection` of `Scene`.
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
"""Files read at a time."""
LARGE = 24_000_000
"""A file of more samples, by its header, is read while no other such file is: a panorama 16,384
pixels wide has 400 million and takes some GB until it is reduced. The length of a file says little.
"""
REDUCTION = 2
"""Version of what `usable_pixels` makes of a file: files of a store of another one are not used."""
KNOWN = 0.98
"""Of a scene's ceiling: a view's pixel above it was clipped, or averages pixels that were."""
SHOWN = 50
"""Files left out that are named one by one."""

_one_large_file = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Scene:
    """One image, linear, >= 0, in a unit of its own."""

    name: str
    family: str
    """Images of one place share a family and stay on one side of the split."""
    pixels: np.ndarray = dataclasses.field(repr=False)
    """[H, W, 3] float16."""
    ceiling: float = dataclasses.field(default=math.inf, kw_only=True)
    """Light at which the source itself was clipped: what is above it is not known."""
    linearised: bool = dataclasses.field(default=False, kw_only=True)
    """From an 8-bit photograph: never a panorama, one of 2:1 is more likely a crop."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; known without reading the pixels."""
        rows, columns = self.pixels.shape[:2]
        return rows, columns

    @property
    def is_panorama(self) -> bool:
        """Equirectangular: exactly twice as wide as high."""
        rows, columns = self.shape
        return columns == 2 * rows and not self.linearised

    @property
    def kind(self) -> int:
        """Index into `views.KINDS`."""
        return 2 if self.linearised else 0 if self.is_panorama else 1

    def known(self, light: np.ndarray) -> np.ndarray:
        """Which pixels of a view [..., 3] of this scene hold what was there, rather than the level
        at which the source was clipped: [..., 1] bool.
        """
        if self.ceiling == math.inf:
            return np.ones((*light.shape[:-1], 1), bool)
        return light.max(axis=-1, keepdims=True) < KNOWN * self.ceiling

    def crop(self, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        """The rectangle [rows, columns, 3] float16 of `pixels` at (top, left)."""
        return self.pixels[top : top + rows, left : left + columns]


class StoredScene(Scene):
    """A scene whose pixels lie in a file and are read at each use: it costs next to no memory,
    and goes to another process as a name. Its kinds define `crop`.
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
    ) -> None:
        for field, value in (("name", name), ("family", family), ("path", path)):
            object.__setattr__(self, field, value)
        object.__setattr__(self, "_shape", shape)
        object.__setattr__(self, "ceiling", ceiling)
        object.__setattr__(self, "linearised", linearised)

    path: str
    _shape: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape

    @property
    def pixels(self) -> np.ndarray:
        """[H, W, 3] float16. Raises ImageError if the file cannot be read any more."""
        return self.crop(0, 0, *self.shape)


class Store(Protocol):
    """Where scenes are held: see `store.SceneStore`."""

    def find(self, file: SceneFile, settings: Any) -> tuple[Scene, int] | None: ...
    def keep(self, file: SceneFile, settings: Any, pixels: np.ndarray, factor: int) -> Scene: ...


@dataclasses.dataclass(frozen=True)
class Collection:
    """What a folder gave."""

    scenes: list[Scene]
    rejected: list[str]
    """One line for each file that cannot be used: which, why, and what to do."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """Of `files.Listing`."""
    reduced: int = 0
    """Scenes that are held smaller than their files, as no view needs more."""
    saturated: int = 0
    """Photographs left out for their saturated pixels."""

    def summary(self) -> str:
        """For the user, one line: how many scenes of which kind, and where they are held."""
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
        """For the user: the notes; how many files are left out, then a line for each of the first
        `SHOWN`; empty without any.
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
    """The exponent of the largest power of two that takes a maximum > 0 to at most 65504.

    So half floats keep all their digits down to 29 octaves below the maximum, whatever the unit:
    small values lose digits in them, large ones do not fit. A power of two rounds nothing.
    """
    if maximum <= 0:
        return 0
    mantissa, exponent = math.frexp(maximum)
    return (16 if mantissa <= HALF_MAX / 65536 else 15) - exponent


def usable_pixels(path: Path, smallest: int, views: Views | None = None) -> tuple[np.ndarray, int]:
    """An HDR file as the pixels of a `Scene`, [H, W, 3] float16, linear Rec. 709, in [0, 65504],
    and how many times smaller than the file they are.

    Negative values, which lossy compression and colours outside Rec. 709 leave, become 0. The
    image is multiplied by `half_scale` of its maximum: the unit of a scene is of no account. With
    `views` it is reduced, averaged over areas, by what views of `smallest` pixels have to spare.
    Raises ImageError if the image cannot be read, a side is shorter than `smallest`, a value is
    not finite, or there is no light or no contrast.
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
        # One value that is not a number makes both of these so.
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
                width -= 1  # It would be taken for a panorama.
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
    """All HDR files below a folder, sorted by path: those of `families`, or, `without`, the rest.

    smallest: the least pixels of the shorter side. views: reduce each scene to what these need at
    `smallest` pixels. store: holds the scenes within its budget and the others in its files;
    without it all are in memory. Files that cannot be used are listed with the reason and the
    others are taken. Raises ImageError if nothing is found or nothing is left.
    """
    chosen = chosen_files(folder, families, without, HDR_SUFFIXES, "HDR scenes")

    def load(file: SceneFile) -> tuple[Scene, int] | str:
        # The fields that the pixels depend on.
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
        return Scene(file.name, file.family, pixels), factor

    with ThreadPoolExecutor(READERS) as pool:
        loaded = list(pool.map(load, chosen.files))
    scenes = [found for found in loaded if not isinstance(found, str)]
    rejected = [reason for reason in loaded if isinstance(reason, str)]
    if not scenes:
        raise none_usable(folder, "HDR scene", rejected)
    reduced = sum(factor > 1 for _, factor in scenes)
    return Collection([scene for scene, _ in scenes], rejected, chosen.notes, reduced)
