"""Workers of Dask distributed, each handed one item at a time, whatever an item is.

The scheduler imports what it is sent, and need not have TensorFlow: nothing here loads it.
"""

import asyncio
import contextlib
import itertools
import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hdrcnn.batch.machines import LEAST, FarmError, Place

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


Item = TypeVar("Item")


class DeadlyError(FarmError):
    """An item over which workers kept dying."""


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """In a worker: nothing else is done meanwhile, and names mean, and messages say, what they
    would in that folder of the process that asks. Raises FarmError.
    """
    with _ALONE:
        try:
            os.chdir(folder)
        except OSError as error:
            raise FarmError(
                f"{folder}: not on a worker's machine: {error.strerror or error}; all machines "
                "have to see the same folders by the same names"
            ) from error
        yield


def result_of(future: "Future") -> Any:
    """Of an item that is done. Raises what the worker raised, DeadlyError, or FarmError if
    scheduler or workers cannot go on.
    """
    from distributed import KilledWorker
    from distributed.scheduler import NoWorkerError

    try:
        return future.result()
    except KilledWorker as error:
        raise DeadlyError("every worker that took it died") from error
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


def handed_out(
    client: "Client", items: Iterable[Item], task: Callable[[Item], tuple[Any, ...]]
) -> Iterator[tuple[Item, "Future"]]:
    """Items as they are done, each with its future for `result_of`.

    task: the function that does an item, and its arguments. Never more items are in hand than
    there are workers: a million cost the scheduler no more than a hundred, and a worker dies over
    one. Dask gives it to another worker, until too many have died over it. Raises FarmError.
    """
    from distributed import as_completed

    waiting, in_hand = iter(items), dict["Future", Item]()
    done = as_completed(loop=client.loop)

    def hand_out() -> None:
        with _said_as("the scheduler was lost; run again: what is done is kept"):
            width = max(1, len(client.nthreads()))  # They may come and go.
        for item in itertools.islice(waiting, max(0, width - len(in_hand))):
            future = client.submit(*task(item), pure=False)
            in_hand[future] = item
            done.add(future)

    hand_out()
    for future in done:
        yield in_hand.pop(future), future
        hand_out()
