"""Losses of exposure stacks: differences of codes, and the loss of a discriminator.

Codes are display-encoded, in [0, 1].

I. Goodfellow et al., "Generative adversarial nets", NIPS 2014.
P. Isola et al., "Image-to-image translation with conditional adversarial networks", CVPR 2017.
"""

from types import ModuleType
from typing import Any

import numpy as np
from keras import ops

from hdrcnn.colour.transfer import Array, srgb_decode, srgb_encode

DARK_STOPS = (2.0, 4.0)
"""Stops of the brighter exposures at which dark codes are compared."""


def shown_at(code: Array, stops: float, xp: ModuleType = np) -> Array:
    """Codes of any shape at another exposure: encode(clip(decode(code) 2^stops)), by sRGB. NumPy
    arrays or, with `xp=keras.ops`, tensors.
    """
    return srgb_encode(xp.clip(srgb_decode(code, xp) * 2.0**stops, 0.0, 1.0), xp)


def dark_l1(found: Any, truth: Any) -> Any:
    """Mean absolute difference of codes [N, H, W, 3] at exposures 2 and 4 stops brighter: [N].
    Bright codes are clipped in both and do not count.
    """
    apart = [
        ops.mean(ops.abs(shown_at(found, k, ops) - shown_at(truth, k, ops)), axis=(1, 2, 3))
        for k in DARK_STOPS
    ]
    return sum(apart) / len(apart)


def l1(found: Any, truth: Any) -> Any:
    """Mean absolute difference between two stacks [N, K, H, W, 3]: [N]."""
    return ops.mean(ops.abs(found - truth), axis=(1, 2, 3, 4))


def cross_entropy(logits: Any, of_truth: bool) -> Any:
    """Binary cross-entropy of the logits of a patch discriminator, [N, h, w, 1], if all patches are
    real (`of_truth`) or all are generated: [N] (Goodfellow et al. 2014, Eq. 1).
    """
    return ops.mean(ops.softplus(-logits if of_truth else logits), axis=(1, 2, 3))
