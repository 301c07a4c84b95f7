"""Files handed to the workers of Dask distributed, one to each at a time.

Only names and figures pass the scheduler: a worker reads the photograph and writes the result
itself, so all machines have to see the same folders by the same names. The scheduler imports this
module too, and need not have TensorFlow: nothing here loads it before a picture needs a network.
"""

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING

from hdrcnn import _version
from hdrcnn.batch.choose import Networks, sha256
from hdrcnn.batch.job import Film, Films, Outcome, Settings
from hdrcnn.batch.machines import LEAST, FarmError, Place
from hdrcnn.batch.plan import Job
from hdrcnn.batch.run import begin, settle
from hdrcnn.predict.exposure_stack import FILES
from hdrcnn.predict.fusion import NETWORKS
from hdrcnn.weights import CURVES, JPEG, SHIPPED, VIDEO

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster, Security

CORES = 4
"""Of a worker, unless the number of workers is given."""
ANSWER = 10
"""Seconds to wait for a scheduler."""
PATIENCE = 120
"""Seconds to wait for a worker if there is none."""
DEATHS = 3
"""Of workers of this machine over one file, before it is given up."""
_ALONE = threading.Lock()
"""A worker with several threads still does one file at a time: memory and the current folder are
those of the process."""


def _line(error: BaseException) -> str:
    """What is at the end of a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error) or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def _said_as(said: str) -> Iterator[None]:
    """Errors of Dask as one line. Raises FarmError."""
    try:
        yield
    except (OSError, RuntimeError, asyncio.TimeoutError) as error:
        raise FarmError(f"{said} ({_line(error)})") from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits for the end of the block, and never reaches processes started within, then or
    later: Dask leaves tracebacks behind if it is interrupted while workers start.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    mask = getattr(signal, "pthread_sigmask", lambda *_: None)  # Threads and processes inherit it.
    if os.name == "posix":
        resource_tracker.ensure_running()  # It would unblock SIGINT in the thread that starts it.
    mask(getattr(signal, "SIG_BLOCK", 0), {signal.SIGINT})
    try:
        yield
    finally:
        mask(getattr(signal, "SIG_UNBLOCK", 0), {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    if caught:
        raise KeyboardInterrupt


@contextlib.contextmanager
def connect(place: Place) -> Iterator["Client"]:
    """A client with at least one worker; all that was started for it is ended again.

    Raises FarmError.
    """
    try:
        import distributed

        security = place.security()
    except ImportError as error:
        raise FarmError(
            f"--engine=dask needs a package that is missing: {_line(error)}; pip install "
            "distributed cryptography"
        ) from error
    for name in ("distributed", "distributed.client"):  # Each has a level of its own.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    at = f"--scheduler={place.scheduler}: " if place.scheduler else ""
    with contextlib.ExitStack() as stack:
        with _undisturbed():
            cluster = place.scheduler or stack.enter_context(_local(place, security))
        answer = ANSWER if place.scheduler else PATIENCE  # This machine may be busy.
        with _said_as(
            f"{at}no scheduler answers; start one with `dask scheduler`, and give its address as "
            "tcp://host:8786, or tls:// with a certificate that it accepts"
        ):
            client = stack.enter_context(
                distributed.Client(cluster, timeout=answer, security=security, set_as_default=False)
            )
        with _said_as(f"{at}has no workers; start some with `dask worker --nthreads 1`"):
            client.wait_for_workers(1, timeout=PATIENCE)
        yield client


def _local(place: Place, security: "Security") -> "LocalCluster":
    """A cluster of processes of this machine, one thread each. Raises FarmError."""
    import dask
    from dask.system import CPU_COUNT
    from distributed import LocalCluster
    from distributed.system import MEMORY_LIMIT

    workers = place.workers or max(1, CPU_COUNT // CORES)
    memory = place.worker_gigabytes * 1e9 if place.worker_gigabytes else MEMORY_LIMIT / workers
    if MEMORY_LIMIT / workers < LEAST * 1e9:
        remedy = "give fewer --workers" if workers > 1 else "leave out --engine=dask"
        raise FarmError(
            f"{workers} workers on {MEMORY_LIMIT / 1e9:.1f} GB: each needs {LEAST:g} GB; {remedy}"
        )
    preload = dask.config.get("distributed.worker.preload")
    config = {
        "distributed.scheduler.allowed-failures": DEATHS - 1,
        "distributed.scheduler.no-workers-timeout": f"{PATIENCE}s",
        # Pages about the run, which other users of the machine could read.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        # A network never gives its memory back: a worker once paused would stay so for good, and
        # there is nothing that it could put on a disk.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.preload": [
            *([preload] if isinstance(preload, str) else preload),
            "hdrcnn.batch.dask_preload",
        ],
    }
    with dask.config.set(config), _said_as("workers do not start"):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=math.floor(memory),
            host="127.0.0.1",
            protocol="tls://",
            security=security,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            env={
                "TF_NUM_INTRAOP_THREADS": str(max(1, CPU_COUNT // workers)),
                "TF_NUM_INTEROP_THREADS": "1",
            },
        )


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
    with _ALONE:
        try:
            os.chdir(request.folder)  # Names mean, and messages say, what they would there.
        except OSError as error:
            raise FarmError(
                f"{request.folder}: not on a worker's machine: {error.strerror or error}; all "
                "machines have to see the same folders by the same names"
            ) from error
        films = Films()
        if film is not None:
            films.know(job.source, film)
        conversion = begin(job, _networks(request), request.settings, films)
        return conversion.read().reconstruct().write()


def _outcome(job: Job, future: "Future") -> Outcome:
    """Of a job that is done. Raises what the worker raised, or FarmError."""
    from distributed import KilledWorker
    from distributed.scheduler import NoWorkerError

    try:
        return future.result()
    except KilledWorker:
        return Outcome(
            job,
            f"{job.source}: every worker that took it died; leave it out, or, if memory was short, "
            "give fewer --workers or --width",
        )
    except (CancelledError, NoWorkerError) as error:
        lost = "all workers were" if isinstance(error, NoWorkerError) else "the scheduler was"
        raise FarmError(f"{lost} lost; run again: what is done is kept") from error
    except (ImportError, RuntimeError) as error:
        # Dask raises these if its scheduler cannot import what it is sent.
        if isinstance(error, RuntimeError) and "deserialization" not in str(error):
            raise
        raise FarmError(
            "hdrcnn cannot be imported by the scheduler or a worker; install the same on all "
            f"machines ({str(error).splitlines()[0]})"
        ) from error


def outcomes(
    client: "Client", jobs: Iterable[Job], films: Films, request: Request
) -> Iterator[Outcome]:
    """Outcomes in the order in which they come. Ends early if nothing can be written.

    Never more files are in hand than there are workers: a million files cost the scheduler no more
    than a hundred, and a worker dies over one. Dask gives it to another worker, until too many
    have died over it.
    """
    from distributed import as_completed

    waiting, in_hand = iter(jobs), dict["Future", Job]()
    done = as_completed(loop=client.loop)

    def hand_out() -> None:
        with _said_as("the scheduler was lost; run again: what is done is kept"):
            width = max(1, len(client.nthreads()))  # They may come and go.
        for job in itertools.islice(waiting, max(0, width - len(in_hand))):
            future = client.submit(convert, job, films.film(job.source), request, pure=False)
            in_hand[future] = job
            done.add(future)

    hand_out()
    for future in done:
        outcome = _outcome(in_hand.pop(future), future)
        yield outcome
        if outcome.no_room:
            return
        hand_out()


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
