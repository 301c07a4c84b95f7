"""What moved between the frames of a bracket comes from one of them.

    compared     two frames at the exposure of the darker one (`intensity_mapping`), by means of a
                 few pixels
    consistent   a mean as expected, within its noise, which is measured in the frames themselves at
                 each level, rounding, and half a pixel of misalignment; where the brighter frame is
                 clipped, anything at or beyond it
    moved        what is not, without specks, grown a little, with soft edges
    replaced     by the reference frame, brought to this frame's exposure

So every later step, whatever it weighs, sees a bracket in which nothing moves. In a region that is
clipped in most of the reference the frame that is clipped least takes its place.
After: T. Grosch, "Fast and robust high dynamic range image generation with camera and object
movement", VMV 2006; O. Gallo et al., "Artifact-free high dynamic range imaging", ICCP 2009.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from hdrcnn.predict.intensity_mapping import CODES, DARK, HIGH, LOW, mapped, mappings
from hdrcnn.predict.opencv import opencv, reduced
from hdrcnn.tiles.frame import as_codes

WORKING = 1500
"""Pixels of the longer side of the frames that are compared, at most."""
HALVED = 512
"""Pixels of the shorter side from which on a first look takes half the size."""
LOCAL = 5
"""Pixels a side, odd, whose means are compared."""
DEVIATIONS = 4.0
"""Of their noise, which is measured, that are tolerated."""
CORRELATED = 0.5
"""Of the noise of a pixel, that of a mean at most; of white noise it is 1 / `LOCAL`."""
NEARLY = 236
"""Code from which on a sample beside clipped ones may be clipped: JPEG spreads their codes."""
FLOOR, RELATIVE = (1.0, 2.0), 0.04
"""Codes of the darker and the brighter frame, and share of a pixel's largest code, that are
tolerated beside: rounding, flare, and the colours that a camera mixes before its curve."""
APART = 9
"""Pixels between the means whose differences tell the noise: more than a block of JPEG."""
BIN = 8
"""Levels that share their noise."""
FEWEST = 200
"""Samples of a bin from which on it counts."""
SAMPLED = 3
"""Of so many rows one serves to measure noise and bias."""
SMALLEST, FEWEST_PIXELS = 3e-5, 40.0
"""Share of the picture, and pixels of the compared frames, below which a region is a speck."""
MOST = 0.6
"""Share of the picture above which it is not movement that makes frames differ."""
GROWN = 0.004
"""Of the longer side: how far regions are grown, and their edges soft."""
BLACK = 8
"""Code up to which a pixel shows nothing but noise. Higher, and what moved over what is dark in the
reference is seen twice."""
CLIPPED = 0.5
"""Share of a region that may be clipped or dark in the reference before another frame is asked."""
CALM = (1.5, 4.0)
"""Codes of a frame for one of its source: where its noise of colour begins to be calmed, and where
it is fully."""
COLOUR_BLUR, MARGIN = 3.0, 16
"""Sigma, and more than how far it reaches, pixels."""
STRIP = 256

Inside = Callable[[int, int, int], np.ndarray]
"""Frame, top, bottom: [rows, W] bool, where an aligned frame has measured anything."""


@dataclasses.dataclass(frozen=True)
class Movement:
    """What moved in a bracket, for reduced frames."""

    factor: int
    masks: np.ndarray
    """[K, h, w] float32 in [0, 1]: how much of each frame is replaced."""
    origins: np.ndarray
    """[h, w] uint8: the frame that it is replaced by."""
    tables: dict[tuple[int, int], np.ndarray]
    """From frame to frame, [3, 256]: `intensity_mapping.mappings`."""
    share: float
    """Of the picture: what moved."""
    note: str = ""
    """One line that the user is to know; empty: none."""


def _largest(samples: np.ndarray) -> np.ndarray:
    """[..., 3] to [...]: of the channels; NumPy's own `max` along so short an axis is slow."""
    return np.maximum(np.maximum(samples[..., 0], samples[..., 1]), samples[..., 2])


def _darker_first(one: np.ndarray, other: np.ndarray) -> bool:
    return float(one.mean()) <= float(other.mean())


def _local(values: np.ndarray) -> np.ndarray:
    """Means of `LOCAL` x `LOCAL` pixels."""
    return np.asarray(opencv().blur(values, (LOCAL, LOCAL), borderType=opencv().BORDER_REFLECT_101))


def _by_level(levels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """[256]: the median of values at each level, from bins of `BIN` levels, between them linear."""
    bins = levels // BIN
    order = np.argsort(bins, kind="stable")
    ends = np.cumsum(np.bincount(bins, minlength=CODES // BIN))
    middles, medians = [], []
    for index, part in enumerate(np.split(values[order], ends[:-1])):
        if len(part) >= FEWEST:
            middles.append(BIN * index + 0.5 * (BIN - 1))
            medians.append(float(np.median(part)))
    if not medians:
        return np.full(CODES, float(np.median(values)) if len(values) else 0.0, np.float32)
    return np.interp(np.arange(CODES), middles, medians).astype(np.float32)


def _spread(off: np.ndarray, levels: np.ndarray, usable: np.ndarray, apart: int) -> np.ndarray:
    """[256]: standard deviation of the noise of a discrepancy [h, w] at each level, robust: of
    second differences over `apart` pixels, in which what is flat or a slope, such as vignetting or
    the inside of what moved, cancels.
    """
    if off.shape[1] <= 4 * apart:
        return np.zeros(CODES, np.float32)
    off, inner = off[::SAMPLED], np.s_[::SAMPLED, apart:-apart]
    second = off[:, apart:-apart] - 0.5 * (off[:, : -2 * apart] + off[:, 2 * apart :])
    chosen = usable[inner]
    deviations = np.abs(second[chosen]) / np.float32(0.6745 * np.sqrt(1.5))
    return _by_level(levels[inner][chosen], deviations)


def inconsistency(one: np.ndarray, other: np.ndarray, usable: np.ndarray | None = None
                  ) -> np.ndarray:  # fmt: skip
    """[h, w] float32: how many tolerances two frames are off each other; above 1 they are
    inconsistent. one, other: [h, w, 3] uint8, aligned; usable: [h, w] bool, known not to move.

    They are compared at the exposure of the darker one, where the noise of the brighter is
    compressed and all of its shadows are told apart, by means of a few pixels.
    """
    dark, bright = (one, other) if _darker_first(one, other) else (other, one)
    tables = mappings(bright, dark, usable)
    expected = opencv().LUT(bright, np.ascontiguousarray(tables.T.reshape(1, CODES, 3)))
    kernel = np.ones((3, 3), np.uint8)
    # Half a pixel of misalignment.
    low = 0.5 * (expected + opencv().erode(expected, kernel))
    high = 0.5 * (expected + opencv().dilate(expected, kernel))
    # Beyond its ends the brighter frame says only that there was at least, or at most, so much.
    codes = np.arange(CODES)
    least = np.stack([table[codes <= LOW].max() for table in tables]).astype(np.float32)
    most = np.stack([table[codes >= NEARLY].min() for table in tables]).astype(np.float32)
    window = np.ones((LOCAL, LOCAL), np.uint8)
    around = _largest(opencv().dilate(bright, window))[..., None]
    clipped = (bright >= HIGH) | ((bright >= NEARLY) & (around >= HIGH))
    high = np.where(clipped, np.float32(CODES - 1), high)
    low = np.where(clipped, np.minimum(low, most), low)
    low = np.where(bright <= LOW, np.float32(0.0), low)
    high = np.where(bright <= LOW, np.maximum(high, least), high)
    shown = dark.astype(np.float32)
    single = shown - expected
    tells = (opencv().erode(bright, window) > LOW) & (opencv().dilate(bright, window) < HIGH)
    shown, expected, levels = _local(shown), _local(expected), _local(bright)
    low, high = _local(low), _local(high)
    mixed = np.float32(RELATIVE) * _largest(expected)
    worst = np.zeros(dark.shape[:2], np.float32)
    for c in range(3):
        off, level = shown[..., c] - expected[..., c], levels[..., c]
        known = tells[..., c]
        if usable is not None:
            known = known & usable
        # Means of noise are calmer than it, if not so much as of noise that is white; if they are
        # not, it is no noise.
        most_spread = CORRELATED * _spread(single[..., c], level, known, 1) + FLOOR[0]
        spread = np.minimum(_spread(off, level, known, APART), most_spread)
        some = known[::SAMPLED]
        bias = _by_level(level[::SAMPLED][some], off[::SAMPLED][some])
        slope = np.gradient(tables[c]).astype(np.float32)
        tolerance = FLOOR[0] + FLOOR[1] * slope + DEVIATIONS * spread
        off = np.maximum(low[..., c] - shown[..., c] + bias[level],
                         shown[..., c] - bias[level] - high[..., c])  # fmt: skip
        off /= tolerance[level] + mixed
        np.maximum(worst, off, out=worst)
    return worst


def _regions(off: np.ndarray) -> np.ndarray:
    """[h, w] bool: inconsistent regions without specks, gaps closed, a little grown."""
    cv2 = opencv()
    smooth = cv2.GaussianBlur(np.minimum(off, 3.0), (0, 0), 1.0)
    grow = max(2, round(GROWN * max(off.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    found = (smooth > 1.0).astype(np.uint8)
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, disc)
    _, labels, figures, _ = cv2.connectedComponentsWithStats(closed)
    large = figures[:, cv2.CC_STAT_AREA] >= max(FEWEST_PIXELS, SMALLEST * off.size)
    large[0] = False
    # Around what is certain also what is only likely: the dim rims of what moved.
    kept = large[labels]
    likely = ((smooth > 0.5) & (cv2.dilate(kept.astype(np.uint8), disc) > 0)) | kept
    return cv2.dilate(likely.astype(np.uint8), disc) > 0


def _clipped(frame: np.ndarray, dark: int = BLACK) -> np.ndarray:
    """[h, w] bool: clipped, or of codes up to a dark one, that show nothing but noise."""
    largest = _largest(frame)
    return (largest >= HIGH) | (largest <= dark)


def _still(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[h, w] bool: what is roughly consistent, from which the mapping is to be learned. At half
    the size, if there are pixels enough: the mapping is of all of them.
    """
    half = 2 if min(one.shape[:2]) >= HALVED else 1
    moved = _regions(inconsistency(reduced(one, half), reduced(other, half)))
    whole = moved.repeat(half, axis=0).repeat(half, axis=1)
    return ~whole[: one.shape[0], : one.shape[1]]


def find(frames: Sequence[np.ndarray], reference: int, named: bool = False) -> Movement:
    """What moved. frames: K of [H, W, 3], aligned; reference: the index of the frame that what
    moved is to come from; named: the user's choice, which no region departs from.
    """
    cv2 = opencv()
    rows, columns = frames[0].shape[:2]
    factor = -(-max(rows, columns) // WORKING)
    small = [reduced(frame, factor) for frame in frames]
    others = [index for index in range(len(frames)) if index != reference]
    tables = {}
    size = small[0].shape[:2]
    moved = np.zeros((len(frames), *size), bool)
    for k in others:
        calm = _still(small[reference], small[k])
        moved[k] = _regions(inconsistency(small[reference], small[k], calm))
        tables[reference, k] = mappings(small[reference], small[k], ~moved[k])
    union = np.asarray(moved.any(axis=0))
    share = float(union.mean())
    origins = np.full(size, reference, np.uint8)
    if share > MOST:
        note = f"its frames differ in {share:.0%} of the picture: ghosts are not looked for"
        return Movement(factor, np.zeros((len(frames), *size), np.float32), origins, tables, 0.0,
                        note)  # fmt: skip
    if not named and union.any():
        # What a darker frame would stand in with is brought to a longer exposure.
        darker = [_darker_first(frame, small[reference]) for frame in small]
        darker[reference] = False
        clipped = np.stack(
            [_clipped(f, DARK if d else BLACK) for f, d in zip(small, darker, strict=True)]
        )
        count, labels = cv2.connectedComponents(union.astype(np.uint8))
        area = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
        counts = np.stack(
            [np.bincount(labels.ravel(), c.ravel(), minlength=count) for c in clipped]
        )
        ends = counts / area
        for label in np.flatnonzero(ends[reference] > CLIPPED):
            if label == 0 or ends[:, label].min() > ends[reference, label] - 0.25:
                continue
            region = labels == label
            best = int(ends[:, label].argmin())
            origins[region] = best
            moved[:, region] = True
            moved[best, region] = False
            for k in range(len(frames)):
                if k != best and (best, k) not in tables:
                    tables[best, k] = mappings(small[best], small[k], ~union)
    sigma = max(1.0, 0.5 * GROWN * max(size))
    masks = np.stack([cv2.GaussianBlur(m.astype(np.float32), (0, 0), sigma) for m in moved])
    return Movement(factor, masks, origins, tables, share)


def _rows(plane: np.ndarray, factor: int, top: int, bottom: int, columns: int) -> np.ndarray:
    """Rows of a reduced plane at full size: float bilinear, whole numbers nearest."""
    cv2 = opencv()
    first, last = max(0, top // factor - 1), min(len(plane), -(-bottom // factor) + 1)
    kind = cv2.INTER_LINEAR if plane.dtype.kind == "f" else cv2.INTER_NEAREST
    size = plane.shape[1] * factor, (last - first) * factor
    part = cv2.resize(plane[first:last], size, interpolation=kind)
    return part[top - first * factor : bottom - first * factor, :columns]


def calmed(code: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Codes to be brought to another exposure, without the noise of colour that it would amplify.

    code: [h, w, 3] float32 in [0, 255]; tables: as of `mappings`. If a code of the source becomes
    more than `CALM[0]` of the target, its colour differences are those of its surroundings, from
    `CALM[1]` on entirely; its luma stays.
    """
    cv2 = opencv()
    gain = np.interp(code.mean(axis=-1), np.arange(CODES), np.gradient(tables.mean(axis=0)))
    share = np.clip((gain - CALM[0]) / (CALM[1] - CALM[0]), 0.0, 1.0).astype(np.float32)
    share = cv2.GaussianBlur(share, (0, 0), 1.0)[..., None]
    if not share.any():
        return code
    colour = code - code.mean(axis=-1, keepdims=True)
    smooth = cv2.GaussianBlur(colour, (0, 0), COLOUR_BLUR)
    return np.clip(code + share * (smooth - colour), 0.0, CODES - 1.0)


def replace(
    frames: Sequence[np.ndarray],
    movement: Movement,
    inside: Inside | None = None,
    reference: int = 0,
) -> None:
    """Puts into each frame, in place, what moved as it is in one of them; and where an aligned
    frame has measured nothing (`inside`), what the reference lets expect.

    frames: as for `find`, writable.
    """
    rows, columns = frames[0].shape[:2]
    largest = 1.0 if frames[0].dtype.kind == "f" else float(np.iinfo(frames[0].dtype).max)
    above = [frame[:0] for frame in frames]
    for top in range(0, rows, STRIP):
        bottom = min(top + STRIP, rows)
        # With a margin, the one above as it was before it was changed.
        wide = [
            np.concatenate([before, frame[top : bottom + MARGIN]])
            for before, frame in zip(above, frames, strict=True)
        ]
        inner = slice(len(above[0]), len(above[0]) + bottom - top)
        originals = [each[inner] for each in wide]
        above = [each[max(0, inner.stop - MARGIN) : inner.stop] for each in wide]
        origins = _rows(movement.origins, movement.factor, top, bottom, columns)
        for k, frame in enumerate(frames):
            share = _rows(movement.masks[k], movement.factor, top, bottom, columns)
            outside = None if inside is None or k == reference else ~inside(k, top, bottom)
            if outside is not None and outside.any():
                share = np.where(outside, np.float32(1.0), share)
            if not (share > 0).any():
                continue
            for left in range(0, columns, STRIP):
                tile = slice(left, min(left + STRIP, columns))
                used = share[:, tile]
                if not (used > 0).any():
                    continue
                start = max(0, left - MARGIN)
                around = slice(start, tile.stop + MARGIN)
                middle = inner, slice(left - start, tile.stop - start)
                for origin in np.unique(origins[:, tile][used > 0]):
                    if origin == k:
                        continue
                    part = (used > 0) & (origins[:, tile] == origin)
                    tables = movement.tables[int(origin), k]
                    source = as_codes(wide[origin][:, around]) * np.float32(255.0)
                    source = calmed(source, tables)[middle][part]
                    expected = mapped(source, tables) * (largest / 255.0)
                    own = originals[k][:, tile][part].astype(np.float32)
                    mixed = own + used[part][:, None] * (expected - own)
                    if frame.dtype.kind != "f":
                        mixed = np.round(mixed)
                    frame[top:bottom, tile][part] = np.clip(mixed, 0.0, largest)
