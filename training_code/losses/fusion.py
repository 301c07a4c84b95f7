"""Losses of exposure fusion, in `keras.ops`, for TensorFlow and JAX: one value per picture.

Pictures are display-encoded, float32, in [0, 1]: RGB [N, H, W, 3], grey [N, H, W], frames
[N, K, H, W]. H and W are static.

References:
Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 13(4), 2004.
Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image quality
    assessment", Asilomar 2003.
T. Mertens, J. Kautz, F. Van Reeth, "Exposure fusion", Pacific Graphics 2007: well-exposedness.
E. Ustinova, V. Lempitsky, "Learning deep embeddings with histogram loss", NeurIPS 2016: histograms
    with triangular kernels.
Y. Rubner, C. Tomasi, L. Guibas, "The earth mover's distance as a metric for image retrieval", IJCV
    40(2), 2000: in one dimension it is the L1 distance of cumulative histograms.

"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from training_code.losses.mef_ssim import gaussian, halved, windowed

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Luma weights of ITU-R BT.709, for encoded values."""
CB_RANGE, CR_RANGE = 1.8556, 1.5748
"""Divisors that bring (B - Y) and (R - Y) to [-0.5, 0.5]."""
K1, K2 = 0.01, 0.03
"""Constants of SSIM, Wang et al. 2004."""
MS_SSIM_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first, Wang et al. 2003."""
MS_SSIM_SMALLEST = 161
"""Smallest side of a picture in pixels, which leaves eleven at the fifth scale."""
LEAST = 1e-6
"""Lower bound of the terms of MS-SSIM: with exponents below 1, the gradient is infinite at 0 and
the power undefined below."""
BINS = 48
HISTOGRAM_SIDE = 128
"""Approximate side in pixels to which a picture is pooled for its histogram."""
WELL_EXPOSED_SIGMA = 0.2
GAMMAS = ("variance", "gradient", "exposedness", "variance_gradient")
"""Measures by which each frame is weighted at each position."""
ALPHA = 0.5
"""Weight of the variance in `variance_gradient`."""
GAMMA_FLOOR = 1e-4


def luminance(rgb: Any) -> Any:
    """Luma Y of encoded RGB [..., 3]: [...]."""
    return ops.sum(rgb * ops.convert_to_tensor(np.array(LUMINANCE, np.float32)), axis=-1)


def mean_of_each(values: Any) -> Any:
    """Mean over all axes but the first: [N]."""
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=-1)


def rgb_l1(fused: Any, truth: Any) -> Any:
    """Mean absolute difference of RGB, [N]."""
    return mean_of_each(ops.abs(fused - truth))


def luminance_l1(fused: Any, truth: Any) -> Any:
    """Mean absolute difference of luma, [N]."""
    return mean_of_each(ops.abs(luminance(fused) - luminance(truth)))


def chroma_l1(fused: Any, truth: Any) -> Any:
    """Mean absolute difference of Cb and Cr, ITU-R BT.709, [N]."""
    apart = fused - truth
    y = luminance(apart)
    blue, red = (apart[..., 2] - y) / CB_RANGE, (apart[..., 0] - y) / CR_RANGE
    return 0.5 * (mean_of_each(ops.abs(blue)) + mean_of_each(ops.abs(red)))


def ssim_parts(first: Any, second: Any) -> tuple[Any, Any]:
    """Luminance and contrast-structure terms of SSIM at each position, [..., H - 10, W - 10] each,
    for images [..., H, W] in [0, 1]: window 11, sigma 1.5. Wang et al. 2004, Eqs. 6 to 10.
    """
    window, c1, c2 = gaussian(), K1**2, K2**2
    mean_1, mean_2 = windowed(first, window), windowed(second, window)
    both, squares = mean_1 * mean_2, ops.square(mean_1) + ops.square(mean_2)
    covariance = windowed(first * second, window) - both
    variances = windowed(ops.square(first) + ops.square(second), window) - squares
    return (2.0 * both + c1) / (squares + c1), (2.0 * covariance + c2) / (variances + c2)


def ms_ssim(first: Any, second: Any) -> Any:
    """MS-SSIM of RGB [N, H, W, 3], averaged over the channels, [N].

    Wang et al. 2003, Eq. 7: contrast and structure at five scales, luminance at the last. Terms are
    clipped from below at `LEAST`, where the gradient is 0, so it is finite for anti-correlated
    images too. Raises ValueError if a side is shorter than `MS_SSIM_SMALLEST`.
    """
    if min(first.shape[1:3]) < MS_SSIM_SMALLEST:
        raise ValueError(
            f"MS-SSIM needs {MS_SSIM_SMALLEST} pixels a side; the picture is {first.shape[1:3]}"
        )
    first, second = ops.moveaxis(first, -1, 1), ops.moveaxis(second, -1, 1)
    score = 1.0
    for index, exponent in enumerate(MS_SSIM_SCALES):
        if index:
            first, second = halved(first), halved(second)
        light, term = ssim_parts(first, second)
        if index == len(MS_SSIM_SCALES) - 1:
            term = light * term
        term = ops.maximum(ops.mean(term, axis=(-2, -1)), LEAST)
        score = score * ops.power(term, exponent)
    return ops.mean(score, axis=-1)


def ms_ssim_loss(fused: Any, truth: Any) -> Any:
    """1 - MS-SSIM, [N]."""
    return 1.0 - ms_ssim(fused, truth)


def soft_histogram(values: Any, bins: int = BINS) -> Any:
    """Differentiable histogram of [..., P] in [0, 1]: shares [..., bins] with sum 1.

    Triangular kernels, an exact partition of unity, at `bins` levels from 0 to 1. Ustinova and
    Lempitsky 2016, Eq. 1.
    """
    levels = ops.convert_to_tensor(np.linspace(0.0, 1.0, bins, dtype=np.float32))
    # There are no kernels outside [0, 1].
    place = ops.clip(values, 0.0, 1.0)[..., None] - levels
    return ops.mean(ops.maximum(1.0 - ops.abs(place) * float(bins - 1), 0.0), axis=-2)


def histogram_l1(fused: Any, truth: Any, bins: int = BINS) -> Any:
    """Mean absolute difference of the cumulative soft histograms of each channel, [N]: the mean
    distance, in [0, 1], that values have to be moved. Its gradient does not vanish if the
    histograms do not overlap.
    """

    def cumulative(rgb: Any) -> Any:
        rows, columns, channels = rgb.shape[1:]
        factor = max(1, min(rows, columns) // HISTOGRAM_SIDE)
        if factor > 1:
            rgb = ops.average_pool(rgb, factor, strides=factor, padding="valid")
        flat = ops.reshape(rgb, (-1, rgb.shape[1] * rgb.shape[2], channels))
        return ops.cumsum(soft_histogram(ops.swapaxes(flat, 1, 2), bins), axis=-1)

    return mean_of_each(ops.abs(cumulative(fused) - cumulative(truth)))


def _gradient_energy(frames: Any) -> Any:
    """Magnitude of the Sobel gradient divided by 8, [..., H - 2, W - 2], of [..., H, W]."""
    across = frames[..., 2:] - frames[..., :-2]
    x = across[..., :-2, :] + 2.0 * across[..., 1:-1, :] + across[..., 2:, :]
    down = frames[..., 2:, :] - frames[..., :-2, :]
    y = down[..., :-2] + 2.0 * down[..., 1:-1] + down[..., 2:]
    return ops.sqrt(ops.square(x / 8.0) + ops.square(y / 8.0) + 1e-12)


def _relative(values: Any) -> Any:
    """Values [N, K, H, W] divided by their maximum over frames and positions."""
    return values / (ops.max(values, axis=(1, 2, 3), keepdims=True) + 1e-8)


def gamma_map(frames: Any, kind: str) -> Any:
    """Weight of each grey frame [N, K, H, W] at each position, [N, K, H - 10, W - 10], with sum 1
    over the frames. kind: one of `GAMMAS`. No gradient flows through it. Raises ValueError for any
    other kind.
    """
    window = gaussian()
    parts = []
    if kind in ("variance", "variance_gradient"):
        mean = windowed(frames, window)
        variance = ops.maximum(windowed(ops.square(frames), window) - ops.square(mean), 0.0)
        parts.append((ALPHA if kind != "variance" else 1.0, _relative(variance)))
    if kind in ("gradient", "variance_gradient"):
        edges = _gradient_energy(frames)
        repeated = ops.pad(edges, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="symmetric")
        share = 1.0 - ALPHA if kind != "gradient" else 1.0
        parts.append((share, _relative(windowed(repeated, window))))
    if kind == "exposedness":
        apart = ops.square(frames - 0.5) / (2.0 * WELL_EXPOSED_SIGMA**2)
        parts.append((1.0, windowed(ops.exp(-apart), window)))
    if not parts:
        raise ValueError(f"gamma {kind}: one of {', '.join(GAMMAS)}")
    # Where the measure is 0 in all frames, all have the same weight.
    found = sum(share * part for share, part in parts) + GAMMA_FLOOR
    return ops.stop_gradient(found / ops.sum(found, axis=1, keepdims=True))


def weighted_ssim_loss(frames: Any, fused: Any, kind: str = "variance_gradient") -> Any:
    """1 - the mean contrast-structure term between each frame and the fused picture, weighted by
    `gamma_map`, [N]. frames: [N, K, H, W], fused: [N, H, W], grey. There is no luminance term,
    because the luminance of one frame contradicts that of another.
    """
    again = ops.broadcast_to(fused[:, None], ops.shape(frames))
    _, structure = ssim_parts(again, frames)
    return 1.0 - mean_of_each(ops.sum(gamma_map(frames, kind) * structure, axis=1))


SUPERVISED: dict[str, Callable[[Any, Any], Any]] = {
    "rgb_l1": rgb_l1,
    "luminance_l1": luminance_l1,
    "ms_ssim": ms_ssim_loss,
    "chroma_l1": chroma_l1,
    "histogram_l1": histogram_l1,
}
"""Terms by name: functions of fused picture and truth, RGB [N, H, W, 3], that return [N]."""
