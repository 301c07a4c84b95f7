"""Workers: processes of this machine, or those of a scheduler that runs already."""

import asyncio
import contextlib
import dataclasses
import logging
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hdrcnn.batch.dask_request import FarmError

if TYPE_CHECKING:
    from distributed import Client

CORES = 4
"""Of a worker, where nobody says how many workers there should be."""
LEAST = 2e9
"""Bytes of a worker: TensorFlow and the network alone take 0.8e9."""
ANSWER = 10
"""Seconds to wait for a scheduler."""
PATIENCE = 120
"""Seconds to wait for a worker where there is none."""
DEATHS = 2
"""Of workers of this machine over one file, before it is set aside."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the work is done. Raises ValueError for what does not go together."""

    workers: int | None = None
    """Processes of this machine; None: one for every four cores."""
    gigabytes: float | None = None
    """Memory of each, above which it is ended; None: an equal share of the machine's."""
    scheduler: str | None = None
    """Address of a scheduler instead, which has its own workers."""

    def __post_init__(self) -> None:
        if self.scheduler is not None and (self.workers or self.gigabytes):
            raise ValueError(
                "--scheduler has workers of its own; leave out --workers and --worker_gigabytes"
            )


@contextlib.contextmanager
def connect(place: Place) -> Iterator["Client"]:
    """A client with at least one worker; all that was started for it is ended again.

    Raises FarmError.
    """
    try:
        import distributed
    except ImportError as error:
        raise FarmError(
            f"--engine=dask needs a package that is missing: {error}; pip install distributed"
        ) from error
    for name in ("distributed", "distributed.client"):  # Their level is one of their own.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if place.scheduler is None:
        with _local(place) as cluster, distributed.Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        client = distributed.Client(place.scheduler, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError, asyncio.TimeoutError) as error:
        raise FarmError(
            f"--scheduler={place.scheduler}: no scheduler answers; start one with `dask "
            f"scheduler`, and give its address as tcp://host:8786 ({_line(error)})"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except (TimeoutError, asyncio.TimeoutError) as error:  # Two classes before Python 3.11.
            raise FarmError(
                f"--scheduler={place.scheduler}: has no workers; start some with `dask worker "
                f"{place.scheduler} --nthreads 1`"
            ) from error
        yield client


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def _started() -> Iterator[None]:
    """Around the start of workers; what hinders one is at the end of the chain of errors."""
    try:
        yield
    except (RuntimeError, OSError, asyncio.TimeoutError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise FarmError(f"workers do not start: {_line(cause)}") from error


def _local(place: Place) -> Any:
    """A cluster of processes of this machine, one thread each."""
    import dask
    from dask.system import CPU_COUNT
    from distributed import LocalCluster
    from distributed.system import MEMORY_LIMIT

    workers = place.workers or max(1, CPU_COUNT // CORES)
    memory = place.gigabytes * 1e9 if place.gigabytes else MEMORY_LIMIT / workers
    if memory < LEAST:
        remedy = "give fewer --workers" if workers > 1 else "leave out --engine=dask"
        remedy = "give more --worker_gigabytes" if place.gigabytes else remedy
        raise FarmError(
            f"{workers} workers of {memory / 1e9:.1f} GB each: each needs {LEAST / 1e9:.0f} GB or "
            f"more; {remedy}"
        )
    preload = dask.config.get("distributed.worker.preload")
    config = {
        "distributed.scheduler.allowed-failures": DEATHS - 1,
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
    with dask.config.set(config), _started():
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=math.floor(memory),
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            env={
                "TF_NUM_INTRAOP_THREADS": str(max(1, CPU_COUNT // workers)),
                "TF_NUM_INTEROP_THREADS": "1",
            },
        )
