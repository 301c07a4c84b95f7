"""The camera curve of a picture, estimated from the picture alone.

    picture  [H, W, 3], display-encoded
      -> curve_statistics        one row of numbers
      -> models.camera_curve     n and s, and how probable each kind of curve is
      -> Belief.choice           one of three standard curves, whichever is expected to cost least

The choice is a standard curve, exactly, and not the nearest one that was estimated: where sRGB is
plausible, the light is what every other program makes of the file, and a curve that is nearly
sRGB loses most of what knowing it is worth. Whatever is chosen, 0 and 1 stay where they are: 1.0
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
"""How frequent each of `KINDS` is among what people have. Believed, not measured: files of cameras
and programs are to be read as sRGB, whatever style they have had, and next to never are they a
sigmoid. By it 91 % of the unseen photographs, as they are, count as sRGB.
"""

STYLED = CameraCurve(0.79, 0.77)
"""sRGB with an S-shaped picture style of strength 1/2, within 0.04 stops."""

COST: Mapping[str | CameraCurve, tuple[float, float, float]] = {
    "srgb": (7.9, 0.0, 7.9),
    "mean_curve": (0.0, 12.2, 4.0),
    STYLED: (1.6, 9.4, 0.0),
}
"""Of each choice under each of `KINDS`: gain-aligned PU21-PSNR lost to the best of the three, dB.
Mean over 38 ordinary photographs exposed until 5 % clip, as PNG, with the style at strength 1/2. Of
choices that are expected to cost the same the first is taken.
"""


@dataclasses.dataclass(frozen=True)
class Belief:
    """What a picture says about its curve."""

    nearest: CameraCurve
    """The most likely one of the published family, which holds sRGB but for 0.06 stops."""
    probabilities: tuple[float, ...]
    """Of `KINDS`, were all equally frequent."""

    def posterior(self, prior: tuple[float, ...] = PRIOR) -> tuple[float, ...]:
        """Probabilities of `KINDS` that are as frequent as `prior` says; their sum is 1."""
        weighted = np.multiply(self.probabilities, prior)
        return tuple(float(share) for share in weighted / weighted.sum())

    def choice(self, prior: tuple[float, ...] = PRIOR) -> str | CameraCurve:
        """The curve of `COST` that is expected to cost least, as `transfer.linearise` takes it."""
        posterior = self.posterior(prior)
        return min(COST, key=lambda curve: float(np.dot(posterior, COST[curve])))


class CurveEstimator:
    """Statistics, network, curve: NumPy in, numbers out. The same picture gives the same curve."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def belief(self, picture: np.ndarray, scaling: float | Levels = 1.0) -> Belief:
        """picture: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]. scaling: what its
        codes are multiplied by, and clipped, before the curve holds.
        """
        row = statistics(picture, scaling)
        n, s, *kinds = self.network.whole(row[None])[0]
        return Belief(CameraCurve(float(n), float(s)), tuple(map(float, kinds)))

    def estimate(self, picture: np.ndarray, scaling: float | Levels = 1.0) -> str | CameraCurve:
        """One of `COST`, as `transfer.linearise` takes it; arguments as for `belief`."""
        return self.belief(picture, scaling).choice()


def load(params: str | Path | None = None) -> CurveEstimator:
    """An estimator with the weights of a file; without one, with those shipped.

    Raises weights.WeightsError if the file cannot be used.
    """
    path = Path(params) if params is not None else weights.CURVES
    arrays, record = weights.load(path)
    metadata = weights.checked(arrays, record, CurveMetadata, str(path))
    return CurveEstimator(backend.network(path, arrays, metadata))
