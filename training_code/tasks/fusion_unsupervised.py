"""Training of the network for weight maps without truth, by MEF-SSIM or weighted SSIM.

The maps are trained through the Laplacian pyramid in which they are used, on grey images, for which
both measures are defined. This suffices, because the blend is linear: blending grey frames gives
the grey of the blend.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from hdrcnn import weights
from hdrcnn.models import fusion
from hdrcnn.models.metadata import Fusion
from hdrcnn.predict.pyramid import depth
from training_code.evaluation.fusion_metrics import mef_ssim, order_reversal
from training_code.losses.fusion import weighted_ssim_loss
from training_code.losses.mef_ssim import mef_ssim_loss
from training_code.scenes.collection import Scene
from training_code.tasks import task
from training_code.tasks.fusion_brackets import BracketBatches, cells, held_brackets
from training_code.tasks.fusion_unsupervised_settings import Config, Terms
from training_code.tasks.held_out import HeldOut
from training_code.tasks.task import Tensors, prepare, scene_views

__all__ = ["batches", "export", "network", "prepare", "scene_views", "trainee", "watch"]


class Trainee(task.Weighted):
    """Computes the loss of brackets, `frames` uint8 [N, K, S, S, 3]."""

    def __init__(self, network: keras.Model, terms: Terms) -> None:
        super().__init__(network, terms.weights())
        self.terms = terms

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """The terms by name, [N] each."""
        frames = ops.cast(batch["frames"], "float32") / 255.0
        maps = self.network(frames, training=training)[..., 0]
        grey = fusion.grey(frames)[..., 0]
        fused = fusion.blend(grey, maps, depth(*grey.shape[-2:]))
        fused = ops.clip(fused, 0.0, 1.0)
        known = {
            "mef_ssim": lambda: mef_ssim_loss(grey, fused),
            "weighted_ssim": lambda: weighted_ssim_loss(grey, fused, self.terms.gamma),
        }
        return {name: known[name]() for name in self.weights_of_terms}


def network(config: Config) -> keras.Model:
    """Build the network for weight maps with fresh weights."""
    return fusion.weight_maps(config.base_channels)


def trainee(network: keras.Model, config: Config, material: Any = None) -> Trainee:
    """The network with its loss."""
    return Trainee(network, config.terms)


def batches(
    config: Config, material: Sequence[Scene], batch_range: task.BatchRange
) -> BracketBatches:
    """Batches of brackets of the scenes."""
    return BracketBatches(material, config, steps=config.steps, **vars(batch_range))


def fused_codes(network: keras.Model, frames: np.ndarray) -> np.ndarray:
    """Fuse one bracket, uint8 [1, K, S, S, 3], in colour by the weight maps of the network: uint8
    [S, S, 3].
    """
    light = frames.astype(np.float32) / np.float32(255.0)
    maps = np.asarray(network(light, training=False))
    bands = [
        np.asarray(fusion.blend(light[..., c], maps[..., 0], depth(*light.shape[2:4])))
        for c in range(3)
    ]
    return np.rint(255.0 * np.clip(np.stack(bands, axis=-1)[0], 0.0, 1.0)).astype(np.uint8)


def watch(
    config: Config, scenes: Sequence[Scene], monitored: task.MonitoredRun
) -> list[keras.callbacks.Callback]:
    """A callback for MEF-SSIM and order reversal, and the MEF-SSIM of the mean of the frames."""

    def figures(batch: dict[str, np.ndarray], fused: np.ndarray) -> dict[str, float]:
        frames = batch["frames"][0]
        return {
            "mef_ssim": mef_ssim(frames, fused),
            "order_reversal": order_reversal(frames, fused),
            "mef_ssim_of_mean": mef_ssim(frames, np.rint(frames.mean(axis=0))),
        }

    held = held_brackets(config, scenes, monitored.running.validation_crops)
    return [
        HeldOut(
            held,
            lambda batch: fused_codes(monitored.network, batch["frames"]),
            figures,
            cells,
            monitored,
            config.epochs,
        )
    ]


def export(network: keras.Model, config: Config) -> tuple[dict[str, np.ndarray], Fusion]:
    """All arrays of the network, and its record."""
    return weights.collect(network), Fusion(config.base_channels)
