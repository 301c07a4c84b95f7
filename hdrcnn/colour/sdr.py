"""Codes of SDR film as light: Rec. ITU-R BT.1886, the display that it was graded on.

Codes are R'G'B' in [0, 1] as a display gets them: full range, of Rec. 709 unless said otherwise.
One formula for two array libraries: NumPy, or `xp=keras.ops`, in the precision of what is given.
"""

from types import ModuleType
from typing import Any

import numpy as np

from hdrcnn.colour.ictcp import applied
from hdrcnn.colour.pq import REC709_TO_REC2020

GAMMA = 2.4
"""Of BT.1886 with a black of 0."""
WHITE = 100.0
"""cd/m^2 of code 1 on the display that SDR is graded on (BT.2035)."""


def sdr_linear(code: Any, xp: ModuleType = np) -> Any:
    """[..., 3] codes of Rec. 709 to linear BT.2020, 1.0 = SDR white."""
    light = xp.power(xp.maximum(code, 1e-6), GAMMA)
    return applied(REC709_TO_REC2020, light, xp)


def bt1886(code: Any, white: float = WHITE, xp: ModuleType = np) -> Any:
    """[..., 3] codes of Rec. 709 to linear BT.2020 in cd/m^2, with SDR white at `white`."""
    return white * sdr_linear(code, xp)


def sdr_codes(linear: np.ndarray) -> np.ndarray:
    """Linear light of any primaries, 1.0 = SDR white, held within [0, 1], to codes."""
    return np.asarray(np.power(np.clip(linear, 0.0, 1.0), 1.0 / GAMMA))
