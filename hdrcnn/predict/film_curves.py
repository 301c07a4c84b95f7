"""SDR to HDR by curves: method C of Report ITU-R BT.2446, adapted to each frame.

    code [H, W, 3]   of Rec. 709, in [0, 1]
      -> linear BT.2020, 1.0 = SDR white
      -> n             luminance, mixed with the mean of R, G and B by a crosstalk  (BT.2446-C)
      -> PQ code       of method C for n, mapped by an increasing line of `SLOPES` straight pieces
      -> gain          light of this PQ code over n, so that chromaticity is kept
      -> chroma        Ct and Cp of ICtCp times a factor that depends on I
      -> cd/m^2 of BT.2020, up to the peak
    signal [H, W, 3]  PQ codes

All pixels of a frame have the same map. Its `PARAMETERS` parameters, preferably within [-2, 2], can
be averaged meaningfully: logarithms of the slopes, half the logit of the crosstalk's position
between 0 and 1/3, and logarithms of the chroma factors. All 0 is method C with a crosstalk of 1/6.
`apply` is the formula on NumPy arrays and, with `xp=keras.ops`, on tensors; `FrameMap` computes it
by tables, for whole films.
"""

import itertools
from types import ModuleType
from typing import Any

import numpy as np

from hdrcnn.colour.bt2446 import CROSSTALK, c_curve, mixed_luminance
from hdrcnn.colour.hlg import REC2020_LUMINANCE
from hdrcnn.colour.ictcp import (
    ICTCP_TO_LMS,
    LMS_TO_ICTCP,
    LMS_TO_REC2020,
    REC2020_TO_LMS,
    from_ictcp,
    to_ictcp,
)
from hdrcnn.colour.pq import PEAK_LUMINANCE, REC709_TO_REC2020, pq_light, pq_signal
from hdrcnn.colour.sdr import GAMMA, WHITE, sdr_linear
from hdrcnn.tiles.geometry import block_means

SLOPES = 16
"""Number of straight pieces, of equal length in PQ codes from 0 to that of SDR white."""
CHROMAS = 6
"""Number of nodes of I, from 0 to `CHROMA_END`, between which the chroma factor is interpolated."""
PARAMETERS = SLOPES + 1 + CHROMAS
REFERENCE = 203.0
"""Luminance of diffuse white, in cd/m^2, that the parameters refer to."""
PEAK = 1000.0
"""Peak luminance, in cd/m^2, that the parameters refer to."""

TOP = float(pq_signal(c_curve(np.float64(WHITE))))
"""PQ code of SDR white by method C."""
CHROMA_END = 0.75
DARKEST = 1e-6
"""Smallest n; lower values are raised to it."""


def _split(parameters: Any, rank: int, xp: ModuleType) -> tuple[list[Any], Any, list[Any]]:
    """Slopes, crosstalk and chroma factors, each [..., 1] to broadcast with pixels of that rank."""
    lead = tuple(parameters.shape[:-1])
    lead = (-1, *lead[1:]) if lead else ()
    shape = (*lead, *(1,) * (rank - len(lead) - 1), PARAMETERS)
    shaped = xp.reshape(parameters, shape)
    slopes = [xp.exp(shaped[..., i : i + 1]) for i in range(SLOPES)]
    mixed = CROSSTALK / (1.0 + xp.exp(-2.0 * shaped[..., SLOPES : SLOPES + 1]))
    factors = [xp.exp(shaped[..., SLOPES + 1 + i : SLOPES + 2 + i]) for i in range(CHROMAS)]
    return slopes, mixed, factors


def _bent(signal: Any, slopes: list[Any], xp: ModuleType) -> Any:
    """A PQ code of method C mapped by the line with these slopes."""
    length = TOP / SLOPES
    parts = [slope * xp.clip(signal - i * length, 0.0, length) for i, slope in enumerate(slopes)]
    # Extrapolate beyond white: the mixed luminance of rounded codes may exceed it.
    return sum(parts) + slopes[-1] * xp.maximum(signal - TOP, 0.0)


def _limited(signal: Any, white: float, peak: float, xp: ModuleType) -> Any:
    """Limit a PQ code to the peak, and adapt it to a display with another diffuse white or peak.

    Light is multiplied by the ratio of `white` to `REFERENCE`, and what lies above diffuse white is
    stretched or compressed so that `PEAK` is mapped to the peak.
    """
    known, knee = (float(pq_signal(np.float64(v))) for v in (PEAK, REFERENCE))
    signal = xp.minimum(signal, known)
    if (white, peak) == (REFERENCE, PEAK):
        return signal
    scale = white / REFERENCE
    end = float(pq_signal(np.float64(peak / scale)))
    slope = max(end - knee, 0.0) / (known - knee)
    signal = xp.minimum(signal, knee) + slope * xp.maximum(signal - knee, 0.0)
    return pq_signal(xp.minimum(scale * pq_light(xp.minimum(signal, end), xp), peak), xp)


def curve(
    parameters: Any, n: Any, xp: ModuleType = np, white: float = REFERENCE, peak: float = PEAK
) -> Any:
    """Tone curve for grey: n, linear, 1.0 = SDR white, [..., 1], to cd/m^2 [..., 1].

    It increases up to the peak, which it never exceeds.
    """
    slopes, _, _ = _split(parameters, len(n.shape), xp)
    return _curve(slopes, n, xp, white, peak)


def _curve(slopes: list[Any], n: Any, xp: ModuleType, white: float, peak: float) -> Any:
    signal = pq_signal(c_curve(WHITE * n, xp), xp)
    return pq_light(_limited(_bent(signal, slopes, xp), white, peak, xp), xp)


def _chroma(intensity: Any, factors: list[Any], xp: ModuleType) -> Any:
    """Chroma factor at an intensity I, interpolated linearly between `CHROMAS` nodes."""
    place = xp.clip(intensity, 0.0, CHROMA_END) * ((CHROMAS - 1) / CHROMA_END)
    pieces = enumerate(itertools.pairwise(factors))
    return factors[0] + sum(
        (after - before) * xp.clip(place - i, 0.0, 1.0) for i, (before, after) in pieces
    )


def apply(
    parameters: Any, code: Any, xp: ModuleType = np, white: float = REFERENCE, peak: float = PEAK
) -> Any:
    """Convert frames [..., H, W, 3] float32, codes of Rec. 709 in [0, 1], to PQ codes of BT.2020.

    parameters: [PARAMETERS], or [N, PARAMETERS] for [N, H, W, 3]; white, peak: luminance of diffuse
    white and of the brightest light in cd/m^2. Returns an array of the same shape.
    """
    slopes, mixed, factors = _split(parameters, len(code.shape), xp)
    linear = sdr_linear(code, xp)
    n = xp.maximum(mixed_luminance(linear, mixed), DARKEST)
    light = linear * (_curve(slopes, n, xp, white, peak) / n)
    colours = to_ictcp(xp.clip(light, 0.0, PEAK_LUMINANCE), xp)
    factor = _chroma(colours[..., :1], factors, xp)
    colours = xp.concatenate([colours[..., :1], factor * colours[..., 1:]], axis=-1)
    return pq_signal(xp.clip(from_ictcp(colours, xp), 0.0, peak), xp)


SEEN = 144
"""Approximate length, in pixels, of the longer side of the reduced frame that the network sees."""


def reduced(code: np.ndarray) -> np.ndarray:
    """Reduce a frame for the network by averaging blocks of pixels.

    code: [H, W, 3], uint8, uint16 (65535 is white) or float32 in [0, 1]. Returns [h, w, 3] float32
    in [0, 1] whose longer side has about `SEEN` pixels, or more if the shorter one would have none.
    """
    factor = max(1, min(*code.shape[:2], round(max(code.shape[:2]) / SEEN)))
    rows, columns = (size // factor for size in code.shape[:2])
    scale = 1.0 if code.dtype.kind == "f" else float(np.iinfo(code.dtype).max)
    means = block_means(code[: rows * factor, : columns * factor], factor)
    return np.asarray(means / np.float32(scale), np.float32)


STEPS = 1 << 14
"""Number of steps of a table."""
BAND = 1 << 15
"""Number of pixels processed at a time, few enough for a core's cache."""
OVER = 1.02
"""Code that tables of n extend to: with rounded weights n may exceed 1."""
_PLACES = np.arange(STEPS + 1) / STEPS
SIGNAL_BY_ROOT = pq_signal(PEAK_LUMINANCE * _PLACES**4).astype(np.float32)
"""PQ codes by the fourth root of light over 10000 cd/m^2, of which they are nearly linear."""
LIGHT_BY_SIGNAL = (pq_light(_PLACES) / PEAK_LUMINANCE).astype(np.float32)
"""Light over 10000 cd/m^2 by PQ code."""
_OF_BYTES = ((np.arange(256) / 255.0) ** GAMMA).astype(np.float32)
_OF_WORDS = ((np.arange(65536) / 65535.0) ** GAMMA).astype(np.float32)


def _looked_up(table: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Nearest entries of a table over [0, 1] at places in [0, 1]."""
    return np.asarray(
        table[(places * np.float32(len(table) - 1) + np.float32(0.5)).astype(np.intp)]
    )


def _linear(code: np.ndarray) -> np.ndarray:
    """Codes to linear Rec. 709, 1.0 = SDR white."""
    if code.dtype == np.uint8:
        return np.asarray(_OF_BYTES[code])
    if code.dtype == np.uint16:
        return np.asarray(_OF_WORDS[code])
    return np.power(np.clip(code, 0.0, 1.0), np.float32(GAMMA))


class FrameMap:
    """`apply` for one set of parameters, computed by tables and several times as fast."""

    def __init__(
        self, parameters: np.ndarray, white: float = REFERENCE, peak: float = PEAK
    ) -> None:
        """parameters: [PARAMETERS], finite; else ValueError. white, peak: as for `apply`."""
        values = np.asarray(parameters, np.float64)
        if values.shape != (PARAMETERS,) or not np.isfinite(values).all():
            raise ValueError(f"{PARAMETERS} finite parameters are needed, not {values.shape}")
        _, mixed, factors = _split(values, 1, np)
        alpha = float(mixed[0])
        weights = (1.0 - 3.0 * alpha) * np.array(REC2020_LUMINANCE) + alpha
        self._weights = (weights @ REC709_TO_REC2020).astype(np.float32)
        to_lms = REC2020_TO_LMS @ REC709_TO_REC2020 / PEAK_LUMINANCE
        self._to_lms = to_lms.astype(np.float32)
        n = np.maximum((OVER * _PLACES[:, None]) ** GAMMA, DARKEST)
        self._gain = (curve(values, n, np, white, peak) / n)[:, 0].astype(np.float32)
        self._chroma = _chroma(_PLACES[:, None], factors, np)[:, 0].astype(np.float32)
        self._top = np.float32(peak / PEAK_LUMINANCE)

    def __call__(self, code: np.ndarray) -> np.ndarray:
        """Convert codes of Rec. 709 to PQ codes of BT.2020, float32 of the same shape.

        code: [..., 3], uint8, uint16 (65535 is white), or float32 in [0, 1]. Thread-safe.
        """
        flat = code.reshape(-1, 3)
        out = np.empty(flat.shape, np.float32)
        for first in range(0, len(flat), BAND):
            band = np.ascontiguousarray(flat[first : first + BAND].T)
            out[first : first + BAND] = self._band(_linear(band)).T
        return out.reshape(code.shape)

    def _band(self, linear: np.ndarray) -> np.ndarray:
        """[3, M] linear Rec. 709 to PQ codes."""
        n = np.clip(self._weights @ linear, 0.0, OVER**GAMMA)
        gain = _looked_up(self._gain, n ** np.float32(1.0 / GAMMA) / np.float32(OVER))
        signal = self._signal(self._to_lms @ linear * gain)
        colours = LMS_TO_ICTCP.astype(np.float32) @ signal
        colours[1:] *= _looked_up(self._chroma, np.clip(colours[0], 0.0, 1.0))
        signal = np.clip(ICTCP_TO_LMS.astype(np.float32) @ colours, 0.0, 1.0)
        light = LMS_TO_REC2020.astype(np.float32) @ _looked_up(LIGHT_BY_SIGNAL, signal)
        return self._signal(np.minimum(light, self._top))

    @staticmethod
    def _signal(light: np.ndarray) -> np.ndarray:
        """Light over 10000 cd/m^2 to PQ codes."""
        return _looked_up(SIGNAL_BY_ROOT, np.sqrt(np.sqrt(np.clip(light, 0.0, 1.0))))
