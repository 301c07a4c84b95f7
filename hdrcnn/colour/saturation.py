"""Where a photograph is saturated. Pure functions on NumPy arrays or, with `xp=keras.ops`, on
tensors.
"""

from types import ModuleType

import numpy as np

from hdrcnn.colour.transfer import Array

THRESHOLD = 0.95
"""Code at which the blend begins; at 1.0 the prediction stands alone (Eilertsen et al. 2017,
Eq. 2, with tau = 0.05)."""


def saturation_ramp(
    value: Array, xp: ModuleType = np, ramp: tuple[float, float] = (THRESHOLD, 1.0)
) -> Array:
    """0 up to the beginning of the ramp, 1 from its end on, linear between. Any shape; returns the
    same shape.
    """
    begin, end = ramp
    return xp.clip((value - begin) / (end - begin), 0.0, 1.0)


def saturation(value: Array, xp: ModuleType = np) -> Array:
    """alpha of a pixel: the ramp of its largest channel. [..., 3] to [..., 1] in [0, 1]."""
    return saturation_ramp(xp.max(value, axis=-1, keepdims=True), xp=xp)
