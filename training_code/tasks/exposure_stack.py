"""Training of the network that restores the dark part of photographs for exposure stacks.

The network predicts the clean codes of a photograph with noise, 8-bit rounding and optionally JPEG.
The loss is their difference at exposures two and four stops brighter and, optionally, that of a
discriminator.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from hdrcnn import weights
from hdrcnn.models import exposure_gan, exposure_stack
from hdrcnn.models.exposure_stack import BOUND, LIGHT, dark_weight
from hdrcnn.models.metadata import ExposureStack
from training_code.losses.exposure_stack import dark_l1, shown_at
from training_code.scenes.collection import Scene
from training_code.tasks import adversarial, task
from training_code.tasks.exposure_stack_settings import Config
from training_code.tasks.held_out import HeldOut
from training_code.tasks.stack_batches import StackBatches, answer_of, held_out, in_codes
from training_code.tasks.task import Tensors, prepare, scene_views

__all__ = ["batches", "export", "network", "prepare", "scene_views", "trainee", "watch"]
STOPS = 4.0
"""Stops by which the monitored exposure is brighter than the photograph."""


class Trainee(adversarial.AdversarialTrainee):
    """Computes the loss of `picture` uint8 [N, S, S, 3] and `truth` float32 [N, S, S, 3]."""

    def __init__(self, network: keras.Model, config: Config) -> None:
        super().__init__(network, config, config.terms.weights())
        self.stops = config.stacks.stops

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """The terms by name, [N] each."""
        code, truth = ops.cast(batch["picture"], "float32") / 255.0, batch["truth"]
        found = self.network(code, training=training)
        terms = {"dark_l1": dark_l1(found, truth)} if "dark_l1" in self.weights_of_terms else {}
        if "adversarial" in self.weights_of_terms:
            # The best possible prediction: outside the dark part, the photograph itself.
            room = BOUND * dark_weight(code, ops)
            best = code + ops.clip(truth - code, -room, room)
            shown = [
                exposure_gan.discriminator_input(code, self.rendered(x)) for x in (found, best)
            ]
            terms |= adversarial.losses(self.discriminator, *shown)
        return terms

    def rendered(self, code: Any) -> Any:
        """Codes [N, S, S, 3] at all exposures of a stack: [N, 5, S, S, 3]."""
        return ops.stack([shown_at(code, k, ops) for k in self.stops], axis=1)


def network(config: Config) -> keras.Model:
    """Build the network with fresh weights."""
    return exposure_stack.build(config.base_channels)


def trainee(network: keras.Model, config: Config, material: Any = None) -> Trainee:
    """The network with its loss and, if it is used, the discriminator."""
    return Trainee(network, config)


def batches(
    config: Config, material: Sequence[Scene], batch_range: task.BatchRange
) -> StackBatches:
    """Batches of photographs and their clean codes."""
    return StackBatches(material, config, wanted="truth", steps=config.steps, **vars(batch_range))


def watch(
    config: Config, scenes: Sequence[Scene], monitored: task.MonitoredRun
) -> list[keras.callbacks.Callback]:
    """A callback for the error of dark samples at an exposure four stops brighter, in 8-bit codes,
    compared with that of the unchanged photograph, and a sheet with the photograph, and photograph,
    prediction and truth at that exposure.
    """

    def error(code: np.ndarray, batch: dict[str, np.ndarray]) -> float:
        truth = batch["truth"][0]
        dark = truth < LIGHT
        apart = np.abs(shown_at(code, STOPS) - shown_at(truth, STOPS))[dark]
        return float(255.0 * apart.mean()) if apart.size else 0.0

    def photograph(batch: dict[str, np.ndarray]) -> np.ndarray:
        return batch["picture"][0].astype(np.float32) / np.float32(255.0)

    return [
        HeldOut(
            held_out(config, scenes, monitored.running.validation_crops, "truth"),
            answer_of(monitored.network),
            lambda batch, found: {
                "dark_error": error(found, batch),
                "dark_error_of_photograph": error(photograph(batch), batch),
            },
            lambda batch, found: in_codes(
                photograph(batch),
                *(shown_at(c, STOPS) for c in (photograph(batch), found, batch["truth"][0])),
            ),
            monitored,
            config.epochs,
        )
    ]


def export(network: keras.Model, config: Config) -> tuple[dict[str, np.ndarray], ExposureStack]:
    """All arrays of the network, and its record. The discriminator is not exported."""
    return weights.collect(network), ExposureStack(config.base_channels)
