"""Losses of film networks, in `keras.ops`, for TensorFlow and JAX: one value per frame.

Frames are PQ codes of BT.2020, float32, in [0, 1], [N, H, W, 3]; H and W are static; SSIM needs at
least 11.

Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP
13(4), 2004; ITU-R BT.2124 for the colour difference.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from hdrcnn.colour.ictcp import LMS_TO_ICTCP, REC2020_TO_LMS, applied
from hdrcnn.colour.pq import PEAK_LUMINANCE, pq_light, pq_signal
from training_code.losses.fusion import mean_of_each, ssim_parts

DARK = 0.05
"""PQ code below which samples are ignored when gains are aligned."""


def ssim_loss(found: Any, truth: Any) -> Any:
    """1 - SSIM, averaged over R, G and B, [N]: window 11, sigma 1.5. The published loss."""
    light, structure = ssim_parts(ops.moveaxis(found, -1, 1), ops.moveaxis(truth, -1, 1))
    return 1.0 - mean_of_each(light * structure)


def mse(found: Any, truth: Any) -> Any:
    """Mean squared difference, [N]; the published alternative to SSIM."""
    return mean_of_each(ops.square(found - truth))


def l1(found: Any, truth: Any) -> Any:
    """Mean absolute difference, [N]."""
    return mean_of_each(ops.abs(found - truth))


def ictcp(signal: Any) -> Any:
    """Convert PQ codes of BT.2020, [..., 3], to ICtCp."""
    lms = applied(REC2020_TO_LMS, pq_light(signal, ops), ops)
    return applied(LMS_TO_ICTCP, pq_signal(lms, ops), ops)


def delta_e_itp(found: Any, truth: Any) -> Any:
    """Mean colour difference Delta E ITP of BT.2124 without its factor 720, that is in units of I,
    [N].
    """
    difference = ops.square(ictcp(found) - ictcp(truth))
    total = difference[..., 0] + 0.25 * difference[..., 1] + difference[..., 2]
    return mean_of_each(ops.sqrt(total + 1e-8))


def rmse(found: Any, truth: Any) -> Any:
    """Root of the mean squared difference, [N]."""
    return ops.sqrt(mse(found, truth) + 1e-8)


def _gain_aligned(found: Any, truth: Any) -> Any:
    """Prediction with the light of each frame multiplied by one gain, so that its mean log light
    equals that of the truth, over the samples that are above `DARK` in both.
    """
    lit = ops.cast((found > DARK) & (truth > DARK), found.dtype)
    first, second = (pq_light(ops.clip(v, 1e-4, 1.0), ops) for v in (found, truth))
    log_gain = mean_of_each(lit * (ops.log(second) - ops.log(first))) / (mean_of_each(lit) + 1e-6)
    factor = ops.reshape(ops.exp(log_gain), (-1, *[1] * (len(found.shape) - 1)))
    return pq_signal(ops.clip(factor * first, 0.0, PEAK_LUMINANCE), ops)


def aligned(found: Any, truth: Any) -> Any:
    """Sum of L1 and colour difference after aligning each frame by one gain, [N]."""
    gain_aligned = _gain_aligned(found, truth)
    return l1(gain_aligned, truth) + delta_e_itp(gain_aligned, truth)


def aligned_rmse(found: Any, truth: Any) -> Any:
    """Root of the mean squared difference after aligning each frame by one gain, [N]."""
    return rmse(_gain_aligned(found, truth), truth)


TERMS: dict[str, Callable[[Any, Any], Any]] = {
    "ssim": ssim_loss,
    "mse": mse,
    "l1": l1,
    "delta_e_itp": delta_e_itp,
    "aligned": aligned,
    "rmse": rmse,
    "aligned_rmse": aligned_rmse,
}
"""Terms by name: functions of prediction and truth that return [N]."""


def temporal(found: Any, truth: Any) -> Any:
    """Mean absolute difference between the frame-to-frame changes of prediction and truth,
    [N, T, H, W, 3] each: [N].
    """
    changes = found[:, 1:] - found[:, :-1]
    return mean_of_each(ops.abs(changes - (truth[:, 1:] - truth[:, :-1])))


def slope_roughness(slopes: Any) -> Any:
    """Roughness of curves: mean squared difference of neighbouring slopes, given as exponents
    [N, SLOPES]: [N].
    """
    return ops.mean(ops.square(slopes[:, 1:] - slopes[:, :-1]), axis=-1)
