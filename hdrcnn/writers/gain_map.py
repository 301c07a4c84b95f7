"""Compute a gain map: by how much an HDR display multiplies each sample of an image.

G = log2((H + k) / (B + k)), where B is what an ordinary display shows and H what is to be shown
given enough headroom, both linear with 1.0 = the white of the ordinary display. A display with a
headroom of h stops shows (B + k) 2^(w G) - k with w = clip(h / `headroom`, 0, 1). Sources: ISO
21496-1:2025 (clauses 5 and 6, annex C); Google, "Ultra HDR image format" 1.1.
"""

import dataclasses
import struct
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from hdrcnn.tiles.geometry import strips

OFFSET = 1.0 / 64.0
"""k: keeps the gain of black finite."""
HALF_MAX = float(np.finfo(np.float16).max)
LEAST_STOPS = 0.1
"""Minimum range and headroom: an image without highlights has a map too, and no division by 0."""
REST = 1e-4
"""Share of the pixels that may be brighter than the headroom: otherwise a few hot pixels would make
every display dim all the others."""

Parts = Callable[[slice], tuple[np.ndarray, np.ndarray]]
"""Function from rows to B and H, [rows, W, 3] linear."""


@dataclasses.dataclass(frozen=True)
class GainMap:
    """A gain map as it is stored."""

    codes: np.ndarray
    """[H, W, 3] uint8: 0 is `low`, 255 is `high`, linear between."""
    low: float
    high: float
    """log2 of the gains at codes 0 (`low`) and 255."""
    headroom: float
    """Stops above the white of the ordinary display at which the map is applied in full."""


def _gains(base: np.ndarray, shown: np.ndarray) -> np.ndarray:
    above, below = (np.maximum(part, 0.0) + OFFSET for part in (shown, base))
    return np.asarray(np.log2(above / below), np.float32)


def gain_map(rows: int, columns: int, parts: Parts) -> GainMap:
    """Compute the gain map of an image; `parts` is called twice for each strip."""
    low, high, brightest = 0.0, LEAST_STOPS, []
    for strip in strips(rows):
        base, shown = parts(strip)
        gains = _gains(base, shown)
        low, high = min(low, float(gains.min())), max(high, float(gains.max()))
        peaks = np.minimum(shown.max(axis=-1), HALF_MAX)
        brightest.append(peaks.astype(np.float16).ravel())
    every = np.concatenate(brightest)
    rank = len(every) - 1 - int(REST * len(every))
    peak = float(np.partition(every, rank)[rank])
    # Negative gains due to rounding would cost the code that represents no gain.
    low = low if low < -0.01 else 0.0
    codes = np.empty((rows, columns, 3), np.uint8)
    for strip in strips(rows):
        share = np.clip((_gains(*parts(strip)) - low) / (high - low), 0.0, 1.0)
        codes[strip] = np.round(share * 255.0)
    return GainMap(codes, low, high, float(np.log2(max(peak, 2.0**LEAST_STOPS))))


def _ratio(value: float) -> Fraction:
    return Fraction(value).limit_denominator(1_000_000)


def iso_metadata(found: GainMap) -> bytes:
    """Encode the metadata of a gain map as ISO 21496-1 stores it (annex C.2).

    Fractions, big endian, the same for all channels, in the primaries of the base image.
    """
    numbers = struct.pack(">HHB", 0, 0, 0x40)
    for value in (0.0, found.headroom):
        numbers += struct.pack(">II", *_ratio(value).as_integer_ratio())
    for value, sign in ((found.low, "i"), (found.high, "i"), (1.0, "I"), (OFFSET, "i"),
                        (OFFSET, "i")):  # fmt: skip
        numbers += struct.pack(f">{sign}I", *_ratio(value).as_integer_ratio())
    return numbers


ISO_VERSION = struct.pack(">HH", 0, 0)
"""Metadata in the base image: minimum version a reader has to support, version of the writer."""


def xmp_attributes(found: GainMap) -> dict[str, str]:
    """Return the same metadata as attributes for readers of `hdrgm`; logarithms are to base 2."""
    numbers = {
        "GainMapMin": found.low,
        "GainMapMax": found.high,
        "Gamma": 1.0,
        "OffsetSDR": OFFSET,
        "OffsetHDR": OFFSET,
        "HDRCapacityMin": 0.0,
        "HDRCapacityMax": found.headroom,
    }
    named = {f"hdrgm:{name}": f"{value:.6f}" for name, value in numbers.items()}
    return {"hdrgm:Version": "1.0", **named, "hdrgm:BaseRenditionIsHDR": "False"}
