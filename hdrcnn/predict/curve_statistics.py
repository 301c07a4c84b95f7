"""What the codes of a picture tell of the camera curve behind them, as one row of numbers.

Three kinds of evidence. None of them needs a place or an object to be known:

    slope       differences between neighbours, by level: contrast and noise of light are stretched
                by the curve's slope at that level
    mixing      across an edge the pixels between are mixtures of both sides, in light but not in
                codes: Lin, Gu, Yamazaki and Shum, "Radiometric calibration from a single image",
                CVPR 2004
    shading     where only the amount of light changes, its colour does not

The last two linearise neighbours by each of a few trial curves and ask how well the rule holds.
Pure NumPy functions of 8-bit codes; pixels are taken as they are: to reduce a picture mixes codes.
"""

import numpy as np

from hdrcnn.colour.clipping_level import Levels, scaled
from hdrcnn.colour.transfer import inverse_camera_curve
from hdrcnn.tiles.frame import as_codes

PIXELS = 768 * 512
"""Looked at in a picture; of larger ones, tiles spread evenly."""
TILE = 128
"""Side of such a tile, pixels."""

LEVELS = 12
"""Of brightness, at each of which differences are looked at."""
LEAST = 64
"""Samples that a level needs to have a say."""
STEPS = (1, 2, 4, 8)
"""Pixels between neighbours that make a mixture."""
MOST = 4096
"""Mixtures looked at, of each step."""
BANDS = 5
"""Of codes, in which mixtures of the channels are compared."""
SHRINK = 50
"""Mixtures of no deviation that are added to those found, so that few of them say little."""
SHOULDERS = (0.45, 0.8, 1.65)
TRIALS = tuple((n, s) for n in (0.55, 0.7, 0.85, 1.05) for s in SHOULDERS)
"""(n, s) of the trial curves. The published family holds sRGB too, by n 0.58 and s 1.65 within
0.06 stops."""

GRADIENT_QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
NOISE_QUANTILES = (0.2, 0.5, 0.8)
PER_LEVEL = len(GRADIENT_QUANTILES) + len(NOISE_QUANTILES) + 1

PER_STEP = 2 * len(TRIALS) + 1 + BANDS + BANDS * (BANDS - 1) // 2
SIZE = LEVELS * PER_LEVEL + len(STEPS) * PER_STEP + len(SHOULDERS) + 1
"""Numbers in the row."""

_DARKEST, _BRIGHTEST = 5, 242
"""Codes within which a mixture is believed: neither black nor near to clipping."""

_CODES = np.arange(256, dtype=np.float32) / np.float32(255.0)
_LIGHT = np.stack([inverse_camera_curve(_CODES, n, s) for n, s in TRIALS]).astype(np.float32)
_MEAN_LIGHT = inverse_camera_curve(_CODES)
_LOG_LIGHT = np.log2([inverse_camera_curve(np.maximum(_CODES, 1e-4), 1.0, s) for s in SHOULDERS])


def eight_bits(picture: np.ndarray) -> np.ndarray:
    """uint8, uint16 or float in [0, 1] as uint8 codes of the same shape, rounded."""
    if picture.dtype == np.uint8:
        return picture
    largest = 65535.0 if picture.dtype == np.uint16 else 1.0
    return np.round(picture * np.float32(255.0 / largest)).astype(np.uint8)


def tiles(codes: np.ndarray) -> list[np.ndarray]:
    """A picture [H, W, 3] of up to `PIXELS` pixels as it is; of a larger one as many tiles as
    there are in `PIXELS`, their places spread evenly over rows and columns.
    """
    rows, columns = codes.shape[:2]
    if rows * columns <= PIXELS:
        return [codes]
    height, width = min(TILE, rows), min(TILE, columns)
    count = PIXELS / (height * width)
    # As many down and across as leave about the same gaps both ways.
    down = round(np.sqrt(count * rows * width / (columns * height)))
    down = min(max(1, down), rows // height)
    across = max(1, min(round(count / down), columns // width))
    down = max(1, min(round(count / across), rows // height))
    tops = np.linspace(0, rows - height, down).astype(int)
    lefts = np.linspace(0, columns - width, across).astype(int)
    return [codes[top : top + height, left : left + width] for top in tops for left in lefts]


def _thinned(values: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the rows, evenly spread."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).astype(int)]


def slopes(pieces: list[np.ndarray]) -> np.ndarray:
    """log2 of quantiles of differences at each level of green, [LEVELS PER_LEVEL]: of neighbours,
    of a noise filter (Immerkaer 1996), and whether the level has a say (else zeros).
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
        if len(own) < LEAST:
            continue
        own = _thinned(own, 4 * MOST)
        # Half a code of rounding is always there.
        steps = np.quantile(gradients[own], GRADIENT_QUANTILES)
        grain = np.quantile(noises[own], NOISE_QUANTILES)
        out[index] = (*np.log2(steps + 0.5), *np.log2(grain + 0.5), 1.0)
    return out.ravel()


def _triples(pieces: list[np.ndarray], step: int) -> np.ndarray:
    """Neighbours [N, 3, 3] uint8 (dark, middle, bright; R, G, B) at a distance of `step`: green
    rises by 20 codes or more, no channel falls against it, all are well inside the range.
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
            places = _thinned(np.stack([rows, columns], axis=1), 8 * MOST)
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
    return _thinned(triples[(between & rises).all(axis=-1) & inside], MOST)


def mixing(triples: np.ndarray) -> np.ndarray:
    """How well the middles of `_triples` are mixtures of both ends, [2 trials + 1].

    For each trial curve: the mean share of the bright end, which is 1/2 where blur is symmetric,
    and log2 of the mean difference between the channels' shares, which is 0 for mixtures; then
    log2 of how many there are. Zeros if there are too few.
    """
    trials = len(TRIALS)
    out = np.zeros(2 * trials + 1)
    if len(triples) < LEAST:
        return out
    dark, middle, bright = _LIGHT[:, triples].transpose(2, 0, 1, 3)
    share = (middle - dark) / (bright - dark)
    spread = np.abs(share[..., 0] - share[..., 1]) + np.abs(share[..., 2] - share[..., 1])
    spread = np.log2(spread.mean(axis=1) + 1e-3)
    out[:trials] = 4.0 * (share.mean(axis=(1, 2)) - 0.5)
    out[trials:-1] = 4.0 * (spread - spread.mean())
    out[-1] = np.log2(len(triples) / LEAST)
    return out


def bends(triples: np.ndarray) -> np.ndarray:
    """Where along the range the mean curve is bent against the true one, by `_triples`,
    [BANDS + BANDS (BANDS - 1) / 2].

    For each band of codes: how the share of the bright end in the middle moves away from 1/2 with
    the step, relative to the light. For each pair of bands: how the shares of two channels in them
    differ, the darker first; 0 for the true curve whatever the edge.
    """
    pairs = BANDS * (BANDS - 1) // 2
    if len(triples) < LEAST:
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
    """How well ratios of colours are kept between the ends of `_triples`, [shoulders + 1]: log2
    of the mean difference between the channels' steps in log2 light, over the step of green, less
    its mean; and that mean. The exponent n is a factor of all steps: only s can be told so.
    """
    out = np.zeros(len(SHOULDERS) + 1)
    if len(triples) < LEAST:
        return out
    step = _LOG_LIGHT[:, triples[:, 2]] - _LOG_LIGHT[:, triples[:, 0]]
    apart = np.abs(step[..., 0] - step[..., 1]) + np.abs(step[..., 2] - step[..., 1])
    ratio = np.log2(np.mean(apart / step[..., 1], axis=1) + 1e-2)
    out[:-1] = 4.0 * (ratio - ratio.mean())
    out[-1] = ratio.mean()
    return out


def statistics(picture: np.ndarray, scaling: float | Levels = 1.0) -> np.ndarray:
    """All of it for one picture, to [SIZE] float32.

    picture: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]. scaling: its codes are
    multiplied by it, or each channel by its own, and clipped.
    """
    pieces = tiles(picture)
    if scaling != 1.0:
        pieces = [scaled(as_codes(piece), scaling) for piece in pieces]
    pieces = [eight_bits(piece) for piece in pieces]
    found = [_triples(pieces, step) for step in STEPS]
    parts = [slopes(pieces), *map(mixing, found), *map(bends, found), shading(found[2])]
    return np.concatenate(parts).astype(np.float32)
