"""HDRCNN: a VGG16-style encoder on codes and a decoder in the log domain of light.

Eilertsen, Kronander, Denes, Mantiuk, Unger: "HDR image reconstruction from a single exposure
using deep CNNs", ACM TOG 36(6), 2017, section 4 and figure 5.

    x [N, H, W, 3] in [0, 1], display-encoded
      | x 255, BGR, minus the ImageNet mean
      block1 -- pool -- block2 -- pool -- block3 -- pool -- block4 -- pool -- block5 -- pool
      |                 |                 |                 |                 |       latent
      | log skips: log((s / 255)^2 + 1/255)                 |                 |          |
      fuse1 <--- up1 -- fuse2 <--- up2 -- fuse3 <--- up3 -- fuse4 <--- up4 -- fuse5 <-- up5
      |
      rgb, then fuse0 with the log skip of x itself
    y [N, H, W, 3] float32, y = log(H + 1/255), H linear, 1.0 = clipping level of the photograph

H and W must be multiples of 32. Under a mixed precision policy the convolutions run in the low
precision, except the first, because rounding its input of -124..151 would be an error of half a
code. Domain changes, fusions and everything from `rgb_conv` on stay float32: rounding a log value
to bfloat16 is an error of up to 0.045 stops, which shows as bands in a sky.
"""

import keras
import numpy as np
from keras import ops

from hdrcnn.colour.transfer import LOG_OFFSET
from hdrcnn.models.vgg import CHANNELS, CONVOLUTIONS

IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


@keras.saving.register_keras_serializable("hdrcnn")
class VggInput(keras.layers.Layer):
    """RGB in [0, 1] to what VGG16 expects: 0..255, BGR, minus the ImageNet mean."""

    pointwise = True

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        bgr = ops.flip(255.0 * x, axis=-1)
        return bgr - ops.convert_to_tensor(IMAGENET_MEAN_BGR, dtype=bgr.dtype)


@keras.saving.register_keras_serializable("hdrcnn")
class LogSkip(keras.layers.Layer):
    """Domain change of a skip s of scale 0..255: log((s / 255)^2 + 1/255), section 4.2."""

    pointwise = True

    def __init__(self, scale: float = 255.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, s: keras.KerasTensor) -> keras.KerasTensor:
        return ops.log(ops.square(s / self.scale) + LOG_OFFSET)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("hdrcnn")
class Addition(keras.initializers.Initializer):
    """1x1 kernel [1, 1, 2C, C] that adds the two halves of its input channel by channel."""

    def __call__(self, shape: tuple[int, ...], dtype: object = None) -> keras.KerasTensor:
        eye = np.eye(shape[-1], dtype=np.float32)
        return ops.convert_to_tensor(np.concatenate([eye, eye])[None, None], dtype=dtype)


@keras.saving.register_keras_serializable("hdrcnn")
class Bilinear(keras.initializers.Initializer):
    """4x4 kernel [4, 4, out, in] of a stride 2 transposed convolution that upsamples each channel
    bilinearly.
    """

    def __call__(self, shape: tuple[int, ...], dtype: object = None) -> keras.KerasTensor:
        tent = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
        diagonal = np.eye(shape[2], shape[3], dtype=np.float32)
        kernel = np.outer(tent, tent)[:, :, None, None] * diagonal
        return ops.convert_to_tensor(kernel, dtype=dtype)


def apply_norm(
    x: keras.KerasTensor, name: str, momentum: float, dtype: str | None = None
) -> keras.KerasTensor:
    """Batch normalisation as published, then ReLU."""
    x = keras.layers.BatchNormalization(
        epsilon=1e-5,
        momentum=momentum,
        gamma_initializer=keras.initializers.RandomNormal(1.0, 0.002),
        name=f"{name}_norm",
        dtype=dtype,
    )(x)
    return keras.layers.ReLU(name=f"{name}_relu", dtype=dtype)(x)


def apply_encoder_block(x: keras.KerasTensor, level: int, width: int) -> keras.KerasTensor:
    """Block `level` (1..5) of VGG16, before its pooling."""
    for index in range(1, CONVOLUTIONS[level - 1] + 1):
        x = keras.layers.Conv2D(
            width * CHANNELS[level - 1],
            3,
            padding="same",
            activation="relu",
            # Preserves the second moment, so that without pre-training, too, activations have the
            # scale 0..255 of the input: at unit scale the log skips would be flat.
            kernel_initializer="he_normal",
            name=f"block{level}_conv{index}",
            dtype="float32" if (level, index) == (1, 1) else None,
        )(x)
    return x


def apply_fusion(
    x: keras.KerasTensor,
    skip: keras.KerasTensor,
    level: int,
    scale: float = 255.0,
    dtype: str | None = None,
) -> keras.KerasTensor:
    """Fuse decoder and log skip, section 4.2, Eq. 4; at the start of training they are added."""
    skip = LogSkip(scale, name=f"skip{level}_log", dtype="float32")(skip)
    both = keras.layers.Concatenate(name=f"fuse{level}_concat", dtype=dtype)([x, skip])
    return keras.layers.Conv2D(
        x.shape[-1], 1, kernel_initializer=Addition(), name=f"fuse{level}", dtype=dtype
    )(both)


def apply_upsampling(
    x: keras.KerasTensor, level: int, width: int, momentum: float
) -> keras.KerasTensor:
    """Upsample to twice the size, with the number of channels of encoder block `level`."""
    x = keras.layers.Conv2DTranspose(
        width * CHANNELS[level - 1],
        4,
        strides=2,
        padding="same",
        kernel_initializer=Bilinear(),
        name=f"up{level}",
    )(x)
    return apply_norm(x, f"up{level}", momentum)


def build(width: int = 64, norm_momentum: float = 0.9) -> keras.Model:
    """Build the network with initial weights under the current Keras dtype policy.

    width: channels of the first block; 64 is the published network (29,447,332 parameters), 32 and
        16 need about a quarter and a sixteenth of its arithmetic.
    norm_momentum: decay of the batch-norm averages during training; no effect on inference.
    Returns a model [N, H, W, 3] float32 in [0, 1], display-encoded, to [N, H, W, 3] float32,
    y = log(H + 1/255); H and W multiples of 32.
    """
    image = keras.Input((None, None, 3), name="image", dtype="float32")
    x = VggInput(name="vgg_input", dtype="float32")(image)
    skips = []
    for level in range(1, 6):
        x = apply_encoder_block(x, level, width)
        skips.append(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{level}_pool")(x)

    x = keras.layers.Conv2D(
        width * CHANNELS[-1], 3, padding="same", kernel_initializer="he_normal", name="latent_conv"
    )(x)
    x = apply_norm(x, "latent", norm_momentum)

    for level in range(5, 0, -1):
        x = apply_upsampling(x, level, width, norm_momentum)
        x = apply_fusion(x, skips[level - 1], level, dtype="float32")

    x = keras.layers.Conv2D(
        3, 1, kernel_initializer="glorot_normal", name="rgb_conv", dtype="float32"
    )(x)
    x = apply_norm(x, "rgb", norm_momentum, dtype="float32")
    log_hdr = apply_fusion(x, image, 0, scale=1.0, dtype="float32")
    return keras.Model(image, log_hdr, name="hdrcnn")
