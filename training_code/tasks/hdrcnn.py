"""Training of HDRCNN: network, shots, loss and validation."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from hdrcnn import weights
from hdrcnn.colour.transfer import log_decode
from hdrcnn.models import hdrcnn
from hdrcnn.models.metadata import Hdrcnn
from training_code.camera import Camera
from training_code.camera.batches import Pairs
from training_code.camera.on_device import atlas
from training_code.camera.on_device.batches import ShotBatches
from training_code.camera.on_device.camera import DeviceCamera
from training_code.losses import temporal
from training_code.losses.log_hdr import cost, highlight_rmse, split_known
from training_code.losses.settings import Loss
from training_code.scenes.collection import Scene
from training_code.tasks import task
from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running
from training_code.tasks.task import Tensors, scene_views
from training_code.watch.callbacks import Validate
from training_code.watch.validation import Validation

__all__ = ["batches", "export", "network", "prepare", "scene_views", "trainee", "watch"]


class Renders(Protocol):
    """Renders shots on the accelerator: see `training_code.camera.on_device.camera`."""

    def take(self, shots: Tensors) -> tuple[Any, Any]: ...


Teacher = Callable[[Any], Any]
"""Function from pictures [N, S, S, 3] float32 in [0, 1] to predictions y = log(H + 1/255) of the
same shape."""


class Trainee(task.Trainee):
    """Computes the loss of a batch of shots.

    A batch is a dict: `picture`, uint8 codes [N, S, S, 3], and `target`, float32 [N, S, S, 3],
    linear, 1.0 = clipping level, NaN where unknown; or, with a `camera`, the numbers of the shots,
    which it renders; and `motion` [N, K] if the loss has a temporal term.
    """

    def __init__(
        self,
        network: keras.Model,
        loss: Loss,
        *,
        blend: str = "channel",
        camera: Renders | None = None,
        temporal_term: str = "",
        temporal_weight: float = 0.95,
        teacher: Teacher | None = None,
        teacher_share: float = 0.5,
    ) -> None:
        """blend: how the weights blend prediction and photograph, one of `blend.BLENDS`.
        temporal_term: one of `temporal.TERMS`, or empty for none; temporal_weight: its share a in
            the loss (1 - a) cost + a term (Eilertsen et al. 2019, Eq. 5).
        teacher: another network, whose predictions serve as a second truth; teacher_share: their
            share b in the cost, (1 - b) cost(truth) + b cost(prediction of the teacher). G. Hinton,
            O. Vinyals, J. Dean, "Distilling the knowledge in a neural network", arXiv:1503.02531,
            2015.
        """
        super().__init__(network)
        self.camera = camera
        self.of_prediction, self.by_code = cost(loss, blend), loss.mask != "target"
        self.temporal_term, self.temporal_weight = temporal_term, temporal_weight
        self.teacher, self.teacher_share = teacher, teacher_share
        self.highlights = keras.metrics.Mean(name="highlight_rmse")

    def shown(self, batch: Tensors) -> tuple[Any, Any]:
        """Picture, [N, S, S, 3] float32 in [0, 1], and target of a batch, NaN where unknown."""
        if self.camera is not None and "picture" not in batch:
            return self.camera.take(batch)
        return ops.cast(batch["picture"], "float32") / 255.0, batch["target"]

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """Picture, target and prediction, all [N, S, S, 3] float32, and if the loss has a temporal
        term, also the prediction of the moved picture and the motion, [N, K].
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

    def cost(self, answer: Tensors) -> Any:
        target, log_hdr, picture = (answer[name] for name in ("target", "log_hdr", "picture"))
        value = self.of_prediction(target, log_hdr, picture)
        if self.teacher is not None:
            taught = ops.maximum(log_decode(self.teacher(picture), xp=ops), 0.0)
            # Pixels with unknown truth are not learnt from the teacher's guess either.
            taught = ops.where(ops.isnan(target), target, taught)
            second = self.of_prediction(taught, log_hdr, picture)
            value = (1.0 - self.teacher_share) * value + self.teacher_share * second
        if not self.temporal_term:
            return value
        term = temporal.TERMS[self.temporal_term](
            split_known(answer["target"])[0],
            answer["log_hdr"],
            answer["log_hdr_moved"],
            answer["motion"],
            answer["picture"] if self.by_code else None,
        )
        return (1.0 - self.temporal_weight) * value + self.temporal_weight * term

    def figures(self, answer: Tensors) -> None:
        """Update the RMSE in the highlights, in stops, which is only monitored."""
        rmse = highlight_rmse(answer["target"], answer["log_hdr"], task.over_replicas)
        # Every replica adds the same value; together they must count a batch once.
        self.highlights.update_state(rmse, sample_weight=1.0 / task.replicas())


@dataclasses.dataclass(frozen=True)
class Material:
    """The scenes and, with `--render`, the camera that has them in the accelerator's memory."""

    scenes: Sequence[Scene]
    camera: DeviceCamera | None = None
    teacher: Teacher | None = None


def network(config: Config) -> keras.Model:
    """Build HDRCNN with fresh weights, under the current dtype policy."""
    return hdrcnn.build(config.width, config.norm_momentum)


def load_teacher(path: Path) -> Teacher:
    """Load a network that is used but not trained from a weights file. Raises WeightsError."""
    arrays, record = weights.load(path)
    model = hdrcnn.build(weights.expect_kind(arrays, record, Hdrcnn, str(path)).width)
    weights.assign(model, arrays, str(path))
    model.trainable = False

    def taught(picture: Any) -> Any:
        # A function, not the model, so that its variables are neither trained nor stored.
        return ops.stop_gradient(model(picture, training=False))

    return taught


def prepare(config: Config, scenes: Sequence[Scene], folder: Path, running: Running) -> Material:
    """Load the teacher and, with `--render`, copy the scenes to the accelerator's memory and print
    how much they take. Raises ValueError if settings of `tones` have no effect.
    """
    kinds = {scene.linearised for scene in scenes}
    config.tones.check(photographs=True in kinds, scenes=False in kinds)
    teacher = load_teacher(Path(config.teacher)) if config.teacher else None
    if not running.render:
        return Material(scenes, teacher=teacher)
    laid_out = atlas.build(list(scenes), config.views, config.size)
    print(laid_out.memory(), flush=True)
    return Material(
        scenes, DeviceCamera(laid_out, config.size, config.development, config.tones), teacher
    )


def trainee(network: keras.Model, config: Config, material: Material | None = None) -> Trainee:
    """The network with the loss of the settings."""
    return Trainee(
        network,
        config.loss,
        blend=config.blend,
        camera=material.camera if material else None,
        temporal_term=config.temporal,
        temporal_weight=config.temporal_weight,
        teacher=material.teacher if material else None,
        teacher_share=config.teacher_share,
    )


def pairs(config: Config, scenes: Sequence[Scene], kind: type[Pairs] = Pairs, **more: Any) -> Pairs:
    """Batches of shots of scenes as the settings define them. kind: `ShotBatches` for
    `DeviceCamera`; more: further arguments of `Pairs`, which take precedence over the settings.
    """
    settings = {
        "size": config.size,
        "batch": config.batch,
        "steps": config.steps,
        "seed": config.seed,
        "motion": config.motion if config.temporal else None,
    }
    camera = Camera(config.exposure, config.sensor, config.development, config.tones)
    return kind(scenes, camera, config.views, **(settings | more))


def batches(config: Config, material: Material, batch_range: task.BatchRange) -> Pairs:
    """Batches of pairs or, with `--render`, of the numbers of shots."""
    kind = Pairs if material.camera is None else ShotBatches
    return pairs(config, material.scenes, kind, **vars(batch_range))


def validation(config: Config, scenes: Sequence[Scene], crops: int) -> Validation:
    """Photograph fixed crops of held-out scenes by the camera of the training, and print the
    figures of the baseline, doing nothing, on them.
    """
    taken = pairs(config, scenes, steps=crops, batch=1, seed=config.seed + 1, motion=None)
    crop = [taken[index] for index in range(crops)]
    codes, targets = (np.concatenate([c[key] for c in crop]) for key in ("picture", "target"))
    made = Validation(codes, targets, linearisation=config.linearisation, blend=config.blend)
    print("\n".join([made.describe(), *(f"  {line}" for line in made.left_out)]), flush=True)
    return made


def watch(
    config: Config, scenes: Sequence[Scene], monitored: task.MonitoredRun
) -> list[keras.callbacks.Callback]:
    """Validation against the baseline, doing nothing, and contact sheets."""
    return [
        Validate(
            validation(config, scenes, monitored.running.validation_crops),
            monitored.network,
            monitored.averaged,
            monitored.folder,
            epochs=config.epochs,
            every=monitored.running.validate_every,
            board=monitored.board,
        )
    ]


def export(network: keras.Model, config: Config) -> tuple[dict[str, np.ndarray], Hdrcnn]:
    """All arrays of the network, and its record."""
    return weights.collect(network), Hdrcnn(config.width, config.linearisation, config.blend)
