"""CameraCurve: network from the statistics of an image to the parameters of its camera curve.

    statistics [N, F]            `curve_statistics`, one row per image
      | standardise              by the mean and the variance over the training data
      | dense, ReLU, dropout     twice, `width` channels; for each of `members` parallel networks
      | dense
      | mean over the members
      |-- a logistic function to the logarithm of n and of s
      |-- softmax over `KINDS`
    curve [N, 2 + 3] float32: n, s of (1 + s) H^n / (H^n + s), Eilertsen et al. 2017, Eq. 7, and
                              the probability of each kind under a uniform prior

That family contains sRGB up to 0.06 stops RMS, as n = 0.58, s = 1.65, and sRGB followed by an
S-shaped picture style up to 0.04. Being of the family, every estimate is strictly increasing and
maps 0 to 0 and 1 to 1. Everything is float32: the network is too small for precision to matter.
"""

import keras
import numpy as np
from keras import ops

from hdrcnn.models.dense import hidden, standardised

KINDS = ("published", "srgb", "srgb_style")
"""Kinds of curves: the family above with parameters around the published ones; sRGB, IEC 61966-2-1;
sRGB followed by an S-shaped picture style.
"""
OUTPUTS = 2 + len(KINDS)

N_LIMITS = (0.4, 1.6)
"""Limits of the exponent n. Published curves: 0.9 with a standard deviation of 0.1."""
S_LIMITS = (0.2, 5.0)
"""Limits of the shoulder s. Published curves: 0.6 with a standard deviation of 0.1."""


@keras.saving.register_keras_serializable("hdrcnn")
class WithinLimits(keras.layers.Layer):
    """Unbounded [N, OUTPUTS] to n and s within their limits and probabilities of `KINDS`.

    0 is mapped to the geometric mean of the limits.
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        low, high = np.log(np.array([N_LIMITS, S_LIMITS], np.float32)).T
        curve = ops.exp(low + (high - low) * ops.sigmoid(x[:, :2]))
        return ops.concatenate([curve, ops.softmax(x[:, 2:], axis=-1)], axis=-1)


def apply_member(x: keras.KerasTensor, width: int, dropout: float, name: str) -> keras.KerasTensor:
    """One member: standardised statistics [N, F] to unbounded [N, OUTPUTS]."""
    x = hidden(x, width, dropout, name)
    return keras.layers.Dense(OUTPUTS, name=f"{name}_curve", dtype="float32")(x)


def build(size: int, width: int = 64, members: int = 4, dropout: float = 0.0) -> keras.Model:
    """Build the network with initial weights.

    size: number F of statistics in a row; width: channels of the hidden layers; members: number of
    networks, differing only in initial weights, that are averaged; dropout: rate during training.
    Dropout adds state variables, so the network is built without it for inference.
    Returns a model [N, F] float32 to [N, OUTPUTS] float32: n, s, probabilities of `KINDS`.
    """
    statistics = keras.Input((size,), name="statistics", dtype="float32")
    x = standardised(statistics)
    found = [apply_member(x, width, dropout, f"member{i + 1}") for i in range(members)]
    mean = keras.layers.Average(name="mean", dtype="float32")(found) if members > 1 else found[0]
    return keras.Model(
        statistics, WithinLimits(name="limits", dtype="float32")(mean), name="camera_curve"
    )
