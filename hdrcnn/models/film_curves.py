"""The network that says, for each frame of a film or all, how the formula to HDR is bent.

    a frame, reduced, [N, h, w, 3] float32, codes of Rec. 709 in [0, 1]
      | statistics of its codes (`statistics`), which do not depend on places but on neighbours
      | standardise by the mean and the variance of the training
      | two dense layers, `members` of them side by side
    evidence [N, members 2 K] float32: what the frame says of its grade, and how much
      | of frames in one grade: their sum, or the mean of one shot
      | `decode` of `film_evidence`
    parameters [N, P] float32 in [-2, 2]

Parameters are 0 before any training, of which `predict.film_curves` makes the formula. It is one
map for all pixels of a frame, and changes with the frame as a whole only: nothing local flickers.
"""

from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from hdrcnn.models.film_evidence import DECODE, decode, shapes

BINS = 32
"""Of the histograms."""
LUMA = (0.2126, 0.7152, 0.0722)
"""Of encoded R, G, B, Rec. 709."""
TOPS = (0.86, 0.89, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998)
"""Codes above which shares are taken: a hard clip has a peak at 1 and codes just below it as they
come, a shoulder has none and more and more of them."""
BOTTOMS = (0.003, 0.01, 0.02, 0.035, 0.05, 0.075)
"""Likewise, below which: a toe."""
RAMP = 0.003
"""Codes to both sides of these within which a pixel counts by a part."""
SMALL = 1e-3
"""Share of the pixels of a level that says half of what it could."""


def statistics(frames: Any, xp: ModuleType = np) -> Any:
    """Of frames [N, h, w, 3], codes in [0, 1], [N, `STATISTICS`] float32.

    The shares of codes by luma and by the largest and smallest channel; and for each level of luma
    and of the largest channel, how colourful its pixels are, and how much, and to which side, codes
    change there from pixel to pixel, at two scales.

    In scenes contrast, a change of the logarithm of light, is about the same at all levels: how
    much codes change at a level says how steep the grade's curve is there.
    """
    red, green, blue = LUMA
    luma = red * frames[..., 0] + green * frames[..., 1] + blue * frames[..., 2]
    largest, smallest = xp.max(frames, axis=-1), xp.min(frames, axis=-1)
    chroma = largest - smallest
    parts = []
    for key, colour in ((luma, chroma), (largest, chroma / (largest + 0.02))):
        kernels = _kernels(key, xp)
        shares = xp.mean(kernels, axis=1)
        fine = _of_levels(kernels, shares, [colour, *_changes(key, xp)], xp)
        coarse = _halved(_halved(key, xp), xp)
        kernels = _kernels(coarse, xp)
        rough = _of_levels(kernels, xp.mean(kernels, axis=1), _changes(coarse, xp), xp)
        parts += [xp.cumsum(shares, axis=-1), xp.sqrt(shares + 1e-6), fine[0]]
        for change, side in (fine[1:], rough):
            # The contrast of the scene is a constant in the logarithm.
            parts += [xp.log(100.0 * change + 0.1), side / (change + 0.004)]
    parts.append(xp.cumsum(xp.mean(_kernels(smallest, xp), axis=1), axis=-1))
    # Ramps of a few codes: neither a rounded code nor the encoder's noise makes a jump.
    starts = np.array([*(top - RAMP for top in TOPS), *(low + RAMP for low in BOTTOMS)])
    signs = np.array([1.0] * len(TOPS) + [-1.0] * len(BOTTOMS))
    for key in (luma, largest, smallest):
        ramps = (_flat(key, xp) - np.float32(starts)) * np.float32(signs / (2.0 * RAMP))
        ends = xp.mean(xp.minimum(xp.maximum(ramps, 0.0), 1.0), axis=1)
        parts.append(xp.log(ends + 1e-4))
    return xp.concatenate(parts, axis=-1)


STATISTICS = 15 * BINS + 3 * (len(TOPS) + len(BOTTOMS))
"""Numbers of a frame."""


def _flat(values: Any, xp: ModuleType) -> Any:
    """[N, h, w] to [N, h w, 1]."""
    count = values.shape[0] if xp is np else ops.shape(values)[0]
    return xp.reshape(values, (count, -1, 1))


def _kernels(values: Any, xp: ModuleType) -> Any:
    """[N, h, w] to [N, h w, BINS]: triangles, whose sum is 1."""
    levels = np.linspace(0.0, 1.0, BINS, dtype=np.float32)
    return xp.maximum(1.0 - xp.abs(_flat(values, xp) - levels) * float(BINS - 1), 0.0)


def _of_levels(kernels: Any, shares: Any, values: list[Any], xp: ModuleType) -> list[Any]:
    """Means of values [N, h, w] over the pixels of each level, [N, BINS] each; towards 0 where
    there are hardly any.
    """
    columns = xp.concatenate([_flat(value, xp) for value in values], axis=-1)
    sums = xp.matmul(xp.transpose(kernels, (0, 2, 1)), columns)
    pixels = kernels.shape[1] if xp is np else ops.cast(ops.shape(kernels)[1], "float32")
    return [sums[..., i] / pixels / (shares + SMALL) for i in range(len(values))]


def _changes(values: Any, xp: ModuleType) -> list[Any]:
    """Of [N, h, w], likewise: how much a pixel differs from the next ones to the right and below,
    and by how much all four next ones are brighter.
    """
    padded = xp.pad(values, [(0, 0), (1, 1), (1, 1)], mode="symmetric")
    left, right = padded[:, 1:-1, :-2] - values, padded[:, 1:-1, 2:] - values
    above, below = padded[:, :-2, 1:-1] - values, padded[:, 2:, 1:-1] - values
    return [xp.abs(right) + xp.abs(below), left + right + above + below]


def _halved(values: Any, xp: ModuleType) -> Any:
    """[N, h, w] in means of 2 x 2, the border repeated if it is odd."""
    padded = xp.pad(values, [(0, 0), (0, 1), (0, 1)], mode="symmetric")
    rows = padded[:, :-1:2] + padded[:, 1::2]
    return 0.25 * (rows[:, :, :-1:2] + rows[:, :, 1::2])


@keras.saving.register_keras_serializable("hdrcnn")
class Statistics(layers.Layer):
    """`statistics` of frames."""

    def call(self, frames: Any) -> Any:
        return statistics(frames, ops)

    def compute_output_spec(self, frames: Any) -> keras.KerasTensor:
        return keras.KerasTensor((frames.shape[0], STATISTICS), dtype="float32")


@keras.saving.register_keras_serializable("hdrcnn")
class Decode(layers.Layer):
    """`decode` of evidence, with fresh arrays that give 0."""

    def __init__(self, parameters: int, width: int, members: int, numbers: int, **kw: Any) -> None:
        super().__init__(**kw)
        self.parameters, self.members, self.numbers = parameters, members, numbers
        of = shapes(parameters, width, members, numbers)
        starts = (keras.initializers.RandomNormal(stddev=numbers**-0.5), *3 * ("zeros",))
        for name, shape, start in zip(DECODE, of, starts, strict=True):
            setattr(self, name, self.add_weight(shape=shape, initializer=start, name=name))

    def call(self, evidence: Any) -> Any:
        return decode(evidence, [getattr(self, name) for name in DECODE], ops)

    def compute_output_spec(self, evidence: Any) -> keras.KerasTensor:
        return keras.KerasTensor((evidence.shape[0], self.parameters), dtype="float32")


def apply_member(x: Any, numbers: int, width: int, dropout: float, name: str) -> list[Any]:
    """One member: standardised statistics [N, F] to `numbers` times their precision, and the
    precision, [N, K] each.
    """
    for index in (1, 2):
        options = {"activation": "relu", "name": f"{name}_dense{index}", "dtype": "float32"}
        x = layers.Dense(width, kernel_initializer="he_normal", **options)(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"{name}_dropout{index}", dtype="float32")(x)
    says = layers.Dense(numbers, name=f"{name}_says", dtype="float32")(x)
    options = {"activation": "softplus", "name": f"{name}_precision", "dtype": "float32"}
    precision = layers.Dense(numbers, kernel_initializer="zeros", **options)(x)
    return [layers.Multiply(name=f"{name}_weighed", dtype="float32")([says, precision]), precision]


def build(
    parameters: int, width: int = 96, members: int = 4, evidence: int = 32, dropout: float = 0.0
) -> keras.Model:
    """The network with fresh weights: [N, h, w, 3] float32 codes, of any size, to parameters
    [N, P] float32 of each frame by itself, within `MOST` of 0. Its layer `evidence` is what is
    pooled.

    parameters: how many P; width: channels of the hidden layers; members: networks side by side
    whose mean is taken; evidence: numbers K that each has of a frame; dropout: while training,
    which adds states of its own to the variables: for use the network is built without.
    """
    frames = keras.Input((None, None, 3), name="frames", dtype="float32")
    x = Statistics(name="statistics", dtype="float32")(frames)
    # Its mean and variance are set before the training, from the rows of the training.
    standardise = layers.BatchNormalization(
        center=False, scale=False, epsilon=1e-4, name="standardise", dtype="float32"
    )
    standardise.trainable = False
    x = standardise(x)
    parts: list[Any] = []
    for index in range(members):
        parts += apply_member(x, evidence, width, dropout, f"member{index + 1}")
    together = layers.Concatenate(name="evidence", dtype="float32")(parts)
    decoded = Decode(parameters, width, members, evidence, name="decode", dtype="float32")(together)
    return keras.Model(frames, decoded, name="film_curves")
