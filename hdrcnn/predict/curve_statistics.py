"""Statistics of an image's codes that depend on its camera curve, as one row of numbers.

Three kinds of evidence, none of which needs a known place or object:

    slope       differences between neighbours, by level: the curve scales contrast and noise of
                the light by its slope at that level
    mixing      pixels on an edge are mixtures of both sides, in light but not in codes: Lin, Gu,
                Yamazaki and Shum, "Radiometric calibration from a single image", CVPR 2004
    shading     where only the amount of light changes, its colour does not

The last two linearise neighbours by each of a few trial curves and measure how well the rule holds.
Pure NumPy functions of 8-bit codes. Images are not reduced, since that would mix codes.
"""

import numpy as np

from hdrcnn.colour.clipping_level import Levels, eight_bits, scaled
from hdrcnn.colour.transfer import inverse_camera_curve
from hdrcnn.tiles.frame import as_codes

PIXELS = 768 * 512
"""Number of pixels evaluated; in a larger image, evenly spaced tiles are."""
TILE = 128
"""Side of such a tile in pixels."""

LEVELS = 12
"""Number of brightness levels at which differences are evaluated."""
MIN_SAMPLES = 64
"""Smallest number of samples, of a level or of mixtures, that is evaluated."""
STEPS = (1, 2, 4, 8)
"""Distances, in pixels, from a mixture to the pixels on either side."""
MAX_MIXTURES = 4096
"""Largest number of mixtures evaluated for each step."""
BANDS = 5
"""Number of code bands in which mixtures of the channels are compared."""
SHRINK = 50
"""Number of mixtures without deviation added to those found, so that few of them have little
effect."""
SHOULDERS = (0.45, 0.8, 1.65)
TRIALS = tuple((n, s) for n in (0.55, 0.7, 0.85, 1.05) for s in SHOULDERS)
"""(n, s) of the trial curves. The published family contains sRGB up to 0.06 stops, as n = 0.58,
s = 1.65."""

GRADIENT_QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
NOISE_QUANTILES = (0.2, 0.5, 0.8)
PER_LEVEL = len(GRADIENT_QUANTILES) + len(NOISE_QUANTILES) + 1

PER_STEP = 2 * len(TRIALS) + 1 + BANDS + BANDS * (BANDS - 1) // 2
SIZE = LEVELS * PER_LEVEL + len(STEPS) * PER_STEP + len(SHOULDERS) + 1
"""Number of statistics in a row."""

_DARKEST, _BRIGHTEST = 5, 242
"""Smallest and largest code of a usable mixture: neither black nor near clipping."""

_CODES = np.arange(256, dtype=np.float32) / np.float32(255.0)
_LIGHT = np.stack([inverse_camera_curve(_CODES, n, s) for n, s in TRIALS]).astype(np.float32)
_MEAN_LIGHT = inverse_camera_curve(_CODES)
_LOG_LIGHT = np.log2([inverse_camera_curve(np.maximum(_CODES, 1e-4), 1.0, s) for s in SHOULDERS])


def tiles(codes: np.ndarray) -> list[np.ndarray]:
    """Tiles of an image [H, W, 3] with about `PIXELS` pixels in all, evenly spaced over it.

    An image of up to `PIXELS` pixels is returned whole.
    """
    rows, columns = codes.shape[:2]
    if rows * columns <= PIXELS:
        return [codes]
    height, width = min(TILE, rows), min(TILE, columns)
    count = PIXELS / (height * width)
    # Choose the numbers down and across such that the gaps are about equal in both directions.
    down = round(np.sqrt(count * rows * width / (columns * height)))
    down = min(max(1, down), rows // height)
    across = max(1, min(round(count / down), columns // width))
    down = max(1, min(round(count / across), rows // height))
    tops = np.linspace(0, rows - height, down).astype(int)
    lefts = np.linspace(0, columns - width, across).astype(int)
    return [codes[top : top + height, left : left + width] for top in tops for left in lefts]


def _thinned(values: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the rows, evenly spaced."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).astype(int)]


def slopes(pieces: list[np.ndarray]) -> np.ndarray:
    """Quantiles of differences at each level of green, as log2: [LEVELS * PER_LEVEL].

    For each level: quantiles of the differences between neighbours, of the response of a noise
    filter (Immerkaer 1996), and 1. All are 0 for a level with fewer than `MIN_SAMPLES` samples.
    """
    level, gradient, noise = [], [], []
    for piece in pieces:
        green = piece[..., 1].astype(np.int16)
        if min(green.shape) < 3:
            continue
        second = green[:, :-2] - 2 * green[:, 1:-1] + green[:, 2:]
        noise.append(np.abs(second[:-2] - 2 * second[1:-1] + second[2:]).ravel())
        across = np.abs(green[1:-1, 2:] - green[1:-1, :-2])
        down = np.abs(green[2:, 1:-1] - green[:-2, 1:-1])
        gradient.append((across + down).ravel())
        level.append((green[1:-1, 1:-1].ravel() * LEVELS) >> 8)
    out = np.zeros((LEVELS, PER_LEVEL))
    if not level:
        return out.ravel()
    levels, gradients, noises = (np.concatenate(parts) for parts in (level, gradient, noise))
    for index in range(LEVELS):
        own = np.flatnonzero(levels == index)
        if len(own) < MIN_SAMPLES:
            continue
        own = _thinned(own, 4 * MAX_MIXTURES)
        # The offset of half a code stands for rounding, which is always present.
        steps = np.quantile(gradients[own], GRADIENT_QUANTILES)
        grain = np.quantile(noises[own], NOISE_QUANTILES)
        out[index] = (*np.log2(steps + 0.5), *np.log2(grain + 0.5), 1.0)
    return out.ravel()


def _triples(pieces: list[np.ndarray], step: int) -> np.ndarray:
    """Triples of neighbours across edges, `step` pixels apart: [N, 3, 3] integer codes.

    Axis 1 is dark, middle, bright; axis 2 is R, G, B. Green rises by at least 20 codes and every
    channel by at least 8, middles lie between the ends, and all codes are well inside the range.
    """
    found = []
    for piece in pieces:
        for way in (piece, piece.swapaxes(0, 1)):
            if way.shape[1] <= 2 * step:
                continue
            first, middle, last = way[:, : -2 * step], way[:, step:-step], way[:, 2 * step :]
            rise = last[..., 1].astype(np.int16) - first[..., 1]
            rows, columns = np.nonzero(np.abs(rise) >= 20)
            if len(rows) == 0:
                continue
            places = _thinned(np.stack([rows, columns], axis=1), 8 * MAX_MIXTURES)
            rows, columns = places[:, 0], places[:, 1]
            triple = np.stack([part[rows, columns] for part in (first, middle, last)], axis=1)
            falling = rise[rows, columns] < 0
            triple[falling] = triple[falling, ::-1]
            found.append(triple)
    if not found:
        return np.empty((0, 3, 3), np.uint8)
    triples = np.concatenate(found).astype(np.int16)
    between = (triples[:, 1] >= triples[:, 0]) & (triples[:, 1] <= triples[:, 2])
    rises = triples[:, 2] - triples[:, 0] >= 8
    inside = (triples.min(axis=(1, 2)) >= _DARKEST) & (triples.max(axis=(1, 2)) <= _BRIGHTEST)
    return _thinned(triples[(between & rises).all(axis=-1) & inside], MAX_MIXTURES)


def mixing(triples: np.ndarray) -> np.ndarray:
    """How well the middles of `_triples` are mixtures of both ends: [2 * trials + 1].

    For each trial curve: the mean share of the bright end relative to 1/2, its value where blur is
    symmetric; for each trial curve: log2 of the mean difference between the channels' shares, which
    is 0 for mixtures, relative to the mean of these logarithms; and log2 of the number of triples
    over `MIN_SAMPLES`. Zeros if there are fewer than `MIN_SAMPLES`.
    """
    trials = len(TRIALS)
    out = np.zeros(2 * trials + 1)
    if len(triples) < MIN_SAMPLES:
        return out
    dark, middle, bright = _LIGHT[:, triples].transpose(2, 0, 1, 3)
    share = (middle - dark) / (bright - dark)
    spread = np.abs(share[..., 0] - share[..., 1]) + np.abs(share[..., 2] - share[..., 1])
    spread = np.log2(spread.mean(axis=1) + 1e-3)
    out[:trials] = 4.0 * (share.mean(axis=(1, 2)) - 0.5)
    out[trials:-1] = 4.0 * (spread - spread.mean())
    out[-1] = np.log2(len(triples) / MIN_SAMPLES)
    return out


def curve_deviation(triples: np.ndarray) -> np.ndarray:
    """Deviation of the mean camera curve from the true one by code, estimated from `_triples`.

    Returns [BANDS + BANDS * (BANDS - 1) / 2]. For each band of codes: slope of the share of the
    bright end in the middle, minus 1/2, over the relative step in light. For each pair of bands:
    mean difference of the shares of two channels in them, darker minus brighter; with the true
    curve it is 0 for any edge.
    """
    pairs = BANDS * (BANDS - 1) // 2
    if len(triples) < MIN_SAMPLES:
        return np.zeros(BANDS + pairs)
    dark, middle, bright = (_MEAN_LIGHT[triples[:, i]] for i in range(3))
    share = (middle - dark) / (bright - dark)
    band = ((triples[:, 0] + triples[:, 2]) * BANDS) >> 9
    rise = ((bright - dark) / (bright + dark)).ravel()
    moved = np.bincount(band.ravel(), (share.ravel() - 0.5) * rise, BANDS)
    own = moved / (np.bincount(band.ravel(), rise * rise, BANDS) + 0.1 * SHRINK)
    total, count = np.zeros(BANDS * BANDS), np.zeros(BANDS * BANDS)
    for i, j in ((0, 1), (1, 2), (0, 2)):
        low, high = np.minimum(band[:, i], band[:, j]), np.maximum(band[:, i], band[:, j])
        sign = np.where(band[:, i] < band[:, j], 1.0, -1.0)
        place = low * BANDS + high
        total += np.bincount(place, sign * (share[:, i] - share[:, j]), BANDS * BANDS)
        count += np.bincount(place, minlength=BANDS * BANDS)
    means = (total / (count + SHRINK)).reshape(BANDS, BANDS)
    return 10.0 * np.concatenate([own, means[np.triu_indices(BANDS, 1)]])


def shading(triples: np.ndarray) -> np.ndarray:
    """How well the ends of `_triples` agree in colour ratios: [shoulders + 1].

    For each shoulder s: log2 of the mean difference between the channels' steps in log2 light,
    relative to the step of green, minus the mean over shoulders; and that mean. The exponent n
    scales all steps alike, so only s can be estimated this way.
    """
    out = np.zeros(len(SHOULDERS) + 1)
    if len(triples) < MIN_SAMPLES:
        return out
    step = _LOG_LIGHT[:, triples[:, 2]] - _LOG_LIGHT[:, triples[:, 0]]
    apart = np.abs(step[..., 0] - step[..., 1]) + np.abs(step[..., 2] - step[..., 1])
    ratio = np.log2(np.mean(apart / step[..., 1], axis=1) + 1e-2)
    out[:-1] = 4.0 * (ratio - ratio.mean())
    out[-1] = ratio.mean()
    return out


def statistics(picture: np.ndarray, scaling: float | Levels = 1.0) -> np.ndarray:
    """All statistics of one photograph: [SIZE] float32.

    picture: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]. scaling: factor, or one
    per channel, by which its codes are multiplied before they are clipped.
    """
    pieces = tiles(picture)
    if scaling != 1.0:
        pieces = [scaled(as_codes(piece), scaling) for piece in pieces]
    pieces = [eight_bits(piece) for piece in pieces]
    found = [_triples(pieces, step) for step in STEPS]
    parts = [slopes(pieces), *map(mixing, found), *map(curve_deviation, found), shading(found[2])]
    return np.concatenate(parts).astype(np.float32)
