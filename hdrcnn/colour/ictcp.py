"""ICtCp of PQ, and colour differences in it: Rec. ITU-R BT.2100, table 7; BT.2124.

Light is linear BT.2020 in cd/m^2. Hue is kept along straight lines to the grey axis, and equal
steps look about equally large. One formula for two array libraries: NumPy, or `xp=keras.ops`;
results have the precision of what is given.
"""

from types import ModuleType
from typing import Any

import numpy as np

from hdrcnn.colour.pq import pq_light, pq_signal

REC2020_TO_LMS = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096.0
"""Linear to linear."""
LMS_TO_ICTCP = np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096.0
"""PQ codes of L, M, S to I, Ct, Cp."""
LMS_TO_REC2020 = np.linalg.inv(REC2020_TO_LMS)
ICTCP_TO_LMS = np.linalg.inv(LMS_TO_ICTCP)

VISIBLE = 720.0
"""Of a difference in I: so scaled, 1 is just visible under the best conditions (BT.2124)."""


def applied(matrix: np.ndarray, colours: Any, xp: ModuleType = np) -> Any:
    """A matrix [3, 3] times colours [..., 3], in their precision."""
    kind = colours.dtype if xp is np else "float32"
    return xp.matmul(colours, xp.asarray(matrix.T, kind) if xp is np else matrix.T.astype(kind))


def to_ictcp(light: Any, xp: ModuleType = np) -> Any:
    """[..., 3] linear BT.2020, cd/m^2 in [0, 10000], to I in [0, 1], Ct and Cp in [-0.5, 0.5]."""
    return applied(LMS_TO_ICTCP, pq_signal(applied(REC2020_TO_LMS, light, xp), xp), xp)


def from_ictcp(colours: Any, xp: ModuleType = np) -> Any:
    """The inverse of `to_ictcp`. Colours that BT.2020 does not hold come out negative."""
    return applied(LMS_TO_REC2020, pq_light(applied(ICTCP_TO_LMS, colours, xp), xp), xp)


def delta_e_itp(first: Any, second: Any, xp: ModuleType = np) -> Any:
    """Colour difference of two [..., 3] in ICtCp: [...]; 720 sqrt(dI^2 + dCt^2 / 4 + dCp^2),
    BT.2124.
    """
    apart = xp.square(first - second)
    return VISIBLE * xp.sqrt(apart[..., 0] + 0.25 * apart[..., 1] + apart[..., 2])
