"""Where a picture clips, found from the picture alone: the plateau at the top of each channel.

Whatever was too bright for the camera has one code, the largest there is; 255 as it comes out of
most cameras, less after a levels adjustment, a highlight roll-off or limited-range video. Light
that is spread over many codes ends in a heap on that one, with next to nothing above it:

    plateau    many more samples at a code than at any of the 24 codes below it
    flat       they lie side by side: noise and texture of the scene are cut off
    top        hardly any sample is above it, but for the ringing of JPEG and sharpened edges

All three are needed, so that a white wall, fog or a smooth highlight below the clipping level is
left alone. What cannot be told from clipping by its samples is not looked for: levels below
`LOWEST`, and pictures of a few flat colours (screenshots, diagrams), whose background is no light.

Codes divided by their channel's level, and clipped, have 1.0 as the level at which the photograph
clips. Blacks stay. NumPy and Pillow.
"""

from collections.abc import Sequence
from types import ModuleType

import numpy as np
from PIL import Image

from hdrcnn.colour.transfer import Array

AUTO = "auto"
"""In the place of a number for `scaling`: by the estimate of this module."""

Levels = tuple[float, float, float]
"""Codes in (0, 1] at which red, green and blue clip."""

UNCLIPPED: Levels = (1.0, 1.0, 1.0)
"""Of a picture without a plateau below the largest code."""

LOWEST = 233
"""No plateau is looked for below this code of 255. The white of limited-range video is 235."""
PIXELS = 1 << 24
"""Looked at in a picture; of larger ones, bands of rows spread evenly."""
BAND = 32
"""Rows looked at together."""
TRANSPARENT = 0.5
"""Pixels with less alpha have no vote."""

WINDOW = 24
"""Codes below a plateau that it is compared with."""
LEAST = 2e-4
"""Of all pixels, that a plateau needs to have."""
FEWEST = 16
"""Pixels that it needs in any case."""
FLAT_RATIO, RATIO = 3.0, 2.2
"""How much larger the plateau, three codes wide, is than any three codes of the window: counted
among flat samples, among all. A smooth maximum of a scene comes to 2 among all."""
FLAT_PEAK, PEAK = 4.0, 3.5
"""The same for its one code alone, which is enough too: what quantisation or a bright scene just
below it widen is not a plateau."""
FLAT_ABOVE, ABOVE = 0.25, 0.7
"""Samples above a plateau, as a share of it: flat ones, all."""
STEEP = 0.45
"""Share of its one code in a plateau of three, at least. A wall under even light with noise of one
code or more, and a sky whose light is nearly even, have less."""
EXACT_RATIO, EXACT_WINDOW = 3.0, 8
"""Where no sample at all is above a code, as in a file without losses: how many more there are at
it than at any of so many codes below."""
SHARED_ABOVE, SHARED_FLAT_ABOVE = 1.5, 0.5
"""A channel without a plateau of its own takes the level of another unless more than that share
of its own samples there is above it."""
FEW_COLOURS, FEW_SHARE, BLACK = 8, 0.9, 16
"""Where the most frequent few codes, black left out, make up that share of every channel, the
picture is not a photograph."""


def _eight_bits(codes: np.ndarray) -> np.ndarray:
    """uint8, uint16 or float in [0, 1] to uint8 codes of the same shape, rounded."""
    if codes.dtype == np.uint8:
        return codes
    largest = 65535.0 if codes.dtype == np.uint16 else 1.0
    return np.round(codes * np.float32(255.0 / largest)).astype(np.uint8)


def _bands(rows: int, columns: int) -> list[slice]:
    """Rows that are looked at: all, or of a large picture an even choice."""
    tops = np.arange(0, rows, BAND)
    most = max(1, PIXELS // (BAND * columns))
    if len(tops) > most:
        tops = tops[np.linspace(0, len(tops) - 1, most).astype(int)]
    return [slice(int(top), min(int(top) + BAND, rows)) for top in tops]


def _votes(alpha: np.ndarray | None, rows: slice) -> np.ndarray | None:
    """[rows, W] bool: opaque pixels; None: all are."""
    if alpha is None or (opaque := alpha[rows] >= TRANSPARENT).all():
        return None
    return opaque


def _flat(plane: np.ndarray) -> np.ndarray:
    """[h, w] bool: samples that differ by at most one code from those to the right of and below
    them; none of the last row and column. plane: [h, w] uint8.
    """
    flat, here, one = np.zeros(plane.shape, bool), plane[:-1, :-1], np.uint8(1)
    # Differences of -1, 0 and 1 become 0, 1 and 2; all others wrap round to more.
    flat[:-1, :-1] = (here - plane[:-1, 1:] + one <= 2) & (here - plane[1:, :-1] + one <= 2)
    return flat


def histograms(
    picture: np.ndarray, alpha: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """How many samples have each 8-bit code: all, and those that are flat; [3, 256] each.

    picture: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]. alpha: [H, W] in
    [0, 1]; transparent pixels are not counted.
    """
    counts, flat_counts = np.zeros((2, 3, 256), np.int64)
    for rows in _bands(*picture.shape[:2]):
        codes, opaque = _eight_bits(picture[rows]), _votes(alpha, rows)
        for channel in range(3):
            plane = np.ascontiguousarray(codes[..., channel])
            flat = _flat(plane) if opaque is None else _flat(plane) & opaque
            image = Image.fromarray(plane)  # Pillow counts bytes faster than NumPy.
            voting = None if opaque is None else Image.fromarray(opaque.view(np.uint8))
            counts[channel] += image.histogram(voting)
            flat_counts[channel] += image.histogram(Image.fromarray(flat.view(np.uint8)))
    return counts, flat_counts


def is_graphics(counts: np.ndarray) -> bool:
    """Whether a picture consists of a few flat colours. counts: [3, 256], of all its samples."""
    lit = counts[:, BLACK:]
    few = np.sort(lit, axis=1)[:, -FEW_COLOURS:].sum(axis=1)
    return bool((few > FEW_SHARE * np.maximum(lit.sum(axis=1), 1)).all())


def _core(counts: np.ndarray, code: int) -> int:
    """Samples within one code of a level."""
    return int(counts[code - 1 : code + 2].sum())


def _threes(counts: np.ndarray, code: int) -> int:
    """The most samples of any three codes of the window below a level."""
    return int(np.convolve(counts[code - WINDOW : code - 2], np.ones(3, np.int64), "valid").max())


def plateau(counts: np.ndarray, flat: np.ndarray) -> int | None:
    """The code below 254 at which one channel clips, None: it has no plateau there.

    counts, flat: [256], of all its samples, of the flat ones.
    """
    least = max(FEWEST, LEAST * counts.sum())
    last = int(np.flatnonzero(counts)[-1]) if counts.any() else 0
    below = counts[max(0, last - EXACT_WINDOW) : last]
    if LOWEST <= last < 254 and counts[last] >= max(least / 2, EXACT_RATIO * below.max()):
        return last
    code = LOWEST + int(np.argmax(flat[LOWEST:]))
    if code >= 254 or _core(flat, code) < least:
        return None
    if flat[code + 2 :].sum() > FLAT_ABOVE * _core(flat, code):
        return None
    if counts[code + 2 :].sum() > ABOVE * _core(counts, code):
        return None
    if counts[code] < STEEP * _core(counts, code):
        return None
    wide = (
        _core(flat, code) >= FLAT_RATIO * _threes(flat, code)
        and _core(counts, code) >= RATIO * _threes(counts, code)
    )  # fmt: skip
    window = slice(code - WINDOW, code - 1)
    sharp = (
        flat[code] >= FLAT_PEAK * flat[window].max() and counts[code] >= PEAK * counts[window].max()
    )
    return code if wide or sharp else None


def clipping_codes(counts: np.ndarray, flat: np.ndarray) -> tuple[int, int, int]:
    """The codes of 255 at which red, green and blue clip, by `histograms`; 255: no lower one.

    A channel without a plateau takes the highest level of the others, as what lowered them lowers
    all alike, unless it goes on above.
    """
    found = [plateau(*channel) for channel in zip(counts, flat, strict=True)]
    if is_graphics(counts) or not any(found):
        return 255, 255, 255
    shared = max(code for code in found if code is not None)
    least = LEAST / 2 * counts.sum(axis=1)

    def own(channel: int) -> int:
        code = found[channel]
        if code is not None:
            return code
        for of, share in ((counts[channel], SHARED_ABOVE), (flat[channel], SHARED_FLAT_ABOVE)):
            if of[shared + 3 :].sum() <= share * max(_core(of, shared), least[channel]):
                return shared
        return 255

    return own(0), own(1), own(2)


def _exact(picture: np.ndarray, alpha: np.ndarray | None, channel: int, code: int) -> float:
    """A level within its 8-bit code: the median of the samples there."""
    if code == 255 or picture.dtype == np.uint8:
        return code / 255
    found = []
    for rows in _bands(*picture.shape[:2]):
        plane, opaque = picture[rows][..., channel], _votes(alpha, rows)
        here = _eight_bits(plane) == code
        found.append(plane[here if opaque is None else here & opaque])
    samples = np.sort(np.concatenate(found))
    middle = float(samples[len(samples) // 2])
    # To 16 bits, so that the same codes have the same level as floats too.
    return (middle if picture.dtype == np.uint16 else round(65535 * middle)) / 65535


def clipping_levels(picture: np.ndarray, alpha: np.ndarray | None = None) -> Levels:
    """The codes in (0, 1] at which red, green and blue of a picture clip.

    picture: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]; the same codes give the
    same levels in each. alpha: [H, W] in [0, 1]; transparent pixels have no vote. `UNCLIPPED`
    where the picture has no plateau below its largest code.
    """
    codes = clipping_codes(*histograms(picture, alpha))
    red, green, blue = (_exact(picture, alpha, i, code) for i, code in enumerate(codes))
    return red, green, blue


def factors(levels: Sequence[float]) -> float | Levels:
    """What codes are multiplied by, before they are clipped, so that 1.0 is where they clip."""
    if tuple(levels) == UNCLIPPED:
        return 1.0
    red, green, blue = (1.0 / level for level in levels)
    return red, green, blue


def scaled(codes: np.ndarray, scaling: float | Levels) -> np.ndarray:
    """[..., 3] float32 in [0, 1] times one factor, or one for each channel, held at 1."""
    if scaling == 1.0:
        return codes
    return np.minimum(codes * np.asarray(scaling, np.float32), np.float32(1.0))


def checked_scaling(
    scaling: float | Levels | str, picture: np.ndarray, alpha: np.ndarray | None
) -> float | Levels:
    """What the codes of a picture [H, W, 3] are multiplied by.

    scaling: a positive number, one for each channel, or AUTO: by the levels found, for which what
    is transparent by alpha [H, W] has no vote. Raises ValueError.
    """
    if alpha is not None and np.shape(alpha) != picture.shape[:2]:
        raise ValueError(f"alpha {np.shape(alpha)} and picture {picture.shape} differ in size")
    if isinstance(scaling, str):
        if scaling != AUTO:
            raise ValueError(
                f"scaling {scaling!r}: a positive number, one for each channel, or auto"
            )
        return factors(clipping_levels(picture, alpha))
    found = np.atleast_1d(np.asarray(scaling, np.float64))
    if found.shape not in ((1,), (3,)) or not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"scaling {scaling}: a positive number, one for each channel, or auto")
    if len(found) == 1:
        return float(found[0])
    return float(found[0]), float(found[1]), float(found[2])


def described(levels: Sequence[float]) -> str:
    """For the user, in codes of 255: "240", or "251, 251, 249"; empty for `UNCLIPPED`."""
    if tuple(levels) == UNCLIPPED:
        return ""
    codes = [f"{round(255.0 * level, 1):g}" for level in levels]
    return codes[0] if len(set(codes)) == 1 else ", ".join(codes)


THRESHOLD = 0.95
"""Code at which the blend begins; at 1.0 the prediction stands alone (Eilertsen et al. 2017,
Eq. 2, with tau = 0.05)."""


def saturation_ramp(
    value: Array, xp: ModuleType = np, ramp: tuple[float, float] = (THRESHOLD, 1.0)
) -> Array:
    """0 up to the beginning of the ramp, 1 from its end on, linear between. Any shape; returns the
    same shape.
    """
    begin, end = ramp
    return xp.clip((value - begin) / (end - begin), 0.0, 1.0)


def saturation(value: Array, xp: ModuleType = np) -> Array:
    """alpha of a pixel: the ramp of its largest channel. [..., 3] to [..., 1] in [0, 1]."""
    return saturation_ramp(xp.max(value, axis=-1, keepdims=True), xp=xp)
