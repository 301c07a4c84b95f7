"""A scene becomes an image: pixels, samples and tiles.

The uniform numbers of the paths are a Sobol' sequence, shifted for each pixel (Cranley and
Patterson 1976).
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import qmc

from data.scenes.path_tracer import BOUNCE_NUMBERS, trace
from data.scenes.scene import Scene
from data.scenes.vectors import Array

TILE_PIXELS = 1 << 15
"""Pixels traced together: few enough for the cache, and a bound on the memory."""
CAMERA_NUMBERS = 4


def sobol(samples: int, depth: int) -> Array:
    """The numbers of all samples of a pixel before its shift: [samples, D] float32.

    Raises ValueError unless `samples` is a power of two, which the sequence needs to be even.
    """
    if samples < 1 or samples & (samples - 1):
        raise ValueError(f"{samples} samples a pixel: must be a power of two")
    numbers = qmc.Sobol(CAMERA_NUMBERS + BOUNCE_NUMBERS * depth, scramble=False)
    return numbers.random(samples).astype(np.float32)


def _tent(u: Array) -> Array:
    """Uniform to [-1, 1] with a triangular density: the pixel's filter, two pixels wide."""
    v = 2.0 * u - 1.0
    return np.copysign(1.0 - np.sqrt(np.maximum(1.0 - np.abs(v), 0.0)), v)


def render_rows(
    scene: Scene, size: tuple[int, int], rows: range, numbers: Array, depth: int, seed: int
) -> Array:
    """Some rows of the image: [len(rows), W, 3] float32, linear Rec. 709, cd/m2.

    numbers: from `sobol`. Each row has its own shifts: the image does not depend on the tiles.
    """
    width = size[1]
    shifts = [
        np.random.default_rng([seed, row]).random((numbers.shape[1], width), np.float32)
        for row in rows
    ]
    shift = np.concatenate(shifts, axis=1)
    x = np.tile(np.arange(width, dtype=np.float32) + 0.5, len(rows))
    y = np.repeat(np.asarray(rows, np.float32) + 0.5, width)
    total = np.zeros((3, x.size), np.float64)
    for base in numbers:

        def draw(bounce: int, path: Array, base: Array = base) -> Array:
            first = CAMERA_NUMBERS + BOUNCE_NUMBERS * bounce
            part = slice(first, first + BOUNCE_NUMBERS)
            return _wrap(base[part, None] + shift[part][:, path])

        lens = _wrap(base[:CAMERA_NUMBERS, None] + shift[:CAMERA_NUMBERS])
        origin, direction = scene.camera.rays(
            x + _tent(lens[0]), y + _tent(lens[1]), size, lens[2:4]
        )
        total += trace(scene, origin, direction, draw, depth)
    mean = (total / len(numbers)).astype(np.float32)
    return np.ascontiguousarray(mean.T).reshape(len(rows), width, 3)


def _wrap(u: Array) -> Array:
    return np.minimum(u - np.floor(u), np.float32(1.0 - 2.0**-24))


def render(
    scene: Scene,
    size: tuple[int, int],
    samples: int,
    depth: int = 6,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Array:
    """The image of a scene: [H, W, 3] float32, linear Rec. 709, cd/m2.

    size: height and width in pixels; samples: paths a pixel, a power of two; depth: bounces at
    most; progress: told the share that is done. The same arguments give the same image.
    """
    height, width = size
    numbers = sobol(samples, depth)
    image = np.empty((height, width, 3), np.float32)
    step = max(1, TILE_PIXELS // width)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        for first in range(0, height, step):
            rows = range(first, min(first + step, height))
            image[first : rows.stop] = render_rows(scene, size, rows, numbers, depth, seed)
            progress(rows.stop / height)
    return image
