"""Where the picture is saturated, and how the prediction takes its place there.

Pure functions on NumPy arrays or, with `xp=keras.ops`, on tensors. This is the only place that
leaves the log domain of a network's output.
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
"""Codes at which a blend begins, and from which on the prediction stands alone. None begins below
`THRESHOLD`."""


def blend_pixel(code: Array, linear: Array, hdr: Array, xp: ModuleType = np) -> Array:
    """The published blend: all channels of a pixel change over together.

    code: [..., 3] in [0, 1], decides alpha; linear: the measured light; hdr: the prediction,
    linear. Returns (1 - alpha) linear + alpha hdr (Eilertsen et al. 2017, Eq. 1).
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
    """Each channel on its own, and never darker than it was measured.

    A channel that is not clipped keeps its measured value beside one that is; a clipped one was
    at least at the clipping level, so a prediction below it is raised to it. Arguments as for
    `blend_pixel`; ramp: one of `RAMPS`.
    """
    alpha = saturation_ramp(code, xp=xp, ramp=ramp)
    return (1.0 - alpha) * linear + alpha * xp.maximum(hdr, linear)


def mask(code: Array, blend: str, gamma: float = 1.0, xp: ModuleType = np) -> Array:
    """How much of each sample is predicted: 0 as measured, 1 prediction alone.

    Arguments as for `reconstruct_light`. Returns [..., 3] in [0, 1], one value for all channels
    of a pixel under the published blend.
    """
    shown = bend(code, gamma, xp=xp)
    if blend == "pixel":
        return xp.broadcast_to(saturation(shown, xp=xp), shown.shape)
    return saturation_ramp(shown, xp=xp, ramp=RAMPS[blend])


def raised(
    code: Array,
    log_hdr: Array,
    measured: Array,
    ended: Array,
    blend: str,
    gamma: float = 1.0,
    xp: ModuleType = np,
) -> Array:
    """Light that was measured, raised to the prediction where it may have been more.

    measured: [..., 3] linear, 1.0 = the light of the largest code; ended: [..., 3] in [0, 1], 1 =
    the largest value that could be stored. The prediction counts where the code is saturated
    too, and never darkens. Other arguments and what is returned as for `reconstruct_light`.
    """
    share = mask(code, blend, gamma, xp=xp) * ended
    predicted = xp.maximum(log_decode(log_hdr, xp=xp), 0.0)
    predicted = predicted if gamma == 1.0 else xp.power(predicted, gamma)
    return measured + share * (xp.maximum(predicted, measured) - measured)


BLENDS: dict[str, Callable[..., Array]] = {
    "pixel": blend_pixel,
    "channel": blend_channel,
    "narrow": partial(blend_channel, ramp=RAMPS["narrow"]),
    "steady": partial(blend_channel, ramp=RAMPS["steady"]),
}
"""By name, as stored in a weights file.

`narrow` is `channel` for pictures without compression: there a code below the largest is a
measurement up to noise, and a better one than a prediction. It begins four codes of 8 bits below
the clipping level. `steady` is `channel` for film: compression and noise move the codes of clipped
samples, and where the share of the prediction follows them, a highlight of some stops is speckled,
and flickers from frame to frame, however smooth the prediction is.
"""


def bend(code: Array, gamma: float, xp: ModuleType = np) -> Array:
    """The codes a network is shown under camera-curve control: x^(1/g). [..., 3] in [0, 1]."""
    return code if gamma == 1.0 else xp.power(code, 1.0 / gamma)


def reconstruct_light(
    code: Array,
    log_hdr: Array,
    linearisation: str | CameraCurve,
    blend: str,
    gamma: float = 1.0,
    xp: ModuleType = np,
) -> Array:
    """Photograph and prediction become one HDR image.

    code: [..., 3] float32 in [0, 1], display-encoded, as photographed.
    log_hdr: [..., 3] float32, y = log(H + 1/255), predicted from `bend(code, gamma)`.
    gamma: camera-curve control g; H = f(x^(1/g))^g with alpha from x^(1/g), so g > 1 raises the
        highlights. Where alpha is 0 the result is the linearised photograph whatever g.
    Returns [..., 3] float32, linear, 1.0 = clipping level of the photograph.
    """
    linear = linearise(code, linearisation, xp=xp)
    mix = BLENDS[blend]
    if gamma == 1.0:
        return mix(code, linear, log_decode(log_hdr, xp=xp), xp=xp)
    rooted = xp.power(linear, 1.0 / gamma)
    mixed = mix(bend(code, gamma, xp=xp), rooted, log_decode(log_hdr, xp=xp), xp=xp)
    return xp.power(xp.maximum(mixed, 0.0), gamma)
