"""Finds the files of scenes below a folder, and which of them show the same place."""

import contextlib
import csv
import dataclasses
import io
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hdrcnn.files import ImageError, is_folder, real_path
from hdrcnn.readers.hdr import HDR_SUFFIXES

NAMED = 8
"""Largest number of names listed in a message."""
WHOLE = "."
"""Path of the folder itself, relative to it, in a manifest: the family of everything in it."""


@dataclasses.dataclass(frozen=True)
class SceneFile:
    """A file below a folder, not opened yet."""

    path: Path
    name: str
    """Its path relative to the folder, with slashes."""
    family: str

    @property
    def bytes(self) -> int:
        """The size of the file; 0 if it cannot be found out."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files below a folder."""

    files: list[SceneFile]
    notes: list[str]
    """Lines for the user: folders that cannot be listed, and rows of the manifest that name no
    file."""


@dataclasses.dataclass(frozen=True)
class Folders:
    """Input folders of a run."""

    scenes: tuple[Path, ...] = ()
    """Folders of HDR scenes."""
    photographs: tuple[Path, ...] = ()
    """Folders of LDR photographs, to be linearised."""
    stacks: tuple[Path, ...] = ()
    """Folders of exposure stacks in the published layout, see `scenes.stacks`."""

    def __post_init__(self) -> None:
        if not self.scenes + self.photographs + self.stacks:
            raise ValueError("no scenes to train on; give --scenes, --photographs, or both")


def some(names: Sequence[str]) -> str:
    """The first `NAMED` names, separated by commas, and how many more there are."""
    more = f", and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def read_families(folder: Path) -> dict[str, str]:
    """Read the families of files: a dict from relative paths, with slashes, to family names.

    Reads the columns `file` and `family` of MANIFEST.csv in the folder, or else in the folder
    above; empty if there is none. Paths in it may have backslashes or begin with `./`. The path of
    a folder makes everything below it one family, such as the frames of a film; that of the folder
    itself becomes `WHOLE`. Raises ImageError naming the line if a value is missing or the file is
    not CSV in UTF-8, and if a column is missing; a faulty manifest in the folder above is ignored.
    """
    manifest = folder / "MANIFEST.csv"
    if not manifest.is_file():
        above = real_path(folder).parent
        if not (above / "MANIFEST.csv").is_file():
            return {}
        name = real_path(folder).name
        with contextlib.suppress(ImageError):  # It may be a manifest of something else.
            of_above = read_families(above)
            whole = of_above.get(name, of_above.get(WHOLE))
            return ({WHOLE: whole} if whole else {}) | {
                row.removeprefix(f"{name}/"): family
                for row, family in of_above.items()
                if row.startswith(f"{name}/")
            }
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
            found[_with_slashes(row["file"])] = row["family"]
    except csv.Error as error:
        raise ImageError(f"{manifest}: line {rows.line_num} is no CSV: {error}") from error
    return found


def _with_slashes(path: str) -> str:
    """Normalise a relative path for comparison: forward slashes, without `./`, double and trailing
    slashes.
    """
    return posixpath.normpath(path.replace("\\", "/"))


def family_of(name: str, manifest: Mapping[str, str]) -> str:
    """The family of a path.

    It is the one given in the manifest for the path or for the nearest folder above it; otherwise
    the file name without its ending and without a resolution (`_1k`, `_16k`), so that two sizes of
    one panorama stay together.
    """
    place = name.replace("\\", "/")
    while place:
        if place in manifest:
            return manifest[place]
        place = place.rpartition("/")[0]
    if WHOLE in manifest:
        return manifest[WHOLE]
    stem = name.rpartition("/")[2].rpartition(".")[0]
    return re.sub(r"(?<=.)[_-]\d{1,2}k$", "", stem, flags=re.IGNORECASE)


def _walked(folder: Path, faults: list[str]) -> list[str]:
    """The names of all files below a folder, as in `SceneFile`, without hidden files and folders.

    Links to folders are followed after everything else is listed, and no folder is entered twice,
    so files that are really in the folder keep their own path, and circular links end. Adds a line
    to `faults` for each folder that cannot be listed.
    """
    found: list[str] = []
    entered: set[Path] = set()
    ahead, linked = [""], list[str]()
    while ahead or linked:
        above = ahead.pop() if ahead else linked.pop(0)
        here = folder / above
        if real_path(here) in entered:
            continue
        entered.add(real_path(here))
        try:
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            faults.append(f"{here}: cannot be listed: {error.strerror or error}")
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if is_folder(entry):
                (linked if entry.is_symlink() else ahead).append(f"{above}{entry.name}/")
            else:
                found.append(above + entry.name)
    return found


def _rows_note(manifest: Mapping[str, str], names: Sequence[str]) -> str:
    """One line about rows of a manifest that name neither a file nor a folder above one; empty if
    there are none.
    """
    known = {WHOLE} if names else set[str]()
    for name in names:
        place = _with_slashes(name)
        while place and place not in known:
            known.add(place)
            place = place.rpartition("/")[0]
    missing = [row for row in manifest if row not in known]
    if not missing:
        return ""
    return (
        f"{len(missing):,} of {len(manifest):,} rows of MANIFEST.csv name no file: {some(missing)}"
    )


def listed(folder: Path, suffixes: tuple[str, ...] = HDR_SUFFIXES) -> Listing:
    """List the files below a folder with one of the endings, sorted by path, folder by folder.
    Links are followed, hidden files and folders skipped. Families: see `family_of`.
    """
    notes: list[str] = []
    names = _walked(folder, notes)
    manifest = read_families(folder)
    note = _rows_note(manifest, names)
    chosen = sorted(
        (name for name in names if name.lower().endswith(suffixes)),
        key=lambda name: name.split("/"),
    )
    files = (SceneFile(folder / name, name, family_of(name, manifest)) for name in chosen)
    return Listing(
        [file for file in files if file.path.is_file()], [*notes, note] if note else notes
    )


def scene_files(folder: Path, suffixes: tuple[str, ...] = HDR_SUFFIXES) -> list[SceneFile]:
    """The files that `listed` finds."""
    return listed(folder, suffixes).files


def chosen_files(
    folder: Path, families: frozenset[str], without: bool, suffixes: tuple[str, ...], kind: str
) -> Listing:
    """The files that belong to `families` or, with `without`, all others.

    kind: what the files are, for the error. Raises ImageError if there are none.
    """
    found = listed(folder, suffixes)
    chosen = [file for file in found.files if (file.family in families) != without]
    if not chosen:
        of_families = " of the families asked for" if found.files else ""
        notes = "".join(f"; {note}" for note in found.notes[:1])
        raise ImageError(f"{folder}: holds no {kind} ({', '.join(suffixes)}){of_families}{notes}")
    return dataclasses.replace(found, files=chosen)


def check_apart(written: Path, folder: Path) -> None:
    """Raise ImageError if one of an output folder and a folder of scenes contains the other: the
    next run would mistake the output for scenes.
    """
    here, there = real_path(written), real_path(folder)
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise ImageError(
            f"{written}: what is written there would become scenes of {folder}; give an --out_dir "
            "outside that folder"
        )


def none_usable(folder: Path, kind: str, rejected: list[str]) -> ImageError:
    """The error for a folder in which no file is usable."""
    more = f"; {len(rejected) - 1:,} more are left out too" if len(rejected) > 1 else ""
    return ImageError(f"{folder}: holds no usable {kind}: {rejected[0]}{more}")
