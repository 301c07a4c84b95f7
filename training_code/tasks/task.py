"""What a run asks of a task, and what every trainee shares.

    scenes -> prepare -> material -> batches -> trainee(network) -> fit -> export -> weights.npz
                                        held out -> watch -> callbacks

A task is a module of this package, found by its name; `run` imports no other part of it.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, cast

import keras
import numpy as np
from keras import ops

from hdrcnn.models.metadata import Metadata
from training_code.camera.batches import Batches
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views
from training_code.tasks.settings import Running

Tensors = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Place:
    """From where on batches are taken, and which part of them."""

    epoch: int = 0
    first: int = 0
    """Batch of that epoch."""
    share: tuple[int, int] = (0, 1)
    """(i, n): part i of n equal parts of every batch."""
    workers: int = 0


@dataclasses.dataclass(frozen=True)
class Watched:
    """What callbacks are given to watch a training by."""

    network: keras.Model
    averaged: Callable[[], AbstractContextManager[None]]
    """Within it the network has the weights that are exported."""
    folder: Path
    """Of the run."""
    running: Running
    board: Any = None
    """`watch.tensorboard.Board`, if one is wanted."""


class Task(Protocol):
    """One network and how it is trained. config: the `Config` of its settings."""

    def looks(self, config: Any) -> tuple[Views, int]:
        """How scenes are looked at, by which large ones are reduced when they are read, and the
        smallest side that is of use, pixels.
        """
        ...

    def network(self, config: Any) -> keras.Model:
        """With fresh weights, under the current dtype policy."""
        ...

    def prepare(self, config: Any, scenes: Sequence[Scene], folder: Path, running: Running) -> Any:
        """The material that batches are taken from, for the whole run. folder: of the run."""
        ...

    def trainee(self, network: keras.Model, config: Any, material: Any) -> "Trainee":
        """The network with its loss, not compiled."""
        ...

    def batches(self, config: Any, material: Any, place: Place) -> Batches:
        """Which depend on the settings and the number of epoch and batch alone."""
        ...

    def watch(
        self, config: Any, scenes: Sequence[Scene], watched: Watched
    ) -> list[keras.callbacks.Callback]:
        """Callbacks that measure held-out scenes, add to the logs, and write what is looked at."""
        ...

    def export(self, network: keras.Model, config: Any) -> tuple[dict[str, np.ndarray], Metadata]:
        """The arrays of the weights file by layer path, and its record without the training."""
        ...


def load(name: str) -> Task:
    """The task of that name; loads Keras."""
    return cast(Task, importlib.import_module(f"training_code.tasks.{name}"))


def looks(config: Any) -> tuple[Views, int]:
    """Of tasks that look at scenes as the crops of their training need."""
    return config.views, config.size


def prepare(
    config: Any, scenes: Sequence[Scene], folder: Path, running: Running
) -> Sequence[Scene]:
    """Of tasks whose material are the scenes themselves."""
    if running.render:
        raise ValueError("--render: this task's pictures are taken by NumPy; leave it out")
    return scenes


class Trainee(keras.Model):
    """Batches to loss, around the network, which is all that is ever saved.

    A task's trainee has `call(batch)`, which answers with whatever the two below need, and `cost`.
    """

    beside: Sequence[keras.Model] = ()
    """Networks that are trained with it and not exported, such as a discriminator. They are part of
    a checkpoint, and no variable of theirs has the path of one of the network's."""

    def __init__(self, network: keras.Model) -> None:
        # A low-precision policy is the network's alone: Keras would cast the targets down silently.
        super().__init__(name="trainee", dtype="float32", autocast=False)
        self.network = network
        # The network is: nothing is left to build from a first batch, which JAX would take away
        # from the epoch.
        self.built = True

    def optimiser(self, kind: Any, **settings: Any) -> keras.optimizers.Optimizer:
        """What the steps are taken with. kind: a kind of Adam; settings: of the network's."""
        return kind(**settings)

    def cost(self, answer: Tensors) -> Any:
        """The loss of each item of the batch, [N] float32."""
        raise NotImplementedError

    def figures(self, answer: Tensors) -> None:
        """Updates metrics of the trainee's own, if it has any."""

    def compute_loss(
        self,
        x: Tensors | None = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The mean over the batch; of a replica, its share of that."""
        # TensorFlow adds the gradients of its replicas up.
        return ops.mean(self.cost(y_pred)) / replicas()

    def compute_metrics(
        self, x: Tensors, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """The loss, and what `figures` adds."""
        self.figures(y_pred)
        return self.get_metrics_result()


class Weighted(Trainee):
    """A trainee whose loss is a weighted sum of terms, each of them logged by its name.

    Its `call` answers with the terms by name, [N] each.
    """

    def __init__(
        self, network: keras.Model, terms: Mapping[str, float], logged: Sequence[str] = ()
    ) -> None:
        """terms: their weights; those of 0 are left out. logged: further parts of the answer."""
        super().__init__(network)
        self.weights_of_terms = {name: weight for name, weight in terms.items() if weight}
        names = (*self.weights_of_terms, *logged)
        self.means = {name: keras.metrics.Mean(name=name) for name in names}

    def cost(self, answer: Tensors) -> Any:
        """The weighted sum of the terms."""
        return sum(weight * answer[name] for name, weight in self.weights_of_terms.items())

    def figures(self, answer: Tensors) -> None:
        """Each mean by its name. Each replica adds the same, of which a batch counts once."""
        share = 1.0 / replicas()
        for name, mean in self.means.items():
            value = over_replicas(ops.mean(answer[name])) * share
            mean.update_state(value, sample_weight=share)


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
