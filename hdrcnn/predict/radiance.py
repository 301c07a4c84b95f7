"""Radiance of a bracket: merge frames of known exposure and predict what all of them clip.

    exposures   of the frames, from Exif; only their ratios count
    curve       known (RAW), or the one of several with which the frames agree best about the light
    merged      weighted mean of the light measured by each frame
    clipped     in every frame: predicted by the single-image network

P. E. Debevec, J. Malik, "Recovering high dynamic range radiance maps from photographs", SIGGRAPH
1997: weights and the use of several exposures. The camera curve is not recovered by their method: a
table of 256 codes from few frames is less accurate than the family of curves of Eilertsen et al.
2017, Eq. 7.

Unit: 1.0 = the light at which the reference frame clips; the shortest frame then clips at
`exposures[reference] / exposures.min()`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hdrcnn.colour.transfer import LINEARISATIONS, CameraCurve, linearise
from hdrcnn.predict import blend
from hdrcnn.predict.least_squares import least_squares
from hdrcnn.tiles.frame import Frame, as_codes

if TYPE_CHECKING:
    from hdrcnn.predict.single_image import Predictor

STRIP = 256
WORKING = 400
"""Largest length, in pixels, of the longer side of the frames used to estimate the curve."""
DARKEST, BRIGHTEST = 0.06, 0.94
"""Codes between which a sample is used to estimate the curve."""
CLEARLY = 0.8
"""Fraction of the spread of the best known curve below which a fitted one has to stay to be
used."""
DOUBTFUL = 0.35
"""Spread, in stops, above which exposures or curve are doubtful."""
WORST = np.float32(1e-4)
"""Weight of a sample at either end of the code range; it only matters where there is no other."""


@dataclasses.dataclass(frozen=True)
class Response:
    """Camera response as estimated from the frames themselves."""

    curve: str | CameraCurve
    """As for `transfer.linearise`."""
    spread: float
    """Root mean square disagreement of pairs of frames about the light, in stops."""
    ratio: float = 1.0
    """Stops between frames as measured, divided by those of the given exposures; 1 if they
    agree."""

    @property
    def doubtful(self) -> bool:
        return not self.spread <= DOUBTFUL


def check_exposures(exposures: Sequence[float], count: int) -> np.ndarray:
    """Return the exposures as [K] float64.

    Raises ValueError unless there is one positive number per frame and they differ.
    """
    found = np.asarray(exposures, np.float64)
    if found.shape != (count,) or not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"exposures {exposures}: a positive number for each of {count} frames")
    if found.max() / found.min() < 1.05:
        raise ValueError("all frames have the same exposure; nothing is gained by merging them")
    return found


def _pairs(frames: Sequence[np.ndarray], exposures: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Codes of pairs of neighbouring exposures at the same pixels, and the stops between them."""
    factor = -(-max(frames[0].shape[:2]) // WORKING)
    small = [as_codes(Frame(frame, 1).reduced(factor).image) for frame in frames]
    order = np.argsort(exposures, kind="stable")
    found: list[tuple[np.ndarray, ...]] = []
    for first, second in pairwise(order):
        stops = np.log2(exposures[second] / exposures[first])
        if stops < 0.05:
            continue
        dark, bright = (small[i].ravel().astype(np.float64) for i in (first, second))
        usable = (np.minimum(dark, bright) > DARKEST) & (np.maximum(dark, bright) < BRIGHTEST)
        if usable.sum() >= 100:
            found.append((dark[usable], bright[usable], np.asarray(stops)))
    return found


def _measured(
    curve: str | CameraCurve, pairs: list[tuple[np.ndarray, ...]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each pair of frames, the stops between its samples as measured, and those given."""
    for dark, bright, stops in pairs:
        light = [np.log2(np.maximum(linearise(code, curve), 1e-6)) for code in (dark, bright)]
        yield light[1] - light[0], stops


def _disagreement(curve: str | CameraCurve, pairs: list[tuple[np.ndarray, ...]]) -> np.ndarray:
    """Disagreement in stops of each pair of samples, limited for the sake of what moved.

    Scaled so that the sum of squares is the mean square over all pairs of frames.
    """
    return np.concatenate(
        [
            np.clip(found - stops, -1.5, 1.5) / np.sqrt(len(pairs) * len(found))
            for found, stops in _measured(curve, pairs)
        ]
    )


def estimate_response(
    frames: Sequence[np.ndarray], exposures: Sequence[float], named: str | None = None
) -> Response:
    """Find the camera curve with which the frames agree best about the light.

    It is one of `transfer.LINEARISATIONS` or, where that is clearly better, one of the family of
    Eilertsen et al. 2017, Eq. 7, fitted by least squares over pairs of frames.

    frames: K of [H, W, 3], aligned, of any type. named: the user's choice, which is only evaluated.
    The spread is infinite if no two frames of different exposure have usable samples in common.
    Raises ValueError as `check_exposures` does.
    """
    pairs = _pairs(frames, check_exposures(exposures, len(frames)))
    if not pairs:
        return Response(named or "srgb", float("inf"))

    def spread(curve: str | CameraCurve) -> float:
        return float(np.sqrt(np.square(_disagreement(curve, pairs)).sum()))

    if named is not None:
        return Response(named, spread(named), _ratio(named, pairs))
    known = min(LINEARISATIONS, key=spread)

    def residuals(numbers: np.ndarray) -> np.ndarray:
        n, s = np.exp(numbers)
        return _disagreement(CameraCurve(float(n), float(s)), pairs)

    bounds = np.log([0.3, 0.05]), np.log([2.5, 10.0])
    fit = least_squares(residuals, np.log([0.9, 0.6]), *bounds)
    fitted = CameraCurve(*(float(number) for number in np.exp(fit)))
    curve: str | CameraCurve = fitted if spread(fitted) < CLEARLY * spread(known) else known
    return Response(curve, spread(curve), _ratio(curve, pairs))


def _ratio(curve: str | CameraCurve, pairs: list[tuple[np.ndarray, ...]]) -> float:
    """Median over pairs of frames of the measured stops between them over the given ones."""
    ratios = [np.median(found) / stops for found, stops in _measured(curve, pairs)]
    return float(np.median(ratios))


def hat(code: np.ndarray) -> np.ndarray:
    """Weight of a code in [0, 1]: 1 in the middle, 0 at both ends (Debevec and Malik, Eq. 4)."""
    return 1.0 - np.abs(2.0 * code - 1.0)


def merge(
    frames: Sequence[np.ndarray],
    exposures: Sequence[float],
    curve: str | CameraCurve = "srgb",
    reference: int | None = 0,
    dtype: npt.DTypeLike = np.float32,
) -> np.ndarray:
    """Merge a bracket into radiance: [H, W, 3] linear, in the primaries of the frames.

    frames: K of [H, W, 3], aligned: all uint8, uint16, or float32 in [0, 1], display-encoded; they
        clip at the largest code, as those of `bracket.prepared`.
    exposures: K positive numbers, seconds x ISO / f-number^2 or a multiple of it.
    reference: index of the frame at whose clipping level the result is 1.0; None: 1.0 is where a
        frame of exposure 1 would clip.
    Each channel is the mean of f(code) / exposure, weighted by `hat`. Where all frames clip, it is
    the clipping level of the shortest exposure; where all are black, the value of the longest.
    Light beyond the range of `dtype` is limited to its largest value.
    Raises ValueError for unusable exposures.
    """
    told = check_exposures(exposures, len(frames))
    unit = 1.0 if reference is None else told[reference]
    relative = (told / unit).astype(np.float32)
    shortest, longest = int(relative.argmin()), int(relative.argmax())
    merged = np.empty(frames[0].shape, dtype)
    largest = np.float32(np.finfo(merged.dtype).max)
    for top in range(0, len(merged), STRIP):
        total = np.zeros((*merged[top : top + STRIP].shape,), np.float32)
        weights = np.zeros_like(total)
        for index, frame in enumerate(frames):
            code = as_codes(frame[top : top + STRIP])
            weight = hat(code)
            # Keep a clipped sample of the shortest exposure and a black one of the longest.
            if index == shortest:
                weight = np.where(code > 0.5, np.maximum(weight, WORST), weight)
            if index == longest:
                weight = np.where(code < 0.5, np.maximum(weight, WORST), weight)
            light = np.asarray(linearise(code, curve), np.float32) / relative[index]
            total += weight * light
            weights += weight
        mean = total / np.maximum(weights, np.float32(1e-12))
        merged[top : top + STRIP] = np.minimum(mean, largest)
    return merged


def clipped_everywhere(frames: Sequence[np.ndarray], exposures: Sequence[float]) -> np.ndarray:
    """[H, W] bool, True where even the shortest exposure clips a channel. Arguments as `merge`."""
    shortest = frames[int(np.argmin(exposures))]
    clipped = np.empty(shortest.shape[:2], bool)
    for top in range(0, len(clipped), STRIP):
        code = as_codes(shortest[top : top + STRIP])
        clipped[top : top + STRIP] = (code > blend.THRESHOLD).any(axis=-1)
    return clipped


def with_highlights(
    merged: np.ndarray,
    frames: Sequence[np.ndarray],
    exposures: Sequence[float],
    predictor: "Predictor",
    curve: str | CameraCurve = "srgb",
    reference: int = 0,
    resolution: str = "auto",
) -> np.ndarray:
    """Add highlights that even the shortest exposure clips to a merged bracket, in place.

    The single-image network predicts them from the shortest exposure. Its blend mask limits the
    change to saturated samples; all others stay as merged. The prediction is converted from its
    unit, the clipping level of the shortest frame, to that of `merge`, and never darkens. Other
    arguments as for `merge`. Returns `merged`.
    """
    told = check_exposures(exposures, len(frames))
    index = int(told.argmin())
    shortest, level = frames[index], np.float32(told[reference] / told[index])
    if not clipped_everywhere(frames, exposures).any():
        return merged
    predicted = predictor.reconstruct(
        shortest, scaling=1.0, camera_curve=curve, resolution=resolution, dtype=np.float16
    )
    largest = np.float32(np.finfo(merged.dtype).max)
    for top in range(0, len(merged), STRIP):
        rows = slice(top, top + STRIP)
        share = blend.mask(as_codes(shortest[rows]), predictor.metadata.blend)
        if not share.any():
            continue
        measured = merged[rows].astype(np.float32)
        there = np.maximum(predicted[rows].astype(np.float32) * level, measured)
        merged[rows] = np.minimum(measured + share * (there - measured), largest)
    return merged
