"""Convert the samples of a TIFF (grey, palette, ink, YCbCr or Lab) to grey or RGB.

Each function takes a page and its colour samples, [H, W, C] unsigned integers as stored, and
returns [H, W, 1 or 3] of the same depth in the display encoding of the file; palettes give 8 bits.
Sources: TIFF 6.0 (sections 5, 16, 21, 23); Adobe Photoshop TIFF Technical Notes (2002) for 16-bit
Lab; ICC.1:2022 for D50.
"""

import numpy as np
import tifffile

from hdrcnn.colour import icc
from hdrcnn.colour.primaries import REC709, rgb_to_xyz
from hdrcnn.colour.transfer import srgb_encode
from hdrcnn.readers.decoded import NotReadError
from hdrcnn.tiles.geometry import strips

_COLOR_MAP, _INK_SET, _ICC = 320, 332, 34675
_YCBCR_COEFFICIENTS, _REFERENCE_BLACK_WHITE = 529, 532


def _top(samples: np.ndarray) -> int:
    return int(np.iinfo(samples.dtype).max)


def unchanged(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Return samples that are grey or RGB already."""
    return samples


def white_is_zero(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    return np.asarray(2 ** int(page.bitspersample) - 1 - samples, samples.dtype)


def palette(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Look up colours of 8 bits. Some writers store 8-bit values in the 16-bit colour map, which
    libtiff detects too.
    """
    stored = page.tags.valueof(_COLOR_MAP)
    entries = 2 ** int(page.bitspersample)
    if stored is None or np.size(stored) < 3 * entries:
        raise ValueError("its palette is missing")
    colours = np.reshape(np.asarray(stored)[: 3 * entries], (3, entries)).T
    colours = colours if colours.max() < 256 else colours >> 8
    return np.asarray(colours, np.uint8)[samples[..., 0]]


def cmyk(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Convert CMYK to sRGB by the ICC profile if there is a usable one, else by (1 - C)(1 - K).

    Raises NotReadError for other inks.
    """
    if int(page.tags.valueof(_INK_SET, 1)) != 1:
        raise NotReadError("inks other than cyan, magenta, yellow and black; save it as RGB")
    profile = bytes(page.tags.valueof(_ICC) or b"")
    converted = icc.to_srgb(samples, profile, "CMYK") if profile else None
    if converted is not None:
        return converted
    top = _top(samples)
    rgb = np.empty((*samples.shape[:2], 3), samples.dtype)
    for rows in strips(len(samples)):
        left = top - samples[rows].astype(np.float64)
        rgb[rows] = np.round(left[..., :3] * left[..., 3:] / top)
    return rgb


def ycbcr(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Convert 8-bit YCbCr at full chroma resolution to RGB, with the luma weights that the file
    states, else those of BT.601.
    """

    def numbers(tag: int, usual: tuple[float, ...]) -> np.ndarray:
        pairs = np.reshape(page.tags.valueof(tag) or [], (-1, 2)).astype(np.float64)
        if len(pairs) != len(usual) or not pairs[:, 1].all():
            return np.array(usual)
        return np.asarray(pairs[:, 0] / pairs[:, 1])

    weights = numbers(_YCBCR_COEFFICIENTS, (0.299, 0.587, 0.114))
    black, white = numbers(_REFERENCE_BLACK_WHITE, (0, 255, 128, 255, 128, 255)).reshape(3, 2).T
    scale = np.array([255.0, 127.0, 127.0]) / np.where(white == black, 1.0, white - black)
    rgb = np.empty(samples.shape, np.uint8)
    for rows in strips(len(samples)):
        luma, blue, red = np.moveaxis((samples[rows] - black) * scale, -1, 0)
        red = luma + red * (2 - 2 * weights[0])
        blue = luma + blue * (2 - 2 * weights[2])
        green = (luma - weights[0] * red - weights[2] * blue) / (weights[1] or 1.0)
        rgb[rows] = np.clip(np.round(np.stack([red, green, blue], axis=-1)), 0, 255)
    return rgb


def _lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """Convert [..., 3] CIE L*a*b* under D50 to sRGB in [0, 1]; colours out of gamut are clipped."""
    height = (lab[..., 0] + 16.0) / 116.0
    roots = np.stack([height + lab[..., 1] / 500.0, height, height - lab[..., 2] / 200.0], axis=-1)
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * icc.D50
    linear = xyz @ (np.linalg.inv(rgb_to_xyz(REC709)) @ icc.from_d50(REC709)).T
    return np.asarray(srgb_encode(np.clip(linear, 0.0, 1.0)))


def _lab(samples: np.ndarray, white: float, step: float, zero: float) -> np.ndarray:
    """Convert Lab codes to sRGB of the same depth.

    white: code of L* = 100; step: codes per unit of a* and b*; zero: code of a* = b* = 0.
    """
    rgb = np.empty(samples.shape, samples.dtype)
    scale = np.array([100.0 / white, 1.0 / step, 1.0 / step])
    for rows in strips(len(samples)):
        lab = (samples[rows].astype(np.float64) - [0.0, zero, zero]) * scale
        rgb[rows] = np.round(_lab_to_srgb(lab) * _top(samples))
    return rgb


def cielab(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Convert CIE L*a*b* to sRGB; a* and b* are signed, in two's complement."""
    step = 2.0 ** (int(page.bitspersample) - 8)
    signed = np.dtype(f"i{samples.itemsize}")
    turned = samples.copy()
    middle = 1 << (int(page.bitspersample) - 1)
    turned[..., 1:] = (samples[..., 1:].view(signed).astype(np.int32) + middle).astype(
        samples.dtype
    )
    return _lab(turned, _top(samples), step, middle)


def icclab(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Convert L*a*b* as version 2 ICC profiles encode it, with an offset in a* and b*, to sRGB."""
    step = 2.0 ** (int(page.bitspersample) - 8)
    return _lab(samples, 255.0 * step, step, 128.0 * step)
