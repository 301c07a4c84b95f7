"""What a display is to show: the light of the scene, or the photograph with its highlights.

The light behind a code is found by the curve of a camera, and a camera's curve is not that of a
display: shown as it is, the light has other shadows than the photograph. A file that is looked at
may keep the look of the photograph instead: what lies below the clipping level as a display shows
the photograph, what lies above as reconstructed.
"""

import numpy as np

from hdrcnn.colour.clipping_level import scaled
from hdrcnn.colour.primaries import linear_to_rec709
from hdrcnn.colour.transfer import linearise, srgb_decode
from hdrcnn.writers.picture import Picture


def rec709(picture: Picture, rows: slice) -> np.ndarray:
    """[rows, W, 3] float32: the light as reconstructed, linear Rec. 709."""
    return linear_to_rec709(picture.hdr[rows], picture.primaries)


def code_strip(picture: Picture, rows: slice) -> np.ndarray:
    """[rows, W, 3] float32 in [0, 1]: the photograph. Raises ValueError where it is not known."""
    if picture.codes is None:
        raise ValueError("the codes of the photograph are needed")
    codes = picture.codes[rows]
    if codes.dtype.kind == "f":
        return codes.astype(np.float32)
    return codes.astype(np.float32) / np.float32(np.iinfo(codes.dtype).max)


def shown(picture: Picture, rows: slice, look: str) -> np.ndarray:
    """[rows, W, 3] float32, linear Rec. 709: what a display is to show.

    look: "light": the light H as it is; "photograph": H + f(D) - g(D), with f the decoding of sRGB
    and g what made light of the codes D. Where nothing is saturated H = g(D), so that f(D) is
    shown: the photograph. At the clipping level f = g = 1, and what is above is not changed.
    Without codes or their curve the light is shown.
    """
    light = rec709(picture, rows)
    if look != "photograph" or picture.codes is None or picture.curve is None:
        return light
    if picture.measured is not None:  # It is what the photograph looks like.
        return light
    code = code_strip(picture, rows)
    measured = linearise(scaled(code, picture.scaling), picture.curve)
    shift = np.asarray(srgb_decode(code) - measured, np.float32)
    return light + linear_to_rec709(shift, picture.chromaticities)
