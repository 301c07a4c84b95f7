"""Which files of a folder may be pictures, in natural order: 2 before 10.

By their endings; only of files without one the first bytes decide.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath

from hdrcnn.files import is_folder, is_regular, natural_key, real
from hdrcnn.readers import raw
from hdrcnn.readers.decoded import NotReadError, kind_of

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


def may_be_photograph(path: Path) -> bool:
    """Whether the ending is that of a picture which is read, or of a RAW file."""
    suffix = PurePath(path.name).suffix.lower()
    return suffix in LDR_SUFFIXES or suffix in raw.SUFFIXES


def may_be_picture(path: Path) -> bool:
    """Whether the ending is a picture's; if there is none, whether the content is: beside
    photographs lie files such as README, too.
    """
    suffix = PurePath(path.name).suffix.lower()
    if suffix:
        return may_be_photograph(path) or suffix in OTHER_PICTURES
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
    """Files below a folder that may be pictures, in natural order, before those of its folders, and
    links to folders last: what lies in the tree itself is found there.

    Hidden ones and system folders are left out. `passed_over` holds resolved folders not to be
    entered; each one that is entered joins them, so that links in a circle end. Folders that cannot
    be listed are reported in `faults`.
    """
    links = [folder]
    while links:
        yield from _walk(links.pop(0), passed_over, faults, links)


def _walk(
    folder: Path, passed_over: set[Path], faults: list[str], links: list[Path]
) -> Iterator[Path]:
    """As `walk`, links to folders put aside."""
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
        if inner.is_symlink():
            links.append(inner)
        else:
            yield from _walk(inner, passed_over, faults, links)
