"""What exposures of one photograph are judged by: as they are shown, and by a discriminator.

Codes are display-encoded, in [0, 1]; of tensors with `xp=keras.ops`.

I. Goodfellow et al., "Generative adversarial nets", NIPS 2014.
P. Isola et al., "Image-to-image translation with conditional adversarial networks", CVPR 2017.
"""

from types import ModuleType
from typing import Any

import numpy as np
from keras import ops

from hdrcnn.colour.transfer import Array, srgb_decode, srgb_encode

DARK_STOPS = (2.0, 4.0)
"""Of the exposures that show the dark part."""


def shown_at(code: Array, stops: float, xp: ModuleType = np) -> Array:
    """Codes of any shape at another exposure: encode(clip(decode(code) 2^stops)), by sRGB."""
    return srgb_encode(xp.clip(srgb_decode(code, xp) * 2.0**stops, 0.0, 1.0), xp)


def dark_l1(found: Any, truth: Any) -> Any:
    """Mean absolute difference of codes [N, H, W, 3], as exposures 2 and 4 stops brighter show
    them: [N]. What is bright is clipped in both.
    """
    apart = [
        ops.mean(ops.abs(shown_at(found, k, ops) - shown_at(truth, k, ops)), axis=(1, 2, 3))
        for k in DARK_STOPS
    ]
    return sum(apart) / len(apart)


def l1(found: Any, truth: Any) -> Any:
    """Mean absolute difference of stacks [N, K, H, W, 3]: [N]."""
    return ops.mean(ops.abs(found - truth), axis=(1, 2, 3, 4))


def cross_entropy(logits: Any, of_truth: bool) -> Any:
    """Binary cross-entropy of a judgement of patches [N, h, w, 1] that should all be of the truth,
    or all not: [N] (Goodfellow et al. 2014, Eq. 1).
    """
    return ops.mean(ops.softplus(-logits if of_truth else logits), axis=(1, 2, 3))
