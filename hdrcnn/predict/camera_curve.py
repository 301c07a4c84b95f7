"""The camera curve of a picture, estimated from the picture alone.

    picture  [H, W, 3], display-encoded
      -> curve_statistics        one row of numbers
      -> models.camera_curve     n and s
      -> transfer.CameraCurve    codes to light, in the place of a curve that is assumed

Whatever is estimated, 0 and 1 stay where they are: 1.0 remains the clipping level.
"""

from pathlib import Path

import keras
import numpy as np

from hdrcnn import weights
from hdrcnn.colour.clipping_level import Levels
from hdrcnn.colour.transfer import CameraCurve
from hdrcnn.models.camera_curve import build
from hdrcnn.predict.curve_statistics import SIZE, statistics

MODEL = "camera_curve"
"""As stored in its weights file."""


class CurveEstimator:
    """Statistics, network, curve: NumPy in, numbers out. The same picture gives the same curve."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def estimate(self, picture: np.ndarray, scaling: float | Levels = 1.0) -> CameraCurve:
        """picture: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1]. scaling: what its
        codes are multiplied by, and clipped, before the curve holds.
        """
        row = statistics(picture, scaling)
        n, s = np.asarray(self.model.predict_on_batch(row[None]))[0]
        return CameraCurve(float(n), float(s))


def load(params: str | Path | None = None) -> CurveEstimator:
    """An estimator with the weights of a file; without one, with those shipped.

    Raises weights.WeightsError where the file cannot be used.
    """
    path = Path(params) if params is not None else weights.CURVES
    arrays, metadata = weights.load(path)
    if metadata.model != MODEL:
        raise weights.WeightsError(
            f"{path}: for a network {metadata.model!r}, where {MODEL!r} is needed"
        )
    model = build(SIZE, metadata.width)
    weights.assign(model, arrays, str(path))
    return CurveEstimator(model)
