"""Many pictures: while one is reconstructed, the next is read and the last is written."""

import importlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from hdrcnn.batch.choose import Networks
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.job import Films, Outcome, Settings
from hdrcnn.batch.plan import Job
from hdrcnn.console import check


def begin(job: Job, networks: Networks, settings: Settings, films: Films) -> Conversion:
    """Of a photograph, of a bracket, or of a photograph's exposures, as the settings are."""
    module, name = settings.conversion  # Each loads what the others do without.
    kind = getattr(importlib.import_module(f"hdrcnn.batch.{module}"), name)
    made: Conversion = kind(job, networks, settings, films)
    return made


def convert(job: Job, networks: Networks, settings: Settings) -> Outcome:
    """Read, reconstruct, write one picture; what goes wrong becomes the outcome's error."""
    return begin(job, networks, settings, Films()).read().reconstruct().write()


def settle(jobs: Sequence[Job], networks: Networks, settings: Settings) -> Films:
    """The films that jobs are frames of, by their first frames, which are read here, where some of
    the frames are to be converted elsewhere. Without `sequence` there are none.

    A first frame that cannot be read leaves its place to the next, as in `convert_all`.
    """
    films = Films()
    if settings.sequence:
        for job in jobs:
            if films.first(job.source) is None:
                Conversion(job, networks, settings, films).read().find_curve()
    return films


def convert_all(
    jobs: Sequence[Job], networks: Networks, settings: Settings, films: Films | None = None
) -> Iterator[Outcome]:
    """Outcomes as they come, in the order of the jobs; one bad file does not stop the others.

    films: what is known beforehand of those that the jobs are frames of.
    Ends early after an outcome that says that nothing can be written any more. Raises
    WeightsError or DeviceError if a network that is needed cannot be had, KeyboardInterrupt
    between pictures if Ctrl-C was pressed.
    """
    films = films or Films()
    following = deque(begin(job, networks, settings, films) for job in jobs)
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
                if outcome.no_room:
                    return
            written = writer.submit(conversion.write)
            del conversion
        if written is not None:
            yield written.result()
