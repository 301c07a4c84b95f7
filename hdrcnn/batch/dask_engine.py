"""Conversion of photographs by the workers of Dask distributed.

Only names and figures pass through the scheduler: a worker reads the photograph and writes the
result itself, so all machines must see the same folders under the same names. The scheduler imports
this module too and may lack TensorFlow, which is imported only when a photograph needs a network.
"""

import dataclasses
import functools
import socket
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hdrcnn import _version
from hdrcnn.batch.choose import Networks, sha256
from hdrcnn.batch.job import Outcome, SequenceState, SequenceStates, Settings
from hdrcnn.batch.machines import WorkersConfig, WorkersError
from hdrcnn.batch.plan import Job
from hdrcnn.batch.run import begin, settle
from hdrcnn.batch.workers import DeadlyError, alone_in, connect, handed_out, result_of
from hdrcnn.predict.exposure_stack import FILES
from hdrcnn.predict.fusion import NETWORKS
from hdrcnn.weights import CAMERA_CURVE, JPEG, SHIPPED, VIDEO

if TYPE_CHECKING:
    from distributed import Client, Future


def installed(params: Path | None) -> tuple[str, ...]:
    """Return the version of the toolkit and the SHA-256 of all weights files that may be used:
    those for photographs, for the camera curve, for exposure stacks and for brackets. A worker with
    the same values gives the same results. Raises WeightsError.
    """
    chosen = (SHIPPED, JPEG, VIDEO) if params is None else (params,)
    paths = (*chosen, CAMERA_CURVE, *FILES.values(), *NETWORKS.values())
    found = (sha256(path) if path == params or path.is_file() else "" for path in paths)
    return (_version.__version__, *found)


@dataclasses.dataclass(frozen=True)
class Request:
    """What a worker needs to know about a run; the same for every file."""

    settings: Settings
    params: Path | None
    """The weights file for all photographs; None: chosen for each."""
    device: str
    tile_pixels: int | None
    folder: Path
    """Folder that relative paths start from."""
    installed: tuple[str, ...]
    """Result of the function `installed` in the requesting process."""


def ask(
    settings: Settings,
    params: Path | None = None,
    device: str = "auto",
    tile_pixels: int | None = None,
) -> Request:
    """Build a request of this process. Raises WeightsError if the weights file is missing."""
    return Request(settings, params, device, tile_pixels, Path.cwd(), installed(params))


@functools.lru_cache(maxsize=1)
def _networks(request: Request) -> Networks:
    """Return the networks of a request, cached until another request comes. Raises WorkersError if
    version or weights differ from those of the requesting process.
    """
    sha256.cache_clear()  # The files may have changed since an earlier request.
    here, there = installed(request.params), request.installed
    if here != there:
        what = f"is {here[0]}, not {there[0]}" if here[0] != there[0] else "has other weights"
        raise WorkersError(
            f"worker on {socket.gethostname()}: its hdrcnn {what}; install the same on all machines"
        )
    return Networks.on(
        request.device,
        request.params,
        request.settings.sequence,
        precision=request.settings.precision,
        tile_pixels=request.tile_pixels,
    )


def convert(job: Job, state: SequenceState | None, request: Request) -> Outcome:
    """Convert one photograph in a worker; an error with it becomes the error of the outcome.

    state: that of the sequence it is a frame of, if any. May run twice for a job: the second run
    finds the result, or writes the same again under a temporary name of its own. Raises
    WeightsError, DeviceError, BackendError or WorkersError if this worker cannot convert anything.
    """
    with alone_in(request.folder):
        sequences = SequenceStates()
        if state is not None:
            sequences.store(job.source, state)
        conversion = begin(job, _networks(request), request.settings, sequences)
        return conversion.read().reconstruct().write()


def _outcome(job: Job, future: "Future", settings: Settings) -> Outcome:
    """Return the outcome of a finished job. Raises what the worker raised, or WorkersError."""
    try:
        outcome: Outcome = result_of(future)
    except DeadlyError as error:
        return Outcome(
            job,
            f"{job.source}: {error}; leave it out, or, if memory was short, {settings.smaller} "
            "or fewer --workers",
        )
    return outcome


def outcomes(
    client: "Client", jobs: Iterable[Job], sequences: SequenceStates, request: Request
) -> Iterator[Outcome]:
    """Yield outcomes in the order of completion. Ends early if nothing can be written any more."""
    todo = handed_out(
        client, jobs, lambda job: (convert, job, sequences.state(job.source), request)
    )
    for job, future in todo:
        outcome = _outcome(job, future, request.settings)
        yield outcome
        if outcome.output_lost:
            return


def convert_all(
    jobs: Sequence[Job],
    networks: Networks,
    request: Request,
    workers_config: WorkersConfig,
    sequences: SequenceStates | None = None,
) -> Generator[Outcome, None, None]:
    """Convert jobs as `batch.run.convert_all` does, but by workers; yields outcomes in the order of
    completion.

    sequences: those found in a longer list of jobs; None: found in these jobs. Close the generator
    if it is not exhausted. Raises WeightsError, DeviceError, BackendError, or WorkersError if
    workers cannot be started or used.
    """
    sequences = sequences or settle(jobs, networks, request.settings)
    with connect(workers_config) as client:
        yield from outcomes(client, jobs, sequences, request)
