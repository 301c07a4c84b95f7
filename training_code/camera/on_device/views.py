"""Views of the scenes of an `Atlas` in `keras.ops`, a batch at a time: linear light.

The geometry is that of `camera.projection`. A view pixel is a weighted sum of 5x5 pixels of one
level: for a panorama, the four of bilinear interpolation; for a photograph, those that the square
of the view pixel covers, weighted by area. Only positions and weights differ, so both kinds take
the same path through one graph. Crops reduced less than four times equal those of the host; for
others, the borders of the squares, which cut through pixels of the level, are off by less than one
pixel of the level.
"""

import itertools
import math
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from training_code.camera.on_device.atlas import FINER, Atlas

Tensor: TypeAlias = keras.KerasTensor
Places = tuple[Tensor, tuple[Tensor, ...]]
"""Samples along one axis: the index of the first pixel, a whole float32, and the weights."""

TAPS = 2 * FINER + 1
"""Number of pixels of a level that a view pixel of a photograph can touch along an axis."""

ANY_FOV = 90.0
"""Placeholder field of view, degrees, for photographs, which have none."""


def _per_shot(values: Any, dtype: str = "float32") -> Tensor:
    """[N] to [N, 1, 1]."""
    return ops.cast(values, dtype)[:, None, None]


def _level_of(table: np.ndarray, scene: Tensor, level: Tensor) -> Tensor:
    """Entries [N, 1, 1] int32 of a table [scenes, levels]."""
    flat = ops.convert_to_tensor(table.reshape(-1))
    return ops.take(flat, scene * table.shape[1] + level)[:, None, None]


def levels(atlas: Atlas, shots: dict[str, Any], size: int) -> Tensor:
    """[N] int32: the level that each shot reads, as given by `atlas.level`."""
    scene = ops.cast(shots["scene"], "int32")
    columns = ops.cast(ops.take(atlas.full_columns, scene), "float32")
    half_fov = ops.cast(shots["fov"], "float32") * (math.pi / 360.0)
    in_panorama = columns * ops.tan(half_fov) / (math.pi * size)
    in_photograph = ops.cast(shots["side"], "float32") / (FINER * size)
    reduction = ops.where(ops.take(atlas.is_panorama, scene), in_panorama, in_photograph)
    thresholds = 2.0 ** np.arange(1, atlas.rows.shape[1], dtype=np.float32)
    return ops.sum(ops.cast(reduction[:, None] >= thresholds, "int32"), axis=1)


def panorama_places(
    shots: dict[str, Any], rows: Tensor, columns: Tensor, i: Tensor, j: Tensor, size: int
) -> tuple[Places, Places]:
    """Vertical and horizontal samples of a panorama for perspective views, at view rows
    i [1, S, 1] and view columns j [N, 1, S].
    """
    fov = _per_shot(shots["fov"])
    fov = ops.where(fov > 0, fov, ANY_FOV)
    focal = 0.5 * size / ops.tan(fov * (math.pi / 360.0))
    yaw = _per_shot(shots["yaw"]) * (math.pi / 180.0)
    pitch = _per_shot(shots["pitch"]) * (math.pi / 180.0)
    x, y = j - 0.5 * (size - 1), 0.5 * (size - 1) - i
    up = y * ops.cos(pitch) + focal * ops.sin(pitch)
    forward = focal * ops.cos(pitch) - y * ops.sin(pitch)
    right = x * ops.cos(yaw) + forward * ops.sin(yaw)
    ahead = forward * ops.cos(yaw) - x * ops.sin(yaw)
    longitude = ops.arctan2(right, ahead)
    latitude = ops.arctan2(up, ops.sqrt(ops.square(right) + ops.square(ahead)))
    u = (longitude / (2.0 * math.pi) + 0.5) * columns - 0.5
    v = ops.clip((0.5 - latitude / math.pi) * rows - 0.5, 0.0, rows - 1.0)
    return _bilinear(v), _bilinear(u)


def _bilinear(place: Tensor) -> Places:
    first = ops.floor(place)
    share = place - first
    return first, (1.0 - share, share)


def photograph_places(begin: Tensor, side: Tensor, k: Tensor, size: int) -> Places:
    """Samples of a photograph along one axis for view pixel k, if `size` view pixels evenly divide
    `side` pixels from `begin` on.

    At most `TAPS` pixels are touched if side / size is at most TAPS - 1.
    """
    step = side / size
    low = begin + k * step
    first = ops.floor(low)
    covered = [
        ops.maximum(
            ops.minimum(low + step, first + (tap + 1.0)) - ops.maximum(low, first + float(tap)),
            0.0,
        )
        for tap in range(TAPS)
    ]
    total = sum(covered[1:], covered[0])
    return first, tuple(weight / total for weight in covered)


def _either(panorama: Tensor, one: Places, other: Places) -> Places:
    """Select samples from `one` for the panoramas of a batch and from `other` for the photographs;
    missing weights are 0.
    """
    pairs = itertools.zip_longest(one[1], other[1], fillvalue=0.0)
    weights = [ops.where(panorama, a, b) for a, b in pairs]
    return ops.where(panorama, one[0], other[0]), tuple(weights)


def read(
    pixels: Tensor,
    offset: Tensor,
    size: tuple[Tensor, Tensor],
    wraps: Tensor,
    down: Places,
    across: Places,
) -> Tensor:
    """Weighted sums [N, S, S, 3] float32 of pixels [P, 3].

    offset, size: [N, 1, 1] int32, the index at which the level begins, its rows and columns; wraps:
    [N, 1, 1] bool, whether the first column follows the last. Other borders are repeated.
    """
    rows, columns = size
    top, left = ops.cast(down[0], "int32"), ops.cast(across[0], "int32")
    total: Any = 0.0
    for below, row_weight in enumerate(down[1]):
        begin = offset + ops.clip(top + below, 0, rows - 1) * columns
        for beside, column_weight in enumerate(across[1]):
            column = left + beside
            around = ops.where(column < 0, column + columns, column)
            around = ops.where(column >= columns, column - columns, around)
            column = ops.where(wraps, around, ops.clip(column, 0, columns - 1))
            value = ops.cast(ops.take(pixels, begin + column, axis=0), "float32")
            total = total + value * (row_weight * column_weight)[..., None]
    return total


def render(pixels: Tensor, atlas: Atlas, shots: dict[str, Any], size: int) -> Tensor:
    """Render views [N, size, size, 3] float32, linear, in the units of their scenes.

    pixels: those of the atlas, as a tensor or a variable; the other arrays of the atlas become
    constants of the graph. shots: scene, mirror, yaw, pitch, fov, top, left, side, each [N].
    """
    scene = ops.cast(shots["scene"], "int32")
    level = levels(atlas, shots, size)
    offset, rows, columns = (
        _level_of(table, scene, level) for table in (atlas.offset, atlas.rows, atlas.columns)
    )
    panorama = ops.take(atlas.is_panorama, scene)[:, None, None]
    i = np.arange(size, dtype=np.float32)[None, :, None]
    j = np.arange(size, dtype=np.float32)[None, None, :]
    j = ops.where(_per_shot(shots["mirror"], "bool"), (size - 1) - j, j)

    high, wide = ops.cast(rows, "float32"), ops.cast(columns, "float32")
    down, across = panorama_places(shots, high, wide, i, j, size)
    if not atlas.is_panorama.all():
        scale_down = high / _per_shot(ops.take(atlas.full_rows, scene))
        scale_across = wide / _per_shot(ops.take(atlas.full_columns, scene))
        side = _per_shot(shots["side"])
        begins = _per_shot(shots["top"]) * scale_down, _per_shot(shots["left"]) * scale_across
        down = _either(panorama, down, photograph_places(begins[0], side * scale_down, i, size))
        across = _either(
            panorama, across, photograph_places(begins[1], side * scale_across, j, size)
        )
    return read(pixels, offset, (rows, columns), panorama, down, across)
