"""Many pictures on many machines, by Dask distributed; an optional extra.

place           where workers are
dask_engine     what they are asked for, what each does, what comes back
dask_preload    what a worker process does first
"""

from hdrcnn.batch.dask_engine import Request, ask, convert_all
from hdrcnn.batch.place import FarmError, Place

__all__ = ["FarmError", "Place", "Request", "ask", "convert_all"]
