"""Many pictures on many machines, by Dask distributed; an optional extra.

    dask_request     what is asked for, as it is sent to the workers
    dask_jobs        what a worker does: one file, from its photograph to its result
    dask_preload     what a worker process does first
    dask_cluster     workers of this machine, or those of a scheduler
    dask_engine      who gets which file when, and what is done when a worker dies

One job is one file. Only names and figures pass the scheduler: a worker reads the photograph and
writes the result itself, so all machines have to see the same folders by the same names.
"""

from hdrcnn.batch.dask_cluster import Place
from hdrcnn.batch.dask_engine import convert_all
from hdrcnn.batch.dask_request import FarmError, Request, ask

__all__ = ["FarmError", "Place", "Request", "ask", "convert_all"]
