"""CameraCurve: a picture's statistics to the two numbers of its camera curve, and its kind.

    statistics [N, F]            `curve_statistics`, one row a picture
      | standardise              by the mean and the variance of the training
      | dense, ReLU, dropout     twice, `width` channels; `members` of them side by side
      | dense
      | mean over the members
      |-- a logistic function to the logarithm of n and of s
      |-- softmax over `KINDS`
    curve [N, 2 + 3] float32: n, s of (1 + s) H^n / (H^n + s), Eilertsen et al. 2017, Eq. 7, and
                              how probable each kind is where all are equally frequent

That family holds sRGB too, by n 0.58 and s 1.65 within 0.06 stops RMS, and sRGB with an S-shaped
picture style after it within 0.04. Being of the family, every estimate rises strictly and keeps
0 and 1. Everything is float32: the network is too small for anything else to matter.
"""

import keras
import numpy as np
from keras import ops

KINDS = ("published", "srgb", "srgb_style")
"""Of curves: that family, with parameters about the published ones; IEC 61966-2-1; the same with an
S-shaped picture style after it.
"""
OUTPUTS = 2 + len(KINDS)

N_LIMITS = (0.4, 1.6)
"""Of the exponent n. Published curves: 0.9 with a standard deviation of 0.1."""
S_LIMITS = (0.2, 5.0)
"""Of the shoulder s. Published curves: 0.6 with a standard deviation of 0.1."""


@keras.saving.register_keras_serializable("hdrcnn")
class WithinLimits(keras.layers.Layer):
    """[N, OUTPUTS] of any size to n, s within their limits, 0 at their geometric middle, and
    probabilities of `KINDS`.
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        low, high = np.log(np.array([N_LIMITS, S_LIMITS], np.float32)).T
        curve = ops.exp(low + (high - low) * ops.sigmoid(x[:, :2]))
        return ops.concatenate([curve, ops.softmax(x[:, 2:], axis=-1)], axis=-1)


def apply_member(x: keras.KerasTensor, width: int, dropout: float, name: str) -> keras.KerasTensor:
    """One member: standardised statistics [N, F] to [N, OUTPUTS], without limits."""
    for index in (1, 2):
        x = keras.layers.Dense(
            width,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"{name}_dense{index}",
            dtype="float32",
        )(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"{name}_dropout{index}", dtype="float32")(x)
    return keras.layers.Dense(OUTPUTS, name=f"{name}_curve", dtype="float32")(x)


def build(size: int, width: int = 64, members: int = 4, dropout: float = 0.0) -> keras.Model:
    """The network, with fresh weights.

    size: numbers F in a row of statistics; width: channels of the hidden layers; members:
    networks that differ in their start only, whose mean is taken; dropout: while training, which
    adds states of its own to the variables: for use the network is built without.
    Returns a model [N, F] float32 to [N, OUTPUTS] float32: n, s, probabilities of `KINDS`.
    """
    statistics = keras.Input((size,), name="statistics", dtype="float32")
    # Its mean and variance are set before the training, from the rows of the training.
    standardise = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=1e-4, name="standardise", dtype="float32"
    )
    standardise.trainable = False
    x = standardise(statistics)
    found = [apply_member(x, width, dropout, f"member{i + 1}") for i in range(members)]
    mean = keras.layers.Average(name="mean", dtype="float32")(found) if members > 1 else found[0]
    return keras.Model(
        statistics, WithinLimits(name="limits", dtype="float32")(mean), name="camera_curve"
    )
