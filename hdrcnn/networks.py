"""Which weights a picture takes, each network loaded only when it is needed.

Left to themselves (`--params auto`), pictures that were compressed with losses take weights that
were trained on such, frames of a film those trained against flicker, all others the clean ones;
where a special file is missing, the clean ones stand in.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hdrcnn.transfer import DEFAULT_CURVE, ESTIMATED
from hdrcnn.weights import CURVES, JPEG, SHIPPED, VIDEO, WeightsError
from hdrcnn.weights import load as load_weights

if TYPE_CHECKING:
    from hdrcnn.curve_estimation import CurveEstimator
    from hdrcnn.predictor import Predictor
    from hdrcnn.transfer import CameraCurve


@functools.cache
def sha256(path: Path) -> str:
    """Of a file, hexadecimal. Raises WeightsError."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error


@functools.cache
def stored_curve(path: Path) -> str:
    """The linearisation that is stored with the weights of a file. Raises WeightsError."""
    return load_weights(path)[1].linearisation


def load_estimator(device: str = "auto") -> "CurveEstimator":
    """The shipped one, on one of `devices.DEVICES`; Keras is loaded only here. Raises
    WeightsError, DeviceError.
    """
    from hdrcnn import curve_estimation, devices

    devices.prepare(device)  # It may compute before any network does.
    return curve_estimation.load(CURVES)


class Networks:
    """The networks of a run. Weights that nobody named come with `transfer.DEFAULT_CURVE`."""

    def __init__(
        self,
        load: Callable[[Path], "Predictor"],
        params: Path | None = None,
        film: bool = False,
        estimator: Callable[[], "CurveEstimator"] = load_estimator,
    ) -> None:
        """load, estimator: called when one is needed. params: the weights of all pictures, or
        None: chosen. Raises WeightsError where the file is missing.
        """
        self._load = functools.cache(load)
        self._estimator = functools.cache(estimator)
        self._named, self._params = params is not None, params
        if params is None and film and VIDEO.is_file():
            self._params = VIDEO
        sha256(self._params or SHIPPED)

    def choose(self, lossy: bool) -> Path:
        """The weights file for a picture."""
        if self._params is not None:
            return self._params
        return JPEG if lossy and JPEG.is_file() else SHIPPED

    def curve(self, asked: str | None, stored: str) -> str:
        """How codes become light: a linearisation's name, or `ESTIMATED`.

        asked: what the user wants, None: nothing; stored: with the weights.
        """
        if asked is not None:
            return asked
        return stored if self._named else DEFAULT_CURVE

    def curve_with(self, asked: str | None, path: Path) -> str:
        """`curve` with the weights of a file. Raises WeightsError."""
        return self.curve(asked, stored_curve(path) if asked is None and self._named else "")

    def estimator(self, asked: str | None) -> str:
        """SHA-256 of the weights that estimate the camera curve; empty where it is not estimated.
        asked: as for `curve`. Raises WeightsError.
        """
        return sha256(CURVES) if self.curve(asked, "") == ESTIMATED else ""

    def estimated_curve(self, picture: np.ndarray) -> "str | CameraCurve":
        """The camera curve of a picture, [H, W, 3], display-encoded. Raises WeightsError,
        DeviceError.
        """
        return self._estimator().estimate(picture)

    def predictor(self, path: Path) -> "Predictor":
        """The network with the weights of a file. Raises WeightsError, DeviceError."""
        return self._load(path)
