"""From relative linear light to display light: cd/m^2, BT.2020, PQ codes (SMPTE ST 2084), MaxCLL.

NumPy in float64; `pq_signal` and `pq_light` are the same two formulas in the precision of their
input, for films and for training. Linear values are relative: 1.0 is the clipping level of the
photograph, shown by default at the HDR reference white of 203 cd/m^2 (ITU-R BT.2408).
"""

import dataclasses
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from hdrcnn.colour import REFERENCE_WHITE
from hdrcnn.colour.primaries import REC709, REC2020, rgb_to_xyz

FloatArray = npt.NDArray[np.float64]

PEAK_LUMINANCE = 10000.0
"""Luminance of code 1, cd/m^2."""

_M1 = 2610.0 / 16384.0
_M2 = 2523.0 / 4096.0 * 128.0
_C1 = 3424.0 / 4096.0
_C2 = 2413.0 / 4096.0 * 32.0
_C3 = 2392.0 / 4096.0 * 32.0


def pq_encode(luminance: npt.ArrayLike) -> FloatArray:
    """Luminance to PQ codes: the inverse EOTF of ST 2084.

    luminance: any shape, cd/m^2, clipped to [0, 10000]. Returns float64 codes in [0, 1] of the
    same shape; 0 cd/m^2 gives 7.3e-7 rather than 0, as defined by the standard.
    """
    relative = np.clip(np.asarray(luminance, np.float64) / PEAK_LUMINANCE, 0.0, 1.0)
    return np.asarray(_encoded(relative, np))


def _encoded(relative: Any, xp: ModuleType) -> Any:
    powered = xp.power(relative, _M1)
    return xp.power((_C1 + _C2 * powered) / (1.0 + _C3 * powered), _M2)


def pq_decode(code: npt.ArrayLike) -> FloatArray:
    """PQ codes to luminance: the EOTF of ST 2084.

    code: any shape, clipped to [0, 1]. Returns float64 cd/m^2 in [0, 10000], same shape.
    """
    return np.asarray(_decoded(np.clip(np.asarray(code, np.float64), 0.0, 1.0), np))


def _decoded(code: Any, xp: ModuleType) -> Any:
    rooted = xp.power(code, 1.0 / _M2)
    relative = xp.maximum(rooted - _C1, 0.0) / (_C2 - _C3 * rooted)
    return PEAK_LUMINANCE * xp.power(relative, 1.0 / _M1)


def pq_signal(luminance: Any, xp: ModuleType = np) -> Any:
    """`pq_encode` of an array or tensor in its own precision; xp: NumPy or `keras.ops`.

    luminance: cd/m^2, clipped to [1e-8, 10000] so that gradients are finite: 0 gives 1.4e-5.
    """
    return _encoded(xp.clip(luminance / PEAK_LUMINANCE, 1e-12, 1.0), xp)


def pq_light(signal: Any, xp: ModuleType = np) -> Any:
    """`pq_decode` of an array or tensor in its own precision; xp: NumPy or `keras.ops`.

    signal: PQ codes, clipped to [1e-7, 1] so that gradients are finite. Returns cd/m^2.
    """
    return _decoded(xp.clip(signal, 1e-7, 1.0), xp)


REC709_TO_REC2020 = np.linalg.solve(rgb_to_xyz(REC2020), rgb_to_xyz(REC709))
"""[3, 3] matrix from linear Rec. 709 to linear BT.2020 (BT.2087); the white of both is D65."""


def to_rec2020(linear: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """[..., 3] linear Rec. 709 to [..., 3] float64 linear BT.2020 in the same unit.

    BT.2020 contains all colours of Rec. 709. Colours outside Rec. 709, which have negative values,
    become non-negative if they are inside BT.2020.
    """
    return np.asarray(np.asarray(linear, np.float64) @ REC709_TO_REC2020.T)


def pq_codes(
    linear: npt.ArrayLike, nits: float = REFERENCE_WHITE, bits: int = 16
) -> npt.NDArray[np.uint16]:
    """[..., 3] linear Rec. 709 to [..., 3] full-range PQ codes of BT.2020, 0 to 2^bits - 1.

    nits: luminance of linear 1.0, cd/m^2. Colours outside BT.2020 and light above 10000 cd/m^2 are
    clipped channel by channel. Source: SMPTE ST 2084; BT.2100, table 9 (full range).
    """
    light = to_rec2020(linear) * nits
    return np.asarray(np.round(pq_encode(light) * (2**bits - 1)), np.uint16)


@dataclasses.dataclass(frozen=True)
class ContentLight:
    """Light level of an image as defined by CTA-861.3, in cd/m^2."""

    max_cll: float
    """Maximum over all pixels of the brightest channel."""
    max_fall: float
    """Mean over all pixels of the brightest channel."""


def content_light(parts: Iterable[np.ndarray], nits: float = REFERENCE_WHITE) -> ContentLight:
    """Light level of an image, computed in the primaries and range that `pq_codes` writes.

    parts: parts of the image, each [..., 3] linear Rec. 709. nits: luminance of linear 1.0, cd/m^2.
    Raises ValueError if there are no pixels.
    """
    peak, total, count = 0.0, 0.0, 0
    for part in parts:
        largest = np.clip(to_rec2020(part).max(axis=-1) * nits, 0.0, PEAK_LUMINANCE)
        peak = max(peak, float(largest.max(initial=0.0)))
        total, count = total + float(largest.sum()), count + largest.size
    if not count:
        raise ValueError("a picture without pixels has no brightness")
    return ContentLight(peak, total / count)
