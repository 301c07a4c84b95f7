"""Gaussian noise without state: a value depends on a seed and on where it stands, nothing else.

For use within compiled graphs, where NumPy's generators cannot go and where those of Keras give
other numbers on every backend. A hash of integers is the same everywhere, so that a picture is
the same whoever takes it: `xp=keras.ops` under TensorFlow or JAX, `xp=numpy` in a loader.

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
"""2^32 over the golden ratio. Added to small numbers before mixing, for 0 is mixed to 0."""

BITS = 23
"""Of a word that are used: with the half that is added, as many as float32 holds exactly."""


def mix(word: Array, xp: ModuleType = ops) -> Array:
    """uint32, any shape, to uint32: one to one, every bit of the result depends on all bits."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        word = xp.bitwise_xor(word, xp.right_shift(word, np.uint32(shift)))
        word = xp.multiply(word, np.uint32(factor))
    return xp.bitwise_xor(word, xp.right_shift(word, np.uint32(16)))


def places(rows: int, columns: int, channels: int) -> np.ndarray:
    """A word for each sample of a picture, [rows, columns, channels] uint32, the same for the same
    row, column and channel whatever the size; rows and columns up to 65536.
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
    """Normal noise of mean 0 and standard deviation 1, by Box and Muller.

    seed: [N] uint32, or int32 taken for the same bits. shape: (rows, columns, channels) of a
    picture, each up to 65536; a smaller picture gets the upper left part of a larger one's noise.
    Returns [N, rows, columns, channels] float32, the same for all backends but for rounding;
    no value is beyond 5.8.
    """
    rows, columns, channels = shape
    both = uniform(seed, (rows, columns, 2 * channels), xp)
    radius = xp.sqrt(np.float32(-2.0) * xp.log(both[..., :channels]))
    return radius * xp.cos(np.float32(2.0 * math.pi) * both[..., channels:])
