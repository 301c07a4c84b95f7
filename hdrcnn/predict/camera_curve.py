"""Estimation of the camera curve of a photograph from its codes alone.

    photograph  [H, W, 3], display-encoded
      -> curve_statistics        one row of numbers
      -> models.camera_curve     n and s, and the probability of each kind of curve
      -> Belief.choice           the one of three standard curves with the lowest expected cost

The result is exactly a standard curve, not the nearest estimated one. Where sRGB is plausible, the
light then equals what every other program makes of the file; with a curve that is only close to
sRGB, most of the benefit of knowing it is lost. Every curve maps 0 to 0 and 1 to 1, so that 1.0
remains the clipping level.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hdrcnn import weights
from hdrcnn.colour.clipping_level import Levels
from hdrcnn.colour.transfer import CameraCurve
from hdrcnn.models.metadata import CameraCurve as CurveMetadata
from hdrcnn.predict import backend
from hdrcnn.predict.curve_statistics import statistics
from hdrcnn.tiles.stages import Network

PRIOR = (0.05, 0.8, 0.15)
"""Prior probability of each of `KINDS` (`models.camera_curve`) among users' photographs. It is
assumed, not measured: files of cameras and programs are meant to be read as sRGB, whatever picture
style was applied, and are almost never a sigmoid. With it, 91 % of the unseen photographs, as they
are, count as sRGB.
"""

STYLED = CameraCurve(0.79, 0.77)
"""Approximation, within 0.04 stops, of sRGB with an S-shaped picture style of strength 1/2."""

COST: Mapping[str | CameraCurve, tuple[float, float, float]] = {
    "srgb": (7.9, 0.0, 7.9),
    "mean_curve": (0.0, 12.2, 4.0),
    STYLED: (1.6, 9.4, 0.0),
}
"""Cost of each choice if the true curve is of each of `KINDS`: loss of gain-aligned PU21-PSNR
against the best of the three, in dB. Mean over 38 ordinary photographs exposed until 5 % clip, as
PNG, with the style at strength 1/2. If expected costs are equal, the first choice is used.
"""


@dataclasses.dataclass(frozen=True)
class Belief:
    """Estimate of the camera curve of one photograph."""

    nearest: CameraCurve
    """Most likely curve of the published family, which contains sRGB up to 0.06 stops."""
    probabilities: tuple[float, ...]
    """Probabilities of `KINDS` under a uniform prior."""

    def posterior(self, prior: tuple[float, ...] = PRIOR) -> tuple[float, ...]:
        """Probabilities of `KINDS` under `prior`; they sum to 1."""
        weighted = np.multiply(self.probabilities, prior)
        return tuple(float(share) for share in weighted / weighted.sum())

    def choice(self, prior: tuple[float, ...] = PRIOR) -> str | CameraCurve:
        """The curve of `COST` with the lowest expected cost, as `transfer.linearise` takes it."""
        posterior = self.posterior(prior)
        return min(COST, key=lambda curve: float(np.dot(posterior, COST[curve])))


class CurveEstimator:
    """Estimates camera curves: statistics, network, choice. Deterministic for a given image."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def belief(self, picture: np.ndarray, scaling: float | Levels = 1.0) -> Belief:
        """Estimate of the curve of a photograph.

        picture: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]. scaling: factor, or
        one per channel, by which its codes are multiplied before they are clipped; the curve
        applies to the result.
        """
        row = statistics(picture, scaling)
        n, s, *kinds = self.network.whole(row[None])[0]
        return Belief(CameraCurve(float(n), float(s)), tuple(map(float, kinds)))

    def estimate(self, picture: np.ndarray, scaling: float | Levels = 1.0) -> str | CameraCurve:
        """One of `COST`, as `transfer.linearise` takes it; arguments as for `belief`."""
        return self.belief(picture, scaling).choice()


def load(params: str | Path | None = None) -> CurveEstimator:
    """Load an estimator from a weights file, by default the shipped one.

    Raises weights.WeightsError if the file cannot be used, backend.BackendError if the library
    cannot.
    """
    path = Path(params) if params is not None else weights.CAMERA_CURVE
    arrays, record = weights.load(path)
    metadata = weights.expect_kind(arrays, record, CurveMetadata, str(path))
    return CurveEstimator(backend.network(path, arrays, metadata))
