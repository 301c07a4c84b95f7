"""Which files of a folder may be pictures, in natural order: 2 before 10; and the kind of a file.

What a picture is, its ending says in a folder, and its first bytes when it is read; only of files
without an ending the first bytes decide in a folder too.
"""

import os
import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path, PurePath

from hdrcnn.files import is_regular, natural_key, real
from hdrcnn.readers import raw
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
    """Pillow's name of the kind, or `RAW`. Raises NotReadError if it is not read."""
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


LDR_SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".tif", ".tiff", ".bmp", ".dib",
    ".webp", ".gif", ".heic", ".heif", ".hif", ".avif",
)  # fmt: skip
"""Endings of the pictures that are read, beside those of RAW files."""
OTHER_PICTURES = (".jxl", ".jp2", ".j2k", ".jpx", ".psd", ".psb")
"""Endings of pictures that are not read: each is named with the reason, none silently left."""

SYSTEM_FOLDERS = (
    "@eadir", "#recycle", "#snapshot",  # Synology: thumbnails, waste bin, older versions.
    "@recycle", "@recently-snapshot",  # QNAP.
    "$recycle.bin", "recycler", "system volume information",  # Windows.
    "lost+found", "__macosx",  # File systems of Linux; archives of macOS.
)  # fmt: skip
"""Names, in small letters, of folders that hold copies and waste. They are entered only if one
is itself what was asked for."""


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return True
    try:
        attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    except OSError:
        return False
    return bool(attributes & getattr(stat, "FILE_ATTRIBUTE_HIDDEN", 2))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Links followed; one that leads round in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_directory(path: Path) -> bool:
    """As `is_folder`, of any path; one that may not be looked at is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_system_folder(name: str) -> bool:
    return name.lower() in SYSTEM_FOLDERS


def _starts_like_picture(path: Path) -> bool:
    """Whether the first bytes are those of a picture that is read."""
    if not is_regular(path):
        return False
    try:
        with path.open("rb") as file:
            kind_of(file.read(512))
    except (OSError, NotReadError):
        return False
    return True


def may_be_picture(path: Path) -> bool:
    """Whether the ending is a picture's; if there is none, whether the content is: beside
    photographs lie files such as README, too.
    """
    suffix = PurePath(path.name).suffix.lower()
    if suffix:
        return suffix in LDR_SUFFIXES or suffix in raw.SUFFIXES or suffix in OTHER_PICTURES
    return _starts_like_picture(path)


def entries_of(folder: Path, faults: list[str]) -> list[os.DirEntry[str]]:
    """What a folder holds, in natural order; hidden entries and system folders are left out. A
    folder that cannot be listed is named in `faults`.
    """
    try:
        with os.scandir(folder) as listing:
            entries = [entry for entry in listing if not _is_hidden(entry)]
    except OSError as error:
        faults.append(f"{folder}: cannot be listed: {error.strerror or error}")
        return []
    entries = [
        entry for entry in entries if not (is_system_folder(entry.name) and is_folder(entry))
    ]
    return sorted(entries, key=lambda entry: natural_key(entry.name))


def walk(folder: Path, passed_over: set[Path], faults: list[str]) -> Iterator[Path]:
    """Files below a folder that may be pictures, in natural order, before those of its folders.

    Hidden ones and system folders are left out. `passed_over` holds resolved folders not to be
    entered; each one that is entered joins them, so that links in a circle end. Folders that cannot
    be listed are reported in `faults`.
    """
    here = real(folder)
    if here in passed_over:
        return
    passed_over.add(here)
    folders = []
    for entry in entries_of(folder, faults):
        if is_folder(entry):
            folders.append(folder / entry.name)
        elif may_be_picture(folder / entry.name):
            yield folder / entry.name
    for inner in folders:
        yield from walk(inner, passed_over, faults)
