"""Exposure of a batch in `keras.ops`: the order statistic of `training_code.camera.expose`.

Finds it by bisecting the level and counting the samples below, which reads the samples once per
pass and moves none. Sorting a 256x256 crop would move its 196,608 samples many times.
"""

from typing import TypeAlias

import keras
from keras import ops

Tensor: TypeAlias = keras.KerasTensor

FAINTEST = 1e-9
"""Light below this counts as black. A half float of a scene is 0 or at least 6e-8."""

PASSES = 26
"""Number of bisections. There are 46 octaves from 1e-9 to 65504, the largest half float; 26
bisections leave 7e-7 of an octave, 5e-7 of the level."""


def order_statistic(samples: Tensor, rank: Tensor) -> Tensor:
    """Order statistic of rank `rank`, from 0, of each row of [N, K] float32 samples >= 0, K < 2^24.

    rank: [N] float32, whole, in [0, K). Returns [N] float32: one of the samples, larger than the
    exact order statistic by a relative 5e-7 at most; 0 if that is below `FAINTEST`.
    """

    def halve(_: Tensor, ends: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        low, high = ends
        middle = ops.sqrt(low) * ops.sqrt(high)
        reached = below(middle) <= rank
        return ops.where(reached, middle, low), ops.where(reached, high, middle)

    def below(level: Tensor) -> Tensor:
        return ops.sum(ops.cast(samples < level[:, None], "float32"), axis=1)

    low = ops.full_like(rank, FAINTEST)
    high = ops.maximum(ops.max(samples, axis=1), FAINTEST) * 1.001
    is_black = below(low) > rank
    low, _ = ops.fori_loop(0, PASSES, halve, (low, high))
    level = ops.min(ops.where(samples >= low[:, None], samples, high[:, None]), axis=1)
    return ops.where(is_black, 0.0, level)


def expose(linear: Tensor, unclipped: Tensor) -> Tensor:
    """Scale so that the share `unclipped` [N] in (0, 1) of the samples of each picture lies below
    1.0: [N, H, W, 3] float32, linear, any unit, >= 0.

    A picture whose quantile is black becomes entirely black: it has no clipped samples, so a loss
    on highlights ignores it.
    """
    _, rows, columns, channels = linear.shape
    count = rows * columns * channels
    samples = ops.reshape(linear, (-1, count))
    rank = ops.minimum(ops.floor(ops.cast(unclipped, "float32") * count), count - 1.0)
    level = order_statistic(samples, rank)
    gain = ops.where(level > 0, 1.0 / ops.maximum(level, FAINTEST), 0.0)
    return linear * gain[:, None, None, None]
