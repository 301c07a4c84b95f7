"""Who gets which file when, and what is done when a worker dies.

Every worker holds one file at a time: handed out one by one, a million files cost the scheduler
no more than a hundred, and where a worker dies it is clear over which file. That file goes to
another worker. After some deaths it is set aside, so that the others get done, and in the end
tried once more alone: it may only have stood beside the culprit, or wanted more memory than was
left. If workers die even then, it is the file, and is reported.
"""

import asyncio
import contextlib
import queue
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from hdrcnn.batch.choose import Networks
from hdrcnn.batch.dask_cluster import PATIENCE, Place, connect
from hdrcnn.batch.dask_jobs import convert
from hdrcnn.batch.dask_request import FarmError, Request
from hdrcnn.batch.outcome import Outcome
from hdrcnn.batch.plan import Job
from hdrcnn.batch.run import settle
from hdrcnn.batch.sequence import Films

if TYPE_CHECKING:
    from distributed import Client, Future

REFRESH = 1.0
"""Seconds after which workers are counted again."""
LOST = "the scheduler was lost; run again: what is done is kept"


class Crew:
    """The workers of a client, as many files in their hands at a time as there are workers."""

    def __init__(self, client: "Client", films: Films, request: Request) -> None:
        self._client, self._films, self._request = client, films, request
        self._workers, self._counted, self._seen = 1, -REFRESH, time.monotonic()

    def workers(self) -> int:
        """How many there are, as of a second ago; they may come and go. Raises FarmError."""
        now = time.monotonic()
        if now - self._counted >= REFRESH:
            if self._client.status != "running":
                raise FarmError(LOST)
            try:
                self._workers, self._counted = len(self._client.nthreads()), now
            except (OSError, asyncio.TimeoutError) as error:
                raise FarmError(LOST) from error
            self._seen = now if self._workers else self._seen
            if now - self._seen > PATIENCE:
                raise FarmError(f"no worker for {PATIENCE} s; run again: what is done is kept")
        return max(1, self._workers)

    def run(self, jobs: Iterable[Job], width: Callable[[], int]) -> Iterator[tuple[Job, "Future"]]:
        """Futures as they are done, no more than `width` in hand. Raises FarmError where the
        scheduler is lost.
        """
        done: queue.SimpleQueue[Future] = queue.SimpleQueue()
        in_hand: dict[object, tuple[Job, Future]] = {}
        waiting = iter(jobs)
        more = True
        while more or in_hand:
            while more and len(in_hand) < width():
                job = next(waiting, None)
                more = job is not None
                if job is not None:
                    film = self._films.film(job.source)
                    future = self._client.submit(convert, job, film, self._request, pure=False)
                    in_hand[future.key] = job, future
                    future.add_done_callback(done.put)
            with contextlib.suppress(queue.Empty):
                yield in_hand.pop(done.get(timeout=REFRESH).key)
            self.workers()


def _outcome(future: "Future") -> Outcome | None:
    """None where workers died over it. Raises what the worker raised, or FarmError."""
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return None
    except CancelledError as error:
        raise FarmError(LOST) from error
    except (ImportError, RuntimeError) as error:
        # Dask says so where its scheduler cannot import what it is sent.
        if isinstance(error, RuntimeError) and "deserialization" not in str(error):
            raise
        said = str(error).splitlines()[0]
        raise FarmError(
            "the toolkit cannot be imported where the scheduler or a worker runs; install the same "
            f"on all machines ({said})"
        ) from error


def _lost(job: Job) -> Outcome:
    return Outcome(
        job,
        f"{job.source}: every worker that took it died, the last time with nothing beside it; "
        "leave it out, or, if memory was short, give fewer --workers or --width",
    )


def outcomes(
    client: "Client", jobs: Iterable[Job], films: Films, request: Request
) -> Iterator[Outcome]:
    """Outcomes in the order in which they come. Ends early where nothing can be written."""
    crew = Crew(client, films, request)
    suspects: list[Job] = []
    for job, future in crew.run(jobs, crew.workers):
        outcome = _outcome(future)
        if outcome is None:
            suspects.append(job)
            continue
        yield outcome
        if outcome.no_room:
            return
    for job, future in crew.run(suspects, lambda: 1):
        outcome = _outcome(future) or _lost(job)
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

    films: as found of a longer list; by default of the jobs. To be closed where it is left early.
    Raises WeightsError, DeviceError or FarmError where workers cannot be had or used.
    """
    films = films or settle(jobs, networks, request.settings)
    with connect(place) as client:
        yield from outcomes(client, jobs, films, request)
