"""HDR images in: OpenEXR, Radiance, floating-point TIFF.

Whatever the file holds becomes [H, W, 3] float32, linear Rec. 709 with the white D65, in the
unit of the file. What cannot be read raises `ImageError`, one line that names file, reason and
remedy.
"""

import dataclasses
import logging
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import tifffile

from hdrcnn import exr_layers, rgbe
from hdrcnn.absolute import strips
from hdrcnn.image_io import ImageError
from hdrcnn.primaries import REC709, is_xyz, luminance_weights, to_rec709, xyz_to_rec709
from hdrcnn.printed import without

HDR_SUFFIXES = (".exr", ".hdr", ".pic", ".tif", ".tiff")
LARGEST = 320_000_000
"""Pixels; a panorama of 24,576 columns has 302 million. Reading takes up to about 24 bytes of
memory for each, whatever the length of the file.
"""
LARGEST_SAMPLES = 1 << 31
"""Of all channels of an OpenEXR file: the library decodes them all."""
_OF_OPENEXR = re.compile(r"\(EXR_ERR_|^Warning: Exception raised reading")
"""Lines that OpenEXR prints about a damaged file."""


# What tifffile notes about a damaged file is said in the error; it must not stand beside it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


_DAMAGED = "damaged or truncated; copy it again from its source"


def _one_line(error: Exception) -> str:
    words = str(error).split()
    return " ".join(words) if len(words) > 1 else "damaged or truncated"


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    return path


def _check_size(path: Path, size: tuple[int, int]) -> None:
    """size: rows and columns. Raises ImageError."""
    if math.prod(size) > LARGEST:
        raise ImageError(
            f"{path}: {size[1]}x{size[0]} pixels, more than {LARGEST / 1e6:.0f} megapixels are not "
            "read; make it smaller"
        )


def _spread(samples: np.ndarray, step: int, length: int, axis: int) -> np.ndarray:
    """Samples that stand at 0, step, 2 step ... to all `length` places of an axis, linearly."""
    places = np.arange(length)
    low = places // step
    high = np.minimum(low + 1, samples.shape[axis] - 1)
    share = (places % step / np.float32(step)).astype(np.float32)
    share = share[:, None] if axis == 0 else share
    return samples.take(low, axis) * (1 - share) + samples.take(high, axis) * share


def _plane(channel: Any, rows: int, columns: int, path: Path) -> np.ndarray:
    """One channel as [rows, columns], of the file's type unless it is subsampled."""
    samples, x, y = np.asarray(channel.pixels), channel.xSampling, channel.ySampling
    if not samples.size:
        raise ImageError(f"{path}: {_DAMAGED}")
    if samples.shape != (-(-rows // y), -(-columns // x)):
        # OpenEXR's package before 3.5 leaves arbitrary numbers in subsampled channels.
        raise ImageError(
            f"{path}: the installed openexr misreads subsampled channels; pip install -U openexr"
        )
    if x == y == 1:
        return samples
    samples = samples.astype(np.float32)
    samples = samples if y == 1 else _spread(samples, y, rows, 0)
    return samples if x == 1 else _spread(samples, x, columns, 1)


def _matrix(chromaticities: Any, path: Path) -> np.ndarray | None:
    """[3, 3] float32 to linear Rec. 709; None where nothing is to be done."""
    if is_xyz(chromaticities):  # The file holds X, Y and Z themselves: D65 in them is white.
        return xyz_to_rec709().astype(np.float32)
    try:
        matrix = to_rec709(chromaticities)
    except ValueError as error:
        raise ImageError(f"{path}: {error}; remove or correct that attribute") from error
    return None if matrix is None else matrix.astype(np.float32)


def _part_image(header: dict, planes: list[np.ndarray], luminance: bool, path: Path) -> np.ndarray:
    """The image of one part: [H, W, 3] float32, linear Rec. 709.

    planes: each [H, W]: R, G, B; Y, RY, BY where `luminance`; or one that is grey.
    """
    out = np.empty((*planes[0].shape, 3), np.float32)
    if len(planes) == 1:
        out[:] = planes[0][..., None]
        return out
    chromaticities = header.get("chromaticities", REC709)
    matrix = _matrix(chromaticities, path)
    weights = luminance_weights(chromaticities).astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # Not finite: the caller's to judge.
        for rows in strips(len(out)):
            red, green, blue = (plane[rows].astype(np.float32) for plane in planes)
            if luminance:
                light, red, blue = red, (green + 1) * red, (blue + 1) * red
                green = (light - weights[0] * red - weights[2] * blue) / weights[1]
            rgb = np.stack([red, green, blue], axis=-1)
            out[rows] = rgb if matrix is None else rgb @ matrix.T
    return out


@dataclasses.dataclass(frozen=True)
class _Contents:
    """What the headers of an OpenEXR file say."""

    parts: dict[int, tuple[str, list[str]]]
    """Of each part that is no deep image: its name and its channels."""
    count: int
    """Of all parts."""
    sizes: dict[int, tuple[int, int]]
    """Rows and columns of each such part."""

    @property
    def samples(self) -> int:
        """Of all channels, as if none were subsampled."""
        return sum(
            math.prod(self.sizes[part]) * len(names) for part, (_, names) in self.parts.items()
        )


def _open_exr(path: Path, header_only: bool = False) -> Any:
    """An open `OpenEXR.File`. Raises what it raises; what it prints is kept from the user."""
    with without(_OF_OPENEXR):
        return OpenEXR.File(str(path), separate_channels=True, header_only=header_only)


def _contents(path: Path) -> _Contents:
    """Of an OpenEXR file, without its pixels. Raises what OpenEXR raises, ValueError."""
    flat, sizes = {}, {}
    with _open_exr(path, header_only=True) as file:
        for index, part in enumerate(file.parts):
            if part.type() not in (OpenEXR.scanlineimage, OpenEXR.tiledimage):
                continue
            low, high = (np.asarray(corner, np.int64) for corner in part.header["dataWindow"])
            columns, rows = (int(size) for size in high - low + 1)
            if min(columns, rows) < 1:
                raise ValueError("its data window is empty")
            # By attribute: an array of channels is not what it looks like when it is indexed.
            flat[index] = part.name(), [channel.name for channel in part.header["channels"]]
            sizes[index] = rows, columns
        return _Contents(flat, len(file.parts), sizes)


def _undo_alpha(out: np.ndarray, alpha: np.ndarray) -> None:
    """Divides [H, W, 3] by [H, W] in place. Where alpha is 0 nothing is left to be divided."""
    for rows in strips(len(out)):
        share = alpha[rows].astype(np.float32)[..., None]
        np.divide(out[rows], share, out=out[rows], where=share > 0)


def read_exr(path: Path, unassociated: bool = False) -> np.ndarray:
    """An OpenEXR image as [H, W, 3] float32, linear Rec. 709. Raises ImageError.

    Half, float or integer samples, scanlines or tiles; the pixels of the data window. Of several
    parts and layers that which `exr_layers` takes for the image: R, G, B, or luminance with or
    without chroma (RY = (R - Y) / Y, BY likewise; subsampled chroma is interpolated linearly).
    `chromaticities` are converted, to D65 by Bradford adaptation, those of CIE XYZ without;
    without them Rec. 709 is assumed.

    Alpha is left out. Colours are as stored, by the convention multiplied by it: the light that
    the image adds to what lies behind it. unassociated: divide them by it. Either way those of
    files with `hdrcnn:alpha = unassociated`, which this tool wrote before it followed the
    convention, are as stored.
    """
    _checked(path)
    try:
        contents = _contents(path)
        _check_size(path, max(contents.sizes.values(), default=(0, 0), key=math.prod))
        if contents.samples > LARGEST_SAMPLES:
            raise ImageError(
                f"{path}: {contents.samples / 1e6:.0f} million samples in all its channels, more "
                f"than {LARGEST_SAMPLES / 1e6:.0f} are not read; save the image alone"
            )
        try:
            layer = exr_layers.image(contents.parts, alone=contents.count == 1)
        except ValueError as error:
            raise ImageError(f"{path}: {error}") from error
        if layer is None:
            found = ", ".join(name for _, names in contents.parts.values() for name in names)
            raise ImageError(
                f"{path}: no R, G and B channels (found: {found or 'none'}); save it with them"
            )
        with _open_exr(path) as file:
            if len(file.parts) != contents.count:  # A part that cannot be read is left out.
                raise ImageError(f"{path}: {_DAMAGED}")
            header, channels = file.parts[layer.part].header, file.parts[layer.part].channels
            size = contents.sizes[layer.part]
            planes = [_plane(channels[name], *size, path) for name in layer.channels]
            image = _part_image(header, planes, "RY" in layer.channels, path)
            if unassociated and "A" in channels and header.get("hdrcnn:alpha") != "unassociated":
                _undo_alpha(image, _plane(channels["A"], *size, path))
            return image
    except (RuntimeError, ValueError, LookupError, TypeError, MemoryError) as error:
        raise ImageError(
            f"{path}: not a readable OpenEXR file ({_one_line(error)}); copy it again from its "
            "source or save it anew"
        ) from error


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
