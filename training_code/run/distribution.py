"""One run on several devices: whose part of each batch is whose, and who writes.

    TensorFlow   several GPUs of one host: `tf.distribute.MirroredStrategy`, see `mirrored`
    JAX          several devices and hosts: `keras.distribution.DataParallel`, a process a host

`--batch` is the batch of all devices together. Its pairs depend on (seed, epoch, index, item)
alone: each process takes its own items of it, each device computes on its own share, and gradients,
batch statistics and losses are those of the whole batch. So the losses are those of one device, but
for rounding. The first process writes; the others compute.
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
    """Where a run is carried out, as one of its processes sees it."""

    devices: int = 1
    """Of this process."""
    process: int = 0
    processes: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.process == 0

    def data(self, batches: Batches) -> dict[str, Any]:
        """What `fit` is given: its `x`, and the length of an epoch where `x` does not say."""
        if keras.config.backend() != "tensorflow" or self.devices == 1:
            return {"x": batches}
        from training_code.run import mirrored

        return {"x": mirrored.endless(batches), "steps_per_epoch": len(batches)}

    def wait(self) -> None:
        """For all processes to come here."""
        self.agree("place to wait at")

    @contextlib.contextmanager
    def printing(self) -> Iterator[None]:
        """Within it the first process prints, the others do not."""
        if self.first:
            yield
            return
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield

    def agree(self, what: str, text: str = "") -> None:
        """Raises TrainingError in each process if their texts are not all the same.

        what: names the difference and what to do about it.
        """
        if self.processes == 1:
            return
        from jax.experimental import multihost_utils

        digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint32)
        if len(np.unique(multihost_utils.process_allgather(digest), axis=0)) > 1:
            raise TrainingError(f"the processes do not have the same {what}")


@contextlib.contextmanager
def started(config: Schedule, running: Running) -> Iterator[Distribution]:
    """Within it models are made for, and trained on, the devices asked for. To be entered before
    anything is computed.

    Raises TrainingError if the devices are not there, or cannot share the batch.
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
    """The accelerators of this process or, where there are none, its CPU devices."""
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_logical_devices("GPU")
        return [device.name for device in gpus or tf.config.list_logical_devices("CPU")]
    if backend == "jax":
        import jax

        return [f"{device.platform}:{device.id}" for device in jax.local_devices()]
    return [backend]


def _count(asked: int, names: list[str]) -> int:
    """How many to use: by default all accelerators, but one CPU device, which has all cores."""
    on_cpu = "cpu" in names[0].lower()
    if asked > len(names):
        kind = "CPU devices" if on_cpu else "accelerators"
        raise TrainingError(f"--devices {asked}: there are {len(names)} {kind}")
    return asked or (1 if on_cpu else len(names))


def check(config: Schedule, running: Running, backend: str, found: Distribution) -> None:
    """Raises TrainingError if the devices cannot share the batch, or take the pictures."""
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
    """One for all runs of a process: each numbers its sums over devices from the same number on,
    and TensorFlow remembers their shapes.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)


def _data_parallel(count: int) -> Any:
    """Variables on all devices of all processes, `count` of each; batches shared out."""
    import jax

    chosen = []
    for process in range(jax.process_count()):
        own = [device for device in jax.devices() if device.process_index == process]
        chosen += [f"{device.platform}:{device.id}" for device in own[:count]]
    # The loader is sharded by process already.
    return keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)


def share_statistics(network: keras.Model) -> None:
    """Batch norms by the whole batch, not by each replica's share of it."""
    if replicas() > 1:
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True


def adam() -> type[keras.optimizers.Adam]:
    """The optimiser for the devices at hand."""
    if replicas() == 1:
        return keras.optimizers.Adam
    from training_code.run.mirrored import MirroredAdam

    return MirroredAdam
