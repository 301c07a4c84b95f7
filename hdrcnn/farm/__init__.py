"""Many pictures on many machines, by Dask distributed; an optional extra.

    request     what is asked for, as it is sent to the workers
    jobs        what a worker does: one file, from its photograph to its result
    preload     what a worker process does first
    cluster     workers of this machine, or those of a scheduler
    engine      who gets which file when, and what is done when a worker dies

One job is one file. Only names and figures pass the scheduler: a worker reads the photograph and
writes the result itself, so all machines have to see the same folders by the same names.
"""

from hdrcnn.farm.cluster import Place
from hdrcnn.farm.engine import convert_all
from hdrcnn.farm.request import FarmError, Request, ask

__all__ = ["FarmError", "Place", "Request", "ask", "convert_all"]
