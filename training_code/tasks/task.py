"""The protocol between a run and a task, and the base classes of trainees.

    scenes -> prepare -> material -> batches -> trainee(network) -> fit -> export -> weights.npz
                                        held out -> watch -> callbacks

A task is a module of this package, loaded by its name; `run` imports only this module and the
settings. A trainee is the Keras model that is compiled and fitted: a network with its loss.
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
class BatchRange:
    """Which batches are taken, and which part of each; arguments of `Batches`."""

    epoch: int = 0
    first: int = 0
    """First batch of that epoch."""
    share: tuple[int, int] = (0, 1)
    """(i, n): part i of n equal parts of every batch."""
    workers: int = 0


@dataclasses.dataclass(frozen=True)
class MonitoredRun:
    """The parts of a run that callbacks need to monitor it."""

    network: keras.Model
    averaged: Callable[[], AbstractContextManager[None]]
    """Context in which the network has the weights that are exported."""
    folder: Path
    """Folder of the run."""
    running: Running
    board: Any = None
    """`watch.tensorboard.Board`; None: no TensorBoard."""


class Task(Protocol):
    """One network and how it is trained. config: the `Config` of its settings."""

    def scene_views(self, config: Any) -> tuple[Views, int]:
        """The views taken of scenes, to whose needs large scenes are reduced when they are read,
        and the minimum length of a scene's shorter side, pixels.
        """
        ...

    def network(self, config: Any) -> keras.Model:
        """Build the network with fresh weights, under the current dtype policy."""
        ...

    def prepare(self, config: Any, scenes: Sequence[Scene], folder: Path, running: Running) -> Any:
        """Prepare the training data from which batches are taken in the whole run, here called the
        material. folder: of the run.
        """
        ...

    def trainee(self, network: keras.Model, config: Any, material: Any) -> "Trainee":
        """The network with its loss, not compiled."""
        ...

    def batches(self, config: Any, material: Any, batch_range: BatchRange) -> Batches:
        """Batches that depend only on the settings, the epoch and the index of the batch."""
        ...

    def watch(
        self, config: Any, scenes: Sequence[Scene], monitored: MonitoredRun
    ) -> list[keras.callbacks.Callback]:
        """Callbacks that evaluate held-out scenes, add to the logs, and write contact sheets."""
        ...

    def export(self, network: keras.Model, config: Any) -> tuple[dict[str, np.ndarray], Metadata]:
        """The arrays of the weights file by layer path, and its record without the facts about the
        training.
        """
        ...


def load(name: str) -> Task:
    """Load the task of that name, and Keras with it."""
    return cast(Task, importlib.import_module(f"training_code.tasks.{name}"))


def scene_views(config: Any) -> tuple[Views, int]:
    """`Task.scene_views` of tasks whose scenes need only serve the crops of their training."""
    return config.views, config.size


def prepare(
    config: Any, scenes: Sequence[Scene], folder: Path, running: Running
) -> Sequence[Scene]:
    """`Task.prepare` of tasks whose material is the scenes themselves. Raises ValueError for
    --render.
    """
    if running.render:
        raise ValueError("--render: this task's pictures are taken by NumPy; leave it out")
    return scenes


class Trainee(keras.Model):
    """Wraps a network and computes the loss of a batch. Only the network is ever saved.

    Subclasses define `call(batch)`, which returns whatever `cost` and `figures` need, and `cost`.
    """

    auxiliary_networks: Sequence[keras.Model] = ()
    """Networks that are trained too but not exported, such as a discriminator. They are part of a
    checkpoint, so none of their variables may have the path of a variable of the network."""

    def __init__(self, network: keras.Model) -> None:
        # Only the network follows a low-precision policy: Keras would silently cast the targets.
        super().__init__(name="trainee", dtype="float32", autocast=False)
        self.network = network
        # The network is built, so nothing has to be built from a first batch, which under JAX would
        # be missing from the epoch.
        self.built = True

    def optimiser(self, kind: Any, **settings: Any) -> keras.optimizers.Optimizer:
        """Create the optimiser. kind: an Adam class; settings: arguments for the network's."""
        return kind(**settings)

    def cost(self, answer: Tensors) -> Any:
        """The loss of each item of the batch, [N] float32."""
        raise NotImplementedError

    def figures(self, answer: Tensors) -> None:
        """Update the metrics of the trainee, if it has any."""

    def compute_loss(
        self,
        x: Tensors | None = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The mean cost over the batch; on each of several replicas, its share of that mean."""
        # TensorFlow sums the gradients of its replicas.
        return ops.mean(self.cost(y_pred)) / replicas()

    def compute_metrics(
        self, x: Tensors, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """The loss and the metrics updated by `figures`."""
        self.figures(y_pred)
        return self.get_metrics_result()


class Weighted(Trainee):
    """A trainee whose loss is a weighted sum of terms, each logged by its name.

    Its `call` returns the terms by name, [N] each.
    """

    def __init__(
        self, network: keras.Model, terms: Mapping[str, float], logged: Sequence[str] = ()
    ) -> None:
        """terms: weights by name; terms with weight 0 are left out. logged: names of further
        entries of the answer to log.
        """
        super().__init__(network)
        self.weights_of_terms = {name: weight for name, weight in terms.items() if weight}
        names = (*self.weights_of_terms, *logged)
        self.means = {name: keras.metrics.Mean(name=name) for name in names}

    def cost(self, answer: Tensors) -> Any:
        """The weighted sum of the terms."""
        return sum(weight * answer[name] for name, weight in self.weights_of_terms.items())

    def figures(self, answer: Tensors) -> None:
        """Update the mean of each term. Every replica adds the same value with a share of the
        weight, so that each batch counts once.
        """
        share = 1.0 / replicas()
        for name, mean in self.means.items():
            value = over_replicas(ops.mean(answer[name])) * share
            mean.update_state(value, sample_weight=share)


def replicas() -> int:
    """Number of replicas that each compute a part of the batch as if it were all of it, as under
    TensorFlow. JAX distributes one computation over the whole batch, so there it is 1.
    """
    if keras.config.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def over_replicas(part: Any) -> Any:
    """The sum of a value over all replicas."""
    if replicas() == 1:
        return part
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, part) if context else part
