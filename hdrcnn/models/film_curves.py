"""The network that says, for each frame of a film, how the formula from SDR to HDR is bent.

    a frame, reduced, [N, h, w, 3] float32, codes of Rec. 709 in [0, 1]
      | shares of its codes: soft histograms of luma and of the largest and smallest channel; chroma
      | and local contrast by luma
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
    """Of frames [N, h, w, 3], codes in [0, 1], [N, 6 BINS]: which share of the pixels is up to as
    bright, by luma and by the largest and smallest channel; the mean chroma of the pixels of each
    luma; how much codes change there from pixel to pixel; and the square roots of their shares.

    In scenes contrast, a change of the logarithm of light, is about the same at all levels: how
    much codes change at a level says how steep the grade's curve is there.
    """

    def call(self, frames: Any) -> Any:
        red, green, blue = LUMA
        luma = red * frames[..., 0] + green * frames[..., 1] + blue * frames[..., 2]
        largest, smallest = ops.max(frames, axis=-1), ops.min(frames, axis=-1)
        padded = ops.pad(luma, [(0, 0), (0, 1), (0, 1)], mode="symmetric")
        changes = ops.abs(padded[:, 1:, :-1] - luma) + ops.abs(padded[:, :-1, 1:] - luma)
        kernels = self._kernels(luma)
        shares = ops.mean(kernels, axis=1)
        chroma, contrast = (
            self._of_levels(kernels, values) / (shares + 1e-3)
            for values in (largest - smallest, changes)
        )
        parts = [
            *(
                ops.cumsum(s, axis=-1)
                for s in (shares, self._shares(largest), self._shares(smallest))
            ),
            chroma,
            # The contrast of the scene is a constant in it.
            ops.log(100.0 * contrast + 0.1),
            ops.sqrt(shares + 1e-6),
        ]
        return ops.concatenate(parts, axis=-1)

    @staticmethod
    def _of_levels(kernels: Any, values: Any) -> Any:
        """[N, M, BINS], and [N, h, w] of M pixels, to [N, BINS]."""
        return ops.mean(kernels * ops.reshape(values, (ops.shape(values)[0], -1, 1)), axis=1)

    def _shares(self, values: Any) -> Any:
        return ops.mean(self._kernels(values), axis=1)

    @staticmethod
    def _kernels(values: Any) -> Any:
        """[N, h, w] to [N, h w, BINS]: triangles, whose sum is 1."""
        flat = ops.reshape(values, (ops.shape(values)[0], -1, 1))
        levels = np.linspace(0.0, 1.0, BINS, dtype=np.float32)
        apart = ops.abs(flat - levels) * float(BINS - 1)
        return ops.maximum(1.0 - apart, 0.0)

    def compute_output_spec(self, frames: Any) -> keras.KerasTensor:
        return keras.KerasTensor((frames.shape[0], 6 * BINS), dtype="float32")


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
