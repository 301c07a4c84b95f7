"""Small pictures of a view of the evaluation: exposures side by side, and the error in stops.

Everything is computed in linear light at full size and then reduced by area averaging, so that a
panel shows what is in the image and not an artefact of a resampling filter.
"""

import dataclasses
import io

import numpy as np
from PIL import Image

from hdrcnn.colour.transfer import inverse_camera_curve, luminance, to_display
from hdrcnn.tiles.geometry import resize_area, size_within
from training_code.evaluation.metrics import HIGHLIGHT_CODE

EXPOSURES = (0, -3, -5)
"""Exposures at which the images are shown, stops: white is 1, 8 and 32 times the clipping level."""

PANEL_SIDE = 384
"""Longer side of a panel, pixels."""

JPEG_QUALITY = 85

ERROR_RANGE = 3.0
"""Largest error that the colours of the error map distinguish, stops."""

ERROR_FLOOR = 2.0**-12
"""Floor of the luminance in the error map, in units of the clipping level: below it the 8-bit input
contains nothing, and black has no logarithm."""

DIM, DIM_BLACK = 0.45, 24.0
"""Factor for the picture where the input is not saturated, and the sRGB code of its black."""

# Blue for too dark, red for too bright: distinguishable with all common colour deficiencies.
_COLOURS = np.array(
    [(18, 52, 120), (62, 130, 214), (234, 234, 234), (232, 128, 62), (138, 24, 28)], np.float64
)


@dataclasses.dataclass(frozen=True)
class ReportView:
    """One view of the evaluation, as computed."""

    name: str
    code: np.ndarray
    """The LDR input: [H, W, 3] uint8, display-encoded."""
    truth: np.ndarray
    """[H, W, 3] float32, linear, 1.0 = clipping level of the input."""
    prediction: np.ndarray
    """Like `truth`, and aligned to it by one gain."""
    gain_db: float
    """CRF-corrected PU21-PSNR of the prediction minus that of the best do-nothing row, dB."""
    scores: dict[str, dict[str, float]]
    """Values by method and metric."""


@dataclasses.dataclass(frozen=True)
class RenderedView:
    """One view as the report stores it, with JPEG files instead of arrays."""

    name: str
    gain_db: float
    scores: dict[str, dict[str, float]]
    width: int
    height: int
    """Size of every panel, pixels."""
    exposures: tuple[tuple[bytes, bytes, bytes], ...]
    """For each of `EXPOSURES`: input, prediction, truth."""
    error: bytes


def error_in_stops(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """log2 of the floored luminance of prediction / truth: [H, W, 3] linear to [H, W, 1]."""
    predicted = np.maximum(luminance(prediction), ERROR_FLOOR)
    return np.log2(predicted / np.maximum(luminance(truth), ERROR_FLOOR))


def error_colours(stops: np.ndarray) -> np.ndarray:
    """Map stops [H, W, 1] to sRGB codes [H, W, 3] in [0, 255], float64.

    Blue below 0, light grey at 0, red above; errors beyond `ERROR_RANGE` take the end colours.
    """
    anchors = np.linspace(-ERROR_RANGE, ERROR_RANGE, len(_COLOURS))
    return np.concatenate([np.interp(stops, anchors, channel) for channel in _COLOURS.T], axis=-1)


def error_map(
    code: np.ndarray, prediction: np.ndarray, truth: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Map of the signed error, [*size, 3] uint8: in full colour where the input is saturated.

    Elsewhere the error only tints a dark grey picture. Errors are averaged in stops, separately
    over the saturated and the other pixels. code: [H, W, 3] uint8; both images are linear, in the
    same unit.
    """
    error = error_in_stops(prediction, truth)
    saturated = (code.max(axis=-1, keepdims=True) / 255.0 > HIGHLIGHT_CODE).astype(np.float32)
    inside = resize_area(saturated, *size)
    # Where the area is almost 0, the mean has almost no weight below, so its value is irrelevant.
    mean_inside = resize_area(error * saturated, *size) / np.maximum(inside, 1e-6)
    mean_outside = resize_area(error * (1.0 - saturated), *size) / np.maximum(1.0 - inside, 1e-6)
    linear = inverse_camera_curve(code.astype(np.float32) / np.float32(255.0))
    picture = DIM_BLACK + DIM * to_display(luminance(resize_area(linear, *size)), 0)
    dimmed = picture * error_colours(mean_outside) / error_colours(np.zeros((1, 1, 1)))
    mixed = inside * error_colours(mean_inside) + (1.0 - inside) * dimmed
    return np.round(np.clip(mixed, 0.0, 255.0)).astype(np.uint8)


def _jpeg(codes: np.ndarray, subsampling: str) -> bytes:
    """Encode [H, W, 3] uint8, sRGB, as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(codes).save(
        file, "JPEG", quality=JPEG_QUALITY, subsampling=subsampling, progressive=True
    )
    return file.getvalue()


def _check(view: ReportView) -> None:
    """Raises ValueError, in one line, if the arrays do not fit together."""
    if view.code.dtype != np.uint8 or view.code.ndim != 3 or view.code.shape[-1] != 3:
        raise ValueError(
            f"{view.name}: the input must be [H, W, 3] uint8, "
            f"not {list(view.code.shape)} {view.code.dtype}"
        )
    for label, image in (("truth", view.truth), ("prediction", view.prediction)):
        if image.shape != view.code.shape:
            raise ValueError(
                f"{view.name}: {label} {list(image.shape)} and input {list(view.code.shape)} "
                "differ in size; give both at the size of the input"
            )
        if not np.isfinite(image).all():
            raise ValueError(f"{view.name}: {label} holds values that are not finite")


def render_view(view: ReportView) -> RenderedView:
    """Draw the panels of a view; the result does not keep its arrays.

    The input is linearised by the inverse mean camera curve, so that at 0 stops all three images
    look alike where nothing is saturated. Raises ValueError if the arrays are not as `ReportView`
    describes, or contain values that are not finite.
    """
    _check(view)
    rows, columns = view.code.shape[:2]
    size = size_within(rows, columns, PANEL_SIDE, PANEL_SIDE)
    linear = inverse_camera_curve(view.code.astype(np.float32) / np.float32(255.0))
    images = [resize_area(image, *size) for image in (linear, view.prediction, view.truth)]
    exposures = []
    for stops in EXPOSURES:
        shown, predicted, true = (_jpeg(to_display(image, stops), "4:2:0") for image in images)
        exposures.append((shown, predicted, true))
    error = error_map(view.code, view.prediction, view.truth, size)
    return RenderedView(
        name=view.name,
        gain_db=view.gain_db,
        scores=view.scores,
        width=size[1],
        height=size[0],
        exposures=tuple(exposures),
        error=_jpeg(error, "4:4:4"),
    )
