"""Training of the published stack GAN, which predicts five exposures from one photograph.

The loss is the difference of the exposures and that of a discriminator, which sees photograph and
exposures. Training data are scenes through the virtual camera, or pictures in the published layout.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from hdrcnn import weights
from hdrcnn.models import exposure_gan
from hdrcnn.models.metadata import ExposureGan
from training_code.losses.exposure_stack import l1
from training_code.scenes.collection import Scene
from training_code.tasks import adversarial, task
from training_code.tasks.exposure_gan_settings import Config
from training_code.tasks.held_out import HeldOut
from training_code.tasks.stack_batches import StackBatches, answer_of, held_out, in_codes
from training_code.tasks.task import Tensors, prepare, scene_views

__all__ = ["batches", "export", "network", "prepare", "scene_views", "trainee", "watch"]


class Trainee(adversarial.AdversarialTrainee):
    """Computes the loss of `picture` uint8 [N, S, S, 3] and `exposures` uint8 [N, 5, S, S, 3]."""

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """The terms by name, [N] each."""
        code, truth = (ops.cast(batch[n], "float32") / 255.0 for n in ("picture", "exposures"))
        found = self.network(code, training=training)
        # The published difference is taken in the range of tanh, [-1, 1].
        terms = {"l1": 2.0 * l1(found, truth)}
        if "adversarial" in self.weights_of_terms:
            shown = [exposure_gan.discriminator_input(code, stack) for stack in (found, truth)]
            terms |= adversarial.losses(self.discriminator, *shown)
        return terms


def network(config: Config) -> keras.Model:
    """Build the generator with fresh weights."""
    return exposure_gan.build_generator(config.base_channels)


def trainee(network: keras.Model, config: Config, material: Any = None) -> Trainee:
    """Generator and discriminator with their losses."""
    return Trainee(network, config, config.terms.weights())


def batches(
    config: Config, material: Sequence[Scene], batch_range: task.BatchRange
) -> StackBatches:
    """Batches of photographs and their exposures."""
    return StackBatches(
        material, config, wanted="exposures", steps=config.steps, **vars(batch_range)
    )


def watch(
    config: Config, scenes: Sequence[Scene], monitored: task.MonitoredRun
) -> list[keras.callbacks.Callback]:
    """A callback for the mean absolute error of each exposure, in 8-bit codes, and a sheet with
    every other exposure, prediction above truth.
    """

    def figures(batch: dict[str, np.ndarray], found: np.ndarray) -> dict[str, float]:
        apart = np.abs(255.0 * found - batch["exposures"][0]).mean(axis=(1, 2, 3))
        return {f"error_{k}": float(value) for k, value in enumerate(apart)}

    def cells(batch: dict[str, np.ndarray], found: np.ndarray) -> list[np.ndarray]:
        truth = batch["exposures"][0].astype(np.float32) / np.float32(255.0)
        return in_codes(*(np.concatenate([found[k], truth[k]]) for k in (0, 2, 4)))

    return [
        HeldOut(
            held_out(config, scenes, monitored.running.validation_crops, "exposures"),
            answer_of(monitored.network),
            figures,
            cells,
            monitored,
            config.epochs,
        )
    ]


def export(network: keras.Model, config: Config) -> tuple[dict[str, np.ndarray], ExposureGan]:
    """All arrays of the generator, and its record. The discriminator is not exported."""
    return weights.collect(network), ExposureGan(config.base_channels, config.stacks.spacing)
