"""Metrics of HDR film against its truth: PQ-PSNR, colour difference, PU21-PSNR, flicker.

Frames are PQ codes of BT.2020 in [0, 1], [H, W, 3]; `found` is a result, `truth` its reference.
"Gain-aligned" means that the light of the result is first multiplied by one factor, the median of
truth / result.
"""

import numpy as np

from hdrcnn.colour.ictcp import delta_e_itp, to_ictcp
from hdrcnn.colour.pq import pq_light, pq_signal
from training_code.evaluation.metrics import pu21_psnr

HIGHLIGHTS = 0.99
"""Quantile of the pixels from which on they count as highlights, whose mean code is tracked."""
DARK = 0.05
"""PQ code up to which samples are excluded from the alignment."""


def pq_psnr(found: np.ndarray, truth: np.ndarray) -> float:
    """PSNR of PQ codes with peak 1, in dB, at most 99."""
    error = float(np.mean(np.square(found.astype(np.float64) - truth)))
    return 99.0 if error < 10**-9.9 else -10.0 * float(np.log10(error))


def delta_e(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean colour difference ΔE ITP (ICtCp, BT.2124); 1 is just visible."""
    first, second = (to_ictcp(pq_light(v.astype(np.float32))) for v in (found, truth))
    return float(np.mean(delta_e_itp(first, second)))


def pu21(found: np.ndarray, truth: np.ndarray) -> float:
    """PU21-PSNR of the light in cd/m^2, in dB, at most 99."""
    first, second = (np.asarray(pq_light(v.astype(np.float64))) for v in (found, truth))
    return min(99.0, pu21_psnr(first, second))


def gain(found: np.ndarray, truth: np.ndarray) -> float:
    """Median of truth / found in light, over samples above `DARK` in both; 1 if there are none."""
    lit = (found > DARK) & (truth > DARK)
    if not lit.any():
        return 1.0
    first, second = (np.asarray(pq_light(v[lit].astype(np.float64))) for v in (found, truth))
    return float(np.median(second / first))


def with_gain(found: np.ndarray, factor: float) -> np.ndarray:
    """PQ codes of the light of `found` multiplied by `factor`, float32."""
    return np.asarray(pq_signal(np.float32(factor) * pq_light(found.astype(np.float32))))


def levels(frames: np.ndarray) -> np.ndarray:
    """Mean code of each frame, and mean over the brightest hundredth of its pixels of their largest
    channel: [T, H, W, 3] to [T, 2].
    """
    found = []
    for frame in frames:
        brightest = np.sort(frame.max(axis=-1), axis=None)
        top = brightest[int(HIGHLIGHTS * brightest.size) :]
        found.append([float(frame.mean()), float(top.mean())])
    return np.array(found)


def flicker(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Excess change from frame to frame, of the mean code and of the highlights (`levels`).

    found, truth: clips [T, H, W, 3]. Returns the RMS of the difference between the changes of the
    two clips, in thousandths of the range of PQ codes.
    """
    excess = np.diff(levels(found), axis=0) - np.diff(levels(truth), axis=0)
    mean, top = 1000.0 * np.sqrt(np.mean(np.square(excess), axis=0))
    return float(mean), float(top)
