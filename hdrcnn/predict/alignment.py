"""Alignment of the frames of a hand-held bracket to its reference frame.

    homography   SIFT features of histogram-equalised images, MAGSAC (OpenCV)
    translation  median-threshold bitmaps (G. Ward, "Fast, robust image registration for compositing
                 high dynamic range photographs from hand-held exposures", 2003; OpenCV);
                 tried only if the features give no homography that is accepted
    none         the frame is used as it is

A movement is accepted only if a hand could plausibly have made it and the edges of the two frames
agree better with it than without. Frames whose edges do not agree at all show different scenes
and are refused, unless both show a plain surface.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from hdrcnn.files import ImageError
from hdrcnn.predict.intensity_mapping import HIGH, LOW
from hdrcnn.predict.opencv import SHORT, opencv, reduced
from hdrcnn.tiles.frame import as_codes

WORKING = 1000
"""Largest length, in pixels, of the longer side of the images compared; SIFT doubles their size."""
PATCH, PATCHES = 256, 7
"""Side of a patch in pixels, and number of patches along the longer side. The patches refine, at
full size, a homography found on reduced images."""
FEWEST_PATCHES = 10
CERTAIN = 0.05
"""Smallest phase correlation response that counts."""
FEATURES = 3000
RATIO = 0.8
"""Largest ratio of the distances to the best and the second best match (Lowe 2004, Section 7.1)."""
REPROJECTION = 1.5
"""Largest reprojection error of an inlier, in pixels of the compared images."""
FEWEST_INLIERS = 24
"""Smallest number of matches that a homography has to explain; `INLIER_SHARE` is the smallest share
of all matches."""
INLIER_SHARE = 0.25
FARTHEST = 0.12
"""Largest movement of a corner along x or y, as a fraction of the longer side."""
SCALE = (0.9, 1.1)
"""Smallest and largest magnification, along any direction, within a hand-held bracket."""
PERSPECTIVE = 0.1
"""Largest relative difference in magnification between the corners."""
STILL = 0.15
"""Pixels at full size; a frame whose corners move less is not resampled."""
SLIGHT, UNCHANGED = 6.0, 0.9
"""A frame that moves less than `SLIGHT` pixels, or by a shift found from bitmaps, is resampled only
if that reduces the disagreement of its edges in the middle of the image to at most `UNCHANGED` of
what it was. Features of frames that share hardly any code are wrong by up to `SLIGHT` pixels, and
bitmaps of a smooth gradient by any amount."""
MIDDLE = 2048
"""Side, in pixels, of the middle of the image."""
SAME_SCENE = 0.12
"""Agreement of edges below which two frames show different scenes."""
COMPARABLE = 0.25
"""Share of pixels clipped in neither frame above which an agreement below `SAME_SCENE` is taken as
evidence of two scenes."""
FLAT = 4.0
"""Largest difference, in codes, between the dark and the bright parts of a blurred frame that shows
a plain surface. Its edges are noise and reveal nothing about the scene."""
CONVINCING = 0.25
"""Agreement of edges that a translation has to exceed to be accepted."""
BLUR = 1.5
"""Sigma of the blur before edges are computed, in pixels of the compared images."""
STRIP = 512
"""Number of rows warped at a time."""


@dataclasses.dataclass(frozen=True)
class Alignment:
    """Position of a frame relative to the reference."""

    kind: str
    """reference, still, homography, translation or none."""
    matrix: np.ndarray
    """[3, 3] float64, maps pixel (x, y, 1) of the reference to that of the frame."""
    moved: float = 0.0
    """Distance, in pixels, that the corner that moves farthest moves."""
    agreement: float = 1.0
    """Agreement of the edges of the aligned frames, at most 1."""
    note: str = ""
    """One line for the user, or empty."""

    @property
    def resamples(self) -> bool:
        return self.kind in ("homography", "translation")


def _compared(frame: np.ndarray, factor: int) -> np.ndarray:
    """[h, w] uint8, the luma of a reduced frame."""
    return np.asarray(opencv().cvtColor(reduced(frame, factor), opencv().COLOR_RGB2GRAY))


def _equalised(grey: np.ndarray) -> np.ndarray:
    """Histogram-equalised image, the same for every exposure except where codes are clipped."""
    return np.asarray(opencv().equalizeHist(grey))


def _usable(grey: np.ndarray) -> np.ndarray:
    """Mask of the pixels that are not clipped."""
    return (grey > LOW) & (grey < HIGH)


def _edges(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of the equalised image along x and y, with strong ones compressed."""
    cv2 = opencv()
    smooth = cv2.GaussianBlur(_equalised(grey).astype(np.float32), (0, 0), BLUR)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    size = np.sqrt(across * across + down * down) + np.float32(8.0)
    return across / np.sqrt(size), down / np.sqrt(size)


def agreement(reference: np.ndarray, frame: np.ndarray, matrix: np.ndarray) -> float:
    """Correlation of the edges of two frames where neither is clipped.

    reference, frame: [h, w] uint8; matrix: as in `Alignment`. Returns 1 for equal edges, about 0
    for different scenes, and 0 if less than 1 % of the pixels can be compared.
    """
    cv2 = opencv()
    rows, columns = reference.shape
    how = {"dsize": (columns, rows), "flags": cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP}
    there = cv2.warpPerspective(frame, matrix, borderMode=cv2.BORDER_REPLICATE, **how)
    inside = cv2.warpPerspective(np.full(frame.shape, 255, np.uint8), matrix, **how) == 255
    usable = cv2.erode((_usable(reference) & _usable(there) & inside).astype(np.uint8),
                       np.ones((7, 7), np.uint8)) > 0  # fmt: skip
    if usable.mean() < 0.01:
        return 0.0
    products = [0.0, 0.0, 0.0]
    for here, other in zip(_edges(reference), _edges(there), strict=True):
        here, other = here[usable], other[usable]
        products = [
            products[0] + float(here @ other),
            products[1] + float(here @ here),
            products[2] + float(other @ other),
        ]
    return products[0] / max(np.sqrt(products[1] * products[2]), 1e-9)


def corners(matrix: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """[4, 2], displacement of the corners of the reference along x and y, in pixels."""
    points = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float64)
    mapped = np.column_stack([points, np.ones(4)]) @ matrix.T
    return mapped[:, :2] / mapped[:, 2:] - points


def plausible(matrix: np.ndarray, rows: int, columns: int) -> bool:
    """Whether a hand could have moved the camera like this between two exposures."""
    if not np.isfinite(matrix).all() or abs(matrix[2, 2]) < 1e-9:
        return False
    matrix = matrix / matrix[2, 2]
    depth = np.array([[0, 0, 1], [columns, 0, 1], [columns, rows, 1], [0, rows, 1]]) @ matrix[2]
    if depth.min() <= 0 or depth.max() / depth.min() > 1.0 + PERSPECTIVE:
        return False
    if np.abs(corners(matrix, rows, columns)).max() > FARTHEST * max(rows, columns):
        return False
    sizes = np.linalg.svd(matrix[:2, :2], compute_uv=False)
    return bool(SCALE[0] <= sizes[1] and sizes[0] <= SCALE[1] and np.linalg.det(matrix[:2, :2]) > 0)


def _plain(grey: np.ndarray) -> bool:
    """Whether a frame, [h, w] uint8, shows only a plain surface."""
    smooth = opencv().GaussianBlur(grey.astype(np.float32), (0, 0), 2.0 * BLUR)
    low, high = np.percentile(smooth, (1.0, 99.0))
    return bool(high - low <= FLAT)


class _Features:
    """SIFT features of an equalised image, outside clipped areas."""

    def __init__(self, grey: np.ndarray) -> None:
        cv2 = opencv()
        finder = cv2.SIFT_create(FEATURES, contrastThreshold=0.02)
        mask = cv2.erode(_usable(grey).astype(np.uint8) * 255, np.ones((3, 3), np.uint8))
        self.points, self.descriptors = finder.detectAndCompute(_equalised(grey), mask)
        if self.descriptors is not None:  # RootSIFT (Arandjelovic and Zisserman 2012).
            sums = np.maximum(self.descriptors.sum(axis=1, keepdims=True), 1e-9)
            self.descriptors = np.sqrt(self.descriptors / sums)

    def homography(self, other: "_Features") -> np.ndarray | None:
        """Homography from this image to the other, or None if too few matches support one."""
        cv2 = opencv()
        if min(len(self.points), len(other.points)) < FEWEST_INLIERS:
            return None
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(self.descriptors, other.descriptors, k=2)
        kept = [p[0] for p in pairs if len(p) == 2 and p[0].distance < RATIO * p[1].distance]
        if len(kept) < FEWEST_INLIERS:
            return None
        here = np.array([self.points[m.queryIdx].pt for m in kept], np.float64)
        there = np.array([other.points[m.trainIdx].pt for m in kept], np.float64)
        cv2.setRNGSeed(0)
        matrix, inliers = cv2.findHomography(
            here, there, cv2.USAC_MAGSAC, REPROJECTION, maxIters=5000, confidence=0.9999
        )
        if matrix is None or inliers.sum() < max(FEWEST_INLIERS, INLIER_SHARE * len(kept)):
            return None
        inside = inliers.ravel() > 0
        refined, _ = cv2.findHomography(here[inside], there[inside], 0)
        return refined if refined is not None else matrix


def _translation(reference: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Translation found from bitmaps, in whole pixels of the compared images.

    It is less than a quarter of their shorter side.
    """
    # After more halvings few pixels are left to vote, and OpenCV crashes on a single row or column.
    most = min(reference.shape).bit_length() - 3
    if most < 1:
        return np.eye(3)
    bits = min(most, max(3, int(np.log2(max(reference.shape) * FARTHEST))))
    x, y = opencv().createAlignMTB(bits).calculateShift(reference, frame)
    return np.array([[1.0, 0.0, -x], [0.0, 1.0, -y], [0.0, 0.0, 1.0]])


def _at_full_size(matrix: np.ndarray, factor: int) -> np.ndarray:
    """Convert a matrix between reduced frames to full size; pixel centres are at whole numbers."""
    shift = (factor - 1) / 2
    up = np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1.0]])
    found = up @ matrix @ np.linalg.inv(up)
    return found / found[2, 2]


def _patch_edges(patch: np.ndarray) -> np.ndarray:
    """[PATCH, PATCH] float32, strength of the edges of an equalised patch."""
    across, down = _edges(patch)
    return np.sqrt(across * across + down * down)


def _luma8(frame: np.ndarray) -> np.ndarray:
    """Luma, [h, w] uint8, of a frame [h, w, 3] of any type."""
    grey = as_codes(opencv().cvtColor(np.ascontiguousarray(frame), opencv().COLOR_RGB2GRAY))
    return np.round(grey * np.float32(255.0)).astype(np.uint8)


def refined(reference: np.ndarray, frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Correct a homography at full size by the offsets of patches.

    The offsets are found by phase correlation of the patches' edges. reference, frame: [H, W, 3];
    matrix: as in `Alignment`, wrong by at most a few pixels. It is returned unchanged if too few
    patches can be used or the result is implausible.
    """
    cv2 = opencv()
    rows, columns = reference.shape[:2]
    if min(rows, columns) < 2 * PATCH:
        return matrix
    step = max(rows, columns) / PATCHES
    across, down = max(2, round(columns / step)), max(2, round(rows / step))
    window = cv2.createHanningWindow((PATCH, PATCH), cv2.CV_32F)
    here, there = [], []
    for top in np.linspace(0, rows - PATCH, down).astype(int):
        for left in np.linspace(0, columns - PATCH, across).astype(int):
            own = _luma8(reference[top : top + PATCH, left : left + PATCH])
            shift = np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])
            other = cv2.warpPerspective(
                frame, matrix @ shift, (PATCH, PATCH),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
            other = _luma8(other)
            if min(_usable(own).mean(), _usable(other).mean()) < 0.5:
                continue
            (x, y), response = cv2.phaseCorrelate(_patch_edges(own), _patch_edges(other), window)
            if response < CERTAIN or max(abs(x), abs(y)) > PATCH / 8:
                continue
            middle = np.array([left + PATCH / 2, top + PATCH / 2, 1.0])
            place = matrix @ (middle + np.array([x, y, 0.0]))
            here.append(middle[:2])
            there.append(place[:2] / place[2])
    if len(here) < FEWEST_PATCHES:
        return matrix
    found, inliers = cv2.findHomography(np.array(here), np.array(there), cv2.RANSAC, 1.5)
    if found is None or inliers.sum() < max(FEWEST_PATCHES, 0.6 * len(here)):
        return matrix
    return found if plausible(found, rows, columns) else matrix


def align(
    frames: Sequence[np.ndarray], reference: int, names: Sequence[str] | None = None
) -> list[Alignment]:
    """Align frames to the frame with index `reference`.

    frames: K of [H, W, 3], of one size and type; names: of the frames, for messages; by default
    their numbers, counted from 1.
    Raises ImageError for frames that do not show the same scene, or are larger than OpenCV warps.
    """
    names = names or [f"frame {index + 1}" for index in range(len(frames))]
    rows, columns = frames[0].shape[:2]
    if max(rows, columns) >= SHORT:
        raise ImageError(
            f"{columns}x{rows} is too large to align (limit: {SHORT - 1} a side); give --align=off"
        )
    factor = -(-max(rows, columns) // WORKING)
    small = [_compared(frame, factor) for frame in frames]
    features = [_Features(grey) for grey in small]
    return [
        Alignment("reference", np.eye(3))
        if index == reference
        else _refined(
            _aligned(small, features, reference, index, factor, (rows, columns), names),
            frames[reference],
            frames[index],
            factor,
        )
        for index in range(len(frames))
    ]


def _refined(found: Alignment, reference: np.ndarray, frame: np.ndarray, factor: int) -> Alignment:
    """Correct the alignment of reduced frames at full size."""
    if not found.resamples:
        return found
    if factor > 1:
        matrix = refined(reference, frame, refined(reference, frame, found.matrix))
        if matrix is not found.matrix:
            moved = float(np.linalg.norm(corners(matrix, *reference.shape[:2]), axis=-1).max())
            found = dataclasses.replace(found, kind="homography", matrix=matrix, moved=moved)
    doubted = found.moved < SLIGHT or found.kind == "translation"
    if found.moved < STILL or (doubted and not _better(reference, frame, found.matrix)):
        return Alignment("still", np.eye(3), agreement=found.agreement)
    return found


def _better(reference: np.ndarray, frame: np.ndarray, matrix: np.ndarray) -> bool:
    """Whether a movement makes the middle of two frames agree clearly better."""
    top, left = (max(0, side - MIDDLE) // 2 for side in reference.shape[:2])
    part = np.s_[top : top + MIDDLE, left : left + MIDDLE]
    here, there = _luma8(reference[part]), _luma8(frame[part])
    shift = np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])
    own = np.linalg.inv(shift) @ matrix @ shift
    left_over = 1.0 - agreement(here, there, own)
    return left_over <= UNCHANGED * (1.0 - agreement(here, there, np.eye(3)))


def _candidates(
    small: Sequence[np.ndarray], features: Sequence[_Features], reference: int, index: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Movements to try: a direct homography, or those via another frame; last, a translation."""
    direct = features[reference].homography(features[index])
    if direct is not None:
        yield "homography", direct
    else:
        for other in range(len(small)):
            if other in (reference, index):
                continue
            first = features[reference].homography(features[other])
            second = features[other].homography(features[index])
            if first is not None and second is not None:
                yield "homography", second @ first
    yield "translation", _translation(small[reference], small[index])


def _aligned(
    small: Sequence[np.ndarray],
    features: Sequence[_Features],
    reference: int,
    index: int,
    factor: int,
    size: tuple[int, int],
    names: Sequence[str],
) -> Alignment:
    """Align one frame to the reference, on reduced frames. Raises ImageError as `align` does."""
    still = agreement(small[reference], small[index], np.eye(3))
    best, refused = Alignment("none", np.eye(3), agreement=still), False
    for kind, matrix in _candidates(small, features, reference, index):
        if kind == "translation" and best.resamples:
            break
        if not plausible(matrix, *small[reference].shape):
            refused = True
            continue
        found = agreement(small[reference], small[index], matrix)
        if found > max(best.agreement, CONVINCING if kind == "translation" else SAME_SCENE):
            whole = _at_full_size(matrix, factor)
            moved = float(np.linalg.norm(corners(whole, *size), axis=-1).max())
            best = Alignment(kind, whole, moved, found)
    both = (_usable(small[reference]) & _usable(small[index])).mean()
    told = not (_plain(small[reference]) and _plain(small[index]))
    if best.agreement < SAME_SCENE and both > COMPARABLE and told:
        raise ImageError(
            f"{names[index]} does not show the same scene as {names[reference]}, or they hardly "
            "overlap; leave one out, or give --align=off"
        )
    if best.kind == "none":
        reason = "the movement found is implausible" if refused else "too few matching edges"
        note = f"{names[index]} is not aligned: {reason}" if still < 0.5 else ""
        return dataclasses.replace(best, kind="none" if note else "still", note=note)
    return best


def warped(frame: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Resample a frame to the pixels of the reference: [H, W, 3] of the same type.

    Cubic interpolation by OpenCV. Pixels outside the frame repeat its border; float frames are
    clipped to [0, 1].
    """
    if not alignment.resamples:
        return frame
    cv2 = opencv()
    rows, columns = frame.shape[:2]
    result = np.empty_like(frame)
    for top in range(0, rows, STRIP):
        part = result[top : top + STRIP]
        shift = np.array([[1.0, 0, 0], [0, 1, top], [0, 0, 1]])
        part[...] = cv2.warpPerspective(
            frame,
            alignment.matrix @ shift,
            (columns, len(part)),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        if part.dtype.kind == "f":
            np.clip(part, 0.0, 1.0, out=part)
    return result


def inside(alignment: Alignment, rows: int, columns: int, top: int, bottom: int) -> np.ndarray:
    """[bottom - top, columns] bool, True for pixels of the reference that lie within the frame."""
    if not alignment.resamples:
        return np.ones((bottom - top, columns), bool)
    y = np.arange(top, bottom, dtype=np.float32)[:, None]
    x = np.arange(columns, dtype=np.float32)
    m = alignment.matrix.astype(np.float32)
    depth = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    left, up = m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]
    return np.asarray(
        (left >= 0) & (left <= (columns - 1) * depth) & (up >= 0) & (up <= (rows - 1) * depth)
    )
