"""A network with its weights, as a function from photograph to HDR image."""

import functools
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from hdrcnn import curve_estimation, devices, highlights, weights
from hdrcnn.frame import Frame
from hdrcnn.geometry import pad_to_multiple
from hdrcnn.models import BUILDERS
from hdrcnn.models.layout import STRIDE
from hdrcnn.precision import building_in, chosen
from hdrcnn.resolution import WAYS
from hdrcnn.tiling import HALO, TILE_PIXELS, Tiling
from hdrcnn.transfer import DEFAULT_CURVE, ESTIMATED, CameraCurve, linearise

STRIP = 256
"""Rows of a picture that are linearised at once."""


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
        model: keras.Model,
        metadata: weights.Metadata,
        tile_pixels: int = TILE_PIXELS,
        camera_curve: str | None = None,
    ) -> None:
        """tile_pixels: of the picture that the network works on at once; 0: the whole.

        camera_curve: how codes become light unless `reconstruct` is told: one of
        `transfer.LINEARISATIONS`, ESTIMATED, or None: as stored with the weights.
        """
        self.model, self.metadata = model, metadata
        self.camera_curve = camera_curve or metadata.linearisation
        # XLA would compile anew for every size of picture; JAX has nothing else.
        self.model.jit_compile = keras.config.backend() == "jax"
        self.tiling = Tiling(model, tile_pixels)

    def log_hdr(self, code: np.ndarray) -> np.ndarray:
        """The network's own output for a whole picture, in one piece.

        code: [H, W, 3] float32 in [0, 1], display-encoded. Returns [H, W, 3] float32,
        y = log(H + 1/255). Mirrored at right and bottom to a multiple of 32, then cropped back.
        """
        rows, columns = code.shape[:2]
        padded = pad_to_multiple(code, STRIDE)[None]
        return np.asarray(self.model.predict_on_batch(padded))[0, :rows, :columns]

    def curve(
        self, image: np.ndarray, camera_curve: str | CameraCurve | None = None
    ) -> str | CameraCurve:
        """By which the codes of a picture become light: that of this predictor, unless another is
        asked for; as `transfer.linearise` takes it. Arguments as for `reconstruct`.
        """
        asked = camera_curve or self.camera_curve
        return _estimator().estimate(image) if asked == ESTIMATED else asked

    def reconstruct(
        self,
        image: np.ndarray,
        *,
        gamma: float = 1.0,
        scaling: float = 1.0,
        camera_curve: str | CameraCurve | None = None,
        resolution: str = "auto",
        panorama: bool = False,
        dtype: npt.DTypeLike = np.float32,
    ) -> np.ndarray:
        """An HDR image out of one photograph.

        image: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1].
        gamma: camera-curve control; 1.1 to 1.3 raises highlights that come out too low.
        scaling: the codes are multiplied by it and clipped first, against compression residue
            at the rim of highlights.
        camera_curve: linearisation instead of that of this predictor; ESTIMATED: by the curve of
            this picture.
        resolution: at which size the network sees the picture, one of `resolution.WAYS`.
        panorama: the left and the right side of the picture meet.
        dtype: float32, or float16 for what goes into a file: half the memory; values are held
            at its largest, 65504.
        Returns [H, W, 3], linear, 1.0 = clipping level of the photograph. Where nothing is
        saturated it equals the linearised picture. Raises ValueError for unusable arguments.
        """
        if not (np.isfinite(gamma) and gamma > 0 and np.isfinite(scaling) and scaling > 0):
            raise ValueError(f"gamma {gamma} and scaling {scaling} must be positive numbers")
        if resolution not in WAYS:
            raise ValueError(f"unknown resolution {resolution!r}; known: {', '.join(WAYS)}")
        picture = as_picture(image)
        curve = self.curve(picture, camera_curve)
        frame = Frame(picture, STRIDE, scaling, gamma, panorama, HALO)
        hdr = np.empty(picture.shape, dtype)
        for strip in frame.picture.strips(STRIP):
            hdr[strip.within(frame.picture)] = linearise(frame.codes(strip), curve)
        for piece, log_hdr in WAYS[resolution](frame, self.tiling):
            light = highlights.reconstruct_light(
                frame.codes(piece), log_hdr, curve, self.metadata.blend, gamma
            )
            if hdr.dtype == np.float16:
                light = np.minimum(light, np.finfo(np.float16).max)
            hdr[piece.within(frame.picture)] = light
        return hdr


def load(
    params: str | Path | None = None,
    *,
    precision: str = "float32",
    device: str = "auto",
    tile_pixels: int | None = None,
) -> Predictor:
    """A predictor with the weights of a file; without one, with those shipped, which come with
    `transfer.DEFAULT_CURVE`.

    precision: of the convolutions, one of `precision.PRECISIONS`; device: one of
    `devices.DEVICES`; tile_pixels: as for `Predictor`, None: by the memory there is.
    Raises weights.WeightsError where the file, DeviceError where the device cannot be used.
    """
    path = Path(params) if params is not None else weights.SHIPPED
    arrays, metadata = weights.load(path)
    if metadata.model not in BUILDERS:
        raise weights.WeightsError(
            f"{path}: for a network {metadata.model!r}; known: {', '.join(BUILDERS)}"
        )
    weights.check_width(arrays, metadata, str(path))
    on_gpu = devices.prepare(device)
    with building_in(chosen(precision, keras.config.backend(), on_gpu)):
        model = BUILDERS[metadata.model]()(metadata.width)
    weights.assign(model, arrays, str(path))
    if tile_pixels is None:
        free = devices.free_gpu_bytes() if on_gpu else None
        tile_pixels = devices.tile_pixels(free, metadata.width, TILE_PIXELS)
    return Predictor(model, metadata, tile_pixels, DEFAULT_CURVE if params is None else None)
