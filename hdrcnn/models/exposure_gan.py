"""The published network from one photograph to five exposures, and its discriminator.

    x [N, H, W, 3] in [0, 1], display-encoded: the middle exposure; H and W multiples of 4
      | 2 x - 1
      | conv 4x4 stride 2, 64; 128                        ReLU each
      | transposed conv 4x4 stride 2, 64, ReLU; 15, tanh  to [-1, 1]
      | (y + 1) / 2, reshaped to five of RGB
    exposures [N, 5, H, W, 3] in [0, 1], display-encoded, darkest first

A conditional GAN like pix2pix (P. Isola et al., "Image-to-image translation with conditional
adversarial networks", CVPR 2017), layer by layer as published for exposure stacks, without
normalisation and without skips. A sample depends only on pixels up to 10 away, so the network is
effectively a local tone curve and cannot reconstruct what was clipped. The published version trains
tanh against targets in [0, 1]; here codes are mapped to [-1, 1] and back.
"""

from typing import Any

import keras
from keras import ops

EXPOSURES = 5


@keras.saving.register_keras_serializable("hdrcnn")
class Exposures(keras.layers.Layer):
    """[N, H, W, 3 K] in [-1, 1], R, G, B of each exposure in turn, to codes [N, K, H, W, 3]."""

    def call(self, x: Any) -> Any:
        rows, columns = ops.shape(x)[1:3]
        apart = ops.reshape(x, (-1, rows, columns, x.shape[-1] // 3, 3))
        return ops.transpose(0.5 * (apart + 1.0), (0, 3, 1, 2, 4))

    def compute_output_spec(self, x: Any) -> keras.KerasTensor:
        count, rows, columns, channels = x.shape
        return keras.KerasTensor((count, channels // 3, rows, columns, 3), dtype="float32")


def discriminator_input(picture: Any, exposures: Any) -> Any:
    """Input of the discriminator, [N, H, W, 18] in [-1, 1].

    picture: [N, H, W, 3]; exposures: of it, [N, 5, H, W, 3]; codes in [0, 1].
    """
    parts = [picture, *(exposures[:, k] for k in range(EXPOSURES))]
    return 2.0 * ops.concatenate(parts, axis=-1) - 1.0


def _initial() -> keras.initializers.Initializer:
    """Initialiser of pix2pix; a new one for each layer, since a shared one would repeat values."""
    return keras.initializers.RandomNormal(0.0, 0.02)


def build_generator(base_channels: int = 64) -> keras.Model:
    """Build the published generator with initial weights: 280,847 parameters at 64 channels.

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
    """Build the published discriminator with initial weights: 151,745 parameters at 64 channels.

    Returns a model from [N, H, W, 18], the output of `beside`, to logits [N, H/4 - 1, W/4 - 1, 1]
    of patches, above 0 for a real stack; the published sigmoid is part of the loss. H and W
    multiples of 4.
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
    """Build the generator; convolutions use the current dtype policy."""
    return build_generator(base_channels)
