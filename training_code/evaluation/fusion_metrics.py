"""How good a fused picture is: MEF-SSIM, order reversal (halos), and PSNR and SSIM to a truth.

Pure NumPy and SciPy, float64. Pictures are display-encoded codes of 0 to 255, uint8 or float.

References:
K. Ma, K. Zeng, Z. Wang, "Perceptual quality assessment for multi-exposure image fusion", IEEE TIP
    24(11), 2015: MEF-SSIM, as the authors' program computes it.
Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image quality
    assessment", Asilomar 2003: the weights of the scales.

"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate1d, gaussian_filter

from training_code.evaluation import metrics

FloatArray = npt.NDArray[np.float64]

GREY = (0.29894, 0.58704, 0.11402)
"""Of the authors' grey, rounded to whole codes."""
WINDOW = 11
"""Side of a patch."""
FLOOR = 0.001
"""Added to the norm of a patch without its mean."""
STEEPEST = 10.0
"""Largest exponent of the weights of patches."""
EPSILON = float(np.finfo(np.float64).eps)
CONSTANT = (0.03 * 255.0) ** 2
"""C of the quality, Ma et al. 2015, Eq. 10."""
SCALES = (0.0448, 0.2856, 0.3001)
"""Exponents of the scales, finest first; divided by their sum."""
SMALLEST = WINDOW * 2 ** (len(SCALES) - 1)
"""Pixels a side that three scales need."""
SPACING = 16
"""Pixels between the two places that `order_reversal` compares."""


def grey(codes: npt.ArrayLike) -> FloatArray:
    """Codes [..., 3] of 0 to 255 to whole grey codes [...], as the authors' program has them."""
    return np.asarray(np.rint(np.asarray(codes, np.float64) @ np.array(GREY)))


def _windowed(image: FloatArray, weights: FloatArray) -> FloatArray:
    """Means of windows with separable weights, where the window lies inside: [H - 10, W - 10]."""
    inner = slice(WINDOW // 2, -(WINDOW // 2))
    for axis in (0, 1):
        image = correlate1d(image, weights, axis=axis)
    return np.asarray(image[inner, inner])


def gaussian() -> FloatArray:
    """The window of the covariances: sigma 1.5, sum 1, [11]."""
    place = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(place**2) / (2.0 * 1.5**2))
    return np.asarray(weights / weights.sum())


def structure_quality(frames: FloatArray, fused: FloatArray) -> FloatArray:
    """How well each patch keeps the desired structure, Ma et al. 2015, Eqs. 4 to 10.

    frames: [K, H, W]; fused: [H, W]; grey codes. Returns [H - 10, W - 10] in [-1, 1].

    The desired patch r is a sum of the frames' patches, each without its mean, so that its norm
    and its covariances follow from those of the frames: no patch is ever formed.
    """
    count, uniform, window = len(frames), np.full(WINDOW, 1.0 / WINDOW), gaussian()
    # Covariances do not depend on a constant; without it less is cancelled.
    level = frames.mean()
    frames, fused = frames - level, fused - level
    mean = [_windowed(frame, uniform) for frame in frames]
    energy = np.empty((count, count, *mean[0].shape))
    shared = np.empty_like(energy)
    smooth = [_windowed(frame, window) for frame in frames]
    for i in range(count):
        for j in range(i + 1):
            product = frames[i] * frames[j]
            patch = WINDOW**2 * (_windowed(product, uniform) - mean[i] * mean[j])
            energy[i, j] = energy[j, i] = patch
            shared[i, j] = shared[j, i] = _windowed(product, window) - smooth[i] * smooth[j]
    norm = np.sqrt(np.maximum(np.einsum("iiyx->iyx", energy), 0.0))
    together = np.sqrt(np.maximum(energy.sum(axis=(0, 1)), 0.0))
    contrast = norm + FLOOR
    consistency = (together + EPSILON) / (norm.sum(axis=0) + EPSILON)
    consistency = np.clip(consistency, EPSILON, 1.0 - EPSILON)
    exponent = np.minimum(np.tan(0.5 * np.pi * consistency), STEEPEST)
    weight = (contrast / WINDOW) ** exponent + EPSILON
    part = weight / weight.sum(axis=0) / contrast
    length = np.sqrt(np.maximum(np.einsum("iyx,jyx,ijyx->yx", part, part, energy), 0.0))
    largest = contrast.max(axis=0)
    scale = np.divide(largest, length, out=np.zeros_like(length), where=length > 0.0)

    fused_smooth = _windowed(fused, window)
    variance = _windowed(fused * fused, window) - fused_smooth**2
    desired = scale**2 * np.einsum("iyx,jyx,ijyx->yx", part, part, shared)
    covariance = np.zeros_like(variance)
    for i in range(count):
        covariance += part[i] * (_windowed(frames[i] * fused, window) - smooth[i] * fused_smooth)
    return np.asarray((2.0 * scale * covariance + CONSTANT) / (desired + variance + CONSTANT))


def halved(image: FloatArray) -> FloatArray:
    """[..., H, W]: the mean of each sample and its neighbours below, right and both, borders
    repeated; every second one.
    """
    padded = np.pad(image, [(0, 0)] * (image.ndim - 2) + [(0, 1), (0, 1)], mode="edge")
    rows = padded[..., :-1, :] + padded[..., 1:, :]
    return np.asarray(0.25 * (rows[..., :-1] + rows[..., 1:])[..., ::2, ::2])


def mef_ssim_of_grey(
    frames: npt.ArrayLike, fused: npt.ArrayLike, scales: int = len(SCALES)
) -> float:
    """MEF-SSIM of grey codes: frames [K, H, W], fused [H, W], of 0 to 255.

    scales: 1 to 3. Raises ValueError for shapes that differ or too few pixels.
    """
    stack, picture = np.asarray(frames, np.float64), np.asarray(fused, np.float64)
    if stack.ndim != 3 or stack.shape[1:] != picture.shape or not len(stack):
        raise ValueError(
            f"frames [K, H, W] and fused [H, W] are needed; they are {stack.shape} and "
            f"{picture.shape}"
        )
    if not 1 <= scales <= len(SCALES):
        raise ValueError(f"{scales} scales: 1 to {len(SCALES)} are known")
    least = WINDOW * 2 ** (scales - 1)
    if min(picture.shape) < least:
        raise ValueError(f"MEF-SSIM needs {least} pixels a side; the picture is {picture.shape}")
    exponents = np.array(SCALES[:scales]) / sum(SCALES[:scales])
    score = 1.0
    for exponent in exponents:
        quality = float(structure_quality(stack, picture).mean())
        # A picture against all its frames has no root; it is as bad as can be.
        score *= max(quality, 0.0) ** exponent
        stack, picture = halved(stack), halved(picture)
    return float(score)


def mef_ssim(frames: npt.ArrayLike, fused: npt.ArrayLike) -> float:
    """MEF-SSIM at three scales, in [0, 1], Ma et al. 2015.

    frames: [K, H, W, 3], fused: [H, W, 3], uint8 codes of one size, at least 44 pixels a side.
    No term for luminance: how bright a place is does not count. Raises ValueError.
    """
    return mef_ssim_of_grey(grey(frames), grey(fused))


def order_reversal(frames: npt.ArrayLike, fused: npt.ArrayLike, spacing: int = SPACING) -> float:
    """How much the fused picture turns round what is brighter: halos, in codes.

    frames: [K, H, W, 3], fused: [H, W, 3], codes of 0 to 255, at least `spacing` + 1 pixels a side.
    Every camera curve rises, so that two places differ by the same sign in every frame, and in
    their mean. Grey is smoothed by a Gaussian of a quarter of `spacing`, and places `spacing`
    apart, across and down, are compared: the mean over all of how far the fused picture
    differs with the other sign, at most by as much as the frames' mean does. 0 for the mean of
    the frames, and for every picture that rises with the light. Raises ValueError if there are too
    few pixels.
    """
    stack, picture = grey(frames), grey(fused)
    if min(picture.shape) <= spacing:
        raise ValueError(
            f"more than {spacing} pixels a side are needed; the picture is {picture.shape}"
        )
    light, shown = (gaussian_filter(i, spacing / 4) for i in (stack.mean(axis=0), picture))
    reversed_by = []
    for axis in (0, 1):
        low = [slice(None), slice(None)]
        high = [slice(None), slice(None)]
        low[axis], high[axis] = slice(None, -spacing), slice(spacing, None)
        true = light[tuple(high)] - light[tuple(low)]
        found = shown[tuple(high)] - shown[tuple(low)]
        opposite = np.maximum(-np.sign(true) * found, 0.0)
        reversed_by.append(np.minimum(opposite, np.abs(true)).mean())
    return float(np.mean(reversed_by))


def psnr(fused: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Of codes of 0 to 255, any shape, in dB; inf where they are equal."""
    error = np.asarray(fused, np.float64) - np.asarray(truth, np.float64)
    square = float(np.mean(np.square(error)))
    return float("inf") if square == 0.0 else float(10.0 * np.log10(255.0**2 / square))


def ssim(fused: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """SSIM of the grey of codes [H, W, 3] of 0 to 255; see `metrics.ssim`. Raises ValueError."""
    return metrics.ssim(grey(fused), grey(truth), 255.0)


class Score(NamedTuple):
    """Of a result; the last three to the truth, NaN without one."""

    mef_ssim: float
    order_reversal: float
    psnr: float = math.nan
    ssim: float = math.nan
    ms_ssim: float = math.nan
    """NaN also for pictures that are too small for it."""


def score(wanted: np.ndarray, result: np.ndarray, truth: np.ndarray | None) -> Score:
    """Of one result: wanted: [K, H, W, 3], result and truth: [H, W, 3], uint8."""
    from training_code.losses.fusion import MS_SSIM_SMALLEST, ms_ssim

    found = Score(mef_ssim(wanted, result), order_reversal(wanted, result))
    if truth is None:
        return found
    found = found._replace(psnr=psnr(result, truth), ssim=ssim(result, truth))
    if min(truth.shape[:2]) >= MS_SSIM_SMALLEST:
        pair = (np.asarray(p[None], np.float32) / np.float32(255.0) for p in (result, truth))
        found = found._replace(ms_ssim=float(ms_ssim(*pair)[0]))
    return found
