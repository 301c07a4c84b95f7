"""A network with its weights, as a function from photograph to HDR image."""

from pathlib import Path

import keras
import numpy as np

from hdrcnn import highlights, weights
from hdrcnn.geometry import pad_to_multiple
from hdrcnn.models import BUILDERS
from hdrcnn.models.layout import STRIDE


def as_codes(image: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8, uint16 or float in [0, 1] to float32 in [0, 1].

    Raises ValueError for other shapes and types, values out of range or not finite.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f"a picture of shape [H, W, 3] is needed, not {image.shape}")
    if image.dtype in (np.uint8, np.uint16):
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    if image.dtype.kind != "f":
        raise ValueError(f"a picture of uint8, uint16 or float is needed, not {image.dtype}")
    code = image.astype(np.float32)
    if not (code.min() >= 0.0 and code.max() <= 1.0):
        raise ValueError("float pictures are display-encoded, finite and within 0..1")
    return code


class Predictor:
    """Linearise, run the network, blend: NumPy in, NumPy out."""

    def __init__(self, model: keras.Model, metadata: weights.Metadata) -> None:
        self.model, self.metadata = model, metadata
        # XLA would compile anew for every size of picture; JAX has nothing else.
        self.model.jit_compile = keras.config.backend() == "jax"

    def log_hdr(self, code: np.ndarray) -> np.ndarray:
        """The network's own output for a picture of any size.

        code: [H, W, 3] float32 in [0, 1], display-encoded. Returns [H, W, 3] float32,
        y = log(H + 1/255). Mirrored at right and bottom to a multiple of 32, then cropped back.
        """
        rows, columns = code.shape[:2]
        padded = pad_to_multiple(code, STRIDE)[None]
        return np.asarray(self.model.predict_on_batch(padded))[0, :rows, :columns]

    def reconstruct(
        self,
        image: np.ndarray,
        *,
        gamma: float = 1.0,
        scaling: float = 1.0,
        camera_curve: str | None = None,
    ) -> np.ndarray:
        """An HDR image out of one photograph.

        image: [H, W, 3], display-encoded: uint8, uint16, or float in [0, 1].
        gamma: camera-curve control; 1.1 to 1.3 raises highlights that come out too low.
        scaling: the codes are multiplied by it and clipped first, against compression residue
            at the rim of highlights.
        camera_curve: linearisation instead of the one stored with the weights.
        Returns [H, W, 3] float32, linear, 1.0 = clipping level of the photograph. Where nothing
        is saturated it equals the linearised picture. Raises ValueError for unusable arguments.
        """
        if not (np.isfinite(gamma) and gamma > 0 and np.isfinite(scaling) and scaling > 0):
            raise ValueError(f"gamma {gamma} and scaling {scaling} must be positive numbers")
        code = np.minimum(as_codes(image) * np.float32(scaling), np.float32(1.0))
        hdr = highlights.reconstruct_light(
            code,
            self.log_hdr(highlights.bend(code, gamma)),
            camera_curve or self.metadata.linearisation,
            self.metadata.blend,
            gamma,
        )
        return hdr.astype(np.float32, copy=False)


def load(params: str | Path | None = None) -> Predictor:
    """A predictor with the weights of a file; without one, with those shipped.

    Raises weights.WeightsError where the file cannot be used.
    """
    path = Path(params) if params is not None else weights.SHIPPED
    arrays, metadata = weights.load(path)
    if metadata.model not in BUILDERS:
        raise weights.WeightsError(
            f"{path}: for a network {metadata.model!r}; known: {', '.join(BUILDERS)}"
        )
    model = BUILDERS[metadata.model]()(metadata.width)
    weights.assign(model, arrays, str(path))
    return Predictor(model, metadata)
