"""Losses of exposure fusion, in `keras.ops`, on either backend: each gives one number a picture.

Pictures are display-encoded, float32, in [0, 1]: RGB [N, H, W, 3], grey [N, H, W], frames
[N, K, H, W]. H and W are known.

References:
Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 13(4), 2004.
Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image quality
    assessment", Asilomar 2003.
T. Mertens, J. Kautz, F. Van Reeth, "Exposure fusion", Pacific Graphics 2007: well-exposedness.
E. Ustinova, V. Lempitsky, "Learning deep embeddings with histogram loss", NeurIPS 2016: histograms
    with triangular kernels.
Y. Rubner, C. Tomasi, L. Guibas, "The earth mover's distance as a metric for image retrieval", IJCV
    40(2), 2000: on a line it is the L1 distance of cumulative histograms.

"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from training_code.losses.mef_ssim import gaussian, windowed

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""ITU-R BT.709, of encoded values."""
CB_RANGE, CR_RANGE = 1.8556, 1.5748
"""(B - Y) and (R - Y) over these lie in [-0.5, 0.5]."""
K1, K2 = 0.01, 0.03
"""Of SSIM, Wang et al. 2004."""
MS_SSIM_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents, finest first, Wang et al. 2003."""
MS_SSIM_SMALLEST = 161
"""Pixels a side: eleven at the fifth scale."""
LEAST = 1e-6
"""Terms of MS-SSIM from below: a power below 1 of 0 has no finite slope, of less no value."""
BINS = 48
HISTOGRAM_SIDE = 128
"""Pixels a side, about, that a picture is pooled to for its histogram."""
WELL_EXPOSED_SIGMA = 0.2
GAMMAS = ("variance", "gradient", "exposedness", "variance_gradient")
"""What says how much each frame counts at each place."""
ALPHA = 0.5
"""Share of the variance in `variance_gradient`."""
GAMMA_FLOOR = 1e-4


def luminance(rgb: Any) -> Any:
    """Y of encoded [..., 3]: [...]."""
    return ops.sum(rgb * ops.convert_to_tensor(np.array(LUMINANCE, np.float32)), axis=-1)


def _mean(values: Any) -> Any:
    """Over all axes but the first: [N]."""
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=-1)


def rgb_l1(fused: Any, truth: Any) -> Any:
    """Mean absolute difference of RGB, [N]."""
    return _mean(ops.abs(fused - truth))


def luminance_l1(fused: Any, truth: Any) -> Any:
    """Mean absolute difference of luminance, [N]."""
    return _mean(ops.abs(luminance(fused) - luminance(truth)))


def chroma_l1(fused: Any, truth: Any) -> Any:
    """Mean absolute difference of Cb and Cr, ITU-R BT.709, [N]."""
    apart = fused - truth
    y = luminance(apart)
    blue, red = (apart[..., 2] - y) / CB_RANGE, (apart[..., 0] - y) / CR_RANGE
    return 0.5 * (_mean(ops.abs(blue)) + _mean(ops.abs(red)))


def ssim_parts(first: Any, second: Any) -> tuple[Any, Any]:
    """Luminance and contrast-structure terms of SSIM at each place, [..., H - 10, W - 10] each, of
    [..., H, W] in [0, 1]: window 11, sigma 1.5. Wang et al. 2004, Eqs. 6 to 10.
    """
    window, c1, c2 = gaussian(), K1**2, K2**2
    mean_1, mean_2 = windowed(first, window), windowed(second, window)
    both, squares = mean_1 * mean_2, ops.square(mean_1) + ops.square(mean_2)
    covariance = windowed(first * second, window) - both
    variances = windowed(ops.square(first) + ops.square(second), window) - squares
    return (2.0 * both + c1) / (squares + c1), (2.0 * covariance + c2) / (variances + c2)


def _pooled(images: Any) -> Any:
    """[..., H, W] to means of 2 x 2; of odd sides the last sample is repeated."""
    rows, columns = images.shape[-2:]
    if rows % 2:
        images = ops.concatenate([images, images[..., -1:, :]], axis=-2)
    if columns % 2:
        images = ops.concatenate([images, images[..., -1:]], axis=-1)
    across = images[..., ::2, :] + images[..., 1::2, :]
    return 0.25 * (across[..., ::2] + across[..., 1::2])


def ms_ssim(first: Any, second: Any) -> Any:
    """MS-SSIM of RGB [N, H, W, 3], the mean over the channels, [N]; sides of 161 pixels at least.

    Wang et al. 2003, Eq. 7: contrast and structure at five scales, luminance at the last. Terms are
    held at `LEAST` from below, where the gradient is 0: that of anti-correlated pictures is finite.
    """
    if min(first.shape[1:3]) < MS_SSIM_SMALLEST:
        raise ValueError(
            f"MS-SSIM needs {MS_SSIM_SMALLEST} pixels a side; the picture is {first.shape[1:3]}"
        )
    first, second = ops.moveaxis(first, -1, 1), ops.moveaxis(second, -1, 1)
    score = 1.0
    for index, exponent in enumerate(MS_SSIM_SCALES):
        if index:
            first, second = _pooled(first), _pooled(second)
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
    """[..., P] in [0, 1] to shares [..., bins] of sum 1: triangular kernels, an exact partition of
    unity, at `bins` levels from 0 to 1. Ustinova and Lempitsky 2016, Eq. 1.
    """
    levels = ops.convert_to_tensor(np.linspace(0.0, 1.0, bins, dtype=np.float32))
    # Beyond the ends there are no kernels.
    place = ops.clip(values, 0.0, 1.0)[..., None] - levels
    return ops.mean(ops.maximum(1.0 - ops.abs(place) * float(bins - 1), 0.0), axis=-2)


def histogram_l1(fused: Any, truth: Any, bins: int = BINS) -> Any:
    """Mean absolute difference of the cumulative soft histograms of each channel, [N]: how far, in
    [0, 1], values have to be moved. It has a slope where histograms do not overlap.
    """

    def cumulative(rgb: Any) -> Any:
        rows, columns, channels = rgb.shape[1:]
        factor = max(1, min(rows, columns) // HISTOGRAM_SIDE)
        if factor > 1:
            rgb = ops.average_pool(rgb, factor, strides=factor, padding="valid")
        flat = ops.reshape(rgb, (-1, rgb.shape[1] * rgb.shape[2], channels))
        return ops.cumsum(soft_histogram(ops.swapaxes(flat, 1, 2), bins), axis=-1)

    return _mean(ops.abs(cumulative(fused) - cumulative(truth)))


def _gradient_energy(frames: Any) -> Any:
    """Magnitude of the Sobel gradient over 8, the inner part of [..., H, W]."""
    across = frames[..., 2:] - frames[..., :-2]
    x = across[..., :-2, :] + 2.0 * across[..., 1:-1, :] + across[..., 2:, :]
    down = frames[..., 2:, :] - frames[..., :-2, :]
    y = down[..., :-2] + 2.0 * down[..., 1:-1] + down[..., 2:]
    return ops.sqrt(ops.square(x / 8.0) + ops.square(y / 8.0) + 1e-12)


def _relative(values: Any) -> Any:
    """Over its maximum over frames and places, [N, K, H, W]."""
    return values / (ops.max(values, axis=(1, 2, 3), keepdims=True) + 1e-8)


def gamma_map(frames: Any, kind: str) -> Any:
    """How much each grey frame [N, K, H, W] counts at each place, [N, K, H - 10, W - 10], of sum 1
    over the frames. kind: one of `GAMMAS`. No gradient goes through it.
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
    # Where no frame has any, all count the same.
    found = sum(share * part for share, part in parts) + GAMMA_FLOOR
    return ops.stop_gradient(found / ops.sum(found, axis=1, keepdims=True))


def weighted_ssim_loss(frames: Any, fused: Any, kind: str = "variance_gradient") -> Any:
    """1 - the mean of the frames' contrast-structure terms with the fused picture, weighed by
    `gamma_map`, [N]: frames [N, K, H, W], fused [N, H, W], grey. Luminance has no term, as that of
    one frame contradicts another's.
    """
    again = ops.broadcast_to(fused[:, None], ops.shape(frames))
    _, structure = ssim_parts(again, frames)
    return 1.0 - _mean(ops.sum(gamma_map(frames, kind) * structure, axis=1))


SUPERVISED: dict[str, Callable[[Any, Any], Any]] = {
    "rgb_l1": rgb_l1,
    "luminance_l1": luminance_l1,
    "ms_ssim": ms_ssim_loss,
    "chroma_l1": chroma_l1,
    "histogram_l1": histogram_l1,
}
"""By name: fused and truth, RGB [N, H, W, 3], to [N]."""
