"""Training of the two-frame network: an under- and an over-exposed frame in, the well-exposed
picture as truth.

This is display-referred fusion: the truth is an 8-bit photograph, not radiance. Light above its
white is not predicted; linearised photographs, which hardly clip, are the best training data.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from hdrcnn import weights
from hdrcnn.models import fusion
from hdrcnn.models.metadata import Fusion
from training_code.camera.batches import Batches
from training_code.evaluation.fusion_metrics import psnr, ssim
from training_code.losses.fusion import SUPERVISED
from training_code.scenes.collection import Scene
from training_code.tasks import task
from training_code.tasks.fusion_brackets import BracketBatches, Triples, cells, held_brackets
from training_code.tasks.fusion_supervised_settings import Config
from training_code.tasks.held_out import HeldOut
from training_code.tasks.task import Tensors, prepare, scene_views

__all__ = ["batches", "export", "network", "prepare", "scene_views", "trainee", "watch"]


class Trainee(task.Weighted):
    """Computes the loss of `frames` uint8 [N, 2, S, S, 3] and `truth` uint8 [N, S, S, 3]."""

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """The terms by name, [N] each."""
        frames, truth = (ops.cast(batch[n], "float32") / 255.0 for n in ("frames", "truth"))
        fused = self.network(frames, training=training)
        return {name: SUPERVISED[name](fused, truth) for name in self.weights_of_terms}


def of_two(config: Config) -> Config:
    """The settings with brackets of two frames."""
    return dataclasses.replace(config, brackets=dataclasses.replace(config.brackets, frames=(2, 2)))


def network(config: Config) -> keras.Model:
    """Build the two-frame network with fresh weights."""
    return fusion.fused_pair(config.base_channels)


def trainee(network: keras.Model, config: Config, material: Any = None) -> Trainee:
    """The network with its loss."""
    return Trainee(network, config.terms.weights())


def batches(config: Config, material: Sequence[Scene], batch_range: task.BatchRange) -> Batches:
    """Batches of brackets of scenes or, with `pairs`, of photographs from three folders."""
    options = {"steps": config.steps, **vars(batch_range)}
    if config.pairs:
        return Triples(Path(config.pairs), [scene.name for scene in material], config, **options)
    return BracketBatches(material, of_two(config), truth=True, **options)


def watch(
    config: Config, scenes: Sequence[Scene], monitored: task.MonitoredRun
) -> list[keras.callbacks.Callback]:
    """A callback for PSNR and SSIM against the truth, and the PSNR of the mean of the frames."""
    count = monitored.running.validation_crops
    if config.pairs:
        names = [scene.name for scene in scenes]
        options: dict[str, Any] = {"repeat_epoch": True, "share": (0, config.batch)}
        taken = Triples(Path(config.pairs), names, config, steps=count, **options)
        held = [taken[index] for index in range(count)]
    else:
        held = held_brackets(of_two(config), scenes, count, truth=True)

    def figures(batch: dict[str, np.ndarray], fused: np.ndarray) -> dict[str, float]:
        truth = batch["truth"][0]
        mean = np.rint(batch["frames"][0].mean(axis=0))
        return {
            "psnr": min(psnr(fused, truth), 99.0),
            "ssim": ssim(fused, truth),
            "psnr_of_mean": min(psnr(mean, truth), 99.0),
        }

    def fused_codes(batch: dict[str, np.ndarray]) -> np.ndarray:
        frames = batch["frames"].astype(np.float32) / 255.0
        fused = np.asarray(monitored.network(frames, training=False))
        return np.rint(255.0 * fused[0]).astype(np.uint8)

    return [HeldOut(held, fused_codes, figures, cells, monitored, config.epochs)]


def export(network: keras.Model, config: Config) -> tuple[dict[str, np.ndarray], Fusion]:
    """All arrays of the network, and its record."""
    return weights.collect(network), Fusion(config.base_channels, pair=True)
