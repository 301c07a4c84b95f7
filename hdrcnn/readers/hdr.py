"""HDR images in: OpenEXR, Radiance, floating-point TIFF.

Whatever the file holds becomes [H, W, 3] float32, linear Rec. 709 with the white D65, in the
unit of the file. What cannot be read raises `ImageError`, one line that names file, reason and
remedy.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import tifffile

from hdrcnn.colour.primaries import REC709, luminance_weights, to_rec709
from hdrcnn.files import ImageError
from hdrcnn.readers import rgbe

HDR_SUFFIXES = (".exr", ".hdr", ".pic", ".tif", ".tiff")
MAIN_LAYERS = ("combined", "beauty", "rgba")
"""What renderers call the layer that is the image; preferred where there are several."""


# What tifffile notes about a damaged file is said in the error; it must not stand beside it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def _one_line(error: Exception) -> str:
    words = str(error).split()
    return " ".join(words) if len(words) > 1 else "damaged or truncated"


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    return path


def _image_channels(names: Iterable[str]) -> tuple[str, ...]:
    """The channels of a part that are its image: R, G, B; Y with or without chroma; else those
    of a layer. Empty where there are none.
    """
    present = list(names)
    for wanted in (("R", "G", "B"), ("Y", "RY", "BY"), ("Y",)):
        if set(wanted) <= set(present):
            return wanted
    layers = [
        name[:-2]
        for name in present
        if name.endswith(".R") and {f"{name[:-2]}.G", f"{name[:-2]}.B"} <= set(present)
    ]
    layers.sort(key=lambda layer: layer.rpartition(".")[2].lower() not in MAIN_LAYERS)
    return tuple(f"{layers[0]}.{colour}" for colour in "RGB") if layers else ()


def _spread(samples: np.ndarray, step: int, length: int, axis: int) -> np.ndarray:
    """Samples that stand at 0, step, 2 step ... to all `length` places of an axis, linearly."""
    places = np.arange(length)
    low = places // step
    high = np.minimum(low + 1, samples.shape[axis] - 1)
    share = (places % step / np.float32(step)).astype(np.float32)
    share = share[:, None] if axis == 0 else share
    return samples.take(low, axis) * (1 - share) + samples.take(high, axis) * share


def _plane(channel: Any, rows: int, columns: int, path: Path) -> np.ndarray:
    """One channel as [rows, columns] float32."""
    samples, x, y = np.asarray(channel.pixels), channel.xSampling, channel.ySampling
    if not samples.size:
        raise ImageError(f"{path}: damaged or truncated; copy it again from its source")
    if samples.shape != (-(-rows // y), -(-columns // x)):
        # OpenEXR's package before 3.5 leaves arbitrary numbers in subsampled channels.
        raise ImageError(
            f"{path}: the installed openexr misreads subsampled channels; pip install -U openexr"
        )
    samples = samples.astype(np.float32)
    samples = samples if y == 1 else _spread(samples, y, rows, 0)
    return samples if x == 1 else _spread(samples, x, columns, 1)


def _part_image(header: dict, channels: dict, names: tuple[str, ...], path: Path) -> np.ndarray:
    """The image of one part: [H, W, 3] float32, linear Rec. 709."""
    low, high = header["dataWindow"]
    columns, rows = (int(size) for size in np.subtract(high, low) + 1)
    planes = [_plane(channels[name], rows, columns, path) for name in names]
    if len(planes) == 1:
        return np.repeat(planes[0][..., None], 3, axis=-1)
    chromaticities = header.get("chromaticities", REC709)
    try:
        matrix = to_rec709(chromaticities)
    except ValueError as error:
        raise ImageError(f"{path}: {error}; remove or correct that attribute") from error
    with np.errstate(invalid="ignore", over="ignore"):  # Not finite: the caller's to judge.
        if names[0] == "Y":
            light, red, blue = planes
            red, blue = (red + 1) * light, (blue + 1) * light
            weights = luminance_weights(chromaticities).astype(np.float32)
            planes = [red, (light - weights[0] * red - weights[2] * blue) / weights[1], blue]
        rgb = np.stack(planes, axis=-1)
        return rgb if matrix is None else rgb @ matrix.T.astype(np.float32)


def read_exr(path: Path) -> np.ndarray:
    """An OpenEXR image as [H, W, 3] float32, linear Rec. 709. Raises ImageError.

    Half, float or integer samples, scanlines or tiles; the pixels of the data window. Of several
    parts the first that holds an image, of that R, G, B, else luminance with or without chroma
    (RY = (R - Y) / Y, BY likewise; subsampled chroma is interpolated linearly), else the colours
    of a layer. Alpha is left out: colours stay premultiplied, as stored. `chromaticities` are
    converted, to D65 by Bradford adaptation; without them Rec. 709 is assumed.
    """
    _checked(path)
    found: list[str] = []
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            if not file.parts:
                raise ImageError(f"{path}: damaged or truncated; copy it again from its source")
            for part in file.parts:
                channels = part.channels
                found += channels
                names = _image_channels(channels)
                if names and part.type() in (OpenEXR.scanlineimage, OpenEXR.tiledimage):
                    return _part_image(part.header, channels, names, path)
    except (RuntimeError, ValueError, IndexError, TypeError, MemoryError) as error:
        raise ImageError(
            f"{path}: not a readable OpenEXR file ({_one_line(error)}); copy it again from its "
            "source or save it anew"
        ) from error
    shown = ", ".join(found) or "none"
    raise ImageError(f"{path}: no R, G and B channels (found: {shown}); save it with them")


def read_radiance(path: Path) -> np.ndarray:
    """A Radiance picture as [H, W, 3] float32, linear Rec. 709; see `rgbe.decode`.

    Raises ImageError.
    """
    try:
        return rgbe.decode(_checked(path).read_bytes())
    except ValueError as error:
        raise ImageError(
            f"{path}: not a readable Radiance picture, {error}; copy it again from its source or "
            "save it as OpenEXR"
        ) from error
    except MemoryError as error:
        raise ImageError(f"{path}: too large for this machine's memory; make it smaller") from error


def read_float_tiff(path: Path) -> np.ndarray:
    """The first image of a floating-point TIFF as [H, W, 3] float32, upright by its orientation.

    Half, float or double; grey becomes three equal channels, alpha is left out. Colour profiles
    are not read: linear Rec. 709 is assumed. Raises ImageError.
    """
    try:
        with tifffile.TiffFile(_checked(path)) as file:
            page = file.pages.first
            kind, axes = page.dtype, page.axes
            orientation = page.tags.valueof(274, 1)
            if kind is None or kind.kind != "f":
                raise ImageError(
                    f"{path}: {kind} samples, not a floating-point TIFF; save it as OpenEXR, or "
                    "leave it out if it is no HDR image"
                )
            pixels = page.asarray()
    except ImageError:
        raise
    except Exception as error:  # A damaged TIFF fails in any way it likes.
        remedy = "copy it again from its source or save it as OpenEXR"
        if "imagecodecs" in str(error):
            remedy = "pip install imagecodecs, or save it without compression"
        raise ImageError(f"{path}: not a readable TIFF ({_one_line(error)}); {remedy}") from error
    if axes == "YX":
        pixels, axes = pixels[..., None], "YXS"
    elif axes == "SYX":
        pixels, axes = pixels.transpose(1, 2, 0), "YXS"
    if axes != "YXS":
        raise ImageError(f"{path}: its axes are {axes}, not those of an image; save it as OpenEXR")
    colours = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1].repeat(3, axis=-1)
    if orientation in (5, 6, 7, 8):
        colours = colours.transpose(1, 0, 2)
    colours = colours[::-1] if orientation in (3, 4, 7, 8) else colours
    colours = colours[:, ::-1] if orientation in (2, 3, 6, 7) else colours
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(colours, np.float32)


_READERS = {
    b"\x76\x2f\x31\x01": read_exr,
    b"#?": read_radiance,
    b"II*\0": read_float_tiff,
    b"MM\0*": read_float_tiff,
    b"II+\0": read_float_tiff,
    b"MM\0+": read_float_tiff,
}


def read_hdr(path: Path) -> np.ndarray:
    """An HDR file of any kind, known by its first bytes: [H, W, 3] float32, linear Rec. 709, in
    the unit of the file. Values may be negative or not finite where the file's are.

    Raises ImageError.
    """
    try:
        with _checked(path).open("rb") as file:
            start = file.read(4)
        for magic, read in _READERS.items():
            if start.startswith(magic):
                return read(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error
    raise ImageError(
        f"{path}: neither OpenEXR, Radiance nor TIFF; save it as one of them or leave it out"
    )
