"""The published network from SDR film to HDR: a U-Net with one additional level.

    frames [N, H, W, 3] float32, codes of Rec. 709 in [0, 1]
      | five levels: two 3x3 convolutions with ReLU and replicated borders, max-pooling
      | two convolutions at the bottom
      | five levels: 2x2 transposed convolution, the skip, two convolutions
      | 1x1 convolution without activation
    frames [N, H, W, 3] float32, PQ codes of BT.2020

O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image
segmentation", MICCAI 2015.
"""

from typing import Any

import keras
from keras import layers, ops

LEVELS = 5


@keras.saving.register_keras_serializable("hdrcnn")
class ReplicateConv2D(layers.Conv2D):
    """3x3 convolution with ReLU that keeps the size by repeating the border pixels."""

    halo = 1
    """Distance, in pixels, of the input an output pixel depends on: see `tiles.stages.reach`."""

    def __init__(self, filters: int, **options: Any) -> None:
        defaults = {"kernel_size": 3, "activation": "relu", "kernel_initializer": "he_normal"}
        super().__init__(filters, **{**defaults, **options})

    def call(self, inputs: Any) -> Any:
        # TensorFlow has no mode "edge"; for one pixel "symmetric" is the same.
        border = [(0, 0), (1, 1), (1, 1), (0, 0)]
        return super().call(ops.pad(inputs, border, mode="symmetric"))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], self.filters)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)


def _twice(x: Any, width: int, name: str) -> Any:
    x = ReplicateConv2D(width, name=f"{name}_conv1")(x)
    return ReplicateConv2D(width, name=f"{name}_conv2")(x)


def build(base_channels: int = 64) -> keras.Model:
    """Build the network with initial weights: 124,362,307 parameters at the published 64 channels.

    It maps [N, H, W, 3] float32 codes to [N, H, W, 3] float32 PQ codes, not limited to [0, 1]; H
    and W multiples of 32.
    """
    frames = keras.Input((None, None, 3), name="frames", dtype="float32")
    x, skips = frames, []
    for level in range(LEVELS):
        x = _twice(x, base_channels << level, f"encoder{level + 1}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"pool{level + 1}")(x)
    x = _twice(x, base_channels << LEVELS, "bottom")
    for level in reversed(range(LEVELS)):
        up = layers.Conv2DTranspose(base_channels << level, 2, strides=2, name=f"up{level + 1}")
        x = layers.Concatenate(name=f"skip{level + 1}")([skips[level], up(x)])
        x = _twice(x, base_channels << level, f"decoder{level + 1}")
    signal = layers.Conv2D(3, 1, name="signal", dtype="float32")(x)
    return keras.Model(frames, signal, name="film_unet")
