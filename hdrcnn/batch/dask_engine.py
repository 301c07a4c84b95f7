"""Pictures handed to the workers of Dask distributed.

Only names and figures pass the scheduler: a worker reads the photograph and writes the result
itself, so all machines have to see the same folders by the same names. The scheduler imports this
module too, and need not have TensorFlow: nothing here loads it before a picture needs a network.
"""

import dataclasses
import functools
import socket
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hdrcnn import _version
from hdrcnn.batch.choose import Networks, sha256
from hdrcnn.batch.job import Film, Films, Outcome, Settings
from hdrcnn.batch.machines import FarmError, Place
from hdrcnn.batch.plan import Job
from hdrcnn.batch.run import begin, settle
from hdrcnn.batch.workers import DeadlyError, alone_in, connect, handed_out, result_of
from hdrcnn.predict.exposure_stack import FILES
from hdrcnn.predict.fusion import NETWORKS
from hdrcnn.weights import CURVES, JPEG, SHIPPED, VIDEO

if TYPE_CHECKING:
    from distributed import Client, Future


def installed(params: Path | None) -> tuple[str, ...]:
    """Version of the toolkit, SHA-256 of the weights that may be chosen, and of those of the camera
    curve, of exposure stacks and of brackets: with the same, a worker gives the same results.
    Raises WeightsError.
    """
    chosen = (SHIPPED, JPEG, VIDEO) if params is None else (params,)
    paths = (*chosen, CURVES, *FILES.values(), *NETWORKS.values())
    found = (sha256(path) if path == params or path.is_file() else "" for path in paths)
    return (_version.__version__, *found)


@dataclasses.dataclass(frozen=True)
class Request:
    """What a worker needs to know of a run, the same for every file."""

    settings: Settings
    params: Path | None
    """The weights of all pictures, or None: chosen."""
    device: str
    tile_pixels: int | None
    folder: Path
    """That relative names start from."""
    installed: tuple[str, ...]
    """As the function of this name has it in the process that asks."""


def ask(
    settings: Settings,
    params: Path | None = None,
    device: str = "auto",
    tile_pixels: int | None = None,
) -> Request:
    """A request of this process. Raises WeightsError if the weights file is missing."""
    return Request(settings, params, device, tile_pixels, Path.cwd(), installed(params))


@functools.lru_cache(maxsize=1)
def _networks(request: Request) -> Networks:
    """Those of a request; kept for its other files, given up for another request. Raises
    FarmError if they are not those of the process that asks.
    """
    sha256.cache_clear()  # A worker may outlive the files that it has read.
    here, there = installed(request.params), request.installed
    if here != there:
        what = f"is {here[0]}, not {there[0]}" if here[0] != there[0] else "has other weights"
        raise FarmError(
            f"worker on {socket.gethostname()}: its hdrcnn {what}; install the same on all machines"
        )
    return Networks.on(
        request.device,
        request.params,
        request.settings.sequence,
        precision=request.settings.precision,
        tile_pixels=request.tile_pixels,
    )


def convert(job: Job, film: Film | None, request: Request) -> Outcome:
    """Read, reconstruct, write one picture; what goes wrong with it becomes the outcome's error.

    film: that it is a frame of, if any. May be run twice for a job: the second time finds the
    result, or writes the same under a temporary name of its own. Raises WeightsError, DeviceError
    or FarmError if this worker can do none.
    """
    with alone_in(request.folder):
        films = Films()
        if film is not None:
            films.know(job.source, film)
        conversion = begin(job, _networks(request), request.settings, films)
        return conversion.read().reconstruct().write()


def _outcome(job: Job, future: "Future") -> Outcome:
    """Of a job that is done. Raises what the worker raised, or FarmError."""
    try:
        outcome: Outcome = result_of(future)
    except DeadlyError as error:
        return Outcome(
            job,
            f"{job.source}: {error}; leave it out, or, if memory was short, give fewer --workers "
            "or --width",
        )
    return outcome


def outcomes(
    client: "Client", jobs: Iterable[Job], films: Films, request: Request
) -> Iterator[Outcome]:
    """Outcomes in the order in which they come. Ends early if nothing can be written."""
    todo = handed_out(client, jobs, lambda job: (convert, job, films.film(job.source), request))
    for job, future in todo:
        outcome = _outcome(job, future)
        yield outcome
        if outcome.no_room:
            return


def convert_all(
    jobs: Sequence[Job],
    networks: Networks,
    request: Request,
    place: Place,
    films: Films | None = None,
) -> Generator[Outcome, None, None]:
    """As `batch.convert_all`, elsewhere; outcomes in the order in which they come.

    films: as found of a longer list; by default of the jobs. To be closed if it is left early.
    Raises WeightsError, DeviceError or FarmError if workers cannot be had or used.
    """
    films = films or settle(jobs, networks, request.settings)
    with connect(place) as client:
        yield from outcomes(client, jobs, films, request)
