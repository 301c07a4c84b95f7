"""Metrics of fused images: MEF-SSIM, order reversal (halos), and PSNR and SSIM to a truth.

Pure NumPy and SciPy, float64. Images are display-encoded codes of 0 to 255, uint8 or float.

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
"""Weights of R, G and B in the grey of the authors' program, which rounds it to whole codes."""
WINDOW = 11
"""Side of a patch, pixels."""
FLOOR = 0.001
"""Added to the norm of a mean-subtracted patch."""
STEEPEST = 10.0
"""Largest exponent of the weights of patches."""
EPSILON = float(np.finfo(np.float64).eps)
CONSTANT = (0.03 * 255.0) ** 2
"""Constant C of the quality measure, Ma et al. 2015, Eq. 10."""
SCALES = (0.0448, 0.2856, 0.3001)
"""Exponents of the scales, finest first, before division by their sum."""
SMALLEST = WINDOW * 2 ** (len(SCALES) - 1)
"""Smallest side of an image for three scales, pixels."""
SPACING = 16
"""Pixels between the two places that `order_reversal` compares."""


def grey(codes: npt.ArrayLike) -> FloatArray:
    """Convert codes [..., 3] of 0 to 255 to whole grey codes [...], as in the authors' program."""
    return np.asarray(np.rint(np.asarray(codes, np.float64) @ np.array(GREY)))


def _windowed(image: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted means over windows that lie inside the image: [H, W] to [H - 10, W - 10].

    weights: [11], applied separably.
    """
    inner = slice(WINDOW // 2, -(WINDOW // 2))
    for axis in (0, 1):
        image = correlate1d(image, weights, axis=axis)
    return np.asarray(image[inner, inner])


def gaussian() -> FloatArray:
    """Gaussian window of the covariances: sigma 1.5, sum 1, [11]."""
    place = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(place**2) / (2.0 * 1.5**2))
    return np.asarray(weights / weights.sum())


def structure_quality(frames: FloatArray, fused: FloatArray) -> FloatArray:
    """Map of how well each patch preserves the desired structure, Ma et al. 2015, Eqs. 4 to 10.

    frames: [K, H, W]; fused: [H, W]; grey codes. Returns [H - 10, W - 10] in [-1, 1].

    The desired patch r is a weighted sum of the mean-subtracted patches of the frames, so its norm
    and covariances follow from those of the frames, and no patch has to be formed.
    """
    count, uniform, window = len(frames), np.full(WINDOW, 1.0 / WINDOW), gaussian()
    # Subtracting a constant leaves covariances unchanged and reduces cancellation.
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
    """Halve images [..., H, W]: means of 2 x 2 samples, with borders repeated."""
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
        # A negative quality has no real power; it counts as the worst.
        score *= max(quality, 0.0) ** exponent
        stack, picture = halved(stack), halved(picture)
    return float(score)


def mef_ssim(frames: npt.ArrayLike, fused: npt.ArrayLike) -> float:
    """MEF-SSIM at three scales, in [0, 1], Ma et al. 2015.

    frames: [K, H, W, 3], fused: [H, W, 3], uint8 codes of one size, at least 44 pixels a side.
    It has no luminance term: how bright a patch is does not matter. Raises ValueError.
    """
    return mef_ssim_of_grey(grey(frames), grey(fused))


def order_reversal(frames: npt.ArrayLike, fused: npt.ArrayLike, spacing: int = SPACING) -> float:
    """How much the fused image reverses the order of brightness (halos), in codes.

    frames: [K, H, W, 3], fused: [H, W, 3], codes of 0 to 255, at least `spacing` + 1 pixels a side.
    Camera curves are monotonic, so the difference between two pixels has the same sign in every
    frame and in their mean. Grey is smoothed by a Gaussian whose standard deviation is a quarter of
    `spacing`, and pixels `spacing` apart, horizontally and vertically, are compared. The result is
    the mean over all pairs of the difference in the fused image where its sign is opposite (0
    elsewhere), limited to the size of the difference in the mean of the frames. It is 0 for the
    mean of the frames and for every image that is a monotonic function of the light. Raises
    ValueError if there are too few pixels.
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
    """PSNR of codes of 0 to 255, any shape, in dB; inf if they are equal."""
    error = np.asarray(fused, np.float64) - np.asarray(truth, np.float64)
    square = float(np.mean(np.square(error)))
    return float("inf") if square == 0.0 else float(10.0 * np.log10(255.0**2 / square))


def ssim(fused: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """SSIM of the grey of codes [H, W, 3] of 0 to 255; see `metrics.ssim`. Raises ValueError."""
    return metrics.ssim(grey(fused), grey(truth), 255.0)


class Score(NamedTuple):
    """Scores of a result; the last three are against the truth, NaN without one."""

    mef_ssim: float
    order_reversal: float
    psnr: float = math.nan
    ssim: float = math.nan
    ms_ssim: float = math.nan
    """NaN also if the image is too small for it."""


def score(wanted: np.ndarray, result: np.ndarray, truth: np.ndarray | None) -> Score:
    """Score one result. wanted: frames [K, H, W, 3]; result, truth: [H, W, 3]; uint8."""
    from training_code.losses.fusion import MS_SSIM_SMALLEST, ms_ssim

    found = Score(mef_ssim(wanted, result), order_reversal(wanted, result))
    if truth is None:
        return found
    found = found._replace(psnr=psnr(result, truth), ssim=ssim(result, truth))
    if min(truth.shape[:2]) >= MS_SSIM_SMALLEST:
        pair = (np.asarray(p[None], np.float32) / np.float32(255.0) for p in (result, truth))
        found = found._replace(ms_ssim=float(ms_ssim(*pair)[0]))
    return found
