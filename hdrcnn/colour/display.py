"""HDR to something to look at on an ordinary screen."""

import numpy as np

from hdrcnn.colour.transfer import srgb_encode


def to_display(hdr: np.ndarray, stops: float) -> np.ndarray:
    """Linear [H, W, 3], Rec. 709, to uint8 sRGB codes at an exposure of `stops`.

    At 0 stops 1.0 becomes white; at -3 stops white is 8.0, so that highlights can be compared.
    """
    shown = np.clip(hdr * np.float32(2.0**stops), 0.0, 1.0)
    return np.round(srgb_encode(shown) * 255.0).astype(np.uint8)
