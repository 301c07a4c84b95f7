"""ICtCp with PQ, and colour differences in it: Rec. ITU-R BT.2100, table 7; BT.2124.

Light is linear BT.2020 in cd/m^2. ICtCp is nearly uniform perceptually, and hue is constant along
straight lines from the grey axis. The formulas work on NumPy arrays, in the precision of the input,
or with `xp=keras.ops` on float32 tensors.
"""

from types import ModuleType
from typing import Any

import numpy as np

from hdrcnn.colour.pq import pq_light, pq_signal

REC2020_TO_LMS = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096.0
"""Linear BT.2020 to linear L, M, S."""
LMS_TO_ICTCP = np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096.0
"""PQ codes of L, M, S to I, Ct, Cp."""
LMS_TO_REC2020 = np.linalg.inv(REC2020_TO_LMS)
ICTCP_TO_LMS = np.linalg.inv(LMS_TO_ICTCP)

VISIBLE = 720.0
"""Scale of colour differences: 1 is then just visible under optimal conditions (BT.2124)."""


def applied(matrix: np.ndarray, colours: Any, xp: ModuleType = np) -> Any:
    """Multiply colours [..., 3] by a matrix [3, 3], in the precision of the colours."""
    kind = colours.dtype if xp is np else "float32"
    return xp.matmul(colours, xp.asarray(matrix.T, kind) if xp is np else matrix.T.astype(kind))


def to_ictcp(light: Any, xp: ModuleType = np) -> Any:
    """[..., 3] linear BT.2020, cd/m^2 in [0, 10000], to I in [0, 1], Ct and Cp in [-0.5, 0.5]."""
    return applied(LMS_TO_ICTCP, pq_signal(applied(REC2020_TO_LMS, light, xp), xp), xp)


def from_ictcp(colours: Any, xp: ModuleType = np) -> Any:
    """Inverse of `to_ictcp`. Colours outside BT.2020 get negative values."""
    return applied(LMS_TO_REC2020, pq_light(applied(ICTCP_TO_LMS, colours, xp), xp), xp)


def delta_e_itp(first: Any, second: Any, xp: ModuleType = np) -> Any:
    """Colour difference Delta E ITP (BT.2124) of two arrays [..., 3] in ICtCp, as [...]:
    720 sqrt(dI^2 + dCt^2 / 4 + dCp^2).
    """
    apart = xp.square(first - second)
    return VISIBLE * xp.sqrt(apart[..., 0] + 0.25 * apart[..., 1] + apart[..., 2])
