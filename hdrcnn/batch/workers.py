"""Workers of Dask distributed, each given one item at a time, whatever an item is.

The scheduler imports the modules of what it is sent and may lack TensorFlow: nothing here imports
it.
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

from hdrcnn.batch.machines import MIN_WORKER_GIGABYTES, WorkersConfig, WorkersError
from hdrcnn.cores import VARIABLE

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster, Security

CORES = 4
"""Number of cores per worker, unless the number of workers is given."""
ANSWER = 10
"""Seconds to wait for a scheduler."""
PATIENCE = 120
"""Seconds to wait for a worker if there is none."""
DEATHS = 3
"""Number of workers on this machine that may die over one item before it is given up."""
_ALONE = threading.Lock()
"""Makes a worker with several threads process one item at a time: all threads share the memory and
the current folder of the process."""


def _line(error: BaseException) -> str:
    """Return the first line of the error at the end of a chain of causes."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error) or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def _said_as(said: str) -> Iterator[None]:
    """Turn errors of Dask into a WorkersError with a one-line message that begins with `said`."""
    try:
        yield
    except (OSError, RuntimeError, asyncio.TimeoutError) as error:
        raise WorkersError(f"{said} ({_line(error)})") from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block. Processes started in the block never receive it.

    Dask prints tracebacks if it is interrupted while workers start.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    mask = getattr(signal, "pthread_sigmask", lambda *_: None)  # Threads and processes inherit it.
    if os.name == "posix":
        resource_tracker.ensure_running()  # Starting it later would unblock SIGINT.
    mask(getattr(signal, "SIG_BLOCK", 0), {signal.SIGINT})
    try:
        yield
    finally:
        mask(getattr(signal, "SIG_UNBLOCK", 0), {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    if caught:
        raise KeyboardInterrupt


@contextlib.contextmanager
def connect(workers_config: WorkersConfig) -> Iterator["Client"]:
    """Yield a client with at least one worker; whatever was started for it is stopped afterwards.

    Raises WorkersError.
    """
    try:
        import distributed

        security = workers_config.security()
    except ImportError as error:
        raise WorkersError(
            f"--engine=dask needs a package that is missing: {_line(error)}; pip install "
            "distributed cryptography"
        ) from error
    for name in ("distributed", "distributed.client"):  # Each has its own level.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    at = f"--scheduler={workers_config.scheduler}: " if workers_config.scheduler else ""
    with contextlib.ExitStack() as stack:
        with _undisturbed():
            cluster = workers_config.scheduler or stack.enter_context(
                _local(workers_config, security)
            )
        answer = ANSWER if workers_config.scheduler else PATIENCE  # This machine may be busy.
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


def _local(workers_config: WorkersConfig, security: "Security") -> "LocalCluster":
    """Start a cluster of processes on this machine, one thread each. Raises WorkersError."""
    import dask
    from dask.system import CPU_COUNT
    from distributed import LocalCluster
    from distributed.system import MEMORY_LIMIT

    workers = workers_config.workers or max(1, CPU_COUNT // CORES)
    memory = (
        workers_config.worker_gigabytes * 1e9
        if workers_config.worker_gigabytes
        else MEMORY_LIMIT / workers
    )
    if MEMORY_LIMIT / workers < MIN_WORKER_GIGABYTES * 1e9:
        remedy = "give fewer --workers" if workers > 1 else "leave out --engine=dask"
        raise WorkersError(
            f"{workers} workers on {MEMORY_LIMIT / 1e9:.1f} GB: each needs "
            f"{MIN_WORKER_GIGABYTES:g} GB; {remedy}"
        )
    preload = dask.config.get("distributed.worker.preload")
    config = {
        "distributed.scheduler.allowed-failures": DEATHS - 1,
        "distributed.scheduler.no-workers-timeout": f"{PATIENCE}s",
        # Disables web pages about the run, which other users of the machine could read.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        # A network never releases its memory, so a paused worker would never resume, and there is
        # nothing to spill to disk.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.preload": [
            *([preload] if isinstance(preload, str) else preload),
            "hdrcnn.batch.dask_preload",
        ],
    }
    threads = str(max(1, CPU_COUNT // workers))
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
                "TF_NUM_INTRAOP_THREADS": threads,
                "TF_NUM_INTEROP_THREADS": "1",
                VARIABLE: threads,
            },
        )


Item = TypeVar("Item")


class DeadlyError(WorkersError):
    """An item that was given up because workers kept dying over it."""


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """In a worker, process one item exclusively, in the current folder of the requesting process,
    so that relative paths mean the same as there. Raises WorkersError.
    """
    with _ALONE:
        try:
            os.chdir(folder)
        except OSError as error:
            raise WorkersError(
                f"{folder}: not on a worker's machine: {error.strerror or error}; all machines "
                "have to see the same folders by the same names"
            ) from error
        yield


def result_of(future: "Future") -> Any:
    """Return the result of a finished item. Raises what the worker raised, DeadlyError, or
    WorkersError if scheduler or workers were lost.
    """
    from distributed import KilledWorker
    from distributed.scheduler import NoWorkerError

    try:
        return future.result()
    except KilledWorker as error:
        raise DeadlyError("every worker that took it died") from error
    except (CancelledError, NoWorkerError) as error:
        lost = "all workers were" if isinstance(error, NoWorkerError) else "the scheduler was"
        raise WorkersError(f"{lost} lost; run again: what is done is kept") from error
    except (ImportError, RuntimeError) as error:
        # Dask raises these if the scheduler cannot import what it is sent.
        if isinstance(error, RuntimeError) and "deserialization" not in str(error):
            raise
        raise WorkersError(
            "hdrcnn cannot be imported by the scheduler or a worker; install the same on all "
            f"machines ({str(error).splitlines()[0]})"
        ) from error


def handed_out(
    client: "Client", items: Iterable[Item], task: Callable[[Item], tuple[Any, ...]]
) -> Iterator[tuple[Item, "Future"]]:
    """Process items by workers; yields each finished item with its future for `result_of`.

    task: returns the function that processes an item, followed by its arguments. At most as many
    items are submitted at a time as there are workers: the load of the scheduler does not grow
    with the number of items, and the death of a worker concerns a single item. Dask gives that item
    to another worker until too many have died over it. Raises WorkersError.
    """
    from distributed import as_completed

    waiting, in_hand = iter(items), dict["Future", Item]()
    done = as_completed(loop=client.loop)

    def hand_out() -> None:
        with _said_as("the scheduler was lost; run again: what is done is kept"):
            width = max(1, len(client.nthreads()))  # Workers may come and go.
        for item in itertools.islice(waiting, max(0, width - len(in_hand))):
            future = client.submit(*task(item), pure=False)
            in_hand[future] = item
            done.add(future)

    hand_out()
    for future in done:
        yield in_hand.pop(future), future
        hand_out()
