"""What frames say of the grade of their film, put together; no Keras here.

    evidence [N, members 2 K] float32, of each member
      | K numbers of the grade times their precisions, then the precisions
      | of frames in one grade: their sum; of one shot: their mean
      | means by precision and the logarithms of 1 + precision, two dense layers
    the mean over members: parameters [N, P] float32 in [-2, 2]

Independent estimates of one thing are best put together by their precisions, and what was known
before any of them counts once: as 0 with a precision of 1. That functions of sums can be any
function of a set: M. Zaheer et al., "Deep Sets", NIPS 2017.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

MOST = 2.0
"""Of a parameter, from 0."""
DECODE = ("kernel1", "bias1", "kernel2", "bias2")
"""Arrays of the layer `decode`."""


def shapes(parameters: int, width: int, members: int, numbers: int) -> list[tuple[int, ...]]:
    """Of `DECODE`: P parameters, K numbers."""
    hidden, last = (members, width), (members, parameters)
    return [(members, 2 * numbers, width), hidden, (members, width, parameters), last]


def known(evidence: Any, members: int, xp: ModuleType = np) -> Any:
    """Evidence [N, members 2 K], of frames or sums of them, as means by precision and logarithms of
    1 + precision: [members, N, 2 K].
    """
    numbers = evidence.shape[-1] // (2 * members)
    parts = xp.transpose(xp.reshape(evidence, (-1, members, 2, numbers)), (1, 2, 0, 3))
    weighed, precision = parts[:, 0], parts[:, 1]
    return xp.concatenate([weighed / (1.0 + precision), xp.log(1.0 + precision)], axis=-1)


def decode_members(evidence: Any, arrays: Sequence[Any], xp: ModuleType = np) -> Any:
    """Evidence [N, members 2 K], of frames or sums of them, to what each member makes of it,
    [members, N, P] in [-2, 2].

    arrays: those of `DECODE`, of `shapes`.
    """
    first, offset, second, last = arrays
    hidden = xp.matmul(known(evidence, first.shape[0], xp), first) + offset[:, None]
    return MOST * xp.tanh(xp.matmul(xp.maximum(hidden, 0.0), second) + last[:, None])


def differences(evidence: np.ndarray, others: np.ndarray, members: int) -> np.ndarray:
    """How differently frames [N, E] and others [L, E] speak: mean squared differences of what is
    `known` by each, [N, L]. Frames of one shot say about the same.
    """
    first, second = (
        np.moveaxis(known(e, members), 0, 1).reshape(len(e), -1) for e in (evidence, others)
    )
    lengths = np.sum(np.square(first), axis=1)[:, None] + np.sum(np.square(second), axis=1)
    return np.asarray(np.maximum(lengths - 2.0 * first @ second.T, 0.0) / first.shape[1])


def decode(evidence: Any, arrays: Sequence[Any], xp: ModuleType = np) -> Any:
    """The mean of `decode_members`: [N, P] in [-2, 2]."""
    return xp.mean(decode_members(evidence, arrays, xp), axis=0)
