"""The network that says, for each frame of a film, how the formula from SDR to HDR is bent.

    a frame, reduced, [N, h, w, 3] float32, codes of Rec. 709 in [0, 1]
      | shares of its codes: soft histograms of luma and of the largest channel, and chroma by luma
      | convolutions, their mean and maximum over the picture
      | two dense layers
    parameters [N, P] float32 in [-2, 2]

They are 0 before any training, of which `predict.film_curves` makes the formula. It is one map for
all pixels of a frame, and changes with the frame as a whole only: nothing local flickers.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

BINS = 32
"""Of the histograms."""
LUMA = (0.2126, 0.7152, 0.0722)
"""Of encoded R, G, B, Rec. 709."""
MOST = 2.0
"""Of a parameter, from 0."""


@keras.saving.register_keras_serializable("hdrcnn")
class Shares(layers.Layer):
    """Of frames [N, h, w, 3], codes in [0, 1], [N, 4 BINS]: which share of the pixels is up to as
    bright, by luma and by the largest channel; the mean chroma of the pixels of each luma; and the
    square roots of their shares.
    """

    def call(self, frames: Any) -> Any:
        flat = ops.reshape(frames, (ops.shape(frames)[0], -1, 3))
        red, green, blue = LUMA
        luma = red * flat[..., 0] + green * flat[..., 1] + blue * flat[..., 2]
        largest = ops.max(flat, axis=-1)
        chroma = largest - ops.min(flat, axis=-1)
        kernels = self._kernels(luma)
        shares = ops.mean(kernels, axis=1)
        coloured = ops.mean(kernels * chroma[..., None], axis=1)
        parts = [
            ops.cumsum(shares, axis=-1),
            ops.cumsum(ops.mean(self._kernels(largest), axis=1), axis=-1),
            coloured / (shares + 1e-3),
            ops.sqrt(shares + 1e-6),
        ]
        return ops.concatenate(parts, axis=-1)

    @staticmethod
    def _kernels(values: Any) -> Any:
        """[N, M] to [N, M, BINS]: triangles, whose sum is 1."""
        levels = np.linspace(0.0, 1.0, BINS, dtype=np.float32)
        apart = ops.abs(values[..., None] - levels) * float(BINS - 1)
        return ops.maximum(1.0 - apart, 0.0)

    def compute_output_spec(self, frames: Any) -> keras.KerasTensor:
        return keras.KerasTensor((frames.shape[0], 4 * BINS), dtype="float32")


def build(parameters: int, width: int = 16) -> keras.Model:
    """The network with fresh weights: [N, h, w, 3] float32 codes, of any size, to parameters
    [N, P] float32, within `MOST` of 0.

    parameters: how many P; width: channels of the first convolution.
    """
    frames = keras.Input((None, None, 3), name="frames", dtype="float32")
    shares = Shares(name="shares", dtype="float32")(frames)
    x = frames
    for index, factor in enumerate((1, 2, 2, 3), 1):
        options = {"strides": 2, "padding": "same", "activation": "relu", "name": f"conv{index}"}
        x = layers.Conv2D(factor * width, 3, kernel_initializer="he_normal", **options)(x)
    mean = layers.GlobalAveragePooling2D(name="mean", dtype="float32")(x)
    most = layers.GlobalMaxPooling2D(name="most", dtype="float32")(x)
    x = layers.Concatenate(name="seen", dtype="float32")([shares, mean, most])
    for index in (1, 2):
        options = {"activation": "relu", "name": f"dense{index}", "dtype": "float32"}
        x = layers.Dense(4 * width, kernel_initializer="he_normal", **options)(x)
    # Zeros: the training starts at the formula.
    options = {"activation": "tanh", "name": "bent", "dtype": "float32"}
    x = layers.Dense(parameters, kernel_initializer="zeros", **options)(x)
    bounded = layers.Rescaling(MOST, name="parameters", dtype="float32")(x)
    return keras.Model(frames, bounded, name="film_curves")
