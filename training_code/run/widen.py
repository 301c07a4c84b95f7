"""Widening: a wider network that computes the same as a narrower one, as a start for training.

Net2WiderNet: T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating learning via knowledge
transfer", ICLR 2016, section 3.1. Every channel is copied k times, and each weight that reads it is
split among the copies, unevenly and at random, so that the copies receive different gradients and
diverge in training. Batch norms keep their statistics, so they should be frozen.
"""

from collections.abc import Collection, Mapping

import numpy as np

UNEVEN = 0.5
"""The shares of the copies are drawn from 1 - this to 1 + this, then scaled to a sum of 1."""


def widened(
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    seed: int = 0,
    transposed: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Arrays for a wider network with which it computes the same as the narrower one.

    arrays: float32 by layer path, [in, out] for dense layers, [kh, kw, in, out] for convolutions,
        [kh, kw, out, in] for those whose names are in `transposed`, [channels] for biases and
        batch norms. shapes: of the wider network; each axis an integer multiple of that in
        `arrays`. seed: of the shares of the copies.
    Raises ValueError if an axis is not such a multiple, or names differ.
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
        # In a transposed convolution the input and output axes are swapped.
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
