"""Photographs of any kind in: what the file's content says decides, not its ending.

A photograph is kept in its own codes and its own primaries: saturation mask, network and camera
curve work on what the camera stored. Its primaries come along, to be converted when the picture
is linear (`primaries.linear_to_rec709`). Whatever cannot be read raises `ImageError`, one line
that names file, reason and remedy.
"""

import dataclasses
import re
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError

from hdrcnn.colour.icc import has_tables, profile_chromaticities, srgb_profile, to_srgb
from hdrcnn.colour.primaries import ADOBE_RGB, REC709, Chromaticities, nearest_named
from hdrcnn.colour.sensor_light import SensorLight
from hdrcnn.files import ImageError
from hdrcnn.readers import (
    cicp,
    exif,
    heif as by_heif,
    panorama as gpano,
    pillow as by_pillow,
    raw,
    tiff as by_tifffile,
)
from hdrcnn.readers.decoded import CameraRawError, Decoded, NotReadError
from hdrcnn.readers.kinds import LOSSY, RAW, UnknownKindError, kind_of, lossy_webp

MAX_MEGAPIXELS = 250.0
ROWS = 256
"""Of a picture that are looked at together."""
_UNSUPPORTED = re.compile(r"unsupported|not (yet )?supported|cannot handle", re.IGNORECASE)
"""How decoders call what they have not learned, which is no damage."""
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")


@dataclasses.dataclass(frozen=True, eq=False)
class Photograph:
    """A picture and what its file says of it."""

    code: np.ndarray
    """[H, W, 3] float32 in [0, 1], display-encoded, upright, in the file's own codes and
    primaries: n/255, n/65535. Grey has three equal channels. Codes of a profile made of tables
    are those of sRGB, converted by LittleCMS."""
    alpha: np.ndarray | None = None
    """[H, W] float32 in [0, 1], never multiplied in. None where the file has none."""
    chromaticities: Chromaticities = REC709
    """Of the code's red, green, blue and white, CIE xy. Rec. 709 where the file says nothing."""
    bits: int = 8
    """Of a sample, as stored."""
    lossy: bool = False
    """JPEG, lossy WebP, HEIC, AVIF, or a TIFF compressed that way."""
    panorama: gpano.Band | None = None
    """What it shows of a sphere where it is equirectangular and goes all the way round, by its
    XMP data."""
    camera: exif.Camera = dataclasses.field(default_factory=dict)
    """Camera, lens and exposure by Exif name; see `readers.exif`."""
    jpeg: bytes | None = None
    """The file, where it is a JPEG whose samples are those of `code`."""
    sensor: SensorLight | None = None
    """The light of a RAW file, of which `code` is a clipped rendering in sRGB, 8 bits."""


def _contents(path: Path) -> bytes:
    """All bytes of a file that has some. Raises ImageError."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{path}: a folder, not a picture; name the pictures in it")
        if not stat.S_ISREG(mode):  # Reading a pipe would wait for ever.
            raise ImageError(f"{path}: not a file; name a picture")
        data = path.read_bytes()
    except FileNotFoundError as error:
        reason = "a link to nowhere; remove it" if path.is_symlink() else "no such file"
        raise ImageError(f"{path}: {reason}") from error
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise ImageError(f"{path}: cannot be read: {said}") from error
    if not data:
        raise ImageError(f"{path}: not a picture, the file is empty; copy it again from its source")
    return data


def _said(error: BaseException) -> str:
    """What a decoder says that people can use, in brackets; else nothing."""
    words = str(error).split()
    spoken = isinstance(error, (OSError, SyntaxError, ValueError, EOFError))
    useful = spoken and len(words) > 2 and not isinstance(error, UnidentifiedImageError)
    return f" ({' '.join(words)[:120]})" if useful else ""


def _decoded(
    path: Path, data: bytes, kind: str, max_megapixels: float
) -> Decoded | tuple[SensorLight, exif.Camera]:
    """The samples, or what a RAW file holds. Raises ImageError."""

    def check(width: int, height: int) -> None:
        if width <= 0 or height <= 0:
            raise NotReadError(f"a picture without pixels ({width}x{height}); leave it out")
        if width * height > max_megapixels * 1e6:
            raise NotReadError(
                f"{width}x{height} are {width * height / 1e6:.0f} megapixels, more than "
                f"{max_megapixels:g}; give --max_megapixels={-(-width * height // 1000000)}"
            )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # What is wrong is said in the error.
            if kind == "HEIF":
                return _without_tables(data, kind, by_heif.read(data, check))
            if kind == RAW:
                return raw.read(data, check)
            try:
                found = by_tifffile.read(data, check) if kind == "TIFF" else None
            except CameraRawError:
                return raw.read(data, check)
            return _without_tables(data, kind, found or by_pillow.read(data, kind, check))
    except NotReadError as error:
        raise ImageError(f"{path}: {error}") from error
    except MemoryError as error:
        raise ImageError(f"{path}: too large for this machine's memory; make it smaller") from error
    except Exception as error:  # Damaged files make decoders fail in any way they like.
        reason = f"damaged or truncated{_said(error)}; copy it again from its source"
        if _UNSUPPORTED.search(str(error)):
            reason = f"a kind of {kind} that is not read{_said(error)}; save it as PNG or TIFF"
        raise ImageError(f"{path}: {reason}") from error


def _code_points(data: bytes, kind: str) -> tuple[int, int] | None:
    if kind == "PNG":
        return cicp.png_code_points(data)
    return cicp.heif_code_points(data) if kind in ("AVIF", "HEIF") else None


def _chromaticities(data: bytes, kind: str, found: Decoded) -> Chromaticities:
    """The primaries that the file names, the more certain source first; else Rec. 709.

    PNG: cICP, profile, sRGB, cHRM, as its standard ranks them. HEIC and AVIF: profile, nclx.
    """
    if found.colours.shape[-1] == 1:
        return REC709
    points = _code_points(data, kind)
    named = cicp.PRIMARIES.get(points[0]) if points else None
    if kind == "PNG" and named:
        return named
    by_profile = profile_chromaticities(found.icc) if found.icc else None
    if by_profile or named:
        return by_profile or named or REC709
    if kind == "PNG":
        stored = cicp.png_chromaticities(data)
        return (nearest_named(stored) if stored else None) or REC709
    return ADOBE_RGB if found.adobe_rgb and not found.icc else REC709


def _without_tables(data: bytes, kind: str, found: Decoded) -> Decoded:
    """In sRGB where the file's profile is made of tables, which have no primaries to go on with;
    else as it is. Like primaries, a PNG's profile counts for nothing beside cICP.
    """
    if not found.icc or found.colours.shape[-1] != 3 or not has_tables(found.icc):
        return found
    if kind == "PNG" and _code_points(data, kind):
        return found
    depth = np.iinfo(found.colours.dtype).bits
    colours = found.colours
    if depth != found.bits:  # LittleCMS knows full 8 and 16 bits.
        full = np.round(colours * (float(2**depth - 1) / (2**found.bits - 1)))
        colours = full.astype(colours.dtype)
    converted = to_srgb(colours, found.icc)
    if converted is None:
        return found
    return dataclasses.replace(
        found, colours=converted, bits=depth, icc=srgb_profile(), converted=True
    )


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W, ...] turned and mirrored as the Exif orientation (1 to 8) asks."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def _codes(stored: np.ndarray, bits: int) -> np.ndarray:
    """[H, W, 3] float32 in [0, 1] of [H, W, 1 or 3] integers."""
    code = np.empty((*stored.shape[:2], 3), np.float32)
    for top in range(0, len(code), ROWS):
        np.divide(stored[top : top + ROWS], np.float32(2**bits - 1), code[top : top + ROWS])
    return code


def _kind(path: Path, data: bytes) -> str:
    """By the content; what begins like a TIFF file or like nothing known may be RAW by its ending.
    Raises NotReadError.
    """
    ends_raw = path.suffix.lower() in raw.SUFFIXES
    try:
        kind = kind_of(data)
    except UnknownKindError:
        if ends_raw:
            return RAW
        raise
    return RAW if ends_raw and kind == "TIFF" else kind


def read_photograph(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Photograph:
    """A photograph of 8 to 16 bits; of several pictures in a file the first.

    PNG, JPEG (CMYK too), TIFF, WebP, BMP, GIF, AVIF, HEIC with pillow-heif, and RAW files with
    rawpy. Larger pictures than `max_megapixels` are refused before they are decoded, and so are
    files whose bytes cannot hold, or whose frames do not fill, the pixels that their headers claim.
    Memory while reading: up to 30 bytes per pixel, 12 of them the code that is returned. Raises
    ImageError.
    """
    path = Path(path)
    data = _contents(path)
    try:
        kind = _kind(path, data)
        points = _code_points(data, kind)
        if points and points[1] in cicp.HDR_CURVES:
            curve = cicp.HDR_CURVES[points[1]]
            raise NotReadError(f"its samples are {curve}, an HDR image already; leave it out")
    except NotReadError as error:
        raise ImageError(f"{path}: {error}") from error
    found = _decoded(path, data, kind, max_megapixels)
    if not isinstance(found, Decoded):
        sensor, camera = found
        return Photograph(_codes(sensor.rendering(), 8), camera=camera, sensor=sensor)
    stored = upright(found.colours, found.orientation)
    code = _codes(stored, found.bits)
    alpha = None if found.alpha is None else upright(found.alpha, found.orientation)
    return Photograph(
        code,
        None if alpha is None else np.ascontiguousarray(alpha, np.float32),
        _chromaticities(data, kind, found),
        found.bits,
        kind in LOSSY or (kind == "WEBP" and lossy_webp(data)) or found.compression in _LOSSY_TIFF,
        gpano.band(found.xmp, *code.shape[:2]),
        found.camera,
        data if kind == "JPEG" and not found.converted else None,
    )


def read_ldr(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """The code of a photograph alone: [H, W, 3] float32 in [0, 1]. Raises ImageError."""
    return read_photograph(path, max_megapixels).code


def as_stored(code: np.ndarray, bits: int) -> np.ndarray:
    """n/255 or n/65535 in float32 back to n; codes of other depths stay as they are."""
    if bits not in (8, 16):
        return code
    stored = np.empty(code.shape, np.uint8 if bits == 8 else np.uint16)
    for top in range(0, len(code), ROWS):
        stored[top : top + ROWS] = np.round(code[top : top + ROWS] * np.float32(2**bits - 1))
    return stored
