"""Training the curve network on rows of statistics, and its error on held-out ones.

The loss is the error of the linearised picture: the RMS over the picture's codes of the difference
of log light, estimated less true, in stops, without their mean, as a picture's exposure is free;
and the cross-entropy of the kind of curve.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

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
from hdrcnn.predict.camera_curve import MODEL
from training_code.camera import CURVES
from training_code.tasks.curve_rows import Rows

GROUPS = 64
"""Of four codes each: the loss looks at one code of each group."""

EVEN = 0.3
"""Weight of an even spread of codes beside those of the picture, so that no part is left free."""

FOLDS = 3
"""Parts of the families at most, each held out once."""

SOFT = 0.05
"""Stops below which the loss is square, above it linear."""

OF_KIND = 0.1
"""Weight of the cross-entropy, stops a nat."""


@dataclasses.dataclass(frozen=True)
class Fitting:
    """How the network is trained."""

    width: int = 64
    dropout: float = 0.3
    jitter: float = 0.1
    """Standard deviation of noise on the standardised statistics."""
    learning_rate: float = 2e-3
    """At the start; falls to 0 by a half cosine."""
    weight_decay: float = 1e-3
    epochs: int = 30
    batch: int = 256
    seed: int = 1


def curve_error(
    curve: Array, code: Array, light: Array, weight: Array, xp: ModuleType = np, soft: float = 0.0
) -> Array:
    """RMS difference of log2 light over codes, without its mean, in stops: [N].

    curve: [N, 2], n and s as estimated; code: [K] in [0, 1]; light: [N, K], the true light behind
    the codes; weight: [N, K], of the codes, of sum 1. soft: added to the mean square, squared.
    Log light is log(H + 1/255), as everywhere: shadows below one code of light count for little.
    """
    # At 0 the power has no slope by its exponent.
    code = xp.maximum(code, 1e-5)[None]
    estimate = inverse_camera_curve(code, curve[:, 0:1], curve[:, 1:2], xp=xp)
    apart = (xp.log(estimate + LOG_OFFSET) - xp.log(light + LOG_OFFSET)) / float(np.log(2.0))
    apart = apart - xp.sum(weight * apart, axis=1, keepdims=True)
    return xp.sqrt(xp.sum(weight * apart * apart, axis=1) + soft * soft)


def all_codes() -> np.ndarray:
    """The 256 codes in [0, 1], float32."""
    return np.arange(256, dtype=np.float32) / np.float32(255.0)


def targets(rows: Rows) -> np.ndarray:
    """True light and weight of the second code of each group, of the last the last, and 1 for the
    kind of curve: [N, 2 GROUPS + 3].

    Clipped codes are the last of all; that one counts for its group.
    """
    weight = rows.codes.reshape(-1, GROUPS, 4).sum(axis=-1)
    weight = (1.0 - EVEN) * weight + EVEN / GROUPS
    kind = np.eye(len(KINDS))[rows.curve]
    return np.concatenate([rows.light[:, group_codes()], weight, kind], axis=1).astype(np.float32)


def group_codes() -> np.ndarray:
    """The code that stands for each group, [GROUPS]."""
    chosen = np.arange(GROUPS) * 4 + 2
    chosen[-1] = 255
    return chosen


def loss(target: Array, curve: Array) -> Array:
    """`curve_error` on `targets`, smooth where it is small, and the cross-entropy of the kind, of
    the network's output `curve`: [N].
    """
    code = ops.convert_to_tensor(all_codes()[group_codes()])
    light, weight = target[:, :GROUPS], target[:, GROUPS : 2 * GROUPS]
    right = ops.sum(target[:, 2 * GROUPS :] * curve[:, 2:], axis=-1)
    error = curve_error(curve, code, light, weight, xp=ops, soft=SOFT)
    return error - OF_KIND * ops.log(right + 1e-6)


def fit(rows: Rows, fitting: Fitting, members: int = 4) -> keras.Model:
    """The network, trained on the rows, without dropout; the same on every call."""
    keras.utils.set_random_seed(fitting.seed)
    size = rows.statistics.shape[1]
    model = build(size, fitting.width, members, fitting.dropout)
    standardise = model.get_layer("standardise")
    mean, variance = rows.statistics.mean(axis=0), rows.statistics.var(axis=0)
    standardise.set_weights([mean, np.maximum(variance, 1e-4)])
    noise = keras.layers.GaussianNoise(1.0, seed=fitting.seed)
    statistics = keras.Input((size,), dtype="float32")
    scale = ops.convert_to_tensor(fitting.jitter * np.sqrt(np.maximum(variance, 1e-4)))
    jittered = statistics + scale * noise(ops.zeros_like(statistics))
    trainee = keras.Model(statistics, model(jittered))
    steps = fitting.epochs * -(-len(rows.family) // fitting.batch)
    rate = keras.optimizers.schedules.CosineDecay(fitting.learning_rate, steps)
    trainee.compile(
        keras.optimizers.AdamW(rate, weight_decay=fitting.weight_decay),
        loss,
        jit_compile=keras.config.backend() == "jax",
    )
    trainee.fit(
        rows.statistics,
        targets(rows),
        batch_size=fitting.batch,
        epochs=fitting.epochs,
        verbose=0,
    )
    trained = build(size, fitting.width, members)
    wanted = {variable.path for variable in trained.variables}
    arrays = {name: a for name, a in weights.collect(model).items() if name in wanted}
    weights.assign(trained, arrays, "the training")
    return trained


def errors(model: keras.Model, rows: Rows) -> np.ndarray:
    """`curve_error` on all codes of the pictures, [N] in stops."""
    return constant_errors(np.asarray(model(rows.statistics)), rows)


def constant_errors(curve: np.ndarray, rows: Rows) -> np.ndarray:
    """The same for given curves [N, 2], or for one, [1, 2]."""
    return curve_error(curve, all_codes(), rows.light, rows.codes)


def cross_validate(rows: Rows, fitting: Fitting) -> str:
    """The error on families held out, a line for each curve: mean over families, in stops.

    In fewer parts where there are fewer families; raises ValueError where there is one.
    """
    present, family = np.unique(rows.family, return_inverse=True)
    if len(present) < 2:
        raise ValueError("pictures of one family: none can be held out; add --views or scenes")
    folds = min(FOLDS, len(present))
    part = np.random.default_rng(fitting.seed).permutation(len(present)) % folds
    found = np.empty(len(family))
    for fold in range(folds):
        held_out = part[family] == fold
        model = fit(rows.at(~held_out), fitting)
        found[held_out] = errors(model, rows.at(held_out))
    mean = constant_errors(np.array([[MEAN_CURVE_N, MEAN_CURVE_S]]), rows)
    lines = ["error on held-out families, stops RMS: estimated curve, mean curve"]
    for index, name in enumerate(CURVES):
        for changed in (False, True):
            chosen = (rows.curve == index) & (rows.processed == changed)
            if chosen.any():
                by_family = [family_mean(e, rows.family, chosen) for e in (found, mean)]
                kind = "processed" if changed else "as taken"
                lines.append(f"  {name:10} {kind:9}  {by_family[0]:.3f}  {by_family[1]:.3f}")
    return "\n".join(lines)


def family_mean(values: np.ndarray, family: np.ndarray, chosen: np.ndarray) -> float:
    """The mean over families of their means over the chosen rows."""
    _, index = np.unique(family[chosen], return_inverse=True)
    return float(np.mean(np.bincount(index, values[chosen]) / np.bincount(index)))


def save(
    model: keras.Model, rows: Rows, fitting: Fitting, path: Path, scenes: Sequence[str] = ()
) -> None:
    """Write a weights file. scenes: their names. Raises WeightsError, ImageError."""
    training = {
        **dataclasses.asdict(fitting),
        "pictures": len(rows.family),
        "families": len(np.unique(rows.family)),
        "scenes": list(scenes),
    }
    # Linearisation and blend are those of pictures without an estimate; nothing asks for them.
    metadata = weights.Metadata(fitting.width, "mean_curve", "channel", MODEL, training)
    weights.save(path, weights.collect(model), metadata)
