"""The published network from SDR film to HDR: a U-Net with one level more.

    frames [N, H, W, 3] float32, codes of Rec. 709 in [0, 1]
      | five levels of two convolutions 3x3 with ReLU, replicated borders, and a max-pooling
      | two more at the bottom
      | five levels: transposed convolution 2x2, the skip, two convolutions
      | convolution 1x1, no activation
    frames [N, H, W, 3] float32, PQ codes of BT.2020

O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image
segmentation", MICCAI 2015.
"""

from typing import Any

import keras
from keras import layers, ops

LEVELS = 5
STRIDE = 2**LEVELS
"""H and W are multiples of it."""


@keras.saving.register_keras_serializable("hdrcnn")
class ReplicateConv2D(layers.Conv2D):
    """A convolution 3x3 with ReLU that repeats the border by one pixel; as large as its input."""

    halo = 1
    """Pixels around that an output pixel looks at: see `tiles.stages.reach`."""

    def __init__(self, filters: int, **options: Any) -> None:
        defaults = {"kernel_size": 3, "activation": "relu", "kernel_initializer": "he_normal"}
        super().__init__(filters, **{**defaults, **options})

    def call(self, inputs: Any) -> Any:
        # TensorFlow has no mode "edge"; by one pixel this is the same.
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
    """The network with fresh weights: [N, H, W, 3] float32 codes to [N, H, W, 3] float32 PQ codes,
    not held within [0, 1]; H and W multiples of 32. 124,362,307 numbers at the published 64.
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
