"""Read photographs in any supported format, identified by content rather than by file name.

A photograph keeps its own codes and its own primaries, because the saturation mask, the network and
the camera curve work on what the camera stored. The primaries are returned as well, so that the
image can be converted once it is linear (`primaries.linear_to_rec709`). A file that cannot be read
raises `ImageError`, one line that names the file, the reason and the remedy.
"""

import dataclasses
import re
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError

from hdrcnn.colour.icc import has_tables, profile_chromaticities, srgb_profile, to_srgb
from hdrcnn.colour.measured import Measured, SensorLight
from hdrcnn.colour.primaries import ADOBE_RGB, REC709, Chromaticities, nearest_named
from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.files import ImageError
from hdrcnn.readers import (
    cicp,
    gain_map,
    heif,
    heif_gain_map,
    heif_items,
    jpeg,
    metadata,
    pillow,
    raw,
)
from hdrcnn.readers.animation import lossy_webp
from hdrcnn.readers.decoded import (
    LOSSY,
    RAW,
    CameraRawError,
    Decoded,
    NotReadError,
    SizeCheck,
    UnknownKindError,
    kind_of,
)
from hdrcnn.readers.metadata import Band, band
from hdrcnn.tiles.geometry import strips, upright

MAX_MEGAPIXELS = 250.0
_UNSUPPORTED = re.compile(r"unsupported|not (yet )?supported|cannot handle", re.IGNORECASE)
"""Wording with which decoders reject a feature they do not support; the file is not damaged."""
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")


@dataclasses.dataclass(frozen=True, eq=False)
class Photograph:
    """An image and the metadata of its file."""

    code: np.ndarray
    """[H, W, 3] float32 in [0, 1], display-encoded, upright: the file's own codes (n/255, n/65535,
    ...) in its own primaries. A grey image has three equal channels. If the ICC profile is
    table-based, the codes are sRGB, converted by LittleCMS."""
    alpha: np.ndarray | None = None
    """[H, W] float32 in [0, 1]; `code` is not multiplied by it. None if the file has no alpha."""
    chromaticities: Chromaticities = REC709
    """CIE xy of red, green, blue and white of `code`; Rec. 709 if the file does not say."""
    bits: int = 8
    """Bits per sample: as stored, unless the codes had to be converted or rendered."""
    lossy: bool = False
    """Whether the file is JPEG, lossy WebP, HEIC, AVIF, or a TIFF compressed in such a way."""
    panorama: Band | None = None
    """The part of a sphere that the image covers, if its XMP data declares it to be equirectangular
    and it goes all the way round; else None."""
    camera: metadata.Camera = dataclasses.field(default_factory=dict)
    """Camera, lens and exposure by Exif name; see `readers.metadata`."""
    jpeg: bytes | None = None
    """The bytes of the file if it is a JPEG whose samples are those of `code`; else None."""
    measured: Measured | None = None
    """The HDR light of a photograph with a gain map. It is decoded with the base image's display
    transfer function, and `code` is then the SDR rendition."""
    gain_map_fault: str = ""
    """Why the file's gain map is not used; empty if it is used, or if there is none."""
    sensor: SensorLight | None = None
    """The light of a RAW file; `code` is then a clipped 8-bit sRGB rendering of it."""


def _contents(path: Path) -> bytes:
    """Return the bytes of a regular file that is not empty. Raises ImageError."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{path}: a folder, not a picture; name the pictures in it")
        if not stat.S_ISREG(mode):  # Reading a pipe would wait forever.
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
    """Return a decoder's message in parentheses if it is of use to people, else an empty string."""
    words = str(error).split()
    spoken = isinstance(error, (OSError, SyntaxError, ValueError, EOFError))
    useful = spoken and len(words) > 2 and not isinstance(error, UnidentifiedImageError)
    return f" ({' '.join(words)[:120]})" if useful else ""


def _size_check(max_megapixels: float) -> SizeCheck:
    def check(width: int, height: int) -> None:
        if width <= 0 or height <= 0:
            raise NotReadError(f"a picture without pixels ({width}x{height}); leave it out")
        if width * height > max_megapixels * 1e6:
            raise NotReadError(
                f"{width}x{height} are {width * height / 1e6:.3g} megapixels, more than "
                f"{max_megapixels:g}; give --max_megapixels={-(-width * height // 1000000)}"
            )

    return check


def _decoded(
    path: Path, data: bytes, kind: str, check: SizeCheck
) -> Decoded | tuple[SensorLight, metadata.Camera]:
    """Decode an image, or the light and camera data of a RAW file. Raises ImageError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The exceptions report what is wrong.
            if kind == "HEIF":
                return _without_tables(data, kind, heif.read(data, check))
            if kind == RAW:
                return raw.read(data, check)
            found = None
            if kind == "TIFF":
                from hdrcnn.readers import tiff  # Loads packages that only TIFF needs.

                try:
                    found = tiff.read(data, check)
                except CameraRawError:
                    return raw.read(data, check)
            return _without_tables(data, kind, found or pillow.read(data, kind, check))
    except NotReadError as error:
        raise ImageError(f"{path}: {error}") from error
    except MemoryError as error:
        raise ImageError(f"{path}: too large for this machine's memory; make it smaller") from error
    except Exception as error:  # Decoders raise any exception on damaged files.
        reason = f"damaged or truncated{_said(error)}; copy it again from its source"
        if _UNSUPPORTED.search(str(error)):
            reason = f"a kind of {kind} that is not read{_said(error)}; save it as PNG or TIFF"
        raise ImageError(f"{path}: {reason}") from error


def _code_points(data: bytes, kind: str) -> tuple[int, int] | None:
    if kind == "PNG":
        return cicp.png_code_points(data)
    return cicp.heif_code_points(data) if kind in ("AVIF", "HEIF") else None


def _chromaticities(data: bytes, kind: str, found: Decoded) -> Chromaticities:
    """Return the primaries that the file specifies, from its most reliable source; else Rec. 709.

    Order of precedence: for PNG cICP, ICC profile, sRGB, cHRM, as its standard ranks them; for HEIC
    and AVIF ICC profile, nclx; for other formats ICC profile, Exif. Grey images count as Rec. 709.
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
    """Convert to sRGB if the ICC profile is table-based; else return the samples unchanged.

    Unlike a matrix, tables have no primaries that could be converted later. A PNG's profile is
    ignored if the file has cICP.
    """
    if not found.icc or found.colours.shape[-1] != 3 or not has_tables(found.icc):
        return found
    if kind == "PNG" and _code_points(data, kind):
        return found
    depth = np.iinfo(found.colours.dtype).bits
    colours = found.colours
    if depth != found.bits:  # LittleCMS takes full 8 or 16 bits only.
        full = np.round(colours * (float(2**depth - 1) / (2**found.bits - 1)))
        colours = full.astype(colours.dtype)
    converted = to_srgb(colours, found.icc)
    if converted is None:
        return found
    return dataclasses.replace(
        found, colours=converted, bits=depth, icc=srgb_profile(), converted=True
    )


def _in_share(samples: np.ndarray, bits: int, channels: int) -> np.ndarray:
    """Convert [H, W, 1 or 3] integers to [H, W, channels] float32 in [0, 1]."""
    code = np.empty((*samples.shape[:2], channels), np.float32)
    for rows in strips(len(code)):
        np.divide(samples[rows], np.float32(2**bits - 1), code[rows])
    return code


def _gain_map(data: bytes, kind: str, base: Decoded, check: SizeCheck) -> gain_map.Found | None:
    """Return the gain map of a file; None if it has none. Raises GainMapError."""

    def read(file: bytes) -> Decoded:
        return heif.read(file, check) if kind == "HEIF" else pillow.read(file, kind, check)

    if kind == "JPEG":
        return jpeg.find_gain_map(data, base.orientation, base.maker_note, read)
    if kind in ("HEIF", "AVIF"):
        return heif_gain_map.find(data, base.maker_note, read)
    return None


def _deep(data: bytes, base: Decoded) -> Decoded:
    """Decode an AVIF again with all its bits: Pillow returns the upper 8, too few for PQ."""
    import imagecodecs

    try:
        samples = np.atleast_3d(imagecodecs.avif_decode(data))[..., : base.colours.shape[-1]]
    except (RuntimeError, ValueError, AttributeError, ImportError):
        return base
    rows, columns = samples.shape[:2]
    if shown := heif_items.clean_aperture(data, columns, rows):
        samples = samples[shown[1] : shown[3], shown[0] : shown[2]]
    bits = heif_items.av1_bits(data)
    if bits is None or samples.dtype != np.uint16 or samples.shape != base.colours.shape:
        return base
    return dataclasses.replace(base, colours=samples, bits=bits)


def _measured(
    base: Decoded,
    code: np.ndarray,
    found: gain_map.Found,
    hdr_curve: str,
    primaries: Chromaticities,
) -> tuple[Measured, np.ndarray]:
    """Apply a gain map; returns what `gain_map.reconstructed` does. Raises GainMapError."""
    if hdr_curve and not found.numbers.is_inverse:
        raise gain_map.GainMapError(f"its base is {hdr_curve}, and so HDR by itself")
    picture = found.picture
    share = upright(picture.colours, picture.orientation)
    share = _in_share(share, picture.bits, share.shape[-1])
    curve: gain_map.Curve = srgb_decode
    if hdr_curve:
        curve = gain_map.HDR_CURVES[hdr_curve]
    elif base.icc and not base.converted:
        curve = gain_map.profile_curve(base.icc, base.bits)
    return gain_map.reconstructed(code, share, found, curve, primaries)


def _kind(path: Path, data: bytes) -> str:
    """Identify the format by content; a RAW extension decides for files that start like a TIFF or
    like nothing known. Raises NotReadError.
    """
    ends_raw = path.suffix.lower() in raw.SUFFIXES
    try:
        kind = kind_of(data)
    except UnknownKindError:
        if ends_raw:
            return RAW
        raise
    return RAW if ends_raw and kind == "TIFF" else kind


def read_photograph(
    path: Path, max_megapixels: float = MAX_MEGAPIXELS, gain_maps: str = "use"
) -> Photograph:
    """Read a photograph of 8 to 16 bits per sample; of several images in a file, the first.

    Formats: PNG, JPEG (including CMYK), TIFF, WebP, BMP, GIF, AVIF, HEIC (with pillow-heif) and RAW
    (with rawpy). Images larger than `max_megapixels` are rejected before they are decoded, and so
    are files that are too short for the pixels their headers claim, or whose frame covers too
    little of its canvas. Reading takes up to 30 bytes of memory per pixel, 12 of them the returned
    code.

    gain_maps: one of `gain_map.CHOICES`; "ignore" does not look for a gain map, "only" requires
    one. Raises ImageError.
    """
    path = Path(path)
    data = _contents(path)
    try:
        kind = _kind(path, data)
        points = _code_points(data, kind)
        curve = cicp.HDR_CURVES.get(points[1], "") if points else ""
        # An HDR base with an inverse gain map has an SDR rendition.
        mapped = gain_maps != "ignore" and kind in ("AVIF", "HEIF")
        if curve and not (mapped and heif_gain_map.has_tone_map(data)):
            raise NotReadError(f"its samples are {curve}, an HDR image already; leave it out")
        odd = cicp.png_fault(data) if kind == "PNG" and not curve else ""
        if odd:
            raise NotReadError(odd)
    except NotReadError as error:
        raise ImageError(f"{path}: {error}") from error
    check = _size_check(max_megapixels)
    found = _decoded(path, data, kind, check)
    if not isinstance(found, Decoded):
        if gain_maps == "only":
            raise ImageError(f"{path}: a RAW file has no gain map; leave it out")
        sensor, camera = found
        rendering = _in_share(sensor.rendering(), 8, 3)
        return Photograph(rendering, camera=camera, sensor=sensor)
    found = _deep(data, found) if curve and kind == "AVIF" else found
    code = _in_share(upright(found.colours, found.orientation), found.bits, 3)
    primaries = _chromaticities(data, kind, found)
    bits, measured, fault = found.bits, None, ""
    try:
        held = None if gain_maps == "ignore" else _gain_map(data, kind, found, check)
        if held is not None:
            measured, sdr = _measured(found, code, held, curve, primaries)
            code, bits = sdr, bits if sdr is code else 16
    except gain_map.GainMapError as error:
        fault = str(error)
    if curve and measured is None:
        raise ImageError(f"{path}: its samples are {curve}, an HDR image already, and its gain map "
                         f"is not used: {fault}; leave it out")  # fmt: skip
    if gain_maps == "only" and measured is None:
        reason = f"its gain map cannot be used: {fault}" if fault else "it has no gain map"
        raise ImageError(f"{path}: {reason}; leave it out, or give --gain_map=use")
    alpha = None if found.alpha is None else upright(found.alpha, found.orientation)
    return Photograph(
        code,
        None if alpha is None else np.ascontiguousarray(alpha, np.float32),
        primaries,
        bits,
        kind in LOSSY or (kind == "WEBP" and lossy_webp(data)) or found.compression in _LOSSY_TIFF,
        band(found.xmp, *code.shape[:2]),
        found.camera,
        data if kind == "JPEG" and not found.converted else None,
        measured,
        fault,
    )


def read_ldr(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Return only the code of a photograph: [H, W, 3] float32 in [0, 1]. Raises ImageError."""
    return read_photograph(path, max_megapixels, "ignore").code


def to_integer_codes(code: np.ndarray, bits: int) -> np.ndarray:
    """Convert float32 codes n/255 or n/65535 back to n; other bit depths stay as they are."""
    if bits not in (8, 16):
        return code
    stored = np.empty(code.shape, np.uint8 if bits == 8 else np.uint16)
    for rows in strips(len(code)):
        stored[rows] = np.round(code[rows] * np.float32(2**bits - 1))
    return stored
