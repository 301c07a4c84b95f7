"""What a run asks of a network that is to be trained, and what its losses need to know of devices.

A task is a module of this package, found by its name; `run` imports no other part of it.
"""

import importlib
from typing import Any, Protocol, cast

import keras


class Trainee(Protocol):
    """A `keras.Model` around a network, which turns batches into a loss."""

    network: keras.Model
    """The part that is saved."""


class Task(Protocol):
    """One network and how it is trained."""

    def network(self, config: Any) -> keras.Model:
        """With fresh weights, under the current dtype policy. config: as `run.config.Config`."""
        ...

    def trainee(self, model: keras.Model, config: Any, camera: Any = None) -> Any:
        """A `Trainee`. camera: renders the shots of a batch, see `camera.on_device.camera`."""
        ...


def load(name: str) -> Task:
    """The task of that name; loads Keras."""
    return cast(Task, importlib.import_module(f"training_code.tasks.{name}"))


def replicas() -> int:
    """Devices that each compute their share of the batch as if it were all: those of TensorFlow.
    JAX shares out one computation of the whole batch.
    """
    if keras.config.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def over_replicas(part: Any) -> Any:
    """The sum of each replica's part."""
    if replicas() == 1:
        return part
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, part) if context else part
