"""PQ (SMPTE ST 2084): absolute luminance to codes of even visibility, and back.

Pure NumPy, float64. Luminance is in cd/m^2, codes are in [0, 1].
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

PEAK_LUMINANCE = 10000.0
"""The luminance of code 1, cd/m^2."""

_M1 = 2610.0 / 16384.0
_M2 = 2523.0 / 4096.0 * 128.0
_C1 = 3424.0 / 4096.0
_C2 = 2413.0 / 4096.0 * 32.0
_C3 = 2392.0 / 4096.0 * 32.0


def pq_encode(luminance: npt.ArrayLike) -> FloatArray:
    """Luminance to PQ codes: the inverse EOTF of ST 2084.

    luminance: any shape, cd/m^2, clipped to [0, 10000]. Returns float64 codes in [0, 1] of the
    same shape; 0 cd/m^2 gives 7.3e-7, not 0, as the standard has it.
    """
    relative = np.clip(np.asarray(luminance, np.float64) / PEAK_LUMINANCE, 0.0, 1.0)
    powered = np.power(relative, _M1)
    return np.asarray(np.power((_C1 + _C2 * powered) / (1.0 + _C3 * powered), _M2))


def pq_decode(code: npt.ArrayLike) -> FloatArray:
    """PQ codes to luminance: the EOTF of ST 2084.

    code: any shape, clipped to [0, 1]. Returns float64 cd/m^2 in [0, 10000], same shape.
    """
    rooted = np.power(np.clip(np.asarray(code, np.float64), 0.0, 1.0), 1.0 / _M2)
    relative = np.maximum(rooted - _C1, 0.0) / (_C2 - _C3 * rooted)
    return np.asarray(PEAK_LUMINANCE * np.power(relative, 1.0 / _M1))
