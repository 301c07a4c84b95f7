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
from hdrcnn.files import shown
from hdrcnn.models.metadata import Hdrcnn
from hdrcnn.predict import backend, camera_curve as curve_estimation, runtime
from hdrcnn.predict.blend import BLENDS, THRESHOLD, bend, raised, reconstruct_light
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.resolution import WAYS, Pieces
from hdrcnn.tiles.stages import Network
from hdrcnn.tiles.tiling import TILE_PIXELS, Tiling

STRIP = 256
"""Rows of a picture that are linearised at once."""
FAST, BEST = "fast", "best"
QUALITIES = (FAST, BEST)
"""One look at the picture; the mean of that and of a look at its mirror image."""


def as_picture(image: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8, uint16 or float in [0, 1] as it is; other floats as float32.

    Raises ValueError for other shapes and types, values out of range or not finite.
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
        """tile_pixels: of the picture that the network works on at once; 0: the whole.

        camera_curve: how codes become light unless `reconstruct` is told: one of
        `transfer.LINEARISATIONS`, ESTIMATED, or None: as stored with the weights.
        """
        self.network, self.metadata = network, metadata
        self.camera_curve = camera_curve or metadata.linearisation
        self.tiling = Tiling(network, tile_pixels)
        # Files as published give what was published: the picture ends where it ends.
        self.margin = 0 if metadata.linearisation == "square" else self.tiling.cell

    def log_hdr(self, code: np.ndarray) -> np.ndarray:
        """The network's own output for a whole picture, in one piece.

        code: [H, W, 3] float32 in [0, 1], display-encoded. Returns [H, W, 3] float32,
        y = log(H + 1/255). Mirrored at its borders as by `reconstruct`, then cropped.
        """
        frame = Frame(code, self.tiling.cell, margin=self.margin)
        shown = frame.shown(frame.bounds)[None]
        return self.network.whole(shown)[0][frame.picture.within(frame.bounds)]

    def _with_mirror_image(self, pieces: Pieces, frame: Frame, resolution: str) -> Pieces:
        """The same pieces, each the mean of what the network says of it and of its mirror image."""
        flipped = dataclasses.replace(frame, image=frame.image[:, ::-1])
        other = np.full(frame.image.shape, np.nan, np.float16)
        for piece, log_hdr in one_by_one(WAYS[resolution](flipped, self.tiling)):
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
        """By which the codes of a picture become light: that of this predictor, unless another is
        asked for; as `transfer.linearise` takes it. Arguments as for `reconstruct`. A number
        for `scaling` changes nothing: the curve is estimated from the picture's own codes.
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
        """An HDR image out of one photograph.

        image: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1].
        gamma: camera-curve control; 1.1 to 1.3 raises highlights that come out too low.
        scaling: the codes are multiplied by it, or each channel by its own, and clipped first.
            AUTO: so that 1.0 is where the picture is found to clip (`clipping_level`), which for
            most is the largest code: then nothing is changed. A number switches that off.
        alpha: [H, W] in [0, 1]; transparent pixels have no vote in that.
        camera_curve: linearisation instead of that of this predictor; ESTIMATED: by the curve of
            this picture.
        resolution: at which size the network sees the picture, one of `resolution.WAYS`.
        panorama: the left and the right side of the picture meet.
        measured: the light of a photograph with a gain map, `Photograph.measured`: it is kept as it
            is, but for where the map is at its end; scaling and camera_curve then mean nothing.
        dtype: float32, or float16 for what goes into a file: half the memory; values are held
            at its largest, 65504.
        sensor: the light of a RAW file, whose rendering the image is. What is not clipped there is
            taken from it; image, scaling and camera_curve then count for nothing.
        quality: one of `QUALITIES`; BEST takes twice the time, and 6 bytes a pixel more.
        Returns [H, W, 3], linear, 1.0 = clipping level of the photograph. Where nothing is
        saturated it equals the linearised picture. Raises ValueError for unusable arguments.
        """
        if not (np.isfinite(gamma) and gamma > 0):
            raise ValueError(f"gamma {gamma} must be a positive number")
        if resolution not in WAYS:
            raise ValueError(f"unknown resolution {resolution!r}; known: {', '.join(WAYS)}")
        if np.dtype(dtype) not in (np.float16, np.float32):
            raise ValueError(f"dtype {np.dtype(dtype)}: float32 or float16")
        if quality not in QUALITIES:
            raise ValueError(f"unknown quality {quality!r}; known: {', '.join(QUALITIES)}")
        picture = as_picture(image)
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
            functools.partial(bend, gamma=gamma),
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
        if measured is not None and not measured.ended.any():
            return hdr
        pieces = WAYS[resolution](frame, self.tiling)
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
                ended = measured.ended[part] / np.float32(255.0)
                light = raised(codes, log_hdr, there, ended, blend, gamma)
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
    """A predictor with the weights of a file; without one, with those shipped, which come with
    `transfer.DEFAULT_CURVE`.

    precision: of the convolutions, one of `runtime.PRECISIONS`; auto: float32 for the originally
    published files, so that the result is that of the published method; device: one of
    `runtime.DEVICES`; tile_pixels: as for `Predictor`, None: by the memory there is; camera_curve:
    as for `Predictor`.
    Raises weights.WeightsError if the file, DeviceError if the device, BackendError if the library
    cannot be used.
    """
    path = Path(params) if params is not None else weights.SHIPPED
    arrays, record = weights.load(path)
    metadata = weights.checked(arrays, record, Hdrcnn, str(path))
    for value, known in (
        (metadata.linearisation, LINEARISATIONS),
        (metadata.blend, BLENDS),
    ):
        if value not in known:
            raise weights.WeightsError(
                f"{path}: {shown(repr(value))} is not known; known: {', '.join(known)}"
            )
    on_gpu = backend.prepare(device)
    network = backend.network(path, arrays, metadata, precision, on_gpu)
    if tile_pixels is None:
        free = runtime.free_gpu_bytes() if on_gpu else None
        tile_pixels = runtime.tile_pixels(free, metadata.width, TILE_PIXELS)
    if params is None and camera_curve is None:
        camera_curve = DEFAULT_CURVE
    return Predictor(network, metadata, tile_pixels, camera_curve)
