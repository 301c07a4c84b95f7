"""R'G'B' and Y'CbCr with non-constant luminance: Rec. ITU-R BT.601, BT.709, BT.2020, BT.2100.

Encoded values, float32. In limited range of 8 bits, black is 16, white 235 and chroma between 16
and 240; with n bits, these are multiplied by 2^(n - 8) (BT.2100, table 9).
"""

import math

import numpy as np

from hdrcnn.colour.hlg import REC2020_LUMINANCE

REC2020_LUMA = REC2020_LUMINANCE[0], REC2020_LUMINANCE[2]
"""Weights of red and blue in luma."""


def upsample_chroma(plane: np.ndarray, shape: tuple[int, ...], rows: slice) -> np.ndarray:
    """Upsample some rows of chroma linearly to the size of luma, float32; 4:4:4 is unchanged.

    Chroma of 4:2:2 and 4:2:0 is located on the left column and, for 4:2:0, between the rows.
    plane: [r, c]; shape: rows and columns of luma; rows: of luma, beginning at an even one.
    """
    first, last = rows.start, min(rows.stop, shape[0])
    if plane.shape[0] == shape[0]:
        part = plane[first:last].astype(np.float32)
    else:
        lower, upper = first // 2, (last + 1) // 2
        around = np.clip(np.arange(lower - 1, upper + 1), 0, len(plane) - 1)
        near = plane[around].astype(np.float32)
        near *= np.float32(0.25)
        part = np.empty((2 * (upper - lower), plane.shape[1]), np.float32)
        middle = np.float32(3.0) * near[1:-1]
        np.add(middle, near[:-2], out=part[0::2])
        np.add(middle, near[2:], out=part[1::2])
        part = part[: last - first]
    if plane.shape[1] == shape[1]:
        return part
    wide = np.empty((len(part), 2 * part.shape[1]), np.float32)
    wide[:, 0::2] = part
    wide[:, 1:-1:2] = np.float32(0.5) * (part[:, :-1] + part[:, 1:])
    wide[:, -1] = part[:, -1]
    return wide[:, : shape[1]]


def to_rgb(
    luma: np.ndarray,
    blue: np.ndarray,
    red: np.ndarray,
    weights: tuple[float, float],
    full: bool,
    bits: int,
    depth: int | None = None,
) -> np.ndarray:
    """Codes of Y', Cb, Cr, each [...], integer or float32, to [..., 3] float32 R'G'B', clipped to
    [0, 1].

    weights: of red and blue in luma. full: full range, else limited. bits: bit depth of the codes.
    depth: bit depth before the codes were shifted to `bits`, on which full range depends: 255 in 8
    bits becomes 65280 in 16.
    """
    kr, kb = weights
    unit = float(1 << (bits - 8))
    most = 256.0 - 2.0 ** (8 - (depth or bits))
    black, white, chroma = (0.0, most, most) if full else (16.0, 219.0, 224.0)
    y = (luma.astype(np.float32) - np.float32(black * unit)) * np.float32(1.0 / (white * unit))
    centre, scale = np.float32(128.0 * unit), 1.0 / (chroma * unit)
    cb, cr = np.asarray(blue, np.float32) - centre, np.asarray(red, np.float32) - centre
    rgb = np.empty((*luma.shape, 3), np.float32)
    kg = 1.0 - kr - kb
    rgb[..., 0] = y + np.float32(2.0 * (1.0 - kr) * scale) * cr
    rgb[..., 2] = y + np.float32(2.0 * (1.0 - kb) * scale) * cb
    rgb[..., 1] = (
        y
        - np.float32(2.0 * kb * (1.0 - kb) / kg * scale) * cb
        - np.float32(2.0 * kr * (1.0 - kr) / kg * scale) * cr
    )
    return np.clip(rgb, 0.0, 1.0, out=rgb)


def _subsampled(plane: np.ndarray) -> np.ndarray:
    """[2 R, 2 C] to [R, C]: chroma where 4:2:0 has it, on the left column and between the rows."""
    rows = plane[0::2] + plane[1::2]
    even, odd = rows[:, 0::2], rows[:, 1::2]
    before = np.concatenate([even[:, :1], odd[:, :-1]], axis=1)
    return np.asarray(0.125 * (before + odd) + 0.25 * even)


_POLE = 2.0 * math.sqrt(2.0) - 3.0
_PREFILTER = np.array([1.0, _POLE, _POLE**2]) / (1.0 + 2.0 * _POLE + 2.0 * _POLE**2)
"""Filter weights at a sample and at those one and two away: the inverse of the filter with 3/4 at a
sample and 1/8 on each side."""


def _prefiltered(plane: np.ndarray) -> np.ndarray:
    """Sharpen subsampled chroma [r, c] so that `upsample_chroma` restores the original most closely
    (least squares).

    Subsampling and `upsample_chroma` use the same triangular filter. Applied one after the other
    they weigh samples by 3/4 and 1/8 on each side, in both directions; the weights of the inverse
    filter shrink by a factor of about 6 per sample.
    """
    for axis in (0, 1):
        count = plane.shape[axis]
        around = np.pad(plane, [(2, 2) if axis == a else (0, 0) for a in (0, 1)], mode="edge")
        part = [
            around[first : first + count] if axis == 0 else around[:, first : first + count]
            for first in range(5)
        ]
        middle, near, far = (np.float32(weight) for weight in _PREFILTER)
        outer = part[0] + part[4]
        outer *= far / near
        outer += part[1]
        outer += part[3]
        outer *= near
        outer += middle * part[2]
        plane = outer
    return plane


def to_ycbcr_420(
    rgb: np.ndarray, weights: tuple[float, float] = REC2020_LUMA, bits: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[R, C, 3] float32 R'G'B' in [0, 1], R and C even, to limited-range uint16 codes of Y' [R, C]
    and subsampled float32 Cb and Cr [R / 2, C / 2] in [-0.5, 0.5], for `chroma_codes`.
    """
    kr, kb = weights
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    luma = np.float32(kr) * red + np.float32(1.0 - kr - kb) * green + np.float32(kb) * blue
    cb = _subsampled(blue - luma) * np.float32(0.5 / (1.0 - kb))
    cr = _subsampled(red - luma) * np.float32(0.5 / (1.0 - kr))
    unit = float(1 << (bits - 8))
    codes = np.float32(219.0 * unit) * luma + np.float32(16.0 * unit + 0.5)
    return codes.astype(np.uint16), cb, cr


def chroma_codes(plane: np.ndarray, bits: int = 10) -> np.ndarray:
    """Cb or Cr of a whole image, from `to_ycbcr_420`, to limited-range uint16 codes of 4:2:0
    (chroma location "left").
    """
    unit = float(1 << (bits - 8))
    held = np.clip(_prefiltered(plane), np.float32(-0.5), np.float32(0.5))
    return (np.float32(224.0 * unit) * held + np.float32(128.0 * unit + 0.5)).astype(np.uint16)
