"""Number of cores that a process is to compute with."""

import os

VARIABLE = "HDRCNN_THREADS"
"""Environment variable with the number of cores; set for workers that share a machine."""


def share() -> int | None:
    """Return the number of cores that `VARIABLE` names, or that the system allows this process;
    None if neither does.
    """
    told = os.environ.get(VARIABLE, "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
