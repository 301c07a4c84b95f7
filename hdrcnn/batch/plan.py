"""Find the files that paths and patterns name, order them, and decide where results go.

photos/                    out/
  frame_2.jpg        ->      frame_2.exr        natural order: 2 before 10
  frame_10.jpg       ->      frame_10.exr
  a.jpg, a.png       ->      a.jpg.exr, a.png.exr
  2019/b.heic        ->      2019/b.exr         the tree is mirrored
"""

import dataclasses
import glob
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from hdrcnn.files import ImageError, OutputFolder, is_directory, is_folder, natural_key, real_path
from hdrcnn.readers.folders import LDR_SUFFIXES, entries_of, is_system_folder, may_be_picture, walk


@dataclasses.dataclass(frozen=True)
class Job:
    """One photograph, or the frames of one bracket, and the stem of the files written for it."""

    source: Path
    """The photograph, or the first frame of the bracket."""
    stem: Path
    folder: OutputFolder | None = None
    """Folder of all results, never recreated if it is gone. None: folders are created as needed."""
    frames: tuple[Path, ...] = ()
    """All frames of a bracket, in natural order; empty for a photograph."""

    @property
    def sources(self) -> tuple[Path, ...]:
        """All files that the result is made from."""
        return self.frames or (self.source,)

    def output(self, ending: str) -> Path:
        """Return the stem with an ending; dots in the stem are kept."""
        return self.stem.with_name(self.stem.name + ending)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The jobs to do, and a one-line message for each path that cannot become a job."""

    jobs: tuple[Job, ...]
    faults: tuple[str, ...] = ()


def _absolute(path: Path) -> Path:
    """Return an absolute path without `..`; links are not resolved."""
    return Path(os.path.abspath(path))  # noqa: PTH100  # `resolve` would follow links.


def _path_key(path: Path) -> list[tuple[tuple[str | int, ...], str]]:
    return [natural_key(part) for part in path.parts]


def _root(pattern: str) -> Path:
    """Return the part of a pattern before the first component with a wildcard."""
    parts = Path(pattern).parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:fixed])


def _all_folders(folder: Path, seen: set[Path], faults: list[str]) -> Iterator[Path]:
    """Yield a folder and all folders below it, each once even if several links lead to it."""
    here = real_path(folder)
    if here in seen or not is_directory(folder):
        return
    seen.add(here)
    yield folder
    for entry in entries_of(folder, faults):
        if is_folder(entry):
            yield from _all_folders(folder / entry.name, seen, faults)


def _step(folder: Path, part: str) -> Iterator[Path]:
    """Yield the paths in a folder that match one component of a pattern."""
    if not glob.has_magic(part):
        if os.path.lexists(folder / part):
            yield folder / part
        return
    for name in glob.glob(part, root_dir=folder):  # noqa: PTH207  # Respects case as the system does.
        # As with hidden files, a pattern matches system folders only if its first character does.
        if name[:1] == part[:1] or not is_system_folder(name):
            yield folder / name


def _matches(pattern: str, faults: list[str]) -> Iterator[Path]:
    """Yield matches as recursive `glob.glob`, but without following circular links forever."""
    root = _root(pattern)
    found: Iterable[Path] = [root]
    parts = Path(pattern).parts[len(root.parts) :]
    for index, part in enumerate(parts, 1):
        if part == "**":
            seen = set[Path]()
            folders = [inner for folder in found for inner in _all_folders(folder, seen, faults)]
            files = (path for folder in folders for path in _step(folder, "*"))
            found = folders if index < len(parts) else [*folders, *files]
        else:
            found = [path for folder in found for path in _step(folder, part)]
    yield from found


def _matching(pattern: str, results: Path, faults: list[str]) -> Iterator[Path]:
    """Yield the files that a pattern matches, and those below the folders that it matches."""
    barred = set() if real_path(_root(pattern)) == results else {results}
    entered = set(barred)
    matches = sorted(_matches(pattern, faults), key=_path_key)
    # Files and folders themselves come before links to them.
    for match in sorted(matches, key=Path.is_symlink):
        if barred & {real_path(match), *real_path(match).parents}:
            continue
        if is_directory(match):
            yield from walk(match, entered, faults)
        elif may_be_picture(match):
            yield match


def _listed(place: str, results: Path, faults: list[str]) -> tuple[Path, list[Path]]:
    """Return the folder from which a place is mirrored, and the files that the place names."""
    path = Path(place)
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        if not glob.has_magic(place):
            faults.append(f"{place}: cannot be read: {error.strerror or error}")
            return path.parent, []
    if is_directory(path):
        # The folder of the results is entered only if it was named itself.
        barred = set() if real_path(path) == results else {results}
        return path, list(walk(path, barred, faults))
    if os.path.lexists(path):
        return path.parent, [path]
    if glob.has_magic(place):
        return _root(place), list(_matching(place, results, faults))
    faults.append(f"{place}: no such file or folder")
    return path.parent, []


def _is_link(file: Path, itself: Path) -> bool:
    """Whether a file itself is a link; folders above it may be links. itself: `real_path(file)`."""
    return real_path(file.parent) / file.name != itself


def _sources(
    places: Sequence[str], out_dir: Path, faults: list[str], is_result: Callable[[Path], bool]
) -> tuple[list[Path], list[Path]]:
    """Return the named files, each once, and the folders from which their trees are mirrored."""
    results = real_path(out_dir)
    roots: list[Path] = []
    found: dict[Path, Path] = {}
    for place in places:
        said = len(faults)
        root, files = _listed(place, results, faults)
        listed = len(files)
        if files != [Path(place)]:
            files = [file for file in files if not is_result(file)]
        roots.append(root)
        for file in files:
            itself = real_path(file)
            known = found.get(itself)
            # Prefers the file itself to a link to it that was found earlier.
            if known is None or (_is_link(known, itself) and not _is_link(file, itself)):
                found[itself] = file
        if not files and len(faults) == said:
            what = (
                "only results of this tool; name those that are meant one by one"
                if listed
                else f"no pictures ({', '.join(LDR_SUFFIXES)})"
            )
            faults.append(f"{place}: holds {what}")
    return list(found.values()), roots


def _common(roots: Sequence[Path]) -> Path | None:
    """Return the deepest common folder; None if there is none (different drives)."""
    try:
        return Path(os.path.commonpath([_absolute(root) for root in roots]))
    except ValueError:
        return None


def _mirrored(source: Path, common: Path | None, out_dir: Path) -> Path:
    """Return the path of a source mirrored below `out_dir`, with the source's ending."""
    absolute = _absolute(source)
    if common is not None:
        return out_dir / absolute.relative_to(common)
    drive = re.sub(r"\W+", "_", absolute.drive).strip("_")
    return out_dir.joinpath(drive, *absolute.parts[1:])


def same_name(path: Path) -> str:
    """Normalise a path so that names which some file systems consider equal become equal."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def name_outputs(mirrored: Sequence[Path], endings: Sequence[str]) -> list[Path]:
    """Return stems for the outputs of sources, without the ending of the source if unambiguous.

    Sources whose outputs would have the same name all keep their ending.
    """
    keep: set[int] = set()
    while True:
        stems = [
            path if index in keep else path.with_name(path.stem)
            for index, path in enumerate(mirrored)
        ]
        outputs = [
            [same_name(stem.with_name(stem.name + ending)) for ending in endings] for stem in stems
        ]
        taken = Counter(name for names in outputs for name in set(names))
        clashing = {
            index for index, names in enumerate(outputs) if any(taken[name] > 1 for name in names)
        }
        if clashing <= keep:
            return stems
        keep |= clashing


def plan(
    places: Sequence[str | Path],
    out_dir: Path,
    endings: Sequence[str] = (".exr",),
    is_result: Callable[[Path], bool] = lambda path: False,
    group: Callable[[Sequence[Path], list[str]], list[tuple[Path, ...]]] | None = None,
) -> Plan:
    """Plan the jobs for files, folders and patterns, in the order given, each file once.

    The tree is mirrored from the deepest folder that contains everything named; a pattern counts
    as the folder before its first wildcard. endings: those of all files written for a photograph.
    A photograph whose output would overwrite a source becomes a fault. Files that `is_result`
    recognises as results of an earlier run are left out, unless they are named individually. group:
    groups the files into jobs, each named after its first file, and appends faults about the
    others to the list. Raises ImageError if no job is left.
    """
    faults: list[str] = []
    sources, roots = _sources([str(place) for place in places], out_dir, faults, is_result)
    common = _common(roots) if roots else None
    taken = {same_name(real_path(source)) for source in sources}
    groups = [(source,) for source in sources] if group is None else group(sources, faults)
    stems = name_outputs([_mirrored(files[0], common, out_dir) for files in groups], endings)
    jobs = []
    for files, stem in zip(groups, stems, strict=True):
        job = Job(files[0], stem, frames=files if group is not None else ())
        outputs = [job.output(ending) for ending in endings]
        fallen = [path for path in outputs if same_name(real_path(path)) in taken]
        if fallen:
            faults.append(f"{fallen[0]}: a source that a result would overwrite; change --out_dir")
        else:
            jobs.append(job)
    if not jobs:
        raise ImageError("; ".join(faults) or "no pictures found; name files, folders or patterns")
    return Plan(tuple(jobs), tuple(faults))
