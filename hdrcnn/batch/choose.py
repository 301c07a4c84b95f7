"""Choose the weights for each photograph, and load each network only when it is needed.

With `--params auto`, photographs compressed with losses get the weights trained on such photographs
(`JPEG`), frames of a film those trained against flicker (`VIDEO`), and all others the weights
trained on uncompressed ones (`SHIPPED`), which also replace a missing file of the other two.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hdrcnn.colour.clipping_level import Levels
from hdrcnn.colour.transfer import DEFAULT_CURVE, ESTIMATED
from hdrcnn.console import interrupt_delayed, stderr_discarded
from hdrcnn.files import digest
from hdrcnn.weights import (
    CAMERA_CURVE,
    JPEG,
    SHIPPED,
    VIDEO,
    Hdrcnn,
    WeightsError,
    expect_kind,
    load as load_weights,
    npz,
)

if TYPE_CHECKING:
    from hdrcnn.colour.transfer import CameraCurve
    from hdrcnn.predict.camera_curve import CurveEstimator
    from hdrcnn.predict.fusion import Method
    from hdrcnn.predict.single_image import Predictor
    from hdrcnn.tiles.tiling import Tiling


PRECISION = "auto"
"""Default precision of the convolutions."""


@functools.cache
def sha256(path: Path) -> str:
    """Return the SHA-256 of a weights file, hexadecimal; cached. Raises WeightsError."""
    try:
        npz.check_file(path)  # Reading a pipe might block, a device might never end.
        return digest(path)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except npz.NpzError as error:
        raise WeightsError(f"{path}: not a weights file: {error}; give another") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error


@functools.cache
def stored_curve(path: Path) -> str:
    """Return the linearisation stored with the weights in a file. Raises WeightsError."""
    return expect_kind(*load_weights(path), Hdrcnn, str(path)).linearisation


def load_estimator(device: str = "auto") -> "CurveEstimator":
    """Load the shipped camera-curve network on one of `runtime.DEVICES`. Imports Keras when called.
    Raises WeightsError, DeviceError, BackendError.
    """
    from hdrcnn.predict import backend, camera_curve

    backend.prepare(device)  # It may be the first network to compute.
    return camera_curve.load(CAMERA_CURVE)


def load_stack(
    method: str,
    device: str = "auto",
    precision: str = PRECISION,
    tile_pixels: int | None = None,
) -> "Tiling":
    """Load the network of a method of `predict.exposure_stack`. Imports Keras when called. Raises
    WeightsError, DeviceError, BackendError.
    """
    from hdrcnn.predict import exposure_stack

    with stderr_discarded():
        return exposure_stack.load(
            method, device=device, precision=precision, tile_pixels=tile_pixels
        )


def load_fusion(method: str, device: str = "auto") -> "Method":
    """Load what weights the frames of brackets, one of `predict.fusion.METHODS`. Raises
    WeightsError, DeviceError, BackendError.
    """
    from hdrcnn.predict.fusion import load_method

    with stderr_discarded():
        return load_method(method, device)


class Networks:
    """The networks of a run, each loaded on first use.

    Weights that the user has not named are used with the camera curve `transfer.DEFAULT_CURVE`.
    """

    def __init__(
        self,
        load: Callable[[Path], "Predictor"],
        params: Path | None = None,
        film: bool = False,
        estimator: Callable[[], "CurveEstimator"] = load_estimator,
        stack: Callable[[str], "Tiling"] = load_stack,
        fusion: Callable[[str], "Method"] = load_fusion,
    ) -> None:
        """load, estimator, stack, fusion: load a network, called when it is first needed. params:
        the weights file for all photographs; None: chosen for each. film: the photographs are
        frames of a film. Raises WeightsError if the file is missing.
        """
        self._load = functools.cache(load)
        self._estimator = functools.cache(estimator)
        self._stack = functools.cache(stack)
        self._fusion = functools.cache(fusion)
        self._named, self._params = params is not None, params
        if params is None and film and VIDEO.is_file():
            self._params = VIDEO
        sha256(self._params or SHIPPED)

    @classmethod
    def on(
        cls,
        device: str = "auto",
        params: Path | None = None,
        film: bool = False,
        *,
        precision: str = PRECISION,
        tile_pixels: int | None = None,
        estimating_on: str | None = None,
    ) -> "Networks":
        """Return the networks on a device. Used by both the command and the library, so that they
        choose the same network for the same photograph.

        device, estimating_on: of `runtime.DEVICES`, for the networks and for the estimate of the
        camera curve; the latter defaults to the former. precision, tile_pixels: as for
        `single_image.load`. Raises WeightsError.
        """

        def load(path: Path) -> "Predictor":
            with stderr_discarded():
                from hdrcnn.predict import single_image

                return single_image.load(
                    path, precision=precision, device=device, tile_pixels=tile_pixels
                )

        def estimator() -> "CurveEstimator":
            with stderr_discarded():
                return load_estimator(estimating_on or device)

        def stack(method: str) -> "Tiling":
            return load_stack(method, device, precision, tile_pixels)

        def fusion(method: str) -> "Method":
            return load_fusion(method, device)

        return cls(load, params, film, estimator, stack, fusion)

    def choose(self, lossy: bool) -> Path:
        """Return the weights file for a photograph. lossy: see `Photograph.lossy`."""
        if self._params is not None:
            return self._params
        return JPEG if lossy and JPEG.is_file() else SHIPPED

    def curve(self, asked: str | None, stored: str) -> str:
        """Return how codes become light: the name of a linearisation, or `ESTIMATED`.

        asked: the user's choice; None: the default. stored: the linearisation stored with the
        weights.
        """
        if asked is not None:
            return asked
        return stored if self._named else DEFAULT_CURVE

    def curve_with(self, asked: str | None, path: Path) -> str:
        """Return `curve` for the weights in a file. Raises WeightsError."""
        return self.curve(asked, stored_curve(path) if asked is None and self._named else "")

    def estimator(self, asked: str | None) -> str:
        """Return the SHA-256 of the weights that estimate the camera curve; empty if it is not
        estimated. asked: as for `curve`. Raises WeightsError.
        """
        return sha256(CAMERA_CURVE) if self.curve(asked, "") == ESTIMATED else ""

    def estimated_curve(
        self, picture: np.ndarray, scaling: float | Levels = 1.0
    ) -> "str | CameraCurve":
        """Estimate the camera curve of a photograph [H, W, 3], display-encoded. scaling: as for
        `CurveEstimator.estimate`. Raises WeightsError, DeviceError, BackendError.
        """
        with interrupt_delayed():
            return self._estimator().estimate(picture, scaling)

    def predictor(self, path: Path) -> "Predictor":
        """Return the network with the weights in a file. Raises WeightsError, DeviceError,
        BackendError.
        """
        return self._load(path)

    def stack(self, method: str) -> "Tiling":
        """Return the network of a method of `predict.exposure_stack`. Raises WeightsError,
        DeviceError, BackendError.
        """
        return self._stack(method)

    def fusion(self, method: str) -> "Method":
        """Return what weights the frames of brackets. Raises WeightsError, DeviceError,
        BackendError.
        """
        return self._fusion(method)
