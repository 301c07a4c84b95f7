"""Training of the network that estimates camera curves, on rows of statistics, and its error on
held-out scenes.

The loss is the error of the linearised picture plus the cross-entropy of the kind of curve. The
error is the RMS over the picture's codes of estimated minus true log light, in stops, after
subtracting the mean difference, because the exposure of a picture is arbitrary.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops

from hdrcnn import weights
from hdrcnn.colour.transfer import (
    LOG_OFFSET,
    MEAN_CURVE_N,
    MEAN_CURVE_S,
    Array,
    inverse_camera_curve,
)
from hdrcnn.models.camera_curve import KINDS, build
from hdrcnn.models.metadata import CameraCurve
from hdrcnn.predict.curve_statistics import SIZE
from training_code.camera import CURVES
from training_code.camera.batches import Batches
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views
from training_code.tasks import task
from training_code.tasks.camera_curve_settings import Config
from training_code.tasks.curve_rows import Rows, gather
from training_code.tasks.rows import moments, place_of
from training_code.tasks.settings import Running
from training_code.tasks.task import Tensors

GROUPS = 64
"""Number of groups of four codes each; the loss is evaluated at one code of each group."""
EVEN = 0.3
"""Weight of a uniform distribution of codes, mixed with that of the picture, so that every part of
the curve is constrained."""
SOFT = 0.05
"""Error in stops below which the loss is quadratic; above, it is linear."""
OF_KIND = 0.1
"""Weight of the cross-entropy, stops per nat."""
CODES = np.arange(256, dtype=np.float32) / np.float32(255.0)
GROUP_CODES = np.append(np.arange(GROUPS - 1) * 4 + 2, 255)
"""The code that represents each group; in the last group it is 255, as clipped codes count most."""
HELD_OUT_LOOKS = 5
"""Factor by which fewer views are taken of held-out scenes than of those of the training."""


def curve_error(
    curve: Array, code: Array, light: Array, weight: Array, xp: ModuleType = np, soft: float = 0.0
) -> Array:
    """RMS over codes of the difference of log2 light, after subtracting its mean, in stops: [N].

    curve: [N, 2 or more], or one [1, 2], estimated n and s first; code: [K] in [0, 1]; light:
    [N, K], the true light of the codes; weight: [N, K], of the codes, with sum 1. soft: its square
    is added to the mean square. Log light is log(H + 1/255), as everywhere, so shadows below one
    code of light count little.
    """
    # The gradient of a power by its exponent is undefined at 0.
    code = xp.maximum(code, 1e-5)[None]
    estimate = inverse_camera_curve(code, curve[:, 0:1], curve[:, 1:2], xp=xp)
    apart = (xp.log(estimate + LOG_OFFSET) - xp.log(light + LOG_OFFSET)) / float(np.log(2.0))
    apart = apart - xp.sum(weight * apart, axis=1, keepdims=True)
    return xp.sqrt(xp.sum(weight * apart * apart, axis=1) + soft * soft)


def targets(rows: Rows) -> np.ndarray:
    """True light of the code of each group, its weight, and the kind of curve, one-hot:
    [N, 2 GROUPS + 3] float32.
    """
    weight = rows.codes.reshape(-1, GROUPS, 4).sum(axis=-1)
    weight = (1.0 - EVEN) * weight + EVEN / GROUPS
    kind = np.eye(len(KINDS))[rows.curve]
    return np.concatenate([rows.light[:, GROUP_CODES], weight, kind], axis=1).astype(np.float32)


def loss(target: Array, curve: Array) -> Array:
    """Loss of the network's output `curve` [N, 5], given `targets`: `curve_error`, smoothed near 0,
    plus the weighted cross-entropy of the kind: [N].
    """
    code = ops.convert_to_tensor(CODES[GROUP_CODES])
    light, weight = target[:, :GROUPS], target[:, GROUPS : 2 * GROUPS]
    right = ops.sum(target[:, 2 * GROUPS :] * curve[:, 2:], axis=-1)
    error = curve_error(curve, code, light, weight, xp=ops, soft=SOFT)
    return error - OF_KIND * ops.log(right + 1e-6)


class RowBatches(Batches):
    """Batches of rows, shuffled anew for every pass over them, with noise on their statistics."""

    def __init__(self, rows: Rows, jitter: float, **kwargs: Any) -> None:
        """jitter: standard deviation of the noise, in standard deviations of the statistics.
        kwargs: of `Batches`.
        """
        super().__init__(**kwargs)
        self.statistics, self.targets = rows.statistics, targets(rows)
        self.deviation = jitter * np.sqrt(moments([rows])[1])

    def batch_at(self, index: int) -> dict[str, np.ndarray]:
        """statistics [N, F] and target [N, 2 GROUPS + 3] float32."""
        number = self.epoch * self.steps + self.first + index
        count = len(self.targets)
        places = (number * self.batch + item for item in self.items)
        chosen = [place_of(self.seed, place, count) for place in places]
        rng = np.random.default_rng((self.seed, number))
        noise = rng.standard_normal((self.batch, self.statistics.shape[1]))[list(self.items)]
        noisy = self.statistics[chosen] + self.deviation * noise
        return {"statistics": noisy.astype(np.float32), "target": self.targets[chosen]}


class Trainee(task.Trainee):
    """Computes the loss of a batch of rows."""

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """The batch with the network's output, `curve` [N, 5], added."""
        return batch | {"curve": self.network(batch["statistics"], training=training)}

    def cost(self, answer: Tensors) -> Any:
        return loss(answer["target"], answer["curve"])


def errors(curve: np.ndarray, rows: Rows) -> np.ndarray:
    """`curve_error` of curves [N, 2 or more], or of one curve [1, 2] for all, over all codes of the
    pictures: [N] in stops.
    """
    return curve_error(curve, CODES, rows.light, rows.codes)


def family_mean(values: np.ndarray, family: np.ndarray, chosen: np.ndarray) -> float:
    """Mean over families of their means over the chosen rows; NaN if no row is chosen."""
    if not chosen.any():
        return math.nan
    _, index = np.unique(family[chosen], return_inverse=True)
    return float(np.mean(np.bincount(index, values[chosen]) / np.bincount(index)))


class HeldOut(keras.callbacks.Callback):
    """After every few epochs, logs and prints the error on held-out rows for each kind of curve, as
    taken and processed, compared with that of the mean curve.
    """

    def __init__(self, rows: Rows, monitored: task.MonitoredRun, epochs: int) -> None:
        super().__init__()
        self.rows, self.monitored, self.epochs = rows, monitored, epochs
        self.nothing = errors(np.array([[MEAN_CURVE_N, MEAN_CURVE_S]]), rows)

    def figures(self) -> dict[str, tuple[float, float]]:
        """RMS errors in stops of the estimate and of the mean curve, averaged over families, by
        the name of curve and treatment.
        """
        with self.monitored.averaged():
            found = errors(self.monitored.network.predict_on_batch(self.rows.statistics), self.rows)
        figures = {}
        for index, name in enumerate(CURVES):
            for changed, kind in ((False, "as_taken"), (True, "processed")):
                chosen = (self.rows.curve == index) & (self.rows.processed == changed)
                both = [family_mean(e, self.rows.family, chosen) for e in (found, self.nothing)]
                figures[f"{name}_{kind}"] = (both[0], both[1])
        return figures

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.monitored.running.validate_every and epoch + 1 != self.epochs:
            return
        _ = self.model  # Under JAX, accessing it updates the variables.
        figures = {n: pair for n, pair in self.figures().items() if math.isfinite(pair[0])}
        if logs is not None:
            logs.update({f"val_{name}": ours for name, (ours, _) in figures.items()})
        text = "  ".join(f"{n} {ours:.3f} ({mean:.3f})" for n, (ours, mean) in figures.items())
        print(f"held out, stops RMS (mean curve): {text}", flush=True)


def scene_views(config: Config) -> tuple[Views, int]:
    """The views that pictures are taken from, and the smallest usable side, 64 pixels."""
    return config.pictures.views, 64


def network(config: Config) -> keras.Model:
    """Build the curve network with fresh weights."""
    return build(SIZE, config.width, config.members, config.dropout)


def prepare(config: Config, scenes: Sequence[Scene], folder: Path, running: Running) -> Rows:
    """Take pictures of the scenes once, as rows, kept in rows.npz in the folder of the run. Raises
    ValueError for --render.
    """
    if running.render:
        raise ValueError("--render: pictures of --task=camera_curve are taken once, by NumPy")
    return gather(config, scenes, config.looks, folder / "rows.npz", running.workers)


def trainee(network: keras.Model, config: Config, material: Rows) -> Trainee:
    """The network with its loss. Unless the weights have a start, the network's standardisation is
    set to mean and variance of the rows.
    """
    if not config.start:
        network.get_layer("standardise").set_weights(list(moments([material])))
    return Trainee(network)


def batches(config: Config, material: Rows, batch_range: task.BatchRange) -> RowBatches:
    """Batches of rows."""
    steps = {"batch": config.batch, "steps": config.steps, "seed": config.seed}
    return RowBatches(material, config.jitter, **steps, **vars(batch_range))


def watch(
    config: Config, scenes: Sequence[Scene], monitored: task.MonitoredRun
) -> list[keras.callbacks.Callback]:
    """A callback that measures the error on pictures of held-out scenes."""
    count = max(1, config.looks // HELD_OUT_LOOKS)
    file = monitored.folder / "rows_held_out.npz"
    rows = gather(config, scenes, count, file, monitored.running.workers)
    return [HeldOut(rows, monitored, config.epochs)]


def export(network: keras.Model, config: Config) -> tuple[dict[str, np.ndarray], CameraCurve]:
    """All arrays of the network, and its record; dropout, which has no weights, is not recorded."""
    return weights.collect(network), CameraCurve(SIZE, config.width, config.members)
