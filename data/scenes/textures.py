"""Patterns on surfaces: tiles, planks and bricks; soft noise; stripes.

Each function returns a texture: points [3, N] in metres to [3, N] or [N].
"""

import numpy as np

from data.scenes.surfaces import Texture
from data.scenes.vectors import Array, Vector, column


def _hash(i: Array, j: Array, seed: int = 0) -> Array:
    """Two integers (as floats) to a number in [0, 1) that looks random: a 32-bit mixer."""
    bits = i.astype(np.int64) * 73856093 ^ j.astype(np.int64) * 19349663 ^ seed * 83492791
    bits = bits.astype(np.uint32)
    bits ^= bits >> np.uint32(16)
    bits *= np.uint32(0x7FEB352D)
    bits ^= bits >> np.uint32(15)
    bits *= np.uint32(0x846CA68B)
    bits ^= bits >> np.uint32(16)
    return (bits >> np.uint32(8)).astype(np.float32) / np.float32(2**24)


def noise(point: Array, axes: tuple[int, int], size: float, seed: int = 0) -> Array:
    """Smooth value noise in [0, 1] over two axes, with features of `size` metres: [N]."""
    u, v = point[axes[0]] / np.float32(size), point[axes[1]] / np.float32(size)
    i, j = np.floor(u), np.floor(v)
    s, t = ((3.0 - 2.0 * w) * w * w for w in (u - i, v - j))
    low = (1.0 - s) * _hash(i, j, seed) + s * _hash(i + 1, j, seed)
    high = (1.0 - s) * _hash(i, j + 1, seed) + s * _hash(i + 1, j + 1, seed)
    return (1.0 - t) * low + t * high


def tiles(
    colour: Vector,
    joint: Vector,
    size: tuple[float, float],
    axes: tuple[int, int] = (0, 2),
    gap: float = 0.01,
    shift: float = 0.0,
    variation: float = 0.2,
) -> Texture:
    """Rectangles of `size` metres over two axes, `gap` metres of joint between them.

    Each row is moved by `shift` widths against the last (0.5: bricks; 0.37: planks); each tile
    is brighter or darker by up to `variation`.
    """

    def texture(point: Array) -> Array:
        row = np.floor(point[axes[1]] / np.float32(size[1]))
        u = point[axes[0]] / np.float32(size[0]) + shift * row
        tile = np.floor(u)
        from_side = np.abs(u - tile - 0.5) * size[0]
        from_end = np.abs(point[axes[1]] / np.float32(size[1]) - row - 0.5) * size[1]
        on_tile = (from_side < 0.5 * (size[0] - gap)) & (from_end < 0.5 * (size[1] - gap))
        grain = noise(point, axes, 0.13) - 0.5
        shade = 1.0 + variation * (2.0 * _hash(tile, row) - 1.0) + 0.5 * variation * grain
        return np.where(on_tile, column(colour) * shade, column(joint)).astype(np.float32)

    return texture


def stripes(colours: tuple[Vector, ...], width: float, axis: int) -> Texture:
    """Bands of `width` metres along one axis, the colours in turn."""
    palette = np.array(colours, np.float32).T

    def texture(point: Array) -> Array:
        return palette[:, np.floor(point[axis] / width).astype(np.int64) % len(colours)]

    return texture


def patches(
    low: float, high: float, size: float, axes: tuple[int, int] = (0, 2), seed: int = 1
) -> Texture:
    """Values between `low` and `high` in soft-edged patches: the roughness of wet asphalt."""

    def texture(point: Array) -> Array:
        value = 0.7 * noise(point, axes, size, seed) + 0.3 * noise(point, axes, size / 3, seed + 1)
        share = np.clip((value - 0.4) / 0.2, 0.0, 1.0)
        return (low + (high - low) * share * share * (3.0 - 2.0 * share)).astype(np.float32)

    return texture


def shop_window(
    colour: Vector, goods: tuple[Vector, ...], corner: Vector, shelf: float, axis: int = 0
) -> Texture:
    """The light of a shop seen through its window: radiance in cd/m2.

    A bright wall of `colour` behind shelves `shelf` metres apart that carry `goods`, which are
    factors on it; each shelf has a strip light below its board.
    """
    palette = np.array(goods, np.float32).T

    def texture(point: Array) -> Array:
        u = (point[axis] - np.float32(corner[axis])) / np.float32(0.6 * shelf)
        v = (point[1] - np.float32(corner[1])) / np.float32(shelf)
        board, item = np.floor(v), np.floor(u)
        height, side = v - board, np.abs(u - item - 0.5)
        tall = 0.35 + 0.35 * _hash(item, board, 5)
        wide = 0.25 + 0.2 * _hash(item, board, 6)
        is_item = (height < tall) & (side < wide)
        choice = (_hash(item, board, 7) * len(goods)).astype(np.int64)
        factor = np.where(is_item, palette[:, choice], np.float32(1.0))
        # The strip light brightens the shelf's upper part; the board itself is dark.
        factor = factor * (0.35 + 0.65 * height**2)
        factor = np.where(height > 0.93, np.float32(5.0), factor)
        factor = np.where(height < 0.05, np.float32(0.08), factor)
        return (column(colour) * factor).astype(np.float32)

    return texture
