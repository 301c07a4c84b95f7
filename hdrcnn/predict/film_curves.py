"""From a frame of SDR to HDR by curves: method C of Report ITU-R BT.2446, bent for each frame.

    code [H, W, 3]   of Rec. 709, in [0, 1]
      -> linear BT.2020, 1.0 = SDR white
      -> n             luminance, mixed with the mean of R, G and B by a crosstalk  (BT.2446-C)
      -> PQ code of what method C makes of n, bent by a rising line of `SLOPES` straight pieces
      -> gain          light that this code stands for over n: chromaticity stays
      -> chroma        Ct and Cp of ICtCp times a factor that depends on I
      -> cd/m^2 of BT.2020, within the peak
    signal [H, W, 3]  PQ codes

It is one map for all pixels of a frame. Its parameters are `PARAMETERS` numbers, best within
[-2, 2], whose means mean what they should: exponents of the slopes, a place between 0 and 1/3, and
exponents of the factors. 0 is method C with a crosstalk of 1/6. `apply` is the formula on NumPy
arrays and, with `xp=keras.ops`, on tensors; `FrameMap` is the same by tables, for whole films.
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
"""Pieces of the line that bends, of equal length in PQ codes from 0 to that of SDR white."""
CHROMAS = 6
"""Places of I from 0 to `CHROMA_END`, between which the factor of chroma is interpolated."""
PARAMETERS = SLOPES + 1 + CHROMAS
REFERENCE = 203.0
"""cd/m^2 of diffuse white that the parameters are meant for."""
PEAK = 1000.0
"""cd/m^2, likewise of the brightest."""

TOP = float(pq_signal(c_curve(np.float64(WHITE))))
"""PQ code of SDR white by method C."""
CHROMA_END = 0.75
DARKEST = 1e-6
"""n below it is held there."""


def _split(parameters: Any, rank: int, xp: ModuleType) -> tuple[list[Any], Any, list[Any]]:
    """Slopes, crosstalk and factors of chroma, each [..., 1] to go with pixels of that rank."""
    lead = tuple(parameters.shape[:-1])
    lead = (-1, *lead[1:]) if lead else ()
    shape = (*lead, *(1,) * (rank - len(lead) - 1), PARAMETERS)
    shaped = xp.reshape(parameters, shape)
    slopes = [xp.exp(shaped[..., i : i + 1]) for i in range(SLOPES)]
    mixed = CROSSTALK / (1.0 + xp.exp(-2.0 * shaped[..., SLOPES : SLOPES + 1]))
    factors = [xp.exp(shaped[..., SLOPES + 1 + i : SLOPES + 2 + i]) for i in range(CHROMAS)]
    return slopes, mixed, factors


def _bent(signal: Any, slopes: list[Any], xp: ModuleType) -> Any:
    """A PQ code of method C on the line of these slopes."""
    length = TOP / SLOPES
    parts = [slope * xp.clip(signal - i * length, 0.0, length) for i, slope in enumerate(slopes)]
    # Beyond white it goes on as it ends: mixed luminance of rounded codes may be above it.
    return sum(parts) + slopes[-1] * xp.maximum(signal - TOP, 0.0)


def _limited(signal: Any, white: float, peak: float, xp: ModuleType) -> Any:
    """A PQ code within the peak, for a display whose diffuse white and peak are others than
    `REFERENCE` and `PEAK`: light times their ratio, and what is above diffuse white drawn out or
    together so that `PEAK` comes to be at the peak.
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
    """What becomes of grey: n, linear, 1.0 = SDR white, [..., 1], to cd/m^2 [..., 1].

    It rises everywhere, and reaches the peak at most.
    """
    slopes, _, _ = _split(parameters, len(n.shape), xp)
    return _curve(slopes, n, xp, white, peak)


def _curve(slopes: list[Any], n: Any, xp: ModuleType, white: float, peak: float) -> Any:
    signal = pq_signal(c_curve(WHITE * n, xp), xp)
    return pq_light(_limited(_bent(signal, slopes, xp), white, peak, xp), xp)


def _chroma(intensity: Any, factors: list[Any], xp: ModuleType) -> Any:
    """The factor of chroma at an I: straight between `CHROMAS` places."""
    place = xp.clip(intensity, 0.0, CHROMA_END) * ((CHROMAS - 1) / CHROMA_END)
    pieces = enumerate(itertools.pairwise(factors))
    return factors[0] + sum(
        (after - before) * xp.clip(place - i, 0.0, 1.0) for i, (before, after) in pieces
    )


def apply(
    parameters: Any, code: Any, xp: ModuleType = np, white: float = REFERENCE, peak: float = PEAK
) -> Any:
    """Frames [..., H, W, 3] float32, codes of Rec. 709 in [0, 1], to PQ codes of BT.2020 of the
    same shape.

    parameters: [PARAMETERS], or [N, PARAMETERS] for [N, H, W, 3]; white, peak: cd/m^2 of diffuse
    white and of the brightest light.
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
"""Columns, about, of the reduced frame that the network is shown."""


def reduced(code: np.ndarray) -> np.ndarray:
    """A frame [H, W, 3], uint8, uint16 (65535 is white) or float32 in [0, 1], as the network takes
    it: [h, w, 3] float32 in [0, 1], averaged by a whole number to about `SEEN` columns.
    """
    factor = max(1, round(max(code.shape[:2]) / SEEN))
    rows, columns = (max(1, size // factor) for size in code.shape[:2])
    scale = 1.0 if code.dtype.kind == "f" else float(np.iinfo(code.dtype).max)
    means = block_means(code[: rows * factor, : columns * factor], factor)
    return np.asarray(means / np.float32(scale), np.float32)


STEPS = 1 << 14
"""Of a table."""
BAND = 1 << 15
"""Pixels at a time: what is computed of them stays in a core's cache."""
OVER = 1.02
"""Codes that tables of n reach to: n of rounded weights may be above 1."""
_PLACES = np.arange(STEPS + 1) / STEPS
SIGNAL_BY_ROOT = pq_signal(PEAK_LUMINANCE * _PLACES**4).astype(np.float32)
"""PQ codes by the fourth root of light over 10000 cd/m^2, in which they are nearly straight."""
LIGHT_BY_SIGNAL = (pq_light(_PLACES) / PEAK_LUMINANCE).astype(np.float32)
"""The other way round."""
_OF_BYTES = ((np.arange(256) / 255.0) ** GAMMA).astype(np.float32)
_OF_WORDS = ((np.arange(65536) / 65535.0) ** GAMMA).astype(np.float32)


def _looked_up(table: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The nearest entries of a table of [0, 1] at places within it."""
    return np.asarray(
        table[(places * np.float32(len(table) - 1) + np.float32(0.5)).astype(np.intp)]
    )


def _linear(code: np.ndarray) -> np.ndarray:
    """Linear Rec. 709, 1.0 = SDR white."""
    if code.dtype == np.uint8:
        return np.asarray(_OF_BYTES[code])
    if code.dtype == np.uint16:
        return np.asarray(_OF_WORDS[code])
    return np.power(np.clip(code, 0.0, 1.0), np.float32(GAMMA))


class FrameMap:
    """`apply` for one set of parameters by tables, several times as fast."""

    def __init__(
        self, parameters: np.ndarray, white: float = REFERENCE, peak: float = PEAK
    ) -> None:
        """parameters: [PARAMETERS], finite."""
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
        """[..., 3] codes of Rec. 709, uint8, uint16 (65535 is white), or float32 in [0, 1], to PQ
        codes of BT.2020, float32. Threads may share it.
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
