"""Conversion of many jobs: while one is reconstructed, the next is read and the last is written."""

import importlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from hdrcnn.batch.choose import Networks
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.job import Outcome, SequenceStates, Settings
from hdrcnn.batch.plan import Job
from hdrcnn.console import check


def begin(
    job: Job, networks: Networks, settings: Settings, sequences: SequenceStates
) -> Conversion:
    """Return the conversion of a job to an HDR image, a fused bracket or exposures, as the settings
    ask for.
    """
    module, name = settings.conversion_class  # Each imports what the others do without.
    kind = getattr(importlib.import_module(f"hdrcnn.batch.{module}"), name)
    made: Conversion = kind(job, networks, settings, sequences)
    return made


def convert(job: Job, networks: Networks, settings: Settings) -> Outcome:
    """Read, reconstruct and write one photograph; an error becomes that of the outcome."""
    return begin(job, networks, settings, SequenceStates()).read().reconstruct().write()


def settle(jobs: Sequence[Job], networks: Networks, settings: Settings) -> SequenceStates:
    """Return the states of the sequences that the jobs are frames of; none without `sequence`.

    Reads their first frames, so that processes that convert some of the frames agree. If a first
    frame cannot be read, the next one takes its place, as in `convert_all`.
    """
    sequences = SequenceStates()
    if settings.sequence:
        for job in jobs:
            if sequences.first(job.source) is None:
                Conversion(job, networks, settings, sequences).read().find_curve()
    return sequences


def convert_all(
    jobs: Sequence[Job],
    networks: Networks,
    settings: Settings,
    sequences: SequenceStates | None = None,
) -> Iterator[Outcome]:
    """Convert jobs; yields outcomes in the order of the jobs. A bad file does not stop the others.

    sequences: what is known about the sequences that the jobs are frames of; None: nothing. Ends
    early after an outcome with `output_lost`. Raises WeightsError, DeviceError or BackendError if a
    required network cannot be loaded, and KeyboardInterrupt between photographs if Ctrl-C was
    pressed.
    """
    sequences = sequences or SequenceStates()
    following = deque(begin(job, networks, settings, sequences) for job in jobs)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        read = reader.submit(following.popleft().read) if following else None
        written: Future[Outcome] | None = None
        while read is not None:
            check()
            conversion = read.result()
            read = reader.submit(following.popleft().read) if following else None
            conversion.reconstruct()
            if written is not None:
                outcome = written.result()
                yield outcome
                if outcome.output_lost:
                    return
            written = writer.submit(conversion.write)
            del conversion
        if written is not None:
            yield written.result()
