"""Losses on log HDR images: pure functions in `keras.ops`, float32.

All take `target`, [N, H, W, 3] linear with 1.0 = clipping level, and `log_hdr`, the prediction
y = log(H + 1/255) of the same shape, and return one value a picture, [N].
"""

from typing import TypeAlias

import keras
import numpy as np
from keras import ops

from hdrcnn.highlights import saturation
from hdrcnn.transfer import LUMINANCE_WEIGHTS, log_encode, luminance

BLUR_SD = 4.2
BLUR_RADIUS = 6
"""The published 13x13 Gaussian: standard deviation 4.2 pixels, cut at 6."""

Tensor: TypeAlias = keras.KerasTensor


def blur(image: Tensor) -> Tensor:
    """13x13 Gaussian with zeros beyond the border. [N, H, W, 1] to the same shape."""
    offsets = np.arange(-BLUR_RADIUS, BLUR_RADIUS + 1)
    profile = np.exp(-0.5 * (offsets / BLUR_SD) ** 2)
    kernel = (profile / profile.sum()).astype(np.float32)
    image = ops.conv(image, kernel.reshape(-1, 1, 1, 1), padding="same")
    return ops.conv(image, kernel.reshape(1, -1, 1, 1), padding="same")


def log_l2(target: Tensor, log_hdr: Tensor) -> Tensor:
    """Masked squared error in the log domain: mean(((y - log(t + 1/255)) M)^2), Eq. 5."""
    mask = saturation(target, xp=ops)
    difference = (log_hdr - log_encode(target, xp=ops)) * mask
    return ops.mean(ops.square(difference), axis=(1, 2, 3))


def illumination_reflectance(target: Tensor, log_hdr: Tensor) -> Tensor:
    """Mean of [0.5 (dI)^2 + 0.5 (dR)^2] M: Eilertsen et al. 2017, Eqs. 6 to 8.

    Illumination I is the blurred log luminance, reflectance R what is left of log RGB. The blur
    is linear, so the difference of two illuminations is the blurred difference.
    """
    mask = saturation(target, xp=ops)
    log_weights = ops.log(ops.convert_to_tensor(LUMINANCE_WEIGHTS, dtype="float32"))
    # log(luminance + 1/255) of a prediction without leaving the log domain: the weights add to 1.
    log_luminance = ops.logsumexp(log_hdr + log_weights, axis=-1, keepdims=True)
    illumination = blur(log_luminance - log_encode(luminance(target, xp=ops), xp=ops))
    reflectance = log_hdr - log_encode(target, xp=ops) - illumination
    cost = 0.5 * ops.square(illumination) + 0.5 * ops.square(reflectance)
    return ops.mean(cost * mask, axis=(1, 2, 3))


LOSSES = {"illumination_reflectance": illumination_reflectance, "log_l2": log_l2}


def highlight_rmse(target: Tensor, log_hdr: Tensor) -> Tensor:
    """For watching: RMSE in stops over samples where the target is above the clipping level."""
    mask = ops.cast(target > 1.0, "float32")
    stops = (log_hdr - log_encode(target, xp=ops)) / float(np.log(2.0))
    return ops.sqrt(ops.sum(ops.square(stops) * mask) / ops.maximum(ops.sum(mask), 1.0))
