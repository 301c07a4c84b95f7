"""Conversion of the segments of a film by the workers of Dask distributed.

Only names and figures pass through the scheduler: a worker opens the film and writes the segment
itself, so all machines must see film and result under the same names.
"""

import dataclasses
import functools
import json
import socket
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdrcnn.batch.choose import sha256
from hdrcnn.batch.film_segment import Converter, FilmSettings, Target, opened
from hdrcnn.batch.machines import WorkersConfig, WorkersError
from hdrcnn.batch.workers import DeadlyError, alone_in, connect, handed_out, result_of
from hdrcnn.files import ImageError
from hdrcnn.video.library import clock
from hdrcnn.video.segments import Segment
from hdrcnn.video.source import Film

if TYPE_CHECKING:
    from distributed import Future


@dataclasses.dataclass(frozen=True)
class Request:
    """What a worker needs to know about a run; the same for every segment."""

    film: Path
    settings: FilmSettings
    target: Target
    folder: Path
    """Folder that relative paths start from."""
    recipe: str
    """JSON of `FilmSettings.recipe` in the requesting process: a worker with the same recipe gives
    the same segments."""


def ask(film: Path, settings: FilmSettings, target: Target, recipe: dict[str, Any]) -> Request:
    """Build a request of this process."""
    return Request(film, settings, target, Path.cwd(), json.dumps(recipe))


@functools.lru_cache(maxsize=1)
def _prepared(request: Request) -> tuple[Film, Converter]:
    """Return the film and its converter, cached until another request comes. Raises WorkersError if
    versions, film or weights differ from those of the requesting process.
    """
    sha256.cache_clear()  # The files may have changed since an earlier request.
    film = opened(request.film, request.settings.rate)
    here, there = request.settings.recipe(film), json.loads(request.recipe)
    worker = f"worker on {socket.gethostname()}: its"
    for name, known in (("version", "hdrcnn"), ("pyav", "PyAV")):
        if here[name] != there[name]:
            raise WorkersError(
                f"{worker} {known} is {here[name]}, not {there[name]}; install the same on all "
                "machines"
            )
    for name in ("film", "weights"):
        if here[name] != there[name]:
            raise WorkersError(f"{worker} {name} differs; all machines need the same files")
    return film, request.settings.make_converter(film, request.target.grades)


def prepare(request: Request) -> None:
    """Sample the film in a worker, so that the others read what it found. Raises as `convert`."""
    with alone_in(request.folder):
        _prepared(request)


def convert(segment: Segment, request: Request) -> int:
    """Convert one segment in a worker. Returns the number of its frames.

    May run twice for a segment: the second run writes the same under a temporary name of its own.
    Raises ImageError, WeightsError, DeviceError or WorkersError.
    """
    with alone_in(request.folder):
        film, converter = _prepared(request)
        return request.target.convert(
            film, segment, request.settings, converter, lambda frames: None
        )


def convert_all(
    film: Film,
    missing: Sequence[Segment],
    settings: FilmSettings,
    target: Target,
    workers_config: WorkersConfig,
    begun: Callable[[], None] = lambda: None,
) -> Generator[tuple[Segment, int], None, None]:
    """Convert segments by workers; yields each with its number of frames, in the order of
    completion.

    begun: called before the first segments are handed out. Close the generator if it is not
    exhausted. Raises as `convert`, or WorkersError if workers cannot be started or used.
    """
    if not missing:
        return
    request = ask(film.path, settings, target, settings.recipe(film))
    with connect(workers_config) as client:
        if settings.samples_film and not target.grades.exists():
            for _, future in handed_out(client, [request], lambda item: (prepare, item)):
                _result(future, f"{film.path}: looking for its grades")
        begun()
        for segment, future in handed_out(client, missing, lambda item: (convert, item, request)):
            at = f"segment {segment.number} from {clock(film.seconds(segment.start))} on"
            yield segment, _result(future, f"{film.path}: {at}")


def _result(future: "Future", what: str) -> Any:
    """Return the result of a finished item; `what` names it in errors. Raises as `convert_all`."""
    try:
        return result_of(future)
    except DeadlyError as error:
        raise ImageError(f"{what}: {error}; if memory was short, give fewer --workers") from error
