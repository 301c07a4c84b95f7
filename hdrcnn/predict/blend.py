"""Blending of the prediction into the photograph where it is saturated.

Pure functions on NumPy arrays or, with `xp=keras.ops`, on tensors. A network's output leaves the
log domain here.
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType

import numpy as np

from hdrcnn.colour.clipping_level import THRESHOLD, saturation, saturation_ramp
from hdrcnn.colour.transfer import Array, CameraCurve, linearise, log_decode

RAMPS = {
    "pixel": (THRESHOLD, 1.0),
    "channel": (THRESHOLD, 1.0),
    "narrow": (0.985, 1.0),
    "steady": (THRESHOLD, 0.97),
}
"""Codes at which each blend starts, and from which on only the prediction counts. None starts below
`THRESHOLD`."""


def blend_pixel(code: Array, linear: Array, hdr: Array, xp: ModuleType = np) -> Array:
    """Published blend, with one alpha for all channels of a pixel.

    code: [..., 3] in [0, 1], determines alpha; linear: measured light; hdr: prediction, linear.
    Returns (1 - alpha) linear + alpha hdr (Eilertsen et al. 2017, Eq. 1).
    """
    alpha = saturation(code, xp=xp)
    return (1.0 - alpha) * linear + alpha * hdr


def blend_channel(
    code: Array,
    linear: Array,
    hdr: Array,
    xp: ModuleType = np,
    ramp: tuple[float, float] = RAMPS["channel"],
) -> Array:
    """Blend each channel on its own, never darker than measured.

    A channel that is not clipped keeps its measured value even if another one clips. The light of a
    clipped channel was at least at the clipping level, so a lower prediction is raised to it.
    Arguments as for `blend_pixel`; ramp: one of `RAMPS`.
    """
    alpha = saturation_ramp(code, xp=xp, ramp=ramp)
    return (1.0 - alpha) * linear + alpha * xp.maximum(hdr, linear)


def mask(code: Array, blend: str, gamma: float = 1.0, xp: ModuleType = np) -> Array:
    """Share of the prediction in each sample: 0 = as measured, 1 = only the prediction.

    Arguments as for `reconstruct_light`. Returns [..., 3] in [0, 1]; the published blend has one
    value for all channels of a pixel.
    """
    shown = apply_gamma(code, gamma, xp=xp)
    if blend == "pixel":
        return xp.broadcast_to(saturation(shown, xp=xp), shown.shape)
    return saturation_ramp(shown, xp=xp, ramp=RAMPS[blend])


def blend_measured(
    code: Array,
    log_hdr: Array,
    measured: Array,
    clipped: Array,
    blend: str,
    gamma: float = 1.0,
    xp: ModuleType = np,
) -> Array:
    """Raise measured light to the prediction where the measurement is only a lower bound.

    measured: [..., 3] linear, 1.0 = the light of the largest code; clipped: [..., 3] in [0, 1], 1
    where `measured` is the largest value that could be stored. The prediction counts only where the
    code is saturated as well, and never darkens. Other arguments and return value as for
    `reconstruct_light`.
    """
    share = mask(code, blend, gamma, xp=xp) * clipped
    predicted = xp.maximum(log_decode(log_hdr, xp=xp), 0.0)
    predicted = predicted if gamma == 1.0 else xp.power(predicted, gamma)
    return measured + share * (xp.maximum(predicted, measured) - measured)


BLENDS: dict[str, Callable[..., Array]] = {
    "pixel": blend_pixel,
    "channel": blend_channel,
    "narrow": partial(blend_channel, ramp=RAMPS["narrow"]),
    "steady": partial(blend_channel, ramp=RAMPS["steady"]),
}
"""Blend functions by name, as stored in a weights file.

`narrow` is `channel` for uncompressed photographs, in which a code below the largest is a
measurement up to noise and better than a prediction. It starts four 8-bit codes below the clipping
level. `steady` is `channel` for film: compression and noise change the codes of clipped samples,
and if the share of the prediction followed them, a highlight of a few stops would be speckled and
flicker from frame to frame, however smooth the prediction is.
"""


def apply_gamma(code: Array, gamma: float, xp: ModuleType = np) -> Array:
    """Codes, [..., 3] in [0, 1], as input to a network under camera-curve control: x^(1/g)."""
    return code if gamma == 1.0 else xp.power(code, 1.0 / gamma)


def reconstruct_light(
    code: Array,
    log_hdr: Array,
    linearisation: str | CameraCurve,
    blend: str,
    gamma: float = 1.0,
    xp: ModuleType = np,
) -> Array:
    """Combine photograph and prediction into one HDR image.

    code: [..., 3] float32 in [0, 1], display-encoded, as photographed.
    log_hdr: [..., 3] float32, y = log(H + 1/255), predicted from `apply_gamma(code, gamma)`.
    gamma: camera-curve control g; H = f(x^(1/g))^g with alpha from x^(1/g), so g > 1 raises the
        highlights. Where alpha is 0, the result is the linearised photograph for any g.
    Returns [..., 3] float32, linear, 1.0 = clipping level of the photograph.
    """
    linear = linearise(code, linearisation, xp=xp)
    mix = BLENDS[blend]
    if gamma == 1.0:
        return mix(code, linear, log_decode(log_hdr, xp=xp), xp=xp)
    rooted = xp.power(linear, 1.0 / gamma)
    mixed = mix(apply_gamma(code, gamma, xp=xp), rooted, log_decode(log_hdr, xp=xp), xp=xp)
    return xp.power(xp.maximum(mixed, 0.0), gamma)
