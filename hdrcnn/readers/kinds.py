"""What kind of file this is, by its first bytes."""

import struct

from hdrcnn.readers.decoded import NotReadError

LOSSY = ("JPEG", "HEIF", "AVIF")
_HDR = "an HDR image already; leave it out"
_RAW = "a camera raw file; develop it to 16-bit TIFF or PNG first"
_NOT_READ = "a kind not read here; save it as PNG, JPEG or TIFF"

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
)
_KNOWN = (
    (b"\x76\x2f\x31\x01", f"OpenEXR, {_HDR}"),
    (b"#?", f"Radiance, {_HDR}"),
    (b"FUJIFILMCCD-RAW", _RAW),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"IIU\0", _RAW),
    (b"FOVb", _RAW),
    (b"8BPS", f"a Photoshop document, {_NOT_READ}"),
    (b"\xff\x0a", f"JPEG XL, {_NOT_READ}"),
    (b"\0\0\0\x0cJXL ", f"JPEG XL, {_NOT_READ}"),
    (b"\0\0\0\x0cjP  ", f"JPEG 2000, {_NOT_READ}"),
    (b"\xff\x4f\xff\x51", f"JPEG 2000, {_NOT_READ}"),
    (b"%PDF", f"a PDF document, {_NOT_READ}"),
)
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"MiHE"}
_AVIF_BRANDS = {b"avif", b"avis"}


def _kind_of_boxes(data: bytes) -> str:
    """AVIF or HEIF by the brands of the file's first box."""
    end = min(max(struct.unpack_from(">I", data)[0], 16), 512)
    brands = {data[8:12]} | {data[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIC_BRANDS:
        return "HEIF"
    raise NotReadError(_RAW if b"crx " in brands else "a film, not a picture; leave it out")


def kind_of(data: bytes) -> str:
    """Pillow's name of the kind. Raises NotReadError where it is not read."""
    for start, kind in _STARTS:
        if data.startswith(start):
            if kind == "TIFF" and data[8:10] == b"CR":
                raise NotReadError(_RAW)
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _kind_of_boxes(data)
    for start, reason in _KNOWN:
        if data.startswith(start):
            raise NotReadError(reason)
    raise NotReadError("not a picture this tool reads; save it as PNG, JPEG or TIFF")


def lossy_webp(data: bytes) -> bool:
    """Whether the first picture of a WebP file is compressed with losses (VP8, not VP8L)."""
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name in (b"VP8 ", b"VP8L"):
            return bool(name == b"VP8 ")
        # A frame of a film holds its picture after 16 bytes of its own.
        at += 8 + 16 if name == b"ANMF" else 8 + size + size % 2
    return False
