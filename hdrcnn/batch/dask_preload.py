"""Set-up of a worker process: `dask worker --preload hdrcnn.batch.dask_preload`.

A terminal sends Ctrl-C to all its processes; workers ignore it and are ended by the process that
started them. Dask's own messages about dead or stopping workers are suppressed: the engine reports
them in one line.
"""

import atexit
import logging
import os
import signal
import sys

from distributed import Worker


def _leave() -> None:
    """End the process at once: TensorFlow takes seconds to shut down, with nothing to save."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def dask_setup(worker: Worker) -> None:
    """Prepare the worker. Dask calls this in the worker process, on its main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    atexit.register(_leave)
