"""The dark part of a photograph, restored: what is lost there, and nothing else.

    x [N, H, W, 3] in [0, 1], display-encoded, as photographed; H and W multiples of 4
      | conv 4x4 stride 2       all samples of a block of 2x2 side by side, as FFDNet works
      | two levels              convolutions at half and quarter size, joined by a skip
      | transposed conv 4x4     back to full size, joined by x itself
      | two convolutions        c [N, H, W, 3], 0 at the start of training
    y = max(x + darkness(x) 0.2 tanh(c), 0)

Near black a photograph holds noise, steps of its eight bits and blocks of JPEG more than light; an
exposure four stops brighter shows them. `darkness` is 1 there and 0 from `LIGHT` on: every brighter
sample is returned as it is, bit by bit. Highlights are the task of the single-image network; both
together are one radiance, so that exposures rendered of it are in order and agree.

K. Zhang, W. Zuo, L. Zhang, "FFDNet: toward a fast and flexible solution for CNN-based image
    denoising", IEEE TIP 27(9), 2018.
O. Ronneberger, P. Fischer, T. Brox, "U-Net", MICCAI 2015.
"""

from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops

from hdrcnn.colour.transfer import Array
from hdrcnn.models.metadata import ExposureStack

DARK = 0.1
"""Codes up to which the whole residual counts."""
LIGHT = ExposureStack.light
"""Codes from which on there is none."""
BOUND = 0.2
"""Of the residual, codes: noise of a hundredth of the clipping level is as large near black."""
FINEST = 8
"""Channels at full size."""
STRIDE = 4
"""H and W are multiples of it."""


def darkness(code: Array, xp: ModuleType = np) -> Array:
    """How much of each sample may be changed: codes of any shape in [0, 1] to [0, 1]; 1 up to
    `DARK`, 0 from `LIGHT` on, a cubic between them.
    """
    t = xp.clip((LIGHT - code) / (LIGHT - DARK), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@keras.saving.register_keras_serializable("hdrcnn")
class Restored(keras.layers.Layer):
    """[codes x, correction c], [N, H, W, 3] each, to codes: x + darkness(x) `BOUND` tanh(c), at
    least 0.
    """

    pointwise = True

    def call(self, both: Any) -> Any:
        code, correction = both
        residual = BOUND * ops.tanh(correction)
        return ops.maximum(code + darkness(code, ops) * residual, 0.0)

    def compute_output_spec(self, both: Any) -> keras.KerasTensor:
        return keras.KerasTensor(both[0].shape, dtype="float32")


HIDDEN: dict[str, Any] = {
    "padding": "same", "activation": "relu", "kernel_initializer": "he_normal"
}  # fmt: skip


def _conv(x: Any, width: int, name: str) -> Any:
    return keras.layers.Conv2D(width, 3, name=name, **HIDDEN)(x)


def _doubled(x: Any, width: int, name: str) -> Any:
    """At twice the rows and columns."""
    return keras.layers.Conv2DTranspose(width, 4, strides=2, name=name, **HIDDEN)(x)


def build(base_channels: int = 16) -> keras.Model:
    """The network, with fresh weights, which returns what it is given.

    base_channels: at half the size; twice as many at a quarter.
    Returns a model [N, H, W, 3] float32 codes in [0, 1] to [N, H, W, 3] float32 codes, at least 0;
    codes from `LIGHT` on are the same. H and W multiples of 4.
    """
    image = keras.Input((None, None, 3), name="image", dtype="float32")
    # What lies near black about 0, in steps that matter.
    centred = keras.layers.Rescaling(4.0, -0.5, name="centred", dtype="float32")(image)
    x = keras.layers.Conv2D(base_channels, 4, strides=2, name="blocks", **HIDDEN)(centred)
    fine = _conv(x, base_channels, "fine1")
    x = keras.layers.MaxPooling2D(2, name="pool")(fine)
    x = _conv(x, 2 * base_channels, "coarse1")
    x = _conv(x, 2 * base_channels, "coarse2")
    x = _doubled(x, base_channels, "up")
    x = keras.layers.Concatenate(name="joined")([x, fine])
    x = _conv(x, base_channels, "fine2")
    x = _conv(x, base_channels, "fine3")
    x = _doubled(x, FINEST, "full")
    # Noise is of single pixels: half-size layers alone cannot tell it from detail.
    x = keras.layers.Concatenate(name="with_image")([x, centred])
    x = _conv(x, FINEST, "finest")
    correction = keras.layers.Conv2D(
        3, 3, padding="same", kernel_initializer="zeros", name="correction", dtype="float32"
    )(x)
    restored = Restored(name="restored", dtype="float32")([image, correction])
    return keras.Model(image, restored, name="exposure_stack")
