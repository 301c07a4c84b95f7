"""Which files of a folder may be pictures, in natural order: 2 before 10.

Folders are only listed, files are not opened: what a picture is, its ending says here and its
content when it is read.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePath

LDR_SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".tif", ".tiff", ".bmp", ".dib",
    ".webp", ".gif", ".heic", ".heif", ".hif", ".avif",
)  # fmt: skip
"""Endings of the pictures that are read."""
OTHER_PICTURES = (
    ".jxl", ".jp2", ".j2k", ".jpx", ".psd", ".psb",
    ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".raf", ".orf", ".rw2",
    ".pef", ".srw", ".x3f", ".3fr", ".iiq", ".mrw", ".erf", ".kdc",
)  # fmt: skip
"""Endings of pictures that are not read: each is named with the reason, none silently left."""


def real(path: Path) -> Path:
    """Absolute, links followed; a link that leads round in a circle stays as it is."""
    return Path(os.path.realpath(path))


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sorts numbers inside names by value, letters without regard to case; total."""
    folded = unicodedata.normalize("NFC", name).casefold()
    parts = re.split(r"([0-9]+)", folded)
    key = tuple(int(part) if index % 2 else part for index, part in enumerate(parts))
    return key, name


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


def may_be_picture(name: str) -> bool:
    """Whether the ending leaves that open: a picture's, or none at all."""
    suffix = PurePath(name).suffix.lower()
    return not suffix or suffix in LDR_SUFFIXES or suffix in OTHER_PICTURES


def walk(folder: Path, passed_over: set[Path], faults: list[str]) -> Iterator[Path]:
    """Files below a folder that may be pictures, in natural order, before those of its folders.

    Hidden ones are left out. `passed_over` holds resolved folders not to be entered; each one
    that is entered joins them, so that links in a circle end. Folders that cannot be listed are
    said in `faults`.
    """
    here = real(folder)
    if here in passed_over:
        return
    passed_over.add(here)
    try:
        with os.scandir(folder) as listing:
            entries = [entry for entry in listing if not _is_hidden(entry)]
    except OSError as error:
        faults.append(f"{folder}: cannot be listed: {error.strerror or error}")
        return
    entries.sort(key=lambda entry: natural_key(entry.name))
    folders = [entry for entry in entries if is_folder(entry)]
    for entry in entries:
        if entry not in folders and may_be_picture(entry.name):
            yield folder / entry.name
    for entry in folders:
        yield from walk(folder / entry.name, passed_over, faults)
