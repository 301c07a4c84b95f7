"""The published network from one photograph to five exposures, and the one that judges them.

    x [N, H, W, 3] in [0, 1], display-encoded: the middle exposure; H and W multiples of 4
      | 2 x - 1
      | conv 4x4 stride 2, 64; 128                        ReLU each
      | transposed conv 4x4 stride 2, 64, ReLU; 15, tanh  to [-1, 1]
      | (y + 1) / 2, reshaped to five of RGB
    exposures [N, 5, H, W, 3] in [0, 1], display-encoded, darkest first

A conditional GAN as pix2pix is (P. Isola et al., "Image-to-image translation with conditional
adversarial networks", CVPR 2017), layer by layer as it was published for exposure stacks, without
normalisation and without skips. A sample follows from 10 pixels around, so that it is a tone curve
of its neighbourhood: what was clipped it cannot guess. Published was tanh against targets in
[0, 1]; here codes are brought to [-1, 1] and back.
"""

from typing import Any

import keras
from keras import ops

EXPOSURES = 5
STRIDE = 4
"""H and W are multiples of it."""


@keras.saving.register_keras_serializable("hdrcnn")
class Exposures(keras.layers.Layer):
    """[N, H, W, 3 K] in [-1, 1], an exposure's R, G, B side by side, to codes [N, K, H, W, 3]."""

    def call(self, x: Any) -> Any:
        rows, columns = ops.shape(x)[1:3]
        apart = ops.reshape(x, (-1, rows, columns, x.shape[-1] // 3, 3))
        return ops.transpose(0.5 * (apart + 1.0), (0, 3, 1, 2, 4))

    def compute_output_spec(self, x: Any) -> keras.KerasTensor:
        count, rows, columns, channels = x.shape
        return keras.KerasTensor((count, channels // 3, rows, columns, 3), dtype="float32")


def beside(picture: Any, exposures: Any) -> Any:
    """What the discriminator judges: a picture [N, H, W, 3] and its exposures [N, 5, H, W, 3], all
    codes in [0, 1], as [N, H, W, 18] in [-1, 1].
    """
    parts = [picture, *(exposures[:, k] for k in range(EXPOSURES))]
    return 2.0 * ops.concatenate(parts, axis=-1) - 1.0


def _initial() -> keras.initializers.Initializer:
    """As pix2pix has it; each layer needs its own, or two alike would begin alike."""
    return keras.initializers.RandomNormal(0.0, 0.02)


def build_generator(base_channels: int = 64) -> keras.Model:
    """The published generator, with fresh weights: 280,847 numbers at 64 channels.

    Returns a model [N, H, W, 3] float32 codes in [0, 1] to five exposures [N, 5, H, W, 3] float32
    codes in [0, 1], darkest first; H and W multiples of 4.
    """
    image = keras.Input((None, None, 3), name="image", dtype="float32")
    x = keras.layers.Rescaling(2.0, -1.0, name="centred", dtype="float32")(image)
    for level in (1, 2):
        x = keras.layers.Conv2D(
            level * base_channels,
            4,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=_initial(),
            name=f"down{level}",
        )(x)
    x = keras.layers.Conv2DTranspose(
        base_channels,
        4,
        strides=2,
        padding="same",
        activation="relu",
        kernel_initializer=_initial(),
        name="up2",
    )(x)
    x = keras.layers.Conv2DTranspose(
        3 * EXPOSURES,
        4,
        strides=2,
        padding="same",
        activation="tanh",
        kernel_initializer=_initial(),
        name="up1",
        dtype="float32",
    )(x)
    exposures = Exposures(name="exposures", dtype="float32")(x)
    return keras.Model(image, exposures, name="exposure_gan")


def build_discriminator(base_channels: int = 64) -> keras.Model:
    """The published discriminator, with fresh weights: 151,745 numbers at 64 channels.

    Returns a model [N, H, W, 18], as `beside` makes it, to logits [N, H/4 - 1, W/4 - 1, 1] of
    patches, above 0 for a true stack; the published sigmoid is in the loss. H and W multiples of 4.
    """
    stack = keras.Input((None, None, 3 + 3 * EXPOSURES), name="stack", dtype="float32")
    x = stack
    for level in (1, 2):
        x = keras.layers.Conv2D(
            level * base_channels,
            4,
            strides=2,
            padding="same",
            kernel_initializer=_initial(),
            name=f"judge{level}",
        )(x)
        x = keras.layers.LeakyReLU(0.2, name=f"leaky{level}")(x)
    x = keras.layers.ZeroPadding2D(1, name="border")(x)
    logits = keras.layers.Conv2D(
        1, 4, kernel_initializer=_initial(), name="judgement", dtype="float32"
    )(x)
    return keras.Model(stack, logits, name="exposure_discriminator")


def build(base_channels: int = 64) -> keras.Model:
    """`build_generator`, under the current dtype policy of the convolutions."""
    return build_generator(base_channels)
