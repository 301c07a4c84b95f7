"""How near HDR film comes to its truth: PQ-PSNR, colour difference, PU21-PSNR, flicker.

Frames are PQ codes of BT.2020 in [0, 1], [H, W, 3]. Gain-aligned: the light of the frame is
multiplied by one factor first, the median of the truth over what was found.
"""

import numpy as np

from hdrcnn.colour.ictcp import delta_e_itp, to_ictcp
from hdrcnn.colour.pq import pq_light, pq_signal
from training_code.evaluation.metrics import pu21_psnr

HIGHLIGHTS = 0.99
"""Share of the pixels that are not highlights: the mean of the others is watched."""
DARK = 0.05
"""PQ code below which samples are left out of the alignment."""


def pq_psnr(found: np.ndarray, truth: np.ndarray) -> float:
    """Of the codes, peak 1, in dB; 99 if they are equal."""
    error = float(np.mean(np.square(found.astype(np.float64) - truth)))
    return 99.0 if error < 10**-9.9 else -10.0 * float(np.log10(error))


def delta_e(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean colour difference of ICtCp, BT.2124: 1 is just visible."""
    first, second = (to_ictcp(pq_light(v.astype(np.float32))) for v in (found, truth))
    return float(np.mean(delta_e_itp(first, second)))


def pu21(found: np.ndarray, truth: np.ndarray) -> float:
    """PU21-PSNR of light in cd/m^2, in dB; 99 if they are equal."""
    first, second = (np.asarray(pq_light(v.astype(np.float64))) for v in (found, truth))
    return min(99.0, pu21_psnr(first, second))


def gain(found: np.ndarray, truth: np.ndarray) -> float:
    """The median of truth over found, in light, of samples that are not dark in both."""
    lit = (found > DARK) & (truth > DARK)
    if not lit.any():
        return 1.0
    first, second = (np.asarray(pq_light(v[lit].astype(np.float64))) for v in (found, truth))
    return float(np.median(second / first))


def with_gain(found: np.ndarray, factor: float) -> np.ndarray:
    """Codes of light times a factor."""
    return np.asarray(pq_signal(np.float32(factor) * pq_light(found.astype(np.float32))))


def levels(frames: np.ndarray) -> np.ndarray:
    """Of [T, H, W, 3], [T, 2]: of each frame the mean code, and that of its brightest hundredth."""
    found = []
    for frame in frames:
        brightest = np.sort(frame.max(axis=-1), axis=None)
        top = brightest[int(HIGHLIGHTS * brightest.size) :]
        found.append([float(frame.mean()), float(top.mean())])
    return np.array(found)


def flicker(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Excess change of the mean and of the highlights from frame to frame against the truth, of
    clips [T, H, W, 3]: the RMS of their difference in thousandths of the range of PQ codes.
    """
    excess = np.diff(levels(found), axis=0) - np.diff(levels(truth), axis=0)
    mean, top = 1000.0 * np.sqrt(np.mean(np.square(excess), axis=0))
    return float(mean), float(top)
