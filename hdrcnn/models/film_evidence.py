"""Evidence of the grade of a film, and its pooling over frames. Without Keras.

    evidence [N, members * 2 K] float32, for each member:
      | K numbers that describe the grade, multiplied by their precisions, then the precisions
      | summed over frames in one grade, or averaged over one shot
      | precision-weighted means and logarithms of 1 + precision, two dense layers
    mean over members: parameters [N, P] float32 in [-2, 2]

Independent estimates of one quantity are best combined with their precisions as weights. The prior,
0 with a precision of 1, counts once. Functions of sums can represent any function of a set:
M. Zaheer et al., "Deep Sets", NIPS 2017.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

MAX_PARAMETER = 2.0
"""Largest absolute value of a parameter."""
DECODE = ("kernel1", "bias1", "kernel2", "bias2")
"""Names of the arrays of the layer `decode`."""


def shapes(parameters: int, width: int, members: int, numbers: int) -> list[tuple[int, ...]]:
    """Shapes of the arrays `DECODE`, for P parameters and K numbers."""
    hidden, last = (members, width), (members, parameters)
    return [(members, 2 * numbers, width), hidden, (members, width, parameters), last]


def posterior_features(evidence: Any, members: int, xp: ModuleType = np) -> Any:
    """Precision-weighted means and logarithms of 1 + precision: [members, N, 2 K].

    evidence: [N, members * 2 K], of frames or sums of them.
    """
    numbers = evidence.shape[-1] // (2 * members)
    parts = xp.transpose(xp.reshape(evidence, (-1, members, 2, numbers)), (1, 2, 0, 3))
    weighed, precision = parts[:, 0], parts[:, 1]
    return xp.concatenate([weighed / (1.0 + precision), xp.log(1.0 + precision)], axis=-1)


def decode_members(evidence: Any, arrays: Sequence[Any], xp: ModuleType = np) -> Any:
    """Parameters estimated by each member: [members, N, P] in [-2, 2].

    evidence: [N, members * 2 K], of frames or sums of them; arrays: those named in `DECODE`, with
    the shapes given by `shapes`.
    """
    first, offset, second, last = arrays
    hidden = xp.matmul(posterior_features(evidence, first.shape[0], xp), first) + offset[:, None]
    return MAX_PARAMETER * xp.tanh(xp.matmul(xp.maximum(hidden, 0.0), second) + last[:, None])


def differences(evidence: np.ndarray, others: np.ndarray, members: int) -> np.ndarray:
    """Mean squared differences, [N, L], of the `posterior_features` of evidence [N, E] and [L, E].

    They are small for frames of one shot.
    """
    first, second = (
        np.moveaxis(posterior_features(e, members), 0, 1).reshape(len(e), -1)
        for e in (evidence, others)
    )
    lengths = np.sum(np.square(first), axis=1)[:, None] + np.sum(np.square(second), axis=1)
    return np.asarray(np.maximum(lengths - 2.0 * first @ second.T, 0.0) / first.shape[1])


def decode(evidence: Any, arrays: Sequence[Any], xp: ModuleType = np) -> Any:
    """Mean of `decode_members` over members: [N, P] in [-2, 2]."""
    return xp.mean(decode_members(evidence, arrays, xp), axis=0)
