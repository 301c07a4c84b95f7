"""What is trained: a network, the shots it is shown, and what it is told about its answer.

A Keras model, so that `fit` trains it under either backend. The network inside is all that is
ever saved; the trainee around it takes the pictures, moves them where a temporal loss asks for
it, and computes the loss.
"""

from typing import Any, Protocol

import keras
from keras import ops

from hdrcnn.models import hdrcnn
from training_code.losses import temporal
from training_code.losses.log_hdr import cost, highlight_rmse, split_known
from training_code.losses.settings import Loss
from training_code.tasks import task

Tensors = dict[str, Any]


class Camera(Protocol):
    """Takes shots on the accelerator: see `training_code.camera.on_device.camera`."""

    def take(self, shots: Tensors) -> tuple[Any, Any]: ...


class Trainee(keras.Model):
    """Shots to loss.

    A batch is a dict: `picture`, uint8 codes [N, S, S, 3], and `target`, float32 [N, S, S, 3],
    linear, 1.0 = clipping level; or, with a `camera`, the numbers of shots that it renders to the
    same; and `motion` [N, K] where the loss is temporal.
    """

    def __init__(
        self,
        network: keras.Model,
        loss: Loss,
        *,
        blend: str = "channel",
        camera: Camera | None = None,
        temporal_term: str = "",
        temporal_weight: float = 0.95,
    ) -> None:
        """blend: of the weights, one of `blend.BLENDS`.
        temporal_term: one of `temporal.TERMS`, or empty for none; temporal_weight: its share a of
            the loss (1 - a) cost + a term (Eilertsen et al. 2019, Eq. 5).
        """
        # A low-precision policy is the network's alone: Keras would cast the targets down silently.
        super().__init__(name="trainee", dtype="float32", autocast=False)
        self.network, self.camera = network, camera
        self.cost, self.by_code = cost(loss, blend), loss.mask != "target"
        self.temporal_term, self.temporal_weight = temporal_term, temporal_weight
        self.highlights = keras.metrics.Mean(name="highlight_rmse")
        # The network is: nothing is left to build from a first batch, which JAX would take away
        # from the epoch.
        self.built = True

    def shown(self, batch: Tensors) -> tuple[Any, Any]:
        """Picture, [N, S, S, 3] float32 in [0, 1], and target of a batch, NaN if not known."""
        if self.camera is not None and "picture" not in batch:
            return self.camera.take(batch)
        return ops.cast(batch["picture"], "float32") / 255.0, batch["target"]

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """Picture, target and prediction, and where the loss is temporal that of the moved
        picture, all [N, S, S, 3] float32.
        """
        picture, target = self.shown(batch)
        answer = {"picture": picture, "target": target}
        if not self.temporal_term:
            return answer | {"log_hdr": self.network(picture, training=training)}
        moved = temporal.move_picture(picture, batch["motion"])
        both = self.network(ops.concatenate([picture, moved]), training=training)
        count = ops.shape(picture)[0]
        return answer | {
            "log_hdr": both[:count],
            "log_hdr_moved": both[count:],
            "motion": batch["motion"],
        }

    def compute_loss(
        self,
        x: Tensors | None = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The mean over the batch; of a replica, its share of that."""
        value = self.cost(y_pred["target"], y_pred["log_hdr"], y_pred["picture"])
        if self.temporal_term:
            term = temporal.TERMS[self.temporal_term](
                split_known(y_pred["target"])[0],
                y_pred["log_hdr"],
                y_pred["log_hdr_moved"],
                y_pred["motion"],
                y_pred["picture"] if self.by_code else None,
            )
            value = (1.0 - self.temporal_weight) * value + self.temporal_weight * term
        # TensorFlow adds the gradients of its replicas up.
        return ops.mean(value) / task.replicas()

    def compute_metrics(
        self, x: Tensors, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Loss, and for watching the error in the highlights, in stops."""
        total = task.over_replicas
        rmse = highlight_rmse(y_pred["target"], y_pred["log_hdr"], total)
        # Each replica adds the same; a checkpoint is to count a batch once.
        self.highlights.update_state(rmse, sample_weight=1.0 / task.replicas())
        return self.get_metrics_result()


def network(config: Any) -> keras.Model:
    """With fresh weights, under the current dtype policy. config: as `run.config.Config`."""
    return hdrcnn.build(config.width, config.norm_momentum)


def trainee(model: keras.Model, config: Any, camera: Camera | None = None) -> Trainee:
    """What is compiled and fitted around a network. config: as `run.config.Config`."""
    return Trainee(
        model,
        config.loss,
        blend=config.blend,
        camera=camera,
        temporal_term=config.temporal,
        temporal_weight=config.temporal_weight,
    )
