"""Many pictures as rows of statistics, taken by several processes, kept in a file."""

import dataclasses
import functools
import json
import multiprocessing
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hdrcnn.files import ImageError, finished_whole
from hdrcnn.readers.hdr import HDR_SUFFIXES
from hdrcnn.readers.listing import LDR_SUFFIXES
from training_code.camera.shots import families, in_order
from training_code.scenes.collection import Collection, Scene, load_scenes
from training_code.scenes.families import missing_note, read_list, some, without_scene
from training_code.scenes.files import Folders, SceneFile, chosen_files
from training_code.scenes.photographs import load_photographs
from training_code.tasks.curve_pictures import Pictures, Row, pictures_of_view

VALIDATION = Path(__file__).parents[1].joinpath("validation_families.txt")

CHUNK = 25
"""Views that a process is given at a time."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """Pictures as the network is trained on them; one row each."""

    statistics: np.ndarray
    """[N, F] float32: `curve_statistics.statistics`."""
    light: np.ndarray
    """[N, 256] float32: the true light behind each code."""
    codes: np.ndarray
    """[N, 256] float32: shares of the codes."""
    family: np.ndarray
    """[N] str: of the scene."""
    kind: np.ndarray
    """[N] int: of the scene, index into `views.KINDS`."""
    curve: np.ndarray
    """[N] int: index into `camera.CURVES`."""
    processed: np.ndarray
    """[N] bool: changed behind the curve."""

    def at(self, chosen: np.ndarray) -> "Rows":
        """Some of the rows."""
        return Rows(**{f.name: getattr(self, f.name)[chosen] for f in dataclasses.fields(self)})


@dataclasses.dataclass(frozen=True)
class Request:
    """Which pictures are taken."""

    folders: Folders
    held_out: Path
    """Text file with the families that are kept out."""
    views: int
    seed: int
    workers: int = 1


def together(rows: Sequence[Row]) -> Rows:
    """Rows one below the other."""
    names = [field.name for field in dataclasses.fields(Rows)]
    return Rows(**{name: np.stack([getattr(row, name) for row in rows]) for name in names})


def _files(request: Request, held_out: frozenset[str]) -> list[SceneFile]:
    """The files of all folders but those of the families held out. Raises ImageError where a folder
    has none.
    """
    folders = request.folders
    return [
        file
        for chosen, suffixes, kind in (
            (folders.scenes, HDR_SUFFIXES, "HDR scenes"),
            (folders.photographs, LDR_SUFFIXES, "photographs"),
        )
        for folder in chosen
        for file in chosen_files(folder, held_out, True, suffixes, kind).files
    ]


def _named(folders: Folders) -> str:
    return ", ".join(str(folder) for folder in (*folders.scenes, *folders.photographs))


def joined(parts: Sequence[tuple[Rows, list[str]]]) -> tuple[Rows, list[str]]:
    """Rows that were taken in parts, and the names of all their scenes."""
    rows = {
        field.name: np.concatenate([getattr(part, field.name) for part, _ in parts])
        for field in dataclasses.fields(Rows)
    }
    return Rows(**rows), sorted({name for _, scenes in parts for name in scenes})


def list_note(request: Request) -> str:
    """One line about names of the held-out list that are in no scene; empty where there are none.

    Raises ImageError where all are, but for our own list, which other collections may not know.
    """
    listed, files = read_list(request.held_out), _files(request, frozenset())
    if request.held_out != VALIDATION and not listed & {file.family for file in files}:
        names = some(without_scene(listed, files)) or "nothing"
        raise ImageError(
            f"{request.held_out}: names no family of {_named(request.folders)}, but {names}; "
            "correct it"
        )
    return missing_note(request.held_out, listed, files)


def check_folds(request: Request) -> None:
    """Raises ImageError where all scenes are of one family, or there are none."""
    if len({file.family for file in _files(request, read_list(request.held_out))}) < 2:
        raise ImageError(
            f"{_named(request.folders)}: all scenes are of one family, none can be held out; add "
            "scenes of other places, or give --nofolds"
        )


@functools.cache
def _collections(folders: Folders, held_out: Path) -> list[Collection]:
    """Of this process, loaded when first needed: errors reach who asks for pictures."""
    families, views = read_list(held_out), Pictures().views
    return [
        *(load_scenes(f, families, without=True, views=views) for f in folders.scenes),
        *(load_photographs(f, families, without=True) for f in folders.photographs),
    ]


def _scenes(request: Request) -> list[Scene]:
    found = _collections(request.folders, request.held_out)
    return in_order([scene for collection in found for scene in collection.scenes])


def _look(request: Request) -> tuple[list[str], str]:
    """The names of the scenes that pictures are taken of, and lines about the files left out."""
    lines = "".join(c.rejected_lines() for c in _collections(request.folders, request.held_out))
    return [scene.name for scene in _scenes(request)], lines


def _take(request: Request, first: int, last: int) -> list[Row]:
    scenes = _scenes(request)
    by_family = families(scenes)
    return [
        row
        for index in range(first, last)
        for row in pictures_of_view(scenes, by_family, Pictures(), request.seed, index)
    ]


def gather(request: Request, file: Path | None = None) -> tuple[Rows, list[str]]:
    """The rows of all views, in their order whatever the number of processes, and the names of the
    scenes that they are of.

    file: read where it is there, else written. Raises ImageError where scenes cannot be used, a
    file not be read or written, or its rows were taken with other families held out.
    """
    held_out = sorted(read_list(request.held_out))
    if file is not None and file.is_file():
        return read(file, held_out)
    bounds = [(a, min(a + CHUNK, request.views)) for a in range(0, request.views, CHUNK)]
    rows: list[Row] = []
    # Started afresh: a copy of a process that runs TensorFlow can hang.
    context = multiprocessing.get_context("spawn")
    with context.Pool(request.workers) as pool:
        take = functools.partial(pool.apply_async, _take)
        looked = pool.apply_async(_look, (request,))
        asked = [take((request, *bound)) for bound in bounds]
        scenes, lines = looked.get()
        print(lines, end="", flush=True)
        for number, waiting in enumerate(asked, 1):
            rows += waiting.get()
            print(f"views {number}/{len(bounds)} x {CHUNK}, {len(rows)} pictures", flush=True)
    found = together(rows)
    if file is not None:
        with finished_whole(file) as temporary, temporary.open("wb") as stream:
            facts = json.dumps({"scenes": scenes, "held_out": held_out})
            np.savez(stream, facts=np.array(facts), **dataclasses.asdict(found))
    return found, scenes


def read(file: Path, held_out: Sequence[str]) -> tuple[Rows, list[str]]:
    """Rows out of a file, and the names of their scenes. Raises ImageError where it is not one of
    `gather`, or does not say that the families `held_out` and no others were.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            rows = Rows(**{name: arrays[name] for name in arrays.files if name != "facts"})
            # Files of older versions do not say.
            facts = json.loads(str(arrays["facts"])) if "facts" in arrays.files else None
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ImageError(f"{file}: not a file of rows: {error}; remove it") from error
    if not isinstance(facts, dict) or not facts.keys() >= {"scenes", "held_out"}:
        raise ImageError(f"{file}: does not say which families were held out; remove it")
    before = facts["held_out"]
    if set(before) != set(held_out):
        unlike = some(sorted(set(before) ^ set(held_out)))
        raise ImageError(
            f"{file}: its rows were taken with other families held out ({unlike}); give the same "
            "--validation, or another --rows"
        )
    return rows, facts["scenes"]
