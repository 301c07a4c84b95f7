"""A wider network that computes what a narrower one does, to train on from there.

Net2WiderNet: T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating learning via knowledge
transfer", ICLR 2016, section 3.1. Every channel is copied k times; what reads it shares its weight
out among the copies, unevenly and at random, so that the copies have gradients of their own and
part in training. Batch norms keep their statistics, so they should be frozen.
"""

from collections.abc import Collection, Mapping

import numpy as np

UNEVEN = 0.5
"""The shares of the copies are drawn from 1 - this to 1 + this, then made to add up to 1."""


def widened(
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    seed: int = 0,
    transposed: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Arrays of the given shapes with which the network gives the same result.

    arrays: float32 by layer path, [in, out] for dense layers, [kh, kw, in, out] for convolutions,
        [kh, kw, out, in] for those whose names are in `transposed`, [channels] for biases and
        batch norms. shapes: of the wider network; each axis a whole multiple of that of `arrays`.
    Raises ValueError if an axis is not, or names differ.
    """
    if arrays.keys() != shapes.keys():
        odd = ", ".join(sorted(arrays.keys() ^ shapes.keys())[:3])
        raise ValueError(f"not the same network: {odd}")
    rng = np.random.default_rng(seed)
    wide = {}
    for name, array in arrays.items():
        shape = shapes[name]
        if len(shape) != array.ndim or any(n % o for n, o in zip(shape, array.shape, strict=True)):
            raise ValueError(f"{name}: {array.shape} cannot be widened to {shape}")
        factors = [new // old for new, old in zip(shape, array.shape, strict=True)]
        if array.ndim < 2:
            wide[name] = np.repeat(array, factors[0])
            continue
        # A transposed convolution has the axes that are read and written the other way.
        read, written = (-1, -2) if name in transposed else (-2, -1)
        kernel = np.moveaxis(array, (read, written), (-2, -1))
        copies = factors[read]
        kernel = np.repeat(np.repeat(kernel, factors[written], axis=-1), copies, axis=-2)
        if copies > 1:
            shares = rng.uniform(
                1.0 - UNEVEN, 1.0 + UNEVEN, (array.shape[read], copies, kernel.shape[-1])
            )
            shares /= shares.sum(axis=1, keepdims=True)
            kernel = kernel * shares.reshape(kernel.shape[-2:])
        wide[name] = np.moveaxis(kernel, (-2, -1), (read, written)).astype(np.float32)
    return wide
