"""File formats by their first bytes, what decoders return, and the errors they raise."""

import dataclasses
import re
import struct
from collections.abc import Callable

import numpy as np

from hdrcnn.readers.metadata import Camera

LOSSY = ("JPEG", "HEIF", "AVIF")
_HDR = "an HDR image already; leave it out"
RAW = "RAW"
"""Camera RAW, read by `readers.raw`. Of the RAW formats that start like a TIFF, `kind_of`
recognises only CR2."""
_NOT_READ = "a kind not read here; save it as PNG, JPEG or TIFF"
_SPACES = (b" ", b"\n", b"\r", b"\t")
_FILLED_JPEG = re.compile(rb"\xff\xd8[^\xff]{1,64}\xff+[\xc0-\xfe]")
"""JPEG with stray bytes between the start of image and the first marker, which libjpeg skips."""
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"IIU\0", RAW),
    (b"FOVb", RAW),
    (b"\0MRM", RAW),
    (b"II\x1a\0\0\0HEAPCCDR", RAW),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
)
_KNOWN = (
    (b"\x76\x2f\x31\x01", f"OpenEXR, {_HDR}"),
    (b"#?", f"Radiance, {_HDR}"),
    (b"8BPS", f"a Photoshop document, {_NOT_READ}"),
    (b"\xff\x0a", f"JPEG XL, {_NOT_READ}"),
    (b"\0\0\0\x0cJXL ", f"JPEG XL, {_NOT_READ}"),
    (b"\0\0\0\x0cjP  ", f"JPEG 2000, {_NOT_READ}"),
    (b"\xff\x4f\xff\x51", f"JPEG 2000, {_NOT_READ}"),
    (b"%PDF", f"a PDF document, {_NOT_READ}"),
    (b"gimp xcf ", f"a GIMP document, {_NOT_READ}"),
    (b"qoif", f"QOI, {_NOT_READ}"),
    (b"SIMPLE  =", f"FITS, {_NOT_READ}"),
    (b"SDPX", f"DPX, {_NOT_READ}"),
    (b"XPDS", f"DPX, {_NOT_READ}"),
    (b"\x80\x2a\x5f\xd7", f"Cineon, {_NOT_READ}"),
    (b"AT&TFORM", f"DjVu, {_NOT_READ}"),
    (b"II\xbc\1", f"JPEG XR, {_NOT_READ}"),
    (b"\0\0\1\0", f"a Windows icon, {_NOT_READ}"),
    (b"\x8aMNG", f"MNG, {_NOT_READ}"),
    (b"DDS ", f"a texture (DDS), {_NOT_READ}"),
    (b"<svg", f"an SVG drawing, {_NOT_READ}"),
    (b"<?xml", "text (XML), not a picture; leave it out"),
    (b"<!DOCTYPE", "a web page saved in place of the picture; copy it again from its source"),
    (b"<html", "a web page saved in place of the picture; copy it again from its source"),
    *((b"P%d%s" % (kind, space), f"PNM, {_NOT_READ}") for kind in range(1, 8) for space in _SPACES),
    (b"PF\n", f"PFM, {_HDR}"),
    (b"Pf\n", f"PFM, {_HDR}"),
)
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"MiHE"}
_AVIF_BRANDS = {b"avif", b"avis"}
SizeCheck = Callable[[int, int], None]
"""Function called with width and height before decoding; raises if the image is to be rejected."""


class NotReadError(Exception):
    """An intact file that is no photograph of a supported format; message: `reason; remedy`."""


class CameraRawError(NotReadError):
    """A file that starts like a TIFF contains sensor samples, and is left to `readers.raw`."""


class UnknownKindError(NotReadError):
    """The first bytes match no known format."""


def _kind_of_boxes(data: bytes) -> str:
    """Return AVIF, HEIF or RAW, by the brands in the file's first box. Raises NotReadError."""
    end = min(max(struct.unpack_from(">I", data)[0], 16), 512)
    brands = {data[8:12]} | {data[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIC_BRANDS:
        return "HEIF"
    if b"crx " in brands:
        return RAW
    raise NotReadError("a film, not a picture; leave it out")


def kind_of(data: bytes) -> str:
    """Return Pillow's name of the format, or `RAW`. Raises NotReadError for unsupported formats."""
    for start, kind in _STARTS:
        if data.startswith(start):
            if kind == "TIFF" and data[8:10] == b"CR":
                return RAW
            return kind
    if _FILLED_JPEG.match(data):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _kind_of_boxes(data)
    for start, reason in _KNOWN:
        if data.startswith(start):
            raise NotReadError(reason)
    raise UnknownKindError("not a picture this tool reads; save it as PNG, JPEG or TIFF")


@dataclasses.dataclass(frozen=True, eq=False)
class Decoded:
    """The first image of a file, as a decoder returns it."""

    colours: np.ndarray
    """[H, W, 1] grey or [H, W, 3] RGB, uint8 or uint16, as stored."""
    bits: int
    """Bits per sample; the largest code is 2^bits - 1."""
    alpha: np.ndarray | None = None
    """[H, W] float32 in [0, 1]."""
    orientation: int = 1
    """Exif orientation that is still to be applied; 1 = upright."""
    camera: Camera = dataclasses.field(default_factory=dict)
    adobe_rgb: bool = False
    """Whether the Exif data declares Adobe RGB."""
    icc: bytes = b""
    """ICC profile of these samples; empty if there is none."""
    xmp: bytes = b""
    maker_note: bytes = b""
    """Apple's maker note, for the headroom of a gain map; it is never written to a result."""
    compression: str = ""
    """Compression of a TIFF, by its name in `tiff_page.COMPRESSIONS` or in Pillow."""
    converted: bool = False
    """Whether a table-based profile was applied, so that the samples are not those stored."""

    def __post_init__(self) -> None:
        """Raises ValueError if damage has led to samples that are not an image."""
        shape = self.colours.shape
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise ValueError(f"samples of the shape {shape}")
        if self.alpha is not None and self.alpha.shape != shape[:2]:
            raise ValueError(f"alpha of the shape {self.alpha.shape}")


def shares(alpha: np.ndarray) -> np.ndarray:
    """Convert integer alpha to float32 in [0, 1]."""
    return np.asarray(alpha, np.float32) / np.float32(np.iinfo(alpha.dtype).max)


def unpremultiplied(colours: np.ndarray, alpha: np.ndarray, top: int) -> np.ndarray:
    """Divide colours, [H, W, C] integers, by the alpha they are stored premultiplied by.

    alpha: [H, W] in [0, 1]; top: the largest code, at which colours greater than their alpha are
    clipped. Where alpha is 0 the colour is unknown and stays as it is stored.
    """
    share = np.where(alpha > 0, alpha, 1)[..., None]
    return np.minimum(np.round(colours / share), top).astype(colours.dtype)
