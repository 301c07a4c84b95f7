"""Which files below a folder are scenes, and which of them show one place."""

import csv
import dataclasses
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

from hdrcnn.hdr_io import HDR_SUFFIXES
from hdrcnn.image_io import ImageError


@dataclasses.dataclass(frozen=True)
class SceneFile:
    """A file below a folder, not opened yet."""

    path: Path
    name: str
    """Its path relative to the folder, with slashes."""
    family: str


def read_families(folder: Path) -> dict[str, str]:
    """Path relative to the folder -> family, from the columns `file` and `family` of its
    MANIFEST.csv; empty where there is none. A path may be that of a folder: all below it is one
    family, such as the frames of a film. Raises ImageError where a column or a value is missing,
    or the file is no CSV in UTF-8, naming the line.
    """
    manifest = folder / "MANIFEST.csv"
    if not manifest.is_file():
        return {}
    content = manifest.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ImageError(f"{manifest}: line {line} is not UTF-8 text; save it as UTF-8") from error
    rows = csv.DictReader(io.StringIO(text, newline=""))
    found: dict[str, str] = {}
    try:
        missing = {"file", "family"} - set(rows.fieldnames or ())
        if missing:
            raise ImageError(f"{manifest}: no column {' and '.join(sorted(missing))}; add it")
        for row in rows:
            if not (row["file"] and row["family"]):
                lacking = "family" if row["file"] else "file"
                raise ImageError(
                    f"{manifest}: line {rows.line_num} names no {lacking}; complete it or remove it"
                )
            found[row["file"].rstrip("/")] = row["family"]
    except csv.Error as error:
        raise ImageError(f"{manifest}: line {rows.line_num} is no CSV: {error}") from error
    return found


def family_of(name: str, manifest: Mapping[str, str]) -> str:
    """The family of a path: that of the manifest for it or for the nearest folder above it; else
    the file's name without its ending and without a resolution (`_1k`, `_16k`), so that two sizes
    of one panorama stay together.
    """
    place = name
    while place:
        if place in manifest:
            return manifest[place]
        place = place.rpartition("/")[0]
    stem = name.rpartition("/")[2].rpartition(".")[0]
    return re.sub(r"(?<=.)[_-]\d{1,2}k$", "", stem, flags=re.IGNORECASE)


def scene_files(folder: Path, suffixes: tuple[str, ...] = HDR_SUFFIXES) -> list[SceneFile]:
    """The files below a folder with one of the endings, sorted by path, folder by folder; hidden
    ones and hidden folders are passed over. Families: see `family_of`.
    """
    found = []
    for top, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        above = Path(top).relative_to(folder).as_posix()
        above = "" if above == "." else f"{above}/"
        found += [
            above + name
            for name in files
            if name.lower().endswith(suffixes) and not name.startswith(".")
        ]
    found.sort(key=lambda name: name.split("/"))
    manifest = read_families(folder)
    listed = (SceneFile(folder / name, name, family_of(name, manifest)) for name in found)
    return [file for file in listed if file.path.is_file()]


def chosen_files(
    folder: Path, families: frozenset[str], without: bool, suffixes: tuple[str, ...], kind: str
) -> list[SceneFile]:
    """The files of `families`, or, `without`, the others. Raises ImageError where none are left."""
    files = scene_files(folder, suffixes)
    chosen = [file for file in files if (file.family in families) != without]
    if not chosen:
        of_families = " of the families asked for" if files else ""
        raise ImageError(f"{folder}: holds no {kind} ({', '.join(suffixes)}){of_families}")
    return chosen


def none_usable(folder: Path, kind: str, rejected: list[str]) -> ImageError:
    """The error for a folder of which nothing is left."""
    more = f"; {len(rejected) - 1:,} more are left out too" if len(rejected) > 1 else ""
    return ImageError(f"{folder}: holds no usable {kind}: {rejected[0]}{more}")
