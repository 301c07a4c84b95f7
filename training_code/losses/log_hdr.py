"""Losses on log HDR images: pure functions in `keras.ops`, float32.

Unless stated otherwise, they take `target`, [N, H, W, 3] linear with 1.0 = clipping level, and
`log_hdr`, the prediction y = log(H + 1/255) of the same shape, and return one value per picture,
[N]. `mask`, [N, H, W, 1] or [N, H, W, 3] in [0, 1], says where the prediction counts; the default
is the published saturation of the target. `cost` and `highlight_rmse` also take targets that are
NaN where they are unknown; these pixels do not count.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from hdrcnn.colour.clipping_level import saturation
from hdrcnn.colour.transfer import LOG_OFFSET, LUMINANCE_WEIGHTS, log_encode, luminance
from hdrcnn.predict import blend as highlights
from training_code.losses.settings import Loss

BLUR_SD = 4.2
BLUR_RADIUS = 6
"""The published 13x13 Gaussian: standard deviation 4.2 pixels, truncated at 6."""

PEAK_NORM = 4.0
"""The p of the norm that approximates the peak."""

GRADIENT_SCALES = 4

Tensor: TypeAlias = keras.KerasTensor


def blur(image: Tensor) -> Tensor:
    """Blur [N, H, W, 1] by a 13x13 Gaussian, with zeros beyond the border."""
    offsets = np.arange(-BLUR_RADIUS, BLUR_RADIUS + 1)
    profile = np.exp(-0.5 * (offsets / BLUR_SD) ** 2)
    kernel = (profile / profile.sum()).astype(np.float32)
    image = ops.conv(image, kernel.reshape(-1, 1, 1, 1), padding="same")
    return ops.conv(image, kernel.reshape(1, -1, 1, 1), padding="same")


def log_luminance(log_hdr: Tensor) -> Tensor:
    """log(luminance + 1/255) of a prediction, [N, H, W, 1], computed in the log domain, which is
    exact because the luminance weights add up to 1.
    """
    log_weights = ops.log(ops.convert_to_tensor(LUMINANCE_WEIGHTS, dtype="float32"))
    return ops.logsumexp(log_hdr + log_weights, axis=-1, keepdims=True)


def asymmetric_square(difference: Tensor, asymmetry: float) -> Tensor:
    """d^2, times 1 + asymmetry where d < 0. Its mean is minimised by an expectile, which lies above
    the mean if asymmetry > 0.

    W. K. Newey, J. L. Powell, "Asymmetric least squares estimation and testing", Econometrica
    55(4), 1987. difference: prediction minus target, any shape.
    """
    if not asymmetry:
        return ops.square(difference)
    return ops.square(difference) + asymmetry * ops.square(ops.minimum(difference, 0.0))


def log_l2(
    target: Tensor, log_hdr: Tensor, mask: Tensor | None = None, asymmetry: float = 0.0
) -> Tensor:
    """Masked squared error in the log domain: mean(((y - log(t + 1/255)) M)^2), Eq. 5."""
    mask = saturation(target, xp=ops) if mask is None else mask
    difference = (log_hdr - log_encode(target, xp=ops)) * mask
    return ops.mean(asymmetric_square(difference, asymmetry), axis=(1, 2, 3))


def illumination_reflectance(
    target: Tensor, log_hdr: Tensor, mask: Tensor | None = None, asymmetry: float = 0.0
) -> Tensor:
    """Mean of [0.5 (dI)^2 + 0.5 (dR)^2] M: Eilertsen et al. 2017, Eqs. 6 to 8.

    Illumination I is the blurred log luminance, reflectance R is log RGB minus I. The blur is
    linear, so the difference of two illuminations is the blurred difference. The asymmetry applies
    to both: regions that are too dark show in I, small lights that are too dark in R.
    """
    mask = saturation(target, xp=ops) if mask is None else mask
    illumination = blur(log_luminance(log_hdr) - log_encode(luminance(target, xp=ops), xp=ops))
    reflectance = log_hdr - log_encode(target, xp=ops) - illumination
    cost = 0.5 * asymmetric_square(illumination, asymmetry) + 0.5 * asymmetric_square(
        reflectance, asymmetry
    )
    return ops.mean(cost * mask, axis=(1, 2, 3))


LOSSES = {"illumination_reflectance": illumination_reflectance, "log_l2": log_l2}


def log_peak(log_hdr: Tensor, mask: Tensor) -> Tensor:
    """Log of the p-norm of the masked luminance + 1/255, p = `PEAK_NORM`, [N]: a soft maximum.

    (sum M L^p / sum M)^(1/p); unlike the maximum it has a gradient everywhere in the highlights.
    """
    # Pixels with mask 0 must not count, however large the prediction is.
    log_mask = ops.where(mask > 0.0, ops.log(ops.maximum(mask, 1e-6)), -1e4)
    total = ops.logsumexp(PEAK_NORM * log_luminance(log_hdr) + log_mask, axis=(1, 2, 3))
    return (total - ops.logsumexp(log_mask, axis=(1, 2, 3))) / PEAK_NORM


def peak_error(
    target: Tensor, log_hdr: Tensor, mask: Tensor | None = None, asymmetry: float = 0.0
) -> Tensor:
    """Squared difference of `log_peak`, times the mean of the mask.

    The other losses average over samples, so a peak of a few pixels hardly counts in them. The
    factor gives an error of the peak as much weight as the same error in all highlights, and none
    if there are no highlights.
    """
    mask = saturation(target, xp=ops) if mask is None else mask
    difference = log_peak(log_hdr, mask) - log_peak(log_encode(target, xp=ops), mask)
    return asymmetric_square(difference, asymmetry) * ops.mean(mask, axis=(1, 2, 3))


def gradient_error(target: Tensor, log_hdr: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean absolute difference of log gradients at `GRADIENT_SCALES` scales, summed over them.

    After Z. Li, N. Snavely, "MegaDepth", CVPR 2018, Eq. 6, for log depth: a result may be off by a
    factor but not in its shape, and edges stay sharp. Each gradient is weighted by the product of
    the masks of its two pixels; coarser scales are means of 2x2 pixels, weighted by the mask.
    """
    mask = saturation(target, xp=ops) if mask is None else mask
    difference = log_hdr - log_encode(target, xp=ops)
    total: Any = 0.0
    for scale in range(GRADIENT_SCALES):
        if scale:
            weighted = ops.average_pool(difference * mask, 2, strides=2, padding="same")
            mask = ops.average_pool(mask, 2, strides=2, padding="same")
            difference = weighted / ops.maximum(mask, 1e-6)
        for near, far in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[:, :, 1:], np.s_[:, :, :-1])):
            change = ops.abs(difference[near] - difference[far]) * mask[near] * mask[far]
            total = total + ops.mean(change, axis=(1, 2, 3))
    return total


def capped(target: Tensor, log_hdr: Tensor, stops: float) -> tuple[Tensor, Tensor]:
    """Cap the target at `stops` above the clipping level, and the prediction at the same level
    wherever the target was capped, so that any brighter prediction is equally good there.
    """
    most = 2.0**stops
    held = ops.minimum(log_hdr, math.log(most + LOG_OFFSET))
    return ops.minimum(target, most), ops.where(target > most, held, log_hdr)


def split_known(target: Tensor) -> tuple[Tensor, Tensor]:
    """Split a target with NaN where it is unknown into the target with 0 there, and a mask of known
    pixels, [N, H, W, 1], 1 or 0; a pixel is unknown if any of its channels is.
    """
    known = ops.logical_not(ops.any(ops.isnan(target), axis=-1, keepdims=True))
    return ops.where(known, target, 0.0), ops.cast(known, "float32")


Cost: TypeAlias = Callable[[Any, Any, Any], Any]
"""(target, log_hdr, code) to [N]. code: the picture, display-encoded, [N, H, W, 3] in [0, 1]."""


def cost(settings: Loss, blend: str = "channel") -> Cost:
    """Build the loss described by the settings, a function of target, prediction and picture.

    blend: how the weights blend prediction and photograph, one of `blend.BLENDS`.
    """

    def total(target: Tensor, log_hdr: Tensor, code: Tensor) -> Tensor:
        target, known = split_known(target)
        # Blurs and means of neighbours must not carry an error out of unknown pixels.
        log_hdr = ops.where(known > 0.0, log_hdr, log_encode(target, xp=ops))
        mask = saturation(target if settings.mask == "target" else code, xp=ops) * known
        kept = highlights.mask(code, blend, xp=ops) * known if settings.mask == "blend" else mask
        if settings.cap is not None:
            target, log_hdr = capped(target, log_hdr, settings.cap)
        result = LOSSES[settings.name](target, log_hdr, kept, settings.asymmetry)
        if settings.peak:
            result += settings.peak * peak_error(target, log_hdr, mask, settings.asymmetry)
        if settings.gradient:
            result += settings.gradient * gradient_error(target, log_hdr, mask)
        if settings.knee is not None:
            result = settings.knee * ops.log1p(result / settings.knee)
        return result

    return total


def highlight_rmse(
    target: Tensor, log_hdr: Tensor, total: Callable[[Tensor], Tensor] = lambda part: part
) -> Tensor:
    """RMSE in stops over all samples of a batch where the target is above the clipping level, a
    scalar for monitoring.

    total: sums a value over the devices that share a batch.
    """
    target, _ = split_known(target)
    mask = ops.cast(target > 1.0, "float32")
    stops = (log_hdr - log_encode(target, xp=ops)) / float(np.log(2.0))
    squares, count = total(ops.sum(ops.square(stops) * mask)), total(ops.sum(mask))
    return ops.sqrt(squares / ops.maximum(count, 1.0))
