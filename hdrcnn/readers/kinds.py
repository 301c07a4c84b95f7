"""What kind of file this is, by its first bytes."""

import re
import struct
from collections.abc import Iterator

from hdrcnn.readers.decoded import NotReadError

LOSSY = ("JPEG", "HEIF", "AVIF")
_HDR = "an HDR image already; leave it out"
RAW = "RAW"
"""Of a camera, which `readers.raw` reads; of those that look like a TIFF, only CR2."""
_NOT_READ = "a kind not read here; save it as PNG, JPEG or TIFF"
_SPACES = (b" ", b"\n", b"\r", b"\t")
_FILLED_JPEG = re.compile(rb"\xff\xd8[^\xff]{1,64}\xff+[\xc0-\xfe]")
"""With bytes between the start and the first marker, which libjpeg skips."""


class UnknownKindError(NotReadError):
    """The first bytes are those of nothing known."""


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


def _kind_of_boxes(data: bytes) -> str:
    """AVIF, HEIF or RAW by the brands of the file's first box."""
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
    """Pillow's name of the kind, or `RAW`. Raises NotReadError where it is not read."""
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


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Name and first byte of each chunk, those inside the frames of a film too."""
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        yield name, at + 8
        # A frame of a film holds its picture after 16 bytes of its own.
        at += 8 + 16 if name == b"ANMF" else 8 + size + size % 2


def lossy_webp(data: bytes) -> bool:
    """Whether the first picture of a WebP file is compressed with losses (VP8, not VP8L)."""
    kinds = (name for name, _ in _webp_chunks(data) if name in (b"VP8 ", b"VP8L"))
    return next(kinds, b"") == b"VP8 "


def webp_frame(data: bytes) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the first frame of a WebP film; None for a still picture."""
    for name, at in _webp_chunks(data):
        if name == b"ANMF" and at + 12 <= len(data):
            numbers = (int.from_bytes(data[at + n : at + n + 3], "little") for n in (0, 3, 6, 9))
            left, top, width, height = numbers
            return 2 * left, 2 * top, 2 * left + width + 1, 2 * top + height + 1
    return None
