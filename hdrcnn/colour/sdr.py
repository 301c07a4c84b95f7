"""Codes of SDR film to light, as on the display it was graded on: Rec. ITU-R BT.1886.

Codes are full-range R'G'B' in [0, 1], of Rec. 709 unless stated otherwise. The formulas work on
NumPy arrays or with `xp=keras.ops` on tensors, in the precision of the input.
"""

from types import ModuleType
from typing import Any

import numpy as np

from hdrcnn.colour.ictcp import applied
from hdrcnn.colour.pq import REC709_TO_REC2020

GAMMA = 2.4
"""Exponent of BT.1886 for a black of 0 cd/m^2."""
WHITE = 100.0
"""Luminance of code 1 on the display that SDR is graded on, cd/m^2 (BT.2035)."""


def sdr_linear(code: Any, xp: ModuleType = np) -> Any:
    """[..., 3] codes of Rec. 709 to linear BT.2020, 1.0 = SDR white."""
    light = xp.power(xp.maximum(code, 1e-6), GAMMA)
    return applied(REC709_TO_REC2020, light, xp)


def bt1886(code: Any, white: float = WHITE, xp: ModuleType = np) -> Any:
    """[..., 3] codes of Rec. 709 to linear BT.2020 in cd/m^2, with SDR white at `white`."""
    return white * sdr_linear(code, xp)


def sdr_codes(linear: np.ndarray) -> np.ndarray:
    """Linear light of any primaries, 1.0 = SDR white, clipped to [0, 1], to codes."""
    return np.asarray(np.power(np.clip(linear, 0.0, 1.0), 1.0 / GAMMA))
