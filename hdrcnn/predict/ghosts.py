"""Ghost removal: what moved between the frames of a bracket is taken from one of them.

    compared     two frames at the exposure of the darker one (`intensity_mapping`), by local means
                 of a few pixels
    consistent   a mean as expected, within rounding, half a pixel of misalignment and the noise at
                 its level, which is measured in the frames themselves; where the brighter frame is
                 clipped, anything at or beyond its clipping level
    moved        all other pixels, without specks, grown a little, with soft edges
    replaced     by the reference frame, mapped to the exposure of the frame at hand

So nothing moves in the bracket that later steps see, whatever their weights are. Where most of a
region is clipped in the reference, the frame that clips least of it takes the reference's place.
After: T. Grosch, "Fast and robust high dynamic range image generation with camera and object
movement", VMV 2006; O. Gallo et al., "Artifact-free high dynamic range imaging", ICCP 2009.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from hdrcnn.predict.intensity_mapping import CODES, DARK, HIGH, LOW, mapped, mappings
from hdrcnn.predict.opencv import enlarged, opencv, reduced
from hdrcnn.tiles.frame import as_codes

WORKING = 1500
"""Largest length, in pixels, of the longer side of the frames compared."""
HALVED = 512
"""Shorter side, in pixels, from which on the first comparison is made at half the size."""
LOCAL = 5
"""Side, in pixels and odd, of the windows whose means are compared."""
DEVIATIONS = 4.0
"""Tolerance for noise, in standard deviations of the measured noise."""
CORRELATED = 0.5
"""Largest noise of a mean, as a fraction of the noise of a pixel; 1 / `LOCAL` for white noise."""
NEARLY = 236
"""Code from which on a sample near clipped ones may be clipped: JPEG spreads their codes."""
FLOOR, RELATIVE = (1.0, 2.0), 0.04
"""Further tolerances, for rounding, flare and the mixing of colours before a camera's curve: codes
of the darker and of the brighter frame, and a fraction of a pixel's largest code."""
APART = 9
"""Distance, in pixels, of the means whose differences measure the noise; larger than a JPEG
block."""
BIN = 8
"""Number of levels that share one noise estimate."""
MIN_SAMPLES = 200
"""Smallest number of samples of a bin that counts."""
SAMPLED = 3
"""Step, in rows, between those that noise and bias are measured in."""
MIN_SHARE, MIN_PIXELS = 3e-5, 40.0
"""Share of the image, and number of pixels of the compared frames, below which a region is a
speck."""
MAX_SHARE = 0.6
"""Share of the image above which something other than movement makes the frames differ."""
GROWN = 0.004
"""Distance by which regions are grown and their edges softened, as a fraction of the longer
side."""
BLACK = 8
"""Largest code of a pixel that shows only noise. With a larger one, what moves in front of a part
that is dark in the reference appears twice."""
CLIPPED = 0.5
"""Share of a region that has to be clipped or dark in the reference for another frame to replace
it."""
CHROMA_NOISE_GAIN = (1.5, 4.0)
"""Codes of the target per code of the source at which smoothing of the colour noise starts, and
from which on it is complete."""
COLOUR_BLUR, MARGIN = 3.0, 16
"""Sigma of the colour blur, and a margin larger than its reach, in pixels."""
STRIP = 256

Inside = Callable[[int, int, int], np.ndarray]
"""Function of frame index, top and bottom: [rows, W] bool, True where the aligned frame has
data."""


@dataclasses.dataclass(frozen=True)
class Movement:
    """What moved in a bracket, at the size of the reduced frames."""

    factor: int
    masks: np.ndarray
    """[K, h, w] float32 in [0, 1], share of each pixel of each frame that is replaced."""
    origins: np.ndarray
    """[h, w] uint8, index of the frame that replaces it."""
    tables: dict[tuple[int, int], np.ndarray]
    """`intensity_mapping.mappings`, [3, 256], by indices of source and target."""
    share: float
    """Share of the image that moved."""
    note: str = ""
    """One line for the user, or empty."""


def _largest(samples: np.ndarray) -> np.ndarray:
    """Maximum over the channels, [..., 3] to [...]; `np.max` is slow along so short an axis."""
    return np.maximum(np.maximum(samples[..., 0], samples[..., 1]), samples[..., 2])


def _darker_first(one: np.ndarray, other: np.ndarray) -> bool:
    return float(one.mean()) <= float(other.mean())


def _local(values: np.ndarray) -> np.ndarray:
    """Means of `LOCAL` x `LOCAL` pixels."""
    return np.asarray(opencv().blur(values, (LOCAL, LOCAL), borderType=opencv().BORDER_REFLECT_101))


def _by_level(levels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Median of the values at each level, [256], interpolated linearly between bins."""
    bins = levels // BIN
    order = np.argsort(bins, kind="stable")
    ends = np.cumsum(np.bincount(bins, minlength=CODES // BIN))
    middles, medians = [], []
    for index, part in enumerate(np.split(values[order], ends[:-1])):
        if len(part) >= MIN_SAMPLES:
            middles.append(BIN * index + 0.5 * (BIN - 1))
            medians.append(float(np.median(part)))
    if not medians:
        return np.full(CODES, float(np.median(values)) if len(values) else 0.0, np.float32)
    return np.interp(np.arange(CODES), middles, medians).astype(np.float32)


def _spread(off: np.ndarray, levels: np.ndarray, usable: np.ndarray, apart: int) -> np.ndarray:
    """Robust standard deviation, [256], of the noise of a discrepancy [h, w] at each level.

    It is estimated from second differences over `apart` pixels, in which constant parts and slopes
    cancel, such as vignetting or the inside of what moved.
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
    """Difference between two frames in units of the tolerance; above 1 they are inconsistent.

    one, other: [h, w, 3] uint8, aligned; usable: [h, w] bool, pixels known not to move. Returns
    [h, w] float32. Local means of a few pixels are compared at the exposure of the darker frame,
    where the noise of the brighter one is compressed and its shadows remain distinguishable.
    """
    dark, bright = (one, other) if _darker_first(one, other) else (other, one)
    tables = mappings(bright, dark, usable)
    expected = opencv().LUT(bright, np.ascontiguousarray(tables.T.reshape(1, CODES, 3)))
    kernel = np.ones((3, 3), np.uint8)
    # Allow for half a pixel of misalignment.
    low = 0.5 * (expected + opencv().erode(expected, kernel))
    high = 0.5 * (expected + opencv().dilate(expected, kernel))
    # Where the brighter frame is clipped, it gives only a lower or an upper bound.
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
        # Averaging reduces noise, though less than if it were white; what it does not reduce is
        # not noise.
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


def _disc(shape: tuple[int, ...]) -> np.ndarray:
    """Structuring element that grows regions of an image of this shape."""
    cv2, grow = opencv(), max(2, round(GROWN * max(shape)))
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1)))


def _regions(off: np.ndarray, covered: np.ndarray | None = None) -> np.ndarray:
    """Inconsistent regions, [h, w] bool: specks removed, gaps closed, grown a little.

    covered: as for `inconsistency`'s `usable`; elsewhere, where the frame only repeats its edge, no
    region is found.
    """
    cv2 = opencv()
    if covered is not None:
        # Means of a window and half a pixel of misalignment reach this far.
        reach = np.ones((LOCAL + 2, LOCAL + 2), np.uint8)
        off = np.where(cv2.erode(covered.astype(np.uint8), reach) > 0, off, np.float32(0.0))
    smooth = cv2.GaussianBlur(np.minimum(off, 3.0), (0, 0), 1.0)
    disc = _disc(off.shape)
    found = (smooth > 1.0).astype(np.uint8)
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, disc)
    _, labels, figures, _ = cv2.connectedComponentsWithStats(closed)
    large = figures[:, cv2.CC_STAT_AREA] >= max(MIN_PIXELS, MIN_SHARE * off.size)
    large[0] = False
    # Near certain regions also take likely ones: the dim rims of what moved.
    kept = large[labels]
    likely = ((smooth > 0.5) & (cv2.dilate(kept.astype(np.uint8), disc) > 0)) | kept
    grown = cv2.dilate(likely.astype(np.uint8), disc) > 0
    return grown if covered is None else grown & covered


def _clipped(frame: np.ndarray, dark: int = BLACK) -> np.ndarray:
    """[h, w] bool, True where a pixel is clipped, or at most `dark` and so only noise."""
    largest = _largest(frame)
    return (largest >= HIGH) | (largest <= dark)


def _whole_blocks(covered: np.ndarray, factor: int) -> np.ndarray:
    """[ceil(h / factor), ceil(w / factor)] bool, True for blocks that are covered completely."""
    more = [(0, -side % factor) for side in covered.shape]
    padded = np.pad(covered, more, mode="edge")
    rows, columns = (side // factor for side in padded.shape)
    return np.asarray(padded.reshape(rows, factor, columns, factor).all(axis=(1, 3)))


def _still(one: np.ndarray, other: np.ndarray, covered: np.ndarray | None) -> np.ndarray:
    """Roughly consistent pixels, [h, w] bool, from which to estimate the mapping.

    Found at half the size if there are enough pixels. covered: as for `_regions`.
    """
    half = 2 if min(one.shape[:2]) >= HALVED else 1
    known = None if covered is None else _whole_blocks(covered, half)
    moved = _regions(inconsistency(reduced(one, half), reduced(other, half), known), known)
    whole = moved.repeat(half, axis=0).repeat(half, axis=1)
    still = ~whole[: one.shape[0], : one.shape[1]]
    return still if covered is None else still & covered


def _covered(
    inside: Inside | None, index: int, rows: int, columns: int, factor: int
) -> np.ndarray | None:
    """Pixels of a reduced frame that have data, [h, w] bool; None if all have."""
    if inside is None:
        return None
    step = factor * max(1, STRIP // factor)
    parts = [
        _whole_blocks(inside(index, top, min(top + step, rows)), factor)
        for top in range(0, rows, step)
    ]
    covered = np.concatenate(parts)
    return None if covered.all() else covered


def find(
    frames: Sequence[np.ndarray],
    reference: int,
    named: bool = False,
    inside: Inside | None = None,
) -> Movement:
    """Find what moved in a bracket.

    frames: K of [H, W, 3], aligned; reference: index of the frame that replaces what moved;
    named: whether the user chose the reference, which is then used for every region; inside: where
    aligned frames have data, None: everywhere. Where a frame has none, nothing has moved in it, and
    it replaces nothing.
    """
    cv2 = opencv()
    rows, columns = frames[0].shape[:2]
    factor = -(-max(rows, columns) // WORKING)
    small = [reduced(frame, factor) for frame in frames]
    others = [index for index in range(len(frames)) if index != reference]
    tables = {}
    size = small[0].shape[:2]
    moved = np.zeros((len(frames), *size), bool)
    covered = np.ones((len(frames), *size), bool)
    for k in others:
        known = _covered(inside, k, rows, columns, factor)
        calm = _still(small[reference], small[k], known)
        moved[k] = _regions(inconsistency(small[reference], small[k], calm), known)
        covered[k] = True if known is None else known
        tables[reference, k] = mappings(small[reference], small[k], ~moved[k] & covered[k])
    union = np.asarray(moved.any(axis=0))
    share = float(union.mean())
    origins = np.full(size, reference, np.uint8)
    if share > MAX_SHARE:
        note = f"its frames differ in {share:.0%} of the picture: ghosts are not removed"
        return Movement(factor, np.zeros((len(frames), *size), np.float32), origins, tables, 0.0,
                        note)  # fmt: skip
    if not named and union.any():
        # Content from a darker frame is mapped to a longer exposure, which amplifies its noise.
        darker = [_darker_first(frame, small[reference]) for frame in small]
        darker[reference] = False
        useless = np.stack(
            [_clipped(f, DARK if d else BLACK) for f, d in zip(small, darker, strict=True)]
        )
        useless |= ~covered
        count, labels = cv2.connectedComponents(union.astype(np.uint8))
        area = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
        counts = np.stack(
            [np.bincount(labels.ravel(), u.ravel(), minlength=count) for u in useless]
        )
        ends = counts / area
        for label in np.flatnonzero(ends[reference] > CLIPPED):
            if label == 0 or ends[:, label].min() > ends[reference, label] - 0.25:
                continue
            best = int(ends[:, label].argmin())
            region = (labels == label) & covered[best]
            origins[region] = best
            moved[:, region] = True
            moved[best, region] = False
            for k in range(len(frames)):
                if k != best and (best, k) not in tables:
                    both = covered[best] & covered[k]
                    tables[best, k] = mappings(small[best], small[k], ~union & both)
    for mask, known in zip(moved, covered, strict=True):
        if not known.all():  # What replaces the border that a frame does not cover is blended in.
            mask |= cv2.dilate((~known).astype(np.uint8), _disc(size)) > 0
    sigma = max(1.0, 0.5 * GROWN * max(size))
    masks = np.stack([cv2.GaussianBlur(m.astype(np.float32), (0, 0), sigma) for m in moved])
    return Movement(factor, masks, origins, tables, share)


def denoise_chroma(code: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Smooth the colour noise that a mapping to another exposure would amplify.

    code: [h, w, 3] float32 in [0, 255]; tables: as returned by `mappings`. Where the mapping turns
    one code of the source into more than `CHROMA_NOISE_GAIN[0]` codes of the target, the colour
    differences are blended towards those of the surroundings, completely from
    `CHROMA_NOISE_GAIN[1]` on; the mean of the channels stays.
    """
    cv2 = opencv()
    gain = np.interp(code.mean(axis=-1), np.arange(CODES), np.gradient(tables.mean(axis=0)))
    share = np.clip(
        (gain - CHROMA_NOISE_GAIN[0]) / (CHROMA_NOISE_GAIN[1] - CHROMA_NOISE_GAIN[0]), 0.0, 1.0
    ).astype(np.float32)
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
    """Replace, in place, what moved by the content of one frame, mapped to each frame's exposure.

    Where an aligned frame has no data (`inside`), it is filled in the same way. frames: as for
    `find`, writable.
    """
    rows, columns = frames[0].shape[:2]
    largest = 1.0 if frames[0].dtype.kind == "f" else float(np.iinfo(frames[0].dtype).max)
    above = [frame[:0] for frame in frames]
    for top in range(0, rows, STRIP):
        bottom = min(top + STRIP, rows)
        # The margin above comes from before those rows were replaced.
        wide = [
            np.concatenate([before, frame[top : bottom + MARGIN]])
            for before, frame in zip(above, frames, strict=True)
        ]
        inner = slice(len(above[0]), len(above[0]) + bottom - top)
        originals = [each[inner] for each in wide]
        above = [each[max(0, inner.stop - MARGIN) : inner.stop] for each in wide]
        origins = enlarged(movement.origins, movement.factor, top, bottom, columns)
        for k, frame in enumerate(frames):
            share = enlarged(movement.masks[k], movement.factor, top, bottom, columns)
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
                    source = denoise_chroma(source, tables)[middle][part]
                    expected = mapped(source, tables) * (largest / 255.0)
                    own = originals[k][:, tile][part].astype(np.float32)
                    mixed = own + used[part][:, None] * (expected - own)
                    if frame.dtype.kind != "f":
                        mixed = np.round(mixed)
                    frame[top:bottom, tile][part] = np.clip(mixed, 0.0, largest)
