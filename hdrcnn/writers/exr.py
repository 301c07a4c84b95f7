"""OpenEXR: light for compositing.

Stores: light, half or float, its primaries (`chromaticities`); cd/m^2 of 1.0 (`whiteLuminance`);
alpha, by which the light is multiplied; mask, panorama (`envmap`), camera, notes. Does not store:
light where alpha is 0; MaxCLL, which is no standard attribute. Source: "Technical introduction to
OpenEXR" and its list of standard attributes.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from hdrcnn.files import ImageError, finished_whole, not_written
from hdrcnn.readers.metadata import Camera
from hdrcnn.tiles.geometry import strips
from hdrcnn.writers import Options
from hdrcnn.writers.picture import Picture, check_writable
from hdrcnn.writers.whole import exr_attributes

HALF_MAX = 65504.0
PREFIX = "hdrcnn:"
"""Prefix of the attributes that store notes."""
TEXTS = {
    "Make": "cameraMake",
    "Model": "cameraModel",
    "LensMake": "lensMake",
    "LensModel": "lensModel",
    "DateTimeOriginal": "capDate",
}
NUMBERS = {
    "ExposureTime": "expTime",
    "FNumber": "aperture",
    "ISO": "isoSpeed",
    "FocalLength": "nominalFocalLength",
}
"""Both in seconds, f-number, ISO, millimetres."""
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_INT = range(-(2**31), 2**31)


def utc_offset(text: str) -> float | None:
    """Return the seconds to add to local time for UTC, from Exif's `+02:00`; None if malformed."""
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    seconds = 3600.0 * int(found[2]) + 60.0 * int(found[3])
    return -seconds if found[1] == "+" else seconds


def camera_attributes(camera: Camera) -> dict[str, str | int | float]:
    """Convert Exif names and values (`Photograph.camera`) to attributes of OpenEXR.

    They have OpenEXR's own names where there are any, else the Exif name after `exif:`.
    """
    attributes: dict[str, str | int | float] = {}
    for name, value in camera.items():
        offset = utc_offset(str(value)) if name == "OffsetTimeOriginal" else None
        if offset is not None:
            attributes["utcOffset"] = offset
        elif name in TEXTS:
            attributes[TEXTS[name]] = str(value)
        elif name in NUMBERS and not isinstance(value, str):
            attributes[NUMBERS[name]] = float(value)
        elif isinstance(value, int) and value not in _INT:
            attributes[f"exif:{name}"] = float(value)
        else:
            attributes[f"exif:{name}"] = value
    return attributes


def _samples(values: np.ndarray, single: bool, share: np.ndarray | None = None) -> np.ndarray:
    """Convert to float32, or to half floats clipped to their range; multiplied by `share`, [H, W].

    The product is computed in float32. Without `share`, samples of the right type are not copied.
    """
    kind = np.float32 if single else np.float16
    if values.dtype == kind and share is None:
        return np.ascontiguousarray(values)
    out = np.empty(values.shape, kind)
    for rows in strips(len(values)):
        strip = values[rows]
        if share is not None:
            strip = strip.astype(np.float32) * share[rows, :, None].astype(np.float32)
        out[rows] = strip if single else np.clip(strip, -HALF_MAX, HALF_MAX)
    return out


def write_exr(
    path: Path,
    hdr: np.ndarray,
    planes: Mapping[str, np.ndarray] | None = None,
    attributes: Mapping[str, Any] | None = None,
    options: Options | None = None,
) -> None:
    """Write [H, W, 3] linear to an OpenEXR file of scanlines, by default half floats with ZIP.

    planes: further channels by name, each [H, W]; `A` is alpha in [0, 1], by which `hdr` is
    multiplied when it is written: by the format's convention colours are associated
    (premultiplied). attributes: of the header; without `chromaticities` among them readers assume
    Rec. 709. Values beyond the half-float maximum (65504) are clipped to it instead of becoming
    infinite; negative ones, colours outside the primaries, are kept. Raises ImageError if `hdr` is
    not finite or the file cannot be written.
    """
    options = options or Options()
    check_writable(path, Picture(hdr))
    compression = options.exr_compression.upper().replace("NONE", "NO")
    header: dict[str, Any] = {
        "compression": getattr(OpenEXR, f"{compression}_COMPRESSION"),
        "type": OpenEXR.scanlineimage,
        **(attributes or {}),
    }
    if options.exr_level is not None and options.exr_compression in ("dwaa", "dwab"):
        header["dwaCompressionLevel"] = float(options.exr_level)
    channels: dict[str, np.ndarray] = {}
    for name, plane in (planes or {}).items():
        if plane.shape != hdr.shape[:2]:
            raise ImageError(f"{path}: not written, its {name} and its light differ in size")
        channels[name] = _samples(plane, options.exr_float)
    # By alpha as stored, so that a reader that divides by it gets the light back.
    channels["RGB"] = _samples(hdr, options.exr_float, channels.get("A"))
    with finished_whole(path) as temporary:
        try:
            OpenEXR.File(header, channels).write(str(temporary))
        except RuntimeError as error:
            missing = f"no folder {path.parent}; make it first"
            reason = error if path.parent.is_dir() else missing
            raise not_written(path, reason) from error


def write(path: Path, picture: Picture, options: Options) -> None:
    """Write an image with all its metadata. Raises ImageError.

    Alpha becomes channel A, and is multiplied into the colours; the mask becomes the layer `mask`.
    """
    check_writable(path, picture)
    attributes: dict[str, Any] = {
        **camera_attributes(picture.camera),
        **{PREFIX + name: str(text) for name, text in picture.notes.items()},
        "chromaticities": picture.primaries,
        "whiteLuminance": float(options.nits),
    }
    planes: dict[str, np.ndarray] = {}
    if picture.panorama and picture.panorama.whole:  # OpenEXR has no partial spheres.
        attributes["envmap"] = OpenEXR.ENVMAP_LATLONG
    if picture.alpha is not None:
        planes["A"] = picture.alpha
    if picture.mask is not None:
        shares = np.broadcast_to(np.atleast_3d(picture.mask), picture.hdr.shape)
        planes |= {f"mask.{name}": shares[..., index] for index, name in enumerate("RGB")}
    write_exr(path, picture.hdr, planes, attributes, options)


def read_notes(path: Path) -> dict[str, str]:
    """Read the notes of a file. Raises OSError; ValueError or struct.error if it is not OpenEXR."""
    with path.open("rb") as file:
        header = exr_attributes(file)
    prefix = PREFIX.encode()
    return {
        name.removeprefix(prefix).decode(): text.decode()
        for name, text in header.items()
        if name.startswith(prefix)
    }
