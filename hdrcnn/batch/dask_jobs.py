"""What a worker does: one file, from its photograph to its result.

The scheduler imports this module too, and it need not have TensorFlow: nothing here loads it
before a picture needs a network.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from hdrcnn.batch.choose import Networks, sha256
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.dask_request import FarmError, Request
from hdrcnn.batch.outcome import Outcome
from hdrcnn.batch.plan import Job
from hdrcnn.batch.sequence import Film, Films

_ALONE = threading.Lock()
"""A worker that was started with several threads still does one file at a time: memory and the
current folder are those of the process."""


@functools.lru_cache(maxsize=1)
def _networks(request: Request) -> Networks:
    """Those of a request; kept for its other files, given up for another request."""
    sha256.cache_clear()  # A worker may outlive the files that it has read.
    request.check()
    return Networks.on(
        request.device,
        request.params,
        request.settings.sequence,
        precision=request.settings.precision,
        tile_pixels=request.tile_pixels,
    )


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """With that current folder, so that names mean, and messages say, what they would there."""
    before = Path.cwd()
    try:
        os.chdir(folder)
    except OSError as error:
        raise FarmError(
            f"{folder}: not on a worker's machine: {error.strerror or error}; all machines have to "
            "see the same folders by the same names"
        ) from error
    try:
        yield
    finally:
        os.chdir(before)


def convert(job: Job, film: Film | None, request: Request) -> Outcome:
    """Read, reconstruct, write one picture; what goes wrong with it becomes the outcome's error.

    film: that it is a frame of, where it is one. May be run twice for a job: the
    second time finds the result, or writes the same under a temporary name of its own. Raises
    WeightsError, DeviceError or FarmError where this worker can do none.
    """
    with _ALONE, _inside(request.folder):
        films = Films()
        if film is not None:
            films.know(job.source, film)
        conversion = Conversion(job, _networks(request), request.settings, films)
        return conversion.read().reconstruct().write()
