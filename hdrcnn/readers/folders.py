"""Find the files in a folder that may be images, in natural order: 2 before 10.

Their extension decides; the first bytes are read only of files without one.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath

from hdrcnn.files import is_folder, is_regular, natural_key, real_path
from hdrcnn.readers import raw
from hdrcnn.readers.decoded import NotReadError, kind_of

LDR_SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".tif", ".tiff", ".bmp", ".dib",
    ".webp", ".gif", ".heic", ".heif", ".hif", ".avif",
)  # fmt: skip
"""Extensions of supported formats other than RAW."""
OTHER_PICTURES = (".jxl", ".jp2", ".j2k", ".jpx", ".psd", ".psb")
"""Extensions of unsupported image formats; such files are reported, not silently skipped."""

SYSTEM_FOLDERS = (
    "@eadir", "#recycle", "#snapshot",  # Synology: thumbnails, waste bin, older versions.
    "@recycle", "@recently-snapshot",  # QNAP.
    "$recycle.bin", "recycler", "system volume information",  # Windows.
    "lost+found", "__macosx",  # File systems of Linux; archives of macOS.
)  # fmt: skip
"""Names, in lower case, of folders that contain copies or deleted files. They are entered only if
the user asks for one of them."""


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
    """Whether the first bytes are those of a supported format."""
    if not is_regular(path):
        return False
    try:
        with path.open("rb") as file:
            kind_of(file.read(512))
    except (OSError, NotReadError):
        return False
    return True


def may_be_photograph(path: Path) -> bool:
    """Whether the extension is that of a supported format, RAW included."""
    suffix = PurePath(path.name).suffix.lower()
    return suffix in LDR_SUFFIXES or suffix in raw.SUFFIXES


def may_be_picture(path: Path) -> bool:
    """Whether a file is an image, by its extension or, if it has none, by its content: folders also
    contain files such as README.
    """
    suffix = PurePath(path.name).suffix.lower()
    if suffix:
        return may_be_photograph(path) or suffix in OTHER_PICTURES
    return _starts_like_picture(path)


def entries_of(folder: Path, faults: list[str]) -> list[os.DirEntry[str]]:
    """List a folder in natural order, without hidden entries and system folders. A folder that
    cannot be listed is reported in `faults`.
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
    """Yield the files below a folder that may be images, in natural order.

    The files of a folder come before those of its subfolders. Links to folders are followed last,
    so that what is in the tree itself is found there. Hidden entries and system folders are
    skipped. `passed_over` contains resolved folders that are not to be entered; each folder entered
    is added to it, which ends links in a circle. Folders that cannot be listed are reported in
    `faults`.
    """
    links = [folder]
    while links:
        yield from _walk(links.pop(0), passed_over, faults, links)


def _walk(
    folder: Path, passed_over: set[Path], faults: list[str], links: list[Path]
) -> Iterator[Path]:
    """Like `walk`, but append links to folders to `links` instead of following them."""
    here = real_path(folder)
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
