"""Many pictures on many machines, by Dask distributed; an optional extra.

dask_engine     where workers are, what they are asked for, what each does, what comes back
dask_preload    what a worker process does first
"""

from hdrcnn.batch.dask_engine import FarmError, Place, Request, ask, convert_all

__all__ = ["FarmError", "Place", "Request", "ask", "convert_all"]
