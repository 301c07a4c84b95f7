"""Several processes that train together under JAX: which they are, and how they meet."""

import dataclasses
import os

import keras

from training_code.run.config import TrainingError
from training_code.tasks.settings import Running


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of a run, and which of them this is."""

    coordinator: str
    processes: int
    process: int


def asked_for(running: Running) -> Cluster | None:
    """From the flags and, for what they leave open, the environment of Keras; None: one process.

    Raises TrainingError if one is missing or out of range.
    """
    coordinator = running.coordinator or os.environ.get("KERAS_DISTRIBUTION_JOB_ADDRESSES", "")
    coordinator = coordinator.partition(",")[0]  # Keras takes all addresses; the first leads.
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
        raise TrainingError("--processes: how many there are is needed beside --coordinator")
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
    """Find the other processes. Raises TrainingError."""
    import jax

    if jax.distributed.is_initialized():  # By a run before, in the same processes.
        return
    # Without a seed Keras would agree on one by a computation on the CPUs of all.
    keras.utils.set_random_seed(seed)
    try:
        keras.distribution.initialize(hosts.coordinator, hosts.processes, hosts.process)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"--coordinator {hosts.coordinator}: {error}") from error
