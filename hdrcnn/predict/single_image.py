"""A network with its weights, as a function from photograph to HDR image."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hdrcnn import weights
from hdrcnn.colour.clipping_level import (
    AUTO,
    Levels,
    checked_scaling,
    clipping_levels,
    factors,
)
from hdrcnn.colour.measured import Measured, SensorLight
from hdrcnn.colour.transfer import (
    DEFAULT_CURVE,
    ESTIMATED,
    LINEARISATIONS,
    CameraCurve,
    linearise,
    log_decode,
)
from hdrcnn.console import one_by_one
from hdrcnn.files import one_line
from hdrcnn.models.metadata import Hdrcnn
from hdrcnn.predict import backend, camera_curve as curve_estimation, runtime
from hdrcnn.predict.blend import BLENDS, THRESHOLD, apply_gamma, blend_measured, reconstruct_light
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.resolution import RESOLUTIONS, Pieces
from hdrcnn.tiles.stages import Network
from hdrcnn.tiles.tiling import TILE_PIXELS, Tiling

STRIP = 256
"""Number of rows linearised at a time."""
FAST, BEST = "fast", "best"
QUALITIES = (FAST, BEST)
"""FAST: one prediction; BEST: the mean of the predictions for the image and its mirror image."""


def checked_image(image: np.ndarray) -> np.ndarray:
    """Check an image, [H, W, 3]; uint8 and uint16 are returned as they are, floats as float32.

    Raises ValueError for other shapes and types, and for floats not finite or outside [0, 1].
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f"a picture of shape [H, W, 3] is needed, not {image.shape}")
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind != "f":
        raise ValueError(f"a picture of uint8, uint16 or float is needed, not {image.dtype}")
    code = image.astype(np.float32, copy=False)
    if not (code.min() >= 0.0 and code.max() <= 1.0):
        raise ValueError("float pictures are display-encoded, finite and within 0..1")
    return code


@functools.cache
def _estimator() -> curve_estimation.CurveEstimator:
    return curve_estimation.load()


class Predictor:
    """Linearise, run the network, blend: NumPy in, NumPy out."""

    def __init__(
        self,
        network: Network,
        metadata: Hdrcnn,
        tile_pixels: int = TILE_PIXELS,
        camera_curve: str | None = None,
    ) -> None:
        """tile_pixels: number of pixels of a tile for the network; 0: the whole image in one.

        camera_curve: linearisation unless `reconstruct` is given another: one of
        `transfer.LINEARISATIONS`, ESTIMATED, or None: the one stored with the weights.
        """
        self.network, self.metadata = network, metadata
        self.camera_curve = camera_curve or metadata.linearisation
        self.tiling = Tiling(network, tile_pixels)
        # Published files have to reproduce published results, without a mirrored margin.
        self.margin = 0 if metadata.linearisation == "square" else self.tiling.cell

    def log_hdr(self, code: np.ndarray) -> np.ndarray:
        """The network's own output for a whole image, computed in one piece.

        code: [H, W, 3] float32 in [0, 1], display-encoded. Returns [H, W, 3] float32,
        y = log(H + 1/255). The image is mirrored at its borders as in `reconstruct`, and the output
        cropped.
        """
        frame = Frame(code, self.tiling.cell, margin=self.margin)
        shown = frame.shown(frame.bounds)[None]
        return self.network.whole(shown)[0][frame.picture.within(frame.bounds)]

    def _with_mirror_image(self, pieces: Pieces, frame: Frame, resolution: str) -> Pieces:
        """The same pieces, each averaged with the prediction for the mirror image."""
        flipped = dataclasses.replace(frame, image=frame.image[:, ::-1])
        other = np.full(frame.image.shape, np.nan, np.float16)
        for piece, log_hdr in one_by_one(RESOLUTIONS[resolution](flipped, self.tiling)):
            other[piece.within(frame.picture)] = log_hdr
        other = other[:, ::-1]
        for piece, log_hdr in pieces:
            seen = other[piece.within(frame.picture)].astype(np.float32)
            # The two cover the same saturated pixels, but not the same cells around them.
            yield piece, np.where(np.isnan(seen), log_hdr, 0.5 * (log_hdr + seen))

    def curve(
        self,
        image: np.ndarray,
        camera_curve: str | CameraCurve | None = None,
        scaling: float | Levels | str = AUTO,
    ) -> str | CameraCurve:
        """Camera curve for an image, as `transfer.linearise` takes it.

        It is `camera_curve` if given, else that of this predictor; ESTIMATED is estimated from the
        image. Arguments as for `reconstruct`. A number for `scaling` has no effect: the curve is
        estimated from the unscaled codes.
        """
        asked = camera_curve or self.camera_curve
        if asked != ESTIMATED:
            return asked
        if isinstance(scaling, str):
            scaling = factors(clipping_levels(image))
        return _estimator().estimate(image, scaling if isinstance(scaling, tuple) else 1.0)

    def reconstruct(
        self,
        image: np.ndarray,
        *,
        gamma: float = 1.0,
        scaling: float | Levels | str = AUTO,
        alpha: np.ndarray | None = None,
        camera_curve: str | CameraCurve | None = None,
        resolution: str = "auto",
        panorama: bool = False,
        measured: Measured | None = None,
        dtype: npt.DTypeLike = np.float32,
        sensor: SensorLight | None = None,
        quality: str = FAST,
    ) -> np.ndarray:
        """Reconstruct an HDR image from one photograph.

        image: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1].
        gamma: camera-curve control; 1.1 to 1.3 raises highlights that come out too low.
        scaling: factor, or one per channel, by which the codes are multiplied before they are
            clipped at 1. AUTO: such that 1.0 is the detected clipping level (`clipping_level`);
            for most photographs that is the largest code, and nothing changes.
        alpha: [H, W] in [0, 1]; transparent pixels are ignored when the clipping level is detected.
        camera_curve: linearisation instead of that of this predictor; ESTIMATED: the curve
            estimated for this photograph.
        resolution: size at which the network sees the image, one of `resolution.RESOLUTIONS`.
        panorama: the left and the right side of the image meet.
        measured: light of a photograph with a gain map, `Photograph.measured`. It is kept except
            where the map is at its largest value; scaling and camera_curve are then ignored.
        dtype: float32, or float16 for writing to a file: half the memory, and predictions are
            limited to its largest value, 65504.
        sensor: light of a RAW file, of which `image` is a rendering. It is kept where it is not
            clipped; the values of image, scaling and camera_curve are then ignored.
        quality: one of `QUALITIES`; BEST takes twice the time and 6 more bytes per pixel.
        Returns [H, W, 3], linear, 1.0 = clipping level of the photograph. Where nothing is
        saturated, it equals the linearised photograph. Raises ValueError for unusable arguments.
        """
        if not (np.isfinite(gamma) and gamma > 0):
            raise ValueError(f"gamma {gamma} must be a positive number")
        if resolution not in RESOLUTIONS:
            raise ValueError(f"unknown resolution {resolution!r}; known: {', '.join(RESOLUTIONS)}")
        if np.dtype(dtype) not in (np.float16, np.float32):
            raise ValueError(f"dtype {np.dtype(dtype)}: float32 or float16")
        if quality not in QUALITIES:
            raise ValueError(f"unknown quality {quality!r}; known: {', '.join(QUALITIES)}")
        picture = checked_image(image)
        if measured is not None and measured.light.shape != picture.shape:
            raise ValueError(f"measured {measured.light.shape}, picture {picture.shape}: not alike")
        if sensor is not None:
            if sensor.shape != picture.shape:
                raise ValueError(f"sensor {sensor.shape} and picture {picture.shape} differ")
            picture, scaling, camera_curve = sensor.codes(), 1.0, "mean_curve"
        if measured is None:
            scale = checked_scaling(scaling, picture, alpha)
            curve = self.curve(picture, camera_curve, scale)
        else:
            scale, curve = 1.0, "srgb"
        frame = Frame(
            picture,
            self.tiling.cell,
            scale,
            functools.partial(apply_gamma, gamma=gamma),
            THRESHOLD**gamma,
            closed=panorama,
            halo=self.tiling.halo,
            margin=self.margin,
        )
        hdr = np.empty(picture.shape, dtype)
        for strip in frame.picture.strips(STRIP):
            part = strip.within(frame.picture)
            hdr[part] = (
                measured.light[part]
                if measured is not None
                else sensor.light(part)
                if sensor is not None
                else linearise(frame.codes(strip), curve)
            )
        if measured is not None and not measured.clipped.any():
            return hdr
        pieces = RESOLUTIONS[resolution](frame, self.tiling)
        if quality == BEST:
            pieces = self._with_mirror_image(pieces, frame, resolution)
        for piece, log_hdr in one_by_one(pieces):
            codes, part, blend = (
                frame.codes(piece),
                piece.within(frame.picture),
                self.metadata.blend,
            )
            if measured is not None:
                there = measured.light[part].astype(np.float32)
                clipped = measured.clipped[part] / np.float32(255.0)
                light = blend_measured(codes, log_hdr, there, clipped, blend, gamma)
            elif sensor is not None:
                predicted = np.maximum(log_decode(log_hdr), 0.0) ** np.float32(gamma)
                light = sensor.reconstructed(part, predicted)
            else:
                light = reconstruct_light(codes, log_hdr, curve, blend, gamma)
            if hdr.dtype == np.float16:
                light = np.minimum(light, np.finfo(np.float16).max)
            hdr[part] = light
        return hdr


def load(
    params: str | Path | None = None,
    *,
    precision: str = "float32",
    device: str = "auto",
    tile_pixels: int | None = None,
    camera_curve: str | None = None,
) -> Predictor:
    """Load a predictor from a weights file, by default the shipped one.

    precision: of the convolutions, one of `runtime.PRECISIONS`; auto: always float32 for the
    originally published files, to reproduce the published method. device: one of
    `runtime.DEVICES`. tile_pixels: as for `Predictor`; None: chosen by the available memory.
    camera_curve: as for `Predictor`, but without `params` the default is `transfer.DEFAULT_CURVE`.
    Raises weights.WeightsError if the file cannot be used, DeviceError if the device cannot,
    BackendError if the library cannot.
    """
    path = Path(params) if params is not None else weights.SHIPPED
    arrays, record = weights.load(path)
    metadata = weights.expect_kind(arrays, record, Hdrcnn, str(path))
    for value, known in (
        (metadata.linearisation, LINEARISATIONS),
        (metadata.blend, BLENDS),
    ):
        if value not in known:
            raise weights.WeightsError(
                f"{path}: {one_line(repr(value))} is not known; known: {', '.join(known)}"
            )
    on_gpu = backend.prepare(device)
    network = backend.network(path, arrays, metadata, precision, on_gpu)
    tile_pixels = runtime.tile_size(tile_pixels, on_gpu, metadata.width)
    if params is None and camera_curve is None:
        camera_curve = DEFAULT_CURVE
    return Predictor(network, metadata, tile_pixels, camera_curve)
