"""Methods that make five exposures of one photograph: the formula, the single-image network, the
published GAN, and ours.

A method takes codes [H, W, 3], float32 in [0, 1], sRGB, and returns exposures [5, H, W, 3], uint8,
sRGB, darkest first, at `STOPS` relative to the photograph.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hdrcnn import weights
from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.models.metadata import ExposureGan, ExposureStack, Hdrcnn, Metadata
from hdrcnn.tiles.geometry import pad_to_multiple

if TYPE_CHECKING:
    from hdrcnn.predict.single_image import Predictor

STOPS = (-4.0, -2.0, 0.0, 2.0, 4.0)
MULTIPLE = 4
"""Number of which the sides of the networks' inputs must be multiples."""

Method = Callable[[np.ndarray], np.ndarray]
Light = Callable[[np.ndarray], np.ndarray]
"""Takes codes [H, W, 3] to light of the same shape, 1.0 = clipping level of the photograph."""


def rendered(light: np.ndarray) -> np.ndarray:
    """Render light at `STOPS`: [H, W, 3], 1.0 = clipping level, to uint8 codes [5, H, W, 3]."""
    shown = [np.clip(light * np.float32(2.0**k), 0.0, 1.0) for k in STOPS]
    return np.rint(255.0 * srgb_encode(np.stack(shown))).astype(np.uint8)


def formula(code: np.ndarray) -> np.ndarray:
    """encode(clip(decode(x) 2^k)): exact where the photograph is neither clipped nor dark."""
    return rendered(srgb_decode(code))


class Highlights:
    """Light that the single-image network predicts from codes [H, W, 3].

    The last result is cached, because several methods use it.
    """

    def __init__(self, predictor: "Predictor") -> None:
        self._predictor = predictor
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, code: np.ndarray) -> np.ndarray:
        if self._last is None or self._last[0] is not code:
            light = self._predictor.reconstruct(
                code, scaling=1.0, camera_curve="srgb", resolution="native"
            )
            self._last = code, light
        return self._last[1]


def _run(network: Any, code: np.ndarray) -> np.ndarray:
    """Output of a network for one image, without the batch axis."""
    rows, columns = code.shape[:2]
    found = np.asarray(network.predict_on_batch(pad_to_multiple(code, MULTIPLE)[None]))[0]
    return found[..., :rows, :columns, :]


def load_method(path: Path, highlights: Light) -> Method:
    """Method of a weights file: of the single-image network, of the published GAN, or of the
    network that restores dark parts, which takes its highlights from `highlights`. Raises
    WeightsError.
    """
    arrays, record = weights.load(path)
    if isinstance(record, Hdrcnn):
        from hdrcnn.predict.single_image import load

        light = Highlights(load(path))
        return lambda code: rendered(light(code))
    kinds: tuple[type[Metadata], ...] = (ExposureGan, ExposureStack)
    kind = next((k for k in kinds if isinstance(record, k)), None)
    if kind is None:
        raise weights.WeightsError(f"{path}: its network {record.model!r} makes no exposures")
    network = weights.expect_kind(arrays, record, kind, str(path)).build()
    weights.assign(network, arrays, str(path))
    if kind is ExposureGan:
        return lambda code: np.rint(255.0 * _run(network, code)).astype(np.uint8)

    def restored(code: np.ndarray) -> np.ndarray:
        found = _run(network, code)
        changed = found != code
        return rendered(np.where(changed, srgb_decode(found), highlights(code)))

    return restored
