"""All scenes of a training in one array, at the resolutions that its shots need. Built on the host
by NumPy.

A view that reduces a panorama by a factor r reads level floor(log2 r) of an image pyramid, so that
a reduction of less than 2 is left to interpolation and nothing aliases. A view of a photograph
reads the next finer level and averages areas. Levels that no shot can need are not kept: for
example, if crops of a photograph 6000 pixels wide are at least 1200 wide, pictures of 256 pixels
never read its finest level.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from hdrcnn.tiles.geometry import resize
from training_code.camera.shots import in_order
from training_code.scenes.collection import KNOWN, Scene
from training_code.scenes.views import Views

FINER = 2
"""Factor by which photographs are read at a finer scale than panoramas."""

MOST_PIXELS = 2**31 - 1
"""Largest number of pixels, as they are addressed by int32, the index type of both backends;
12.9 GB of float16."""


@dataclasses.dataclass(frozen=True)
class Atlas:
    """Pixels of every level of every scene, one after the other, with offsets and sizes."""

    pixels: np.ndarray
    """[P, 3] float16, linear, >= 0; each level in row-major order."""
    offset: np.ndarray
    """[scenes, levels] int32: index in `pixels` at which a level begins. A level that a scene does
    not keep is replaced by the nearest one that it does."""
    rows: np.ndarray
    """[scenes, levels] int32: rows of that level."""
    columns: np.ndarray
    """[scenes, levels] int32: columns of that level."""
    full_rows: np.ndarray
    """[scenes] int32: rows of the scene at full resolution, to which the numbers of shots refer."""
    full_columns: np.ndarray
    """[scenes] int32: columns of the scene at full resolution."""
    is_panorama: np.ndarray
    """[scenes] bool."""
    ceiling: np.ndarray
    """[scenes] float32: light from which on a view is unknown, see `Scene.known`."""

    def memory(self) -> str:
        """One line for the user: the memory that the pixels take."""
        gigabytes = self.pixels.nbytes / 1e9
        return f"{len(self.full_rows)} scenes on the accelerator: {gigabytes:.2f} GB"


def panorama_reduction(columns: int, fov: float, size: int) -> float:
    """Panorama pixels per view pixel in the centre of a view: the ratio of pixels per radian.

    columns: of the panorama; fov: degrees; size: columns of the view.
    """
    focal = 0.5 * size / math.tan(math.radians(fov) / 2)
    return columns / (2 * math.pi * focal)


def photograph_reduction(side: float, size: int) -> float:
    """Reduction by the pyramid for a crop of `side` pixels: pixels per view pixel over `FINER`."""
    return side / (FINER * size)


def reductions(scene: Scene, views: Views, size: int) -> tuple[float, float]:
    """Smallest and largest reduction by the pyramid of a scene, over views of `size` pixels."""
    rows, columns = scene.shape
    if scene.is_panorama:
        narrow, wide = (panorama_reduction(columns, fov, size) for fov in views.fov)
        return narrow, wide
    shorter = min(rows, columns)
    sides = [float(np.clip(share * columns, size, shorter)) for share in views.crop]
    # Sides are truncated to whole pixels, so they may be up to one pixel shorter.
    return photograph_reduction(sides[0] - 1, size), photograph_reduction(sides[1], size)


def level(reduction: float) -> int:
    """The level of a pyramid for a reduction: floor(log2), at least 0."""
    return max(0, math.floor(math.log2(reduction)))


def halved(pixels: np.ndarray) -> np.ndarray:
    """Halve rows and columns, rounded down, by area averaging: [H, W, 3] float32."""
    rows, columns = pixels.shape[:2]
    return resize(pixels, max(1, rows // 2), max(1, columns // 2), Image.Resampling.BOX)


def shapes(rows: int, columns: int, first: int, last: int) -> list[tuple[int, int]]:
    """Rows and columns of the levels `first` to `last`, at least one level. The pyramid ends before
    a side would become shorter than 2 pixels.
    """
    found = [(rows, columns)] if first == 0 else []
    for index in range(1, last + 1):
        if min(rows, columns) < 4:
            break
        rows, columns = rows // 2, columns // 2
        if index >= first:
            found.append((rows, columns))
    return found or [(rows, columns)]


def pyramid(pixels: np.ndarray, first: int, last: int) -> list[np.ndarray]:
    """The levels of [H, W, 3] listed by `shapes`, float16."""
    rows, columns = pixels.shape[:2]
    kept = shapes(rows, columns, first, last)
    levels = [pixels.astype(np.float16, copy=False)] if kept[0] == (rows, columns) else []
    smaller = pixels.astype(np.float32)
    while len(levels) < len(kept):
        smaller = halved(smaller)
        if smaller.shape[:2] == kept[len(levels)]:
            levels.append(smaller.astype(np.float16))
    return levels


def build(scenes: Sequence[Scene], views: Views, size: int) -> Atlas:
    """Lay out scenes, in the order of `shots.in_order`, for views of `size` pixels.

    Raises ValueError if there are more than `MOST_PIXELS` pixels.
    """
    scenes = in_order(scenes)
    spans = [tuple(map(level, reductions(scene, views, size))) for scene in scenes]
    kept = [
        shapes(*scene.shape, first, last)
        for scene, (first, last) in zip(scenes, spans, strict=True)
    ]
    total = sum(high * wide for levels in kept for high, wide in levels)
    if total > MOST_PIXELS:
        raise ValueError(
            f"{len(scenes)} scenes have {total:,} pixels and {MOST_PIXELS:,} can be addressed on "
            "the accelerator; take fewer scenes, or the loader of the host"
        )
    count = 1 + max(last for _, last in spans)
    offset, rows, columns = (np.zeros((len(scenes), count), np.int32) for _ in range(3))
    pixels = np.empty((total, 3), np.float16)
    begin = 0
    for index, (scene, levels, (first, last)) in enumerate(zip(scenes, kept, spans, strict=True)):
        begins = begin + np.cumsum([0] + [high * wide for high, wide in levels])
        nearest = np.clip(np.arange(count) - first, 0, len(levels) - 1)
        offset[index] = begins[nearest]
        rows[index], columns[index] = np.transpose([levels[place] for place in nearest])
        for image, start in zip(pyramid(scene.pixels, first, last), begins, strict=False):
            pixels[start : start + image.shape[0] * image.shape[1]] = image.reshape(-1, 3)
        begin = int(begins[-1])
    return Atlas(
        pixels=pixels,
        offset=offset,
        rows=rows,
        columns=columns,
        full_rows=np.array([scene.shape[0] for scene in scenes], np.int32),
        full_columns=np.array([scene.shape[1] for scene in scenes], np.int32),
        is_panorama=np.array([scene.is_panorama for scene in scenes], bool),
        ceiling=np.array([KNOWN * scene.ceiling for scene in scenes], np.float32),
    )
