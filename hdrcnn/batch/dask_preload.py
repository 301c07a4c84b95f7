"""What a worker process does first: `dask worker --preload hdrcnn.batch.dask_preload`.

Ctrl-C goes to all processes of a terminal; who asked for the work ends it. What Dask writes about
a dead or stopping worker is reported by the engine, in its own line.
"""

import atexit
import logging
import os
import signal
import sys

from distributed import Worker


def _leave() -> None:
    """Ends the process: TensorFlow takes seconds to shut down, with nothing to be saved."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def dask_setup(worker: Worker) -> None:
    """Called by Dask in the worker process, on its main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    atexit.register(_leave)
