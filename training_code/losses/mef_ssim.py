"""MEF-SSIM as a loss, in `keras.ops`, for TensorFlow and JAX.

K. Ma, K. Zeng, Z. Wang, "Perceptual quality assessment for multi-exposure image fusion", IEEE TIP
24(11), 2015. `evaluation.fusion_metrics` computes the same metric in float64 and explains why no
patches need to be formed. The desired patches depend only on the frames, so no gradient flows
through them.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

WINDOW = 11
FLOOR = 0.001 / 255.0
"""Added to the norm of a mean-free patch. All constants are for grey in [0, 1]."""
STEEPEST = 10.0
EPSILON = 2.2e-16
CONSTANT = 0.03**2
SCALES = (0.0448, 0.2856, 0.3001)
"""Exponents of the scales, finest first; they are divided by their sum."""
LEAST = 1e-6
"""Lower bound of the quality of a scale: with exponents below 1, the gradient is infinite at 0."""


def gaussian() -> np.ndarray:
    """Gaussian window with sigma 1.5 and sum 1, [11] float32."""
    place = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(place**2) / (2.0 * 1.5**2))
    return (weights / weights.sum()).astype(np.float32)


def _band(size: int, weights: np.ndarray) -> np.ndarray:
    """Band matrix [size, size - n + 1] that, multiplied from the right, averages windows along the
    last axis.
    """
    inside = size - len(weights) + 1
    matrix = np.zeros((size, inside), np.float32)
    for tap, weight in enumerate(weights):
        matrix[np.arange(inside) + tap, np.arange(inside)] = weight
    return matrix


def windowed(images: Any, weights: np.ndarray) -> Any:
    """Weighted means over separable windows inside the image: [..., H, W] of static size to
    [..., H - n + 1, W - n + 1]. Computed as matrix products, which at training sizes are many times
    faster than convolutions of one channel.
    """
    rows, columns = images.shape[-2:]
    across = ops.matmul(images, ops.convert_to_tensor(_band(columns, weights)))
    return ops.matmul(ops.convert_to_tensor(_band(rows, weights).T.copy()), across)


def desired(frames: Any) -> tuple[Any, Any]:
    """The desired patches that fused patches are compared with, for grey frames [N, K, H, W].

    Returns the factor of each frame's patch in the desired patch, [N, K, H - 10, W - 10], and the
    variance of the desired patch, [N, H - 10, W - 10]. Ma et al. 2015, Eqs. 4 to 8.
    """
    uniform, window = np.full(WINDOW, 1.0 / WINDOW, np.float32), gaussian()
    product = frames[:, :, None] * frames[:, None]
    mean, smooth = windowed(frames, uniform), windowed(frames, window)
    energy = windowed(product, uniform) - mean[:, :, None] * mean[:, None]
    energy = float(WINDOW**2) * energy
    shared = windowed(product, window) - smooth[:, :, None] * smooth[:, None]
    own = ops.einsum("nkkyx->nkyx", energy)
    norm = ops.sqrt(ops.maximum(own, 0.0))
    together = ops.sqrt(ops.maximum(ops.sum(energy, axis=(1, 2)), 0.0))
    contrast = norm + FLOOR
    consistency = (together + EPSILON) / (ops.sum(norm, axis=1) + EPSILON)
    # In float32, an angle rounded up beyond a quarter turn would have a negative tangent.
    consistency = ops.clip(consistency, 0.0, 1.0 - 1e-6)
    exponent = ops.minimum(ops.tan(0.5 * np.pi * consistency), STEEPEST)[:, None]
    weight = ops.power(contrast * (255.0 / WINDOW), exponent) + EPSILON
    part = weight / ops.sum(weight, axis=1, keepdims=True) / contrast
    length = ops.einsum("niyx,njyx,nijyx->nyx", part, part, energy)
    length = ops.sqrt(ops.maximum(length, 0.0))
    scale = ops.where(length > 1e-12, ops.max(contrast, axis=1) / ops.maximum(length, 1e-12), 0.0)
    factor = part * scale[:, None]
    variance = ops.einsum("niyx,njyx,nijyx->nyx", factor, factor, shared)
    return ops.stop_gradient(factor), ops.stop_gradient(ops.maximum(variance, 0.0))


def structure_quality(frames: Any, fused: Any) -> Any:
    """Structural quality of each patch, [N, H - 10, W - 10] in [-1, 1], Ma et al. 2015, Eq. 10.

    frames: [N, K, H, W], fused: [N, H, W], grey in [0, 1], float32.
    """
    # Subtracting a constant does not change covariances but reduces cancellation errors.
    level = ops.mean(frames, axis=(1, 2, 3), keepdims=True)
    frames, fused = frames - level, fused - level[:, 0]
    window = gaussian()
    factor, variance = desired(frames)
    smooth, smooth_fused = windowed(frames, window), windowed(fused, window)
    own = windowed(ops.square(fused), window) - ops.square(smooth_fused)
    shared = windowed(frames * fused[:, None], window) - smooth * smooth_fused[:, None]
    covariance = ops.sum(factor * shared, axis=1)
    return (2.0 * covariance + CONSTANT) / (variance + own + CONSTANT)


def halved(images: Any) -> Any:
    """Average [..., H, W] over 2x2 samples; the last row or column of an odd side is repeated."""
    rows, columns = images.shape[-2:]
    if rows % 2:
        images = ops.concatenate([images, images[..., -1:, :]], axis=-2)
    if columns % 2:
        images = ops.concatenate([images, images[..., -1:]], axis=-1)
    across = images[..., ::2, :] + images[..., 1::2, :]
    return 0.25 * (across[..., ::2] + across[..., 1::2])


def mef_ssim(frames: Any, fused: Any, scales: int = len(SCALES)) -> Any:
    """MEF-SSIM of each bracket, [N] in (0, 1].

    frames: [N, K, H, W], fused: [N, H, W], grey in [0, 1], float32, with sides of at least
    11 x 2^(scales - 1) pixels.
    """
    exponents = np.array(SCALES[:scales]) / sum(SCALES[:scales])
    score = 1.0
    for index, exponent in enumerate(exponents):
        if index:
            frames, fused = halved(frames), halved(fused)
        quality = ops.mean(structure_quality(frames, fused), axis=(1, 2))
        score = score * ops.power(ops.maximum(quality, LEAST), float(exponent))
    return score


def mef_ssim_loss(frames: Any, fused: Any, scales: int = len(SCALES)) -> keras.KerasTensor:
    """1 - MEF-SSIM of each bracket, [N]; arguments as for `mef_ssim`."""
    return 1.0 - mef_ssim(frames, fused, scales)
