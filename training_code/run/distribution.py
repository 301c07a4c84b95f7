"""Distribution of one run over several devices: how batches are shared, and which process writes.

    TensorFlow   several GPUs of one host: `tf.distribute.MirroredStrategy`, see `mirrored`
    JAX          several devices and hosts: `keras.distribution.DataParallel`, one process per host

`--batch` is the batch of all devices together. Its pairs depend on (seed, epoch, index, item)
alone: each process makes its own items, each device computes on its own share, and gradients,
batch statistics and losses are those of the whole batch. The losses therefore equal those of one
device up to rounding. Only the first process writes files.
"""

import contextlib
import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training_code.camera.batches import Batches
from training_code.run.cluster import Cluster, asked_for, join
from training_code.run.config import TrainingError
from training_code.tasks.settings import Running, Schedule
from training_code.tasks.task import replicas


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Devices and processes of a run, as seen by one of its processes."""

    devices: int = 1
    """Number of devices of this process."""
    process: int = 0
    processes: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.process == 0

    def data(self, batches: Batches) -> dict[str, Any]:
        """Arguments of Keras's `fit`: `x`, and the length of an epoch if `x` does not define it."""
        if keras.config.backend() != "tensorflow" or self.devices == 1:
            return {"x": batches}
        from training_code.run import mirrored

        return {"x": mirrored.endless(batches), "steps_per_epoch": len(batches)}

    def wait(self) -> None:
        """Wait until all processes get here."""
        self.agree("place to wait at")

    @contextlib.contextmanager
    def printing(self) -> Iterator[None]:
        """Context in which only the first process prints."""
        if self.first:
            yield
            return
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield

    def agree(self, what: str, text: str = "") -> None:
        """Raises TrainingError in every process unless all have the same text.

        what: names what differs, and the remedy, for the message.
        """
        if self.processes == 1:
            return
        from jax.experimental import multihost_utils

        digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint32)
        if len(np.unique(multihost_utils.process_allgather(digest), axis=0)) > 1:
            raise TrainingError(f"the processes do not have the same {what}")


@contextlib.contextmanager
def started(config: Schedule, running: Running) -> Iterator[Distribution]:
    """Context in which models are created for, and trained on, the requested devices.

    Enter it before anything is computed. Raises TrainingError if the devices do not exist or cannot
    share the batch.
    """
    backend = keras.config.backend()
    hosts = asked_for(running)
    if hosts and backend != "jax":
        raise TrainingError(
            "--coordinator: several processes train under JAX alone; set KERAS_BACKEND=jax"
        )
    if hosts:
        join(hosts, config.seed)
    names = _names(backend, hosts)
    count = _count(running.devices, names)
    found = Distribution(count)
    if hosts:
        found = Distribution(count, hosts.process, hosts.processes)
        found.agree("number of devices; give the same --devices to all", str(count))
    check(config, running, backend, found)
    if count * found.processes == 1:
        yield found
    elif backend == "tensorflow":
        with _mirrored(tuple(names[:count])).scope():
            yield found
    else:
        with _data_parallel(count).scope():
            yield found


def _names(backend: str, hosts: Cluster | None) -> list[str]:
    """Names of the accelerators of this process or, if there are none, of its CPU devices."""
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_logical_devices("GPU")
        return [device.name for device in gpus or tf.config.list_logical_devices("CPU")]
    if backend == "jax":
        import jax

        return [f"{device.platform}:{device.id}" for device in jax.local_devices()]
    return [backend]


def _count(asked: int, names: list[str]) -> int:
    """Number of devices to use: by default all accelerators, or one CPU device, which uses all
    cores. Raises TrainingError if fewer exist than are asked for.
    """
    on_cpu = "cpu" in names[0].lower()
    if asked > len(names):
        kind = "CPU devices" if on_cpu else "accelerators"
        raise TrainingError(f"--devices {asked}: there are {len(names)} {kind}")
    return asked or (1 if on_cpu else len(names))


def check(config: Schedule, running: Running, backend: str, found: Distribution) -> None:
    """Raises TrainingError if the devices cannot share the batch, or cannot render the pictures."""
    total = found.devices * found.processes
    if config.batch % total:
        where = f"{found.devices} devices"
        if found.processes > 1:
            where += f" in each of {found.processes} processes"
        raise TrainingError(
            f"--batch {config.batch}: cannot be shared equally by {where}; give a multiple of "
            f"{total}, or fewer --devices"
        )
    if running.render and backend == "tensorflow" and total > 1:
        raise TrainingError(
            "--render: on several devices under JAX alone; set KERAS_BACKEND=jax, or --devices=1"
        )


@functools.cache
def _mirrored(names: tuple[str, ...]) -> Any:
    """Strategy for these devices, one for all runs of a process.

    Every strategy numbers its sums over devices from the same start, and TensorFlow remembers the
    shape of each number, so a second strategy would conflict.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)


def _data_parallel(count: int) -> Any:
    """Data parallelism over `count` devices of each process: variables on all, batches split."""
    import jax

    chosen = []
    for process in range(jax.process_count()):
        own = [device for device in jax.devices() if device.process_index == process]
        chosen += [f"{device.platform}:{device.id}" for device in own[:count]]
    # Each process already loads only its own share.
    return keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)


def share_statistics(network: keras.Model) -> None:
    """Make batch norms use statistics of the whole batch, not of each replica's share."""
    if replicas() > 1:
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True


def adam() -> type[keras.optimizers.Adam]:
    """Adam class that suits the current number of replicas."""
    if replicas() == 1:
        return keras.optimizers.Adam
    from training_code.run.mirrored import MirroredAdam

    return MirroredAdam
