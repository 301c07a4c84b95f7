"""What a writer is given, the result and what is known of it; and what a display is to show of it:
the light of the scene, or the photograph with its highlights.

The light behind a code is found by the curve of a camera, and a camera's curve is not that of a
display: shown as it is, the light has other shadows than the photograph. A file that is looked at
may keep the look of the photograph instead: what lies below the clipping level as a display shows
the photograph, what lies above as reconstructed.
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
    """An HDR picture and where it comes from. Upright; all arrays have the same rows and columns.

    Only what stands here reaches a file: no place (GPS), no name, no serial number.
    """

    hdr: np.ndarray
    """[H, W, 3] float16 or float32, linear, finite; 1.0 = clipping level of the photograph."""
    primaries: Chromaticities = REC709
    """Of `hdr`."""
    codes: np.ndarray | None = None
    """[H, W, 3] uint8, uint16, or float in [0, 1]: the photograph, display-encoded."""
    scaling: float | Levels = 1.0
    """What the codes, or those of each channel, were multiplied by, and clipped, before they became
    light."""
    curve: str | CameraCurve | None = None
    """How they became light, as for `transfer.linearise`. None: not known."""
    chromaticities: Chromaticities = REC709
    """Of `codes`."""
    jpeg: bytes | None = None
    """The photograph's file if it is a JPEG whose samples are `codes`."""
    measured: Measured | None = None
    """What the photograph's own gain map gave, in the primaries of `codes`."""
    alpha: np.ndarray | None = None
    """[H, W] float in [0, 1], not multiplied in."""
    mask: np.ndarray | None = None
    """[H, W] or [H, W, 3] float in [0, 1]: how much is predicted; 1 = all. `blend.mask`."""
    panorama: Band | None = None
    """What it shows of a sphere if it is equirectangular and goes all the way round."""
    camera: Camera = dataclasses.field(default_factory=dict)
    """As `readers.metadata.camera_data`."""
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What is to be known of the making: version, weights, settings. Name to text."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.hdr.shape[0], self.hdr.shape[1]


def check(path: Path, picture: Picture) -> None:
    """Raises ImageError if the picture is none, or holds values that are not finite."""
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
    """[rows, W, 3] float32: the light as reconstructed, linear Rec. 709."""
    return linear_to_rec709(picture.hdr[rows], picture.primaries)


def code_strip(picture: Picture, rows: slice) -> np.ndarray:
    """[rows, W, 3] float32 in [0, 1]: the photograph. Raises ValueError if it is not known."""
    if picture.codes is None:
        raise ValueError("the codes of the photograph are needed")
    codes = picture.codes[rows]
    if codes.dtype.kind == "f":
        return codes.astype(np.float32)
    return codes.astype(np.float32) / np.float32(np.iinfo(codes.dtype).max)


def shown(picture: Picture, rows: slice, look: str) -> np.ndarray:
    """[rows, W, 3] float32, linear Rec. 709: what a display is to show.

    look: "light": the light H as it is; "photograph": H + f(D) - g(D), with f the decoding of sRGB
    and g what made light of the codes D. Where nothing is saturated H = g(D), so that f(D) is
    shown: the photograph. At the clipping level f = g = 1, and what is above is not changed.
    Without codes or their curve the light is shown.
    """
    light = rec709(picture, rows)
    if look != "photograph" or picture.codes is None or picture.curve is None:
        return light
    if picture.measured is not None:  # It is what the photograph looks like.
        return light
    code = code_strip(picture, rows)
    measured = linearise(scaled(code, picture.scaling), picture.curve)
    shift = np.asarray(srgb_decode(code) - measured, np.float32)
    return light + linear_to_rec709(shift, picture.chromaticities)


def brightness(picture: Picture, look: str, nits: float) -> ContentLight:
    """MaxCLL and MaxFALL of what `samples` gives; look, nits: of `Options`."""
    parts = (shown(picture, rows, look) for rows in strips(len(picture.hdr)))
    return content_light(parts, nits)


def samples(picture: Picture, look: str, nits: float, bits: int, rows: slice) -> np.ndarray:
    """PQ codes of BT.2020, [rows, W, 3] uint16, 0 to 2^bits - 1; with alpha, which is linear,
    [rows, W, 4].
    """
    codes = pq_codes(shown(picture, rows, look), nits, bits)
    if picture.alpha is None:
        return codes
    alpha = np.clip(picture.alpha[rows].astype(np.float32), 0.0, 1.0) * np.float32(2**bits - 1)
    return np.concatenate([codes, np.round(alpha)[..., None].astype(np.uint16)], axis=-1)
