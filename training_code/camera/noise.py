"""Stateless Gaussian noise: each value depends only on a seed and its position.

For use in compiled graphs, where NumPy's generators cannot be used and those of Keras return
different numbers on each backend. An integer hash is the same everywhere, so a picture does not
depend on what renders it: `xp=keras.ops` under TensorFlow or JAX, `xp=numpy` in a loader.

Papers:
J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
    SC 2011: random numbers as a function of a counter.
C. Wellons, "Prospecting for hash functions", 2018: the mixing function `lowbias32`.
G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Annals of
    Mathematical Statistics 29(2), 1958.
"""

import math
from types import ModuleType

import numpy as np
from keras import ops

from hdrcnn.colour.transfer import Array

GOLDEN = 0x9E3779B9
"""2^32 divided by the golden ratio. Added to small numbers before mixing, because `mix(0)` is 0."""

BITS = 23
"""Number of bits of a word that are used; with the added half, float32 holds them exactly."""


def mix(word: Array, xp: ModuleType = ops) -> Array:
    """Hash uint32 of any shape to uint32: a bijection in which every output bit depends on all
    input bits.
    """
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        word = xp.bitwise_xor(word, xp.right_shift(word, np.uint32(shift)))
        word = xp.multiply(word, np.uint32(factor))
    return xp.bitwise_xor(word, xp.right_shift(word, np.uint32(16)))


def places(rows: int, columns: int, channels: int) -> np.ndarray:
    """Hash of the position of each sample, [rows, columns, channels] uint32. It depends on row,
    column and channel but not on the size of the picture; rows and columns up to 65536.
    """
    row, column = np.indices((rows, columns), dtype=np.uint32)
    pixel = mix((row << np.uint32(16)) | column, np)[..., None]
    return mix(pixel ^ mix(np.arange(channels, dtype=np.uint32) + np.uint32(GOLDEN), np), np)


def uniform(seed: Array, shape: tuple[int, int, int], xp: ModuleType = ops) -> Array:
    """Uniform in (0, 1), in steps of 2^-23; arguments and result as for `gaussian`."""
    key = mix(xp.add(xp.array(seed, dtype="uint32"), np.uint32(GOLDEN)), xp)
    words = mix(xp.bitwise_xor(xp.reshape(key, (-1, 1, 1, 1)), places(*shape)), xp)
    top = xp.array(xp.right_shift(words, np.uint32(32 - BITS)), dtype="float32")
    return (top + np.float32(0.5)) * np.float32(2.0**-BITS)


def gaussian(seed: Array, shape: tuple[int, int, int], xp: ModuleType = ops) -> Array:
    """Normal noise of mean 0 and standard deviation 1, by the Box-Muller transform.

    seed: [N] uint32, or int32 with the same bits. shape: (rows, columns, channels) of a picture,
    each up to 65536; a smaller picture gets the upper left part of a larger one's noise. Returns
    [N, rows, columns, channels] float32, equal on all backends up to rounding, with magnitudes
    below 5.8.
    """
    rows, columns, channels = shape
    both = uniform(seed, (rows, columns, 2 * channels), xp)
    radius = xp.sqrt(np.float32(-2.0) * xp.log(both[..., :channels]))
    return radius * xp.cos(np.float32(2.0 * math.pi) * both[..., channels:])
