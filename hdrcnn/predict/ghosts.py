"""What moved between the frames of a bracket comes from one of them.

    expected     the reference frame brought to each frame's exposure (`intensity_mapping`)
    consistent   a sample as expected, within noise, quantisation and half a pixel of misalignment;
                 where the reference is clipped, anything at or beyond it
    moved        what is not, without specks, grown a little, with soft edges
    replaced     by what was expected: the reference frame, at this frame's exposure

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
NOISE = 2.5
"""Codes of 8 bits that a sample may be off by its noise."""
DEVIATIONS = 3.0
FLOOR = 6.0
"""Codes that are never told from noise and compression."""
LARGEST_GAIN = 12.0
"""Codes of a frame for one of the reference: beyond it nothing is known of a sample."""
SMALLEST = 3e-5
"""Share of the picture below which a region is a speck."""
MOST = 0.6
"""Share of the picture above which it is not movement that makes frames differ."""
GROWN = 0.004
"""Of the longer side: how far regions are grown, and their edges soft."""
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


def _reach(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest of 3 x 3 neighbours, half a pixel of misalignment."""
    cv2 = opencv()
    kernel = np.ones((3, 3), np.uint8)
    half = np.float32(0.5)
    return (
        half * (values + cv2.erode(values, kernel)),
        half * (values + cv2.dilate(values, kernel)),
    )


def inconsistency(reference: np.ndarray, frame: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """[h, w] float32: how many tolerances a pixel is off what the reference lets expect; above 1
    it is inconsistent. reference, frame: [h, w, 3] uint8; tables: from reference to frame.
    """
    lookup = np.ascontiguousarray(tables.T.reshape(1, CODES, 3))
    expected = opencv().LUT(reference, lookup)
    codes = np.arange(CODES)
    gains = np.clip(np.gradient(lookup, axis=1), 0.0, LARGEST_GAIN).astype(np.float32)
    low, high = _reach(expected)
    # Beyond its ends the reference says only that there was at least, or at most, so much.
    least = np.stack([table[codes <= LOW].max() for table in tables]).astype(np.float32)
    most = np.stack([table[codes >= HIGH].min() for table in tables]).astype(np.float32)
    high = np.where(reference >= HIGH, np.float32(CODES - 1), high)
    low = np.where(reference >= HIGH, np.minimum(low, most), low)
    low = np.where(reference <= LOW, np.float32(0.0), low)
    high = np.where(reference <= LOW, np.maximum(high, least), high)
    tolerances = FLOOR + DEVIATIONS * NOISE * np.sqrt(1.0 + gains * gains)
    tolerance = opencv().LUT(reference, tolerances.astype(np.float32))
    code = frame.astype(np.float32)
    off = np.maximum(np.maximum(low - code, code - high), 0.0) / tolerance
    return off.max(axis=-1)


def _regions(off: np.ndarray) -> np.ndarray:
    """[h, w] bool: inconsistent regions without specks, gaps closed, a little grown."""
    cv2 = opencv()
    smooth = cv2.GaussianBlur(np.minimum(off, 3.0), (0, 0), 1.0)
    grow = max(2, round(GROWN * max(off.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    found = (smooth > 1.0).astype(np.uint8)
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, disc)
    _, labels, figures, _ = cv2.connectedComponentsWithStats(closed)
    large = figures[:, cv2.CC_STAT_AREA] >= max(8.0, SMALLEST * off.size)
    large[0] = False
    # Around what is certain also what is only likely: the dim rims of what moved.
    kept = large[labels]
    likely = ((smooth > 0.5) & (cv2.dilate(kept.astype(np.uint8), disc) > 0)) | kept
    return cv2.dilate(likely.astype(np.uint8), disc) > 0


def _clipped(frame: np.ndarray) -> np.ndarray:
    """[h, w] bool: clipped, or too dark to be brought to a longer exposure."""
    return (frame.max(axis=-1) >= HIGH) | (frame.max(axis=-1) <= DARK)


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
        first = mappings(small[reference], small[k])
        usable = ~_regions(inconsistency(small[reference], small[k], first))
        tables[reference, k] = mappings(small[reference], small[k], usable)
        moved[k] = _regions(inconsistency(small[reference], small[k], tables[reference, k]))
    union = np.asarray(moved.any(axis=0))
    share = float(union.mean())
    origins = np.full(size, reference, np.uint8)
    if share > MOST:
        note = f"its frames differ in {share:.0%} of the picture: ghosts are not looked for"
        return Movement(factor, np.zeros((len(frames), *size), np.float32), origins, tables, 0.0,
                        note)  # fmt: skip
    if not named and union.any():
        clipped = np.stack([_clipped(frame) for frame in small])
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
            for origin in np.unique(origins[share > 0]):
                if origin == k:
                    continue
                part = (share > 0) & (origins == origin)
                tables = movement.tables[int(origin), k]
                source = as_codes(wide[origin]) * np.float32(255.0)
                source = calmed(source, tables)[inner][part]
                expected = mapped(source, tables) * (largest / 255.0)
                own = originals[k][part].astype(np.float32)
                mixed = own + share[part][:, None] * (expected - own)
                if frame.dtype.kind != "f":
                    mixed = np.round(mixed)
                frame[top:bottom][part] = np.clip(mixed, 0.0, largest)
