"""Colour tags of a film (ITU-T H.273), and what is assumed where they are missing.

Players show a film without tags as limited range, and as BT.709 if it has at least HD size, else as
BT.601. These conventions are followed, and each assumption is reported.
"""

import dataclasses

from hdrcnn.colour.primaries import DISPLAY_P3, REC709, REC2020, Chromaticities
from hdrcnn.colour.ycbcr import REC2020_LUMA

UNSPECIFIED = 2
PQ, HLG = 16, 18
"""Transfer characteristics of films that are already HDR."""
BT2020 = 9
"""Number of the primaries, and of the matrix with non-constant luminance."""
LIMITED, FULL = 1, 2
"""FFmpeg's numbers for the ranges; 0 is unspecified."""
HD_ROWS = 720
"""Rows from which on a film counts as HD; so does one of 1280 or more columns."""

_PAL: Chromaticities = (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, 0.3127, 0.3290)
_SMPTE_C: Chromaticities = (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, 0.3127, 0.3290)
PRIMARIES: dict[int, Chromaticities] = {
    1: REC709, 5: _PAL, 6: _SMPTE_C, 7: _SMPTE_C, BT2020: REC2020, 12: DISPLAY_P3,
}  # fmt: skip
"""Primaries by tag number (H.273, table 2)."""
LUMA: dict[int, tuple[float, float]] = {
    1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114),
    7: (0.212, 0.087), BT2020: REC2020_LUMA,
}  # fmt: skip
"""Weights of red and blue in luma, by matrix number (H.273, table 4)."""
OTHER_MATRICES = {
    8: "YCgCo", 10: "BT.2020 with constant luminance", 11: "Y'D'zD'x", 12: "derived from primaries",
    13: "derived from primaries, with constant luminance", 14: "ICtCp", 15: "IPT-C2",
    16: "YCgCo-Re", 17: "YCgCo-Ro",
}  # fmt: skip
"""Matrices that weights of `LUMA` cannot describe; films with these are refused."""
OTHER_TRANSFERS = {
    4: "gamma 2.2", 5: "gamma 2.8", 8: "linear light", 9: "logarithmic", 10: "logarithmic",
    13: "sRGB", 17: "SMPTE ST 428-1",
}  # fmt: skip
"""Transfer characteristics other than those of BT.1886; such films are converted as BT.1886, with a
remark."""
NAMES = {1: "BT.709", 5: "BT.601", 6: "BT.601", BT2020: "BT.2020"}


@dataclasses.dataclass(frozen=True)
class Tags:
    """Colour tags as numbers of H.273; the range as FFmpeg numbers it."""

    matrix: int = UNSPECIFIED
    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED

    @property
    def hdr(self) -> str:
        """`PQ` or `HLG` if the film is already HDR, else empty."""
        return {PQ: "PQ", HLG: "HLG"}.get(self.transfer, "")


@dataclasses.dataclass(frozen=True)
class Colours:
    """How the codes of a film are converted to R'G'B'."""

    luma: tuple[float, float] | None
    """Weights of red and blue in luma; None if the codes are R'G'B'."""
    full: bool
    """Whether the range is full; else limited, with black at 16 and white at 235 in 8 bits."""
    primaries: Chromaticities


def resolve_tags(tags: Tags, width: int, height: int, rgb: bool) -> tuple[Colours, list[str]]:
    """Return the colours of a film of that size, and each assumption made as a phrase.

    rgb: whether the samples are R'G'B', whatever the tags say. Raises ValueError for the matrices
    in `OTHER_MATRICES`.
    """
    if not rgb and tags.matrix in OTHER_MATRICES:
        raise ValueError(
            f"its matrix is {OTHER_MATRICES[tags.matrix]}, which is not read; convert it to BT.709 "
            "by another program first"
        )
    notes = []
    hd = height >= HD_ROWS or width >= 1280
    matrix, full, primaries = tags.matrix, tags.range == FULL, tags.primaries
    if not rgb and matrix not in LUMA:
        matrix = 1 if hd else 6
        notes.append(f"no usable matrix tag: {NAMES[matrix]} by its size")
    if not rgb and tags.range not in (LIMITED, FULL):
        notes.append("no range tag: limited")
    if primaries not in PRIMARIES:
        primaries = BT2020 if matrix == BT2020 and not rgb else 1
        notes.append(f"no usable primaries tag: {NAMES[primaries]}")
    if tags.transfer in OTHER_TRANSFERS:
        notes.append(f"its transfer tag is {OTHER_TRANSFERS[tags.transfer]}: taken for BT.1886")
    luma = None if rgb else LUMA[matrix]
    return Colours(luma, full or rgb, PRIMARIES[primaries]), notes
