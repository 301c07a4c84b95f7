"""Read HDR images: OpenEXR, Radiance and floating-point TIFF.

Each becomes [H, W, 3] float32, linear Rec. 709 with white D65, in the unit of the file. A file that
cannot be read raises `ImageError`, one line that names the file, the reason and the remedy.
"""

import dataclasses
import io
import logging
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import OpenEXR

from hdrcnn.colour.primaries import REC709, is_xyz, luminance_weights, to_rec709, xyz_to_rec709
from hdrcnn.console import lines_withheld
from hdrcnn.files import ImageError, one_line
from hdrcnn.readers import exr_layers, rgbe
from hdrcnn.readers.decoded import NotReadError
from hdrcnn.tiles.geometry import strips, upright

if TYPE_CHECKING:
    import tifffile

HDR_SUFFIXES = (".exr", ".hdr", ".pic", ".tif", ".tiff")
MAX_PIXELS = 320_000_000
"""Maximum number of pixels; a panorama of 24,576 columns has 302 million. A scene of half floats
took 21 to 24 bytes of memory per pixel."""
PLAUSIBLE_PIXELS = 24_000_000, 16
"""Number of pixels that any file may claim, and how many more for each of its bytes. Only a flat
colour, or a file made to fill the memory, can be compressed further."""
_OF_OPENEXR = re.compile(r"\(EXR_ERR_|^Warning: Exception raised reading")
"""Lines that OpenEXR prints about a damaged file."""


# Errors report what tifffile logs about a damaged file; it is not to be printed as well.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


_DAMAGED = "damaged or truncated; copy it again from its source"


def _one_line(error: Exception) -> str:
    said = one_line(error)
    return said if " " in said else "damaged or truncated"


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    return path


@dataclasses.dataclass(frozen=True)
class Size:
    """Size of an image, from the headers of its file."""

    rows: int
    columns: int
    samples: int
    """Number of samples, in all channels, that reading the file decodes."""

    def check(self, path: Path) -> None:
        """Raises ImageError if the image is too large, or larger than its file's length allows."""
        said = f"{path}: {self.columns}x{self.rows} pixels"
        pixels = max(self.rows * self.columns, self.samples // 3)
        length = path.stat().st_size
        if pixels > MAX_PIXELS:
            raise ImageError(
                f"{said}, {self.samples / 1e6:,.0f} million samples: more than "
                f"{MAX_PIXELS / 1e6:.0f} megapixels are not read; make it smaller"
            )
        if pixels > PLAUSIBLE_PIXELS[0] + PLAUSIBLE_PIXELS[1] * length:
            raise ImageError(
                f"{said}, {self.samples / 1e6:,.0f} million samples are not believed of "
                f"{length:,} bytes; copy it again from its source or leave it out"
            )


def _spread(samples: np.ndarray, step: int, length: int, axis: int) -> np.ndarray:
    """Interpolate samples at 0, step, 2 step ... linearly to all `length` places of an axis."""
    places = np.arange(length)
    low = places // step
    high = np.minimum(low + 1, samples.shape[axis] - 1)
    share = (places % step / np.float32(step)).astype(np.float32)
    share = share[:, None] if axis == 0 else share
    return samples.take(low, axis) * (1 - share) + samples.take(high, axis) * share


def _plane(channel: Any, rows: int, columns: int, path: Path) -> np.ndarray:
    """Return a channel as [rows, columns], in the file's type; subsampled ones as float32."""
    samples, x, y = np.asarray(channel.pixels), channel.xSampling, channel.ySampling
    if not samples.size:
        raise ImageError(f"{path}: {_DAMAGED}")
    if samples.shape != (-(-rows // y), -(-columns // x)):
        # Before 3.5 OpenEXR's package leaves arbitrary numbers in subsampled channels.
        raise ImageError(
            f"{path}: the installed openexr misreads subsampled channels; pip install -U openexr"
        )
    if x == y == 1:
        return samples
    samples = samples.astype(np.float32)
    samples = samples if y == 1 else _spread(samples, y, rows, 0)
    return samples if x == 1 else _spread(samples, x, columns, 1)


def _matrix(chromaticities: Any, path: Path) -> np.ndarray | None:
    """Return the matrix to linear Rec. 709, [3, 3] float32; None if there is nothing to convert."""
    if is_xyz(chromaticities):  # The file contains X, Y and Z themselves, in which D65 is white.
        return xyz_to_rec709().astype(np.float32)
    try:
        matrix = to_rec709(chromaticities)
    except ValueError as error:
        raise ImageError(f"{path}: {error}; remove or correct that attribute") from error
    return None if matrix is None else matrix.astype(np.float32)


def _part_image(header: dict, planes: list[np.ndarray], luminance: bool, path: Path) -> np.ndarray:
    """Return the image of one part: [H, W, 3] float32, linear Rec. 709.

    planes: each [H, W]: R, G, B; Y, RY, BY if `luminance`; or a single one, which is grey.
    """
    out = np.empty((*planes[0].shape, 3), np.float32)
    if len(planes) == 1:
        out[:] = planes[0][..., None]
        return out
    chromaticities = header.get("chromaticities", REC709)
    matrix = _matrix(chromaticities, path)
    weights = luminance_weights(chromaticities).astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # Non-finite values are left to the caller.
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
    """Contents of an OpenEXR file, according to its headers."""

    parts: dict[int, tuple[str, list[str]]]
    """Name and channels of each part, by index, without deep images."""
    count: int
    """Number of parts, deep images included."""
    sizes: dict[int, tuple[int, int]]
    """Rows and columns of each of `parts`."""

    @property
    def size(self) -> Size:
        """Size of the largest part, with the samples of all parts as if none were subsampled."""
        rows, columns = max(self.sizes.values(), default=(0, 0), key=math.prod)
        samples = (
            math.prod(self.sizes[part]) * len(names) for part, (_, names) in self.parts.items()
        )
        return Size(rows, columns, sum(samples))


def _open_exr(path: Path, header_only: bool = False) -> Any:
    """Open an `OpenEXR.File`, hiding what OpenEXR prints. Raises what OpenEXR raises."""
    with lines_withheld(_OF_OPENEXR):
        return OpenEXR.File(str(path), separate_channels=True, header_only=header_only)


def _contents(path: Path) -> _Contents:
    """Read the headers of an OpenEXR file. Raises what OpenEXR raises, ValueError, ImageError."""
    _checked(path)
    flat, sizes = {}, {}
    with _open_exr(path, header_only=True) as file:
        for index, part in enumerate(file.parts):
            if part.type() not in (OpenEXR.scanlineimage, OpenEXR.tiledimage):
                continue
            low, high = (np.asarray(corner, np.int64) for corner in part.header["dataWindow"])
            columns, rows = (int(size) for size in high - low + 1)
            if min(columns, rows) < 1:
                raise ValueError("its data window is empty")
            # By attribute: indexing an array of channels gives something else.
            flat[index] = part.name(), [channel.name for channel in part.header["channels"]]
            sizes[index] = rows, columns
        return _Contents(flat, len(file.parts), sizes)


def _undo_alpha(out: np.ndarray, alpha: np.ndarray) -> None:
    """Divide [H, W, 3] by alpha [H, W] in place; where alpha is 0 colours stay as they are."""
    for rows in strips(len(out)):
        share = alpha[rows].astype(np.float32)[..., None]
        np.divide(out[rows], share, out=out[rows], where=share > 0)


def read_exr(path: Path, unassociated: bool = False) -> np.ndarray:
    """Read an OpenEXR image as [H, W, 3] float32, linear Rec. 709. Raises ImageError.

    Supports half, float and integer samples, in scanlines or tiles, and returns the pixels of the
    data window. Of several parts and layers it reads the one that `exr_layers` takes for the image:
    R, G, B, or luminance with or without chroma (RY = (R - Y) / Y, BY likewise; subsampled chroma
    is interpolated linearly). Colours are converted from the primaries in `chromaticities`, with
    Bradford adaptation to D65, or without adaptation if they are those of CIE XYZ; without the
    attribute Rec. 709 is assumed.

    Alpha is not returned. Colours are returned as stored, which by convention is multiplied by
    alpha: the light that the image adds to what is behind it. unassociated: divide them by alpha.
    Files with `hdrcnn:alpha = unassociated`, which this tool wrote before it followed the
    convention, are returned as stored in either case.
    """
    try:
        contents = _contents(path)
        contents.size.check(path)
        try:
            layer = exr_layers.image(contents.parts, alone=contents.count == 1)
        except ValueError as error:
            raise ImageError(f"{path}: {one_line(error)}") from error
        if layer is None:
            names = [name for _, names in contents.parts.values() for name in names]
            found = one_line(", ".join(names))
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
            "source or save it again"
        ) from error


HEADER = 1 << 20
"""Number of bytes within which the header of a Radiance image has to end."""


def _radiance_size(path: Path) -> Size:
    """Read the size of a Radiance image. Raises ValueError."""
    with _checked(path).open("rb") as file:
        rows, columns = rgbe.size(file.read(HEADER))
    return Size(rows, columns, 3 * rows * columns)


def read_radiance(path: Path) -> np.ndarray:
    """Read a Radiance image as [H, W, 3] float32, linear Rec. 709; see `rgbe.decode`.

    Raises ImageError.
    """
    try:
        size = _radiance_size(path)
        size.check(path)
        with path.open("rb") as file:  # No pixel takes 12 bytes; the rest is not read.
            return rgbe.decode(file.read(HEADER + 12 * size.rows * size.columns))
    except ValueError as error:
        raise ImageError(
            f"{path}: not a readable Radiance picture, {error}; copy it again from its source or "
            "save it as OpenEXR"
        ) from error
    except MemoryError as error:
        raise ImageError(f"{path}: too large for this machine's memory; make it smaller") from error


def _tiff_page_size(page: "tifffile.TiffPage") -> Size:
    rows, columns = int(page.imagelength), int(page.imagewidth)
    return Size(rows, columns, math.prod(int(length) for length in page.shape))


def _tiff_size(path: Path) -> Size:
    import tifffile  # Not needed for other files.

    with tifffile.TiffFile(_checked(path)) as file:
        page = file.pages.first
        return _tiff_page_size(page)


def read_float_tiff(path: Path) -> np.ndarray:
    """Read the first image of a floating-point TIFF as [H, W, 3] float32, upright.

    Supports half, float and double; grey becomes three equal channels, alpha is left out. Colour
    profiles are not read: linear Rec. 709 is assumed. Raises ImageError.
    """
    import tifffile

    from hdrcnn.readers import tiff_page

    try:
        data = _checked(path).read_bytes()
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            kind = page.dtype
            orientation = page.tags.valueof(274, 1)
            _tiff_page_size(page).check(path)
            if kind is None or kind.kind != "f":
                raise ImageError(
                    f"{path}: {kind} samples, not a floating-point TIFF; save it as OpenEXR, or "
                    "leave it out if it is no HDR image"
                )
            pixels = tiff_page.samples(page, data)
    except ImageError:
        raise
    except NotReadError as error:
        raise ImageError(f"{path}: {error}") from error
    except Exception as error:  # A damaged TIFF raises any exception.
        raise ImageError(
            f"{path}: not a readable TIFF ({_one_line(error)}); copy it again from its source or "
            "save it as OpenEXR"
        ) from error
    colours = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1].repeat(3, axis=-1)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(upright(colours, orientation), np.float32)


_KINDS: dict[bytes, tuple[Callable[[Path], np.ndarray], Callable[[Path], Size]]] = {
    b"\x76\x2f\x31\x01": (read_exr, lambda path: _contents(path).size),
    b"#?": (read_radiance, _radiance_size),
    b"II*\0": (read_float_tiff, _tiff_size),
    b"MM\0*": (read_float_tiff, _tiff_size),
    b"II+\0": (read_float_tiff, _tiff_size),
    b"MM\0+": (read_float_tiff, _tiff_size),
}


def _kind(path: Path) -> tuple[Callable[[Path], np.ndarray], Callable[[Path], Size]]:
    """Return the functions that read a file and its size, by its first bytes. Raises ImageError."""
    try:
        with _checked(path).open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            return kind
    raise ImageError(
        f"{path}: neither OpenEXR, Radiance nor TIFF; save it as one of them or leave it out"
    )


def size_of(path: Path) -> Size | None:
    """Return the size of an HDR file of any format from its headers; None if they cannot be read.

    `read_hdr` raises the reason.
    """
    try:
        return _kind(path)[1](path)
    except Exception:  # noqa: BLE001  # Damaged files raise any exception.
        return None


def read_hdr(path: Path) -> np.ndarray:
    """Read an HDR file of any format, identified by its first bytes.

    Returns [H, W, 3] float32, linear Rec. 709, in the unit of the file. Values may be negative or
    not finite where the file's are. A file whose header claims more pixels than `MAX_PIXELS`, or
    than `PLAUSIBLE_PIXELS` allows for its length, is rejected before memory is allocated. Raises
    ImageError.
    """
    try:
        return _kind(path)[0](path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error
