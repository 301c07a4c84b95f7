"""What a writer is given: the result and its metadata; and what a display is to show of it: the
light of the scene, or the photograph with its highlights.

The light behind a code is found with the curve of a camera, which is not that of a display: shown
as it is, the light has other shadows than the photograph. A file for viewing can keep the look of
the photograph instead: below the clipping level it shows what a display shows of the photograph,
above it the reconstruction.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hdrcnn.colour.clipping_level import Levels, scaled
from hdrcnn.colour.measured import Measured
from hdrcnn.colour.pq import ContentLight, content_light, pq_codes
from hdrcnn.colour.primaries import REC709, Chromaticities, linear_to_rec709
from hdrcnn.colour.transfer import CameraCurve, linearise, srgb_decode
from hdrcnn.files import ImageError
from hdrcnn.readers.metadata import Band, Camera
from hdrcnn.tiles.geometry import strips


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """An HDR image and its origin. Upright; all arrays have the same rows and columns.

    Only what is listed here reaches a file: no location (GPS), no names, no serial numbers.
    """

    hdr: np.ndarray
    """[H, W, 3] float16 or float32, linear, finite; 1.0 = the clipping level of the photograph."""
    primaries: Chromaticities = REC709
    """Primaries of `hdr`."""
    codes: np.ndarray | None = None
    """[H, W, 3] uint8, uint16, or float in [0, 1]: the photograph, display-encoded."""
    scaling: float | Levels = 1.0
    """Factor, or one for each channel, by which the codes were multiplied, and then clipped, before
    they became light."""
    curve: str | CameraCurve | None = None
    """The curve by which they became light, as for `transfer.linearise`. None: not known."""
    chromaticities: Chromaticities = REC709
    """Primaries of `codes`."""
    jpeg: bytes | None = None
    """The photograph's file if it is a JPEG whose samples are `codes`."""
    measured: Measured | None = None
    """HDR light from the photograph's own gain map, in the primaries of `codes`."""
    alpha: np.ndarray | None = None
    """[H, W] float in [0, 1]; `hdr` is not multiplied by it."""
    mask: np.ndarray | None = None
    """[H, W] or [H, W, 3] float in [0, 1]: share of the prediction, 1 = prediction alone.
    `blend.mask`."""
    panorama: Band | None = None
    """The part of a sphere it covers if it is equirectangular and goes all the way round."""
    camera: Camera = dataclasses.field(default_factory=dict)
    """As `readers.metadata.camera_data`."""
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """How the image was made: version, weights, settings. Name to text."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.hdr.shape[0], self.hdr.shape[1]


def check_writable(path: Path, picture: Picture) -> None:
    """Raises ImageError if the shapes do not match, or if the light is not finite everywhere."""
    hdr = picture.hdr
    if hdr.ndim != 3 or hdr.shape[-1] != 3 or 0 in hdr.shape:
        raise ImageError(f"{path}: an image of shape [H, W, 3] is needed, not {hdr.shape}")
    for name, plane in (("codes", picture.codes), ("alpha", picture.alpha), ("mask", picture.mask)):
        if plane is not None and plane.shape[:2] != hdr.shape[:2]:
            raise ImageError(
                f"{path}: not written, its {name} {plane.shape} and its light {hdr.shape} "
                "differ in size"
            )
    if not all(np.isfinite(hdr[rows]).all() for rows in strips(len(hdr))):
        raise ImageError(f"{path}: not written, the image holds values that are not finite")


def rec709(picture: Picture, rows: slice) -> np.ndarray:
    """Return the light as reconstructed: [rows, W, 3] float32, linear Rec. 709."""
    return linear_to_rec709(picture.hdr[rows], picture.primaries)


def code_strip(picture: Picture, rows: slice) -> np.ndarray:
    """Return the photograph, [rows, W, 3] float32 in [0, 1]. Raises ValueError if there is none."""
    if picture.codes is None:
        raise ValueError("the codes of the photograph are needed")
    codes = picture.codes[rows]
    if codes.dtype.kind == "f":
        return codes.astype(np.float32)
    return codes.astype(np.float32) / np.float32(np.iinfo(codes.dtype).max)


def shown(picture: Picture, rows: slice, look: str) -> np.ndarray:
    """Return what a display is to show: [rows, W, 3] float32, linear Rec. 709.

    look: "light": the light H as it is; "photograph": H + f(D) - g(D), with f the decoding of sRGB
    and g the curve by which the codes D became light. Where nothing is saturated H = g(D), so that
    f(D) is shown: the photograph. At the clipping level f = g = 1, and light above it is unchanged.
    The light is also shown if codes or curve are not known, and for photographs with a gain map.
    """
    light = rec709(picture, rows)
    if look != "photograph" or picture.codes is None or picture.curve is None:
        return light
    if picture.measured is not None:  # It has the look of the photograph already.
        return light
    code = code_strip(picture, rows)
    measured = linearise(scaled(code, picture.scaling), picture.curve)
    shift = np.asarray(srgb_decode(code) - measured, np.float32)
    return light + linear_to_rec709(shift, picture.chromaticities)


def brightness(picture: Picture, look: str, nits: float) -> ContentLight:
    """Return MaxCLL and MaxFALL of what `samples` returns; look, nits: as in `Options`."""
    parts = (shown(picture, rows, look) for rows in strips(len(picture.hdr)))
    return content_light(parts, nits)


def samples(picture: Picture, look: str, nits: float, bits: int, rows: slice) -> np.ndarray:
    """Return PQ codes of BT.2020, [rows, W, 3] uint16, 0 to 2^bits - 1; with alpha [rows, W, 4].

    Alpha is linear, in the same range.
    """
    codes = pq_codes(shown(picture, rows, look), nits, bits)
    if picture.alpha is None:
        return codes
    alpha = np.clip(picture.alpha[rows].astype(np.float32), 0.0, 1.0) * np.float32(2**bits - 1)
    return np.concatenate([codes, np.round(alpha)[..., None].astype(np.uint16)], axis=-1)
