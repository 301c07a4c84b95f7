"""Several processes that train together under JAX: which ones, and how they connect."""

import dataclasses
import os

import keras

from training_code.run.config import TrainingError
from training_code.tasks.settings import Running


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of a run, and the index of this one."""

    coordinator: str
    processes: int
    process: int


def asked_for(running: Running) -> Cluster | None:
    """Read the cluster from the flags and, where they are not given, Keras's environment variables.

    Returns None for a single process. Raises TrainingError if a value is missing or out of range.
    """
    coordinator = running.coordinator or os.environ.get("KERAS_DISTRIBUTION_JOB_ADDRESSES", "")
    coordinator = coordinator.partition(",")[0]  # Keras's variable lists all; the first leads.
    processes = running.processes or _number("KERAS_DISTRIBUTION_NUM_PROCESSES", 0)
    process = running.process
    if process < 0:
        process = _number("KERAS_DISTRIBUTION_PROCESS_ID", -1)
    if not coordinator and processes <= 1 and process <= 0:
        return None
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isdigit()):
        raise TrainingError(
            f"--coordinator {coordinator!r}: several processes need host:port of the first one"
        )
    if processes < 1:
        raise TrainingError("--processes: the number of processes is needed with --coordinator")
    if not 0 <= process < processes:
        raise TrainingError(
            f"--process {process}: each of the {processes} processes needs its own number, "
            f"0 to {processes - 1}"
        )
    return Cluster(coordinator, processes, process)


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    try:
        return int(text) if text else default
    except ValueError as error:
        raise TrainingError(f"{variable}={text}: must be a number") from error


def join(hosts: Cluster, seed: int) -> None:
    """Connect to the other processes. Raises TrainingError."""
    import jax

    if jax.distributed.is_initialized():  # By an earlier run in the same processes.
        return
    # Without a seed, Keras would agree on one by a computation on the CPUs of all processes.
    keras.utils.set_random_seed(seed)
    try:
        keras.distribution.initialize(hosts.coordinator, hosts.processes, hosts.process)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"--coordinator {hosts.coordinator}: {error}") from error
