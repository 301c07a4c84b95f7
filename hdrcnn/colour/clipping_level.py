"""Estimate the code at which a photograph clips from its histogram: the plateau at the top of each
channel.

Everything too bright for the camera is stored as the same, largest code: 255 in most photographs,
less after a levels adjustment, a highlight roll-off or in limited-range video. The histogram then
has a spike at this code and almost nothing above it:

    plateau    many more samples at this code than at any of the 24 codes below it
    flat       these samples are adjacent: noise and texture of the scene are cut off
    top        almost no sample is above, except for the ringing of JPEG and sharpened edges

All three conditions are required, so that a white wall, fog or a smooth highlight below the
clipping level is not taken for clipping. Cases that samples alone cannot distinguish from clipping
are left out: levels below `LOWEST`, and images of a few flat colours (screenshots, diagrams), whose
background is not light.

Dividing the codes of each channel by its level, and clipping them, makes 1.0 the level at which the
photograph clips, and keeps black at 0. NumPy and Pillow.
"""

from collections.abc import Sequence
from types import ModuleType

import numpy as np
from PIL import Image

from hdrcnn.colour.transfer import Array

AUTO = "auto"
"""Value of `scaling` that requests the estimate of this module."""

Levels = tuple[float, float, float]
"""Codes in (0, 1] at which red, green and blue clip."""

UNCLIPPED: Levels = (1.0, 1.0, 1.0)
"""Levels of a photograph without a plateau below the largest code."""

LOWEST = 233
"""Lowest code, of 255, searched for a plateau. The white of limited-range video is 235."""
PIXELS = 1 << 24
"""Largest number of pixels examined; of larger images, evenly spaced bands of rows."""
BAND = 32
"""Rows per band."""
TRANSPARENT = 0.5
"""Alpha below which pixels are ignored."""

WINDOW = 24
"""Number of codes below a plateau that it is compared with."""
MIN_SHARE = 2e-4
"""Least share of all pixels in a plateau."""
MIN_COUNT = 16
"""Least number of pixels in a plateau."""
FLAT_RATIO, RATIO = 3.0, 2.2
"""Least ratio of the count in a plateau, three codes wide, to that of any three codes of the
window: among flat samples, among all. A smooth maximum of a scene reaches 2 among all."""
FLAT_PEAK, PEAK = 4.0, 3.5
"""Least ratio of the count at the one code of a plateau to that at any code of the window: among
flat samples, among all. This suffices too, for a plateau whose three codes do not stand out because
of quantisation or of a bright scene just below it."""
FLAT_ABOVE, ABOVE = 0.25, 0.7
"""Largest number of samples above a plateau, relative to those in it: flat samples, all samples."""
STEEP = 0.45
"""Least share of the one code in the three codes of a plateau. An evenly lit wall with noise of one
code or more, and a sky of nearly uniform light, have less."""
EXACT_RATIO, EXACT_WINDOW = 3.0, 8
"""For the highest code that occurs, as in lossless files: least ratio of its count to that of any
code below, and the number of codes below that it is compared with."""
SHARED_ABOVE, SHARED_FLAT_ABOVE = 1.5, 0.5
"""A channel without a plateau takes the level of another channel, unless more samples are above
that level than these multiples of its samples at the level: among all, among flat ones."""
FEW_COLOURS, FEW_SHARE, BLACK = 8, 0.9, 16
"""If, in every channel, this number of most frequent codes makes up more than this share of the
samples, codes below `BLACK` left out, the image is not a photograph."""


def eight_bits(codes: np.ndarray) -> np.ndarray:
    """uint8, uint16 or float in [0, 1] to uint8 codes of the same shape, rounded."""
    if codes.dtype == np.uint8:
        return codes
    largest = 65535.0 if codes.dtype == np.uint16 else 1.0
    return np.round(codes * np.float32(255.0 / largest)).astype(np.uint8)


def _bands(rows: int, columns: int) -> list[slice]:
    """Bands of rows to examine: all of them, or in a large image an evenly spaced subset."""
    tops = np.arange(0, rows, BAND)
    most = max(1, PIXELS // (BAND * columns))
    if len(tops) > most:
        tops = tops[np.linspace(0, len(tops) - 1, most).astype(int)]
    return [slice(int(top), min(int(top) + BAND, rows)) for top in tops]


def _votes(alpha: np.ndarray | None, rows: slice) -> np.ndarray | None:
    """[rows, W] bool mask of the opaque pixels; None if all are opaque."""
    if alpha is None or (opaque := alpha[rows] >= TRANSPARENT).all():
        return None
    return opaque


def _flat(plane: np.ndarray) -> np.ndarray:
    """[h, w] bool mask of the samples that differ by at most one code from their neighbours to the
    right and below; False in the last row and column. plane: [h, w] uint8.
    """
    flat, here, one = np.zeros(plane.shape, bool), plane[:-1, :-1], np.uint8(1)
    # Differences of -1, 0 and 1 become 0, 1 and 2; all others become larger by wrapping around.
    flat[:-1, :-1] = (here - plane[:-1, 1:] + one <= 2) & (here - plane[1:, :-1] + one <= 2)
    return flat


def histograms(
    picture: np.ndarray, alpha: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the histograms of all samples and of the flat ones (see `_flat`), [3, 256] each.

    picture: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]; counted by 8-bit code.
    alpha: [H, W] in [0, 1]; transparent pixels are not counted.
    """
    counts, flat_counts = np.zeros((2, 3, 256), np.int64)
    for rows in _bands(*picture.shape[:2]):
        codes, opaque = eight_bits(picture[rows]), _votes(alpha, rows)
        for channel in range(3):
            plane = np.ascontiguousarray(codes[..., channel])
            flat = _flat(plane) if opaque is None else _flat(plane) & opaque
            image = Image.fromarray(plane)  # Pillow counts bytes faster than NumPy.
            voting = None if opaque is None else Image.fromarray(opaque.view(np.uint8))
            counts[channel] += image.histogram(voting)
            flat_counts[channel] += image.histogram(Image.fromarray(flat.view(np.uint8)))
    return counts, flat_counts


def is_graphics(counts: np.ndarray) -> bool:
    """Whether an image consists of a few flat colours. counts: [3, 256], its histogram."""
    lit = counts[:, BLACK:]
    few = np.sort(lit, axis=1)[:, -FEW_COLOURS:].sum(axis=1)
    return bool((few > FEW_SHARE * np.maximum(lit.sum(axis=1), 1)).all())


def _core(counts: np.ndarray, code: int) -> int:
    """Number of samples within one code of `code`."""
    return int(counts[code - 1 : code + 2].sum())


def _threes(counts: np.ndarray, code: int) -> int:
    """Largest number of samples at any three adjacent codes of the window below `code`."""
    return int(np.convolve(counts[code - WINDOW : code - 2], np.ones(3, np.int64), "valid").max())


def plateau(counts: np.ndarray, flat: np.ndarray) -> int | None:
    """Return the code below 254 at which a channel clips; None if it has no plateau there.

    counts, flat: [256] histograms of all samples of the channel, and of the flat ones.
    """
    least = max(MIN_COUNT, MIN_SHARE * counts.sum())
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
    """Return the codes at which red, green and blue clip; 255 if there is no plateau below.

    counts, flat: [3, 256] from `histograms`. A channel without a plateau takes the highest level of
    the others, since adjustments usually lower all channels alike, unless it has many samples above
    that level.
    """
    found = [plateau(*channel) for channel in zip(counts, flat, strict=True)]
    if is_graphics(counts) or not any(found):
        return 255, 255, 255
    shared = max(code for code in found if code is not None)
    least = MIN_SHARE / 2 * counts.sum(axis=1)

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
    """Refine a level beyond 8 bits: the median of the samples that round to `code`, in (0, 1]."""
    if code == 255 or picture.dtype == np.uint8:
        return code / 255
    found = []
    for rows in _bands(*picture.shape[:2]):
        plane, opaque = picture[rows][..., channel], _votes(alpha, rows)
        here = eight_bits(plane) == code
        found.append(plane[here if opaque is None else here & opaque])
    samples = np.sort(np.concatenate(found))
    middle = float(samples[len(samples) // 2])
    # Rounded to 16 bits, so that uint16 and float images of the same codes get the same level.
    return (middle if picture.dtype == np.uint16 else round(65535 * middle)) / 65535


def clipping_levels(picture: np.ndarray, alpha: np.ndarray | None = None) -> Levels:
    """Return the codes in (0, 1] at which red, green and blue of a photograph clip.

    picture: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]; the same codes give the
    same levels in any of these types. alpha: [H, W] in [0, 1]; transparent pixels are ignored.
    Returns `UNCLIPPED` if there is no plateau below the largest code.
    """
    codes = clipping_codes(*histograms(picture, alpha))
    red, green, blue = (_exact(picture, alpha, i, code) for i, code in enumerate(codes))
    return red, green, blue


def factors(levels: Sequence[float]) -> float | Levels:
    """Return the factors that make 1.0 the level at which codes clip: 1.0, or one per channel."""
    if tuple(levels) == UNCLIPPED:
        return 1.0
    red, green, blue = (1.0 / level for level in levels)
    return red, green, blue


def scaled(codes: np.ndarray, scaling: float | Levels) -> np.ndarray:
    """Multiply [..., 3] float32 codes in [0, 1] by one factor or one per channel; clip at 1."""
    if scaling == 1.0:
        return codes
    return np.minimum(codes * np.asarray(scaling, np.float32), np.float32(1.0))


def checked_scaling(
    scaling: float | Levels | str, picture: np.ndarray, alpha: np.ndarray | None
) -> float | Levels:
    """Validate `scaling` and return the factors by which the codes of a photograph are multiplied.

    scaling: a positive number, one per channel, or AUTO for `factors` of the estimated levels.
    picture: [H, W, 3] as for `clipping_levels`; alpha: [H, W], transparent pixels are ignored in
    the estimate. Raises ValueError for any other scaling or if the sizes differ.
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
    """Describe levels in codes of 255: "240", or "251, 251, 249"; empty for `UNCLIPPED`."""
    if tuple(levels) == UNCLIPPED:
        return ""
    codes = [f"{round(255.0 * level, 1):g}" for level in levels]
    return codes[0] if len(set(codes)) == 1 else ", ".join(codes)


THRESHOLD = 0.95
"""Code at which the blend begins; at 1.0 only the prediction counts (Eilertsen et al. 2017, Eq. 2,
with tau = 0.05)."""


def saturation_ramp(
    value: Array, xp: ModuleType = np, ramp: tuple[float, float] = (THRESHOLD, 1.0)
) -> Array:
    """Linear ramp: 0 up to the beginning of `ramp`, 1 from its end on. Any shape."""
    begin, end = ramp
    return xp.clip((value - begin) / (end - begin), 0.0, 1.0)


def saturation(value: Array, xp: ModuleType = np) -> Array:
    """Blend weight of a pixel, from its largest channel: [..., 3] codes to [..., 1] in [0, 1]."""
    return saturation_ramp(xp.max(value, axis=-1, keepdims=True), xp=xp)
