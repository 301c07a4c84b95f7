"""Network that restores the dark parts of a photograph, and leaves everything else alone.

    x [N, H, W, 3] in [0, 1], display-encoded, as photographed; H and W multiples of 4
      | conv 4x4 stride 2       computed at half size, like FFDNet
      | two levels              convolutions at half and quarter size, joined by a skip
      | transposed conv 4x4     back to full size, joined with x itself
      | two convolutions        c [N, H, W, 3], 0 at the start of training
    y = max(x + dark_weight(x) 0.2 tanh(c), 0)

Near black, a photograph contains more noise, 8-bit quantisation steps and JPEG blocks than light,
which become visible four stops brighter. `dark_weight` is 1 there and 0 from `LIGHT` on: every
brighter sample is returned unchanged, bit for bit. Highlights are left to the single-image network.
Both results form one HDR image, so exposures rendered from it are ordered and consistent.

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
"""Code up to which the whole residual is added."""
LIGHT = ExposureStack.light
"""Code from which on no residual is added."""
BOUND = 0.2
"""Largest residual in codes; near black, noise of a hundredth of the clipping level is as large."""
FINEST = 8
"""Channels at full size."""


def dark_weight(code: Array, xp: ModuleType = np) -> Array:
    """Weight, in [0, 1], of the residual for codes of any shape in [0, 1].

    It is 1 up to `DARK`, 0 from `LIGHT` on, and a cubic in between.
    """
    t = xp.clip((LIGHT - code) / (LIGHT - DARK), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@keras.saving.register_keras_serializable("hdrcnn")
class Restored(keras.layers.Layer):
    """Adds a limited correction to dark codes: max(x + dark_weight(x) `BOUND` tanh(c), 0).

    Inputs: codes x and correction c, [N, H, W, 3] each.
    """

    pointwise = True

    def call(self, both: Any) -> Any:
        code, correction = both
        residual = BOUND * ops.tanh(correction)
        return ops.maximum(code + dark_weight(code, ops) * residual, 0.0)

    def compute_output_spec(self, both: Any) -> keras.KerasTensor:
        return keras.KerasTensor(both[0].shape, dtype="float32")


HIDDEN: dict[str, Any] = {
    "padding": "same", "activation": "relu", "kernel_initializer": "he_normal"
}  # fmt: skip


def _conv(x: Any, width: int, name: str) -> Any:
    return keras.layers.Conv2D(width, 3, name=name, **HIDDEN)(x)


def _doubled(x: Any, width: int, name: str) -> Any:
    """Upsample to twice the size by a transposed convolution."""
    return keras.layers.Conv2DTranspose(width, 4, strides=2, name=name, **HIDDEN)(x)


def build(base_channels: int = 16) -> keras.Model:
    """Build the network with initial weights, with which it returns its input.

    base_channels: channels at half the size; there are twice as many at a quarter.
    Returns a model [N, H, W, 3] float32 codes in [0, 1] to [N, H, W, 3] float32 codes, at least 0;
    codes from `LIGHT` on are the same. H and W multiples of 4.
    """
    image = keras.Input((None, None, 3), name="image", dtype="float32")
    # Centre the dark codes around 0 and scale them to a useful range.
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
    # Noise differs from pixel to pixel; layers at half size alone cannot tell it from detail.
    x = keras.layers.Concatenate(name="with_image")([x, centred])
    x = _conv(x, FINEST, "finest")
    correction = keras.layers.Conv2D(
        3, 3, padding="same", kernel_initializer="zeros", name="correction", dtype="float32"
    )(x)
    restored = Restored(name="restored", dtype="float32")([image, correction])
    return keras.Model(image, restored, name="exposure_stack")
