"""Network that estimates, for each frame of a film or all of them, the parameters of the HDR map.

    frame, reduced, [N, h, w, 3] float32, codes of Rec. 709 in [0, 1]
      | statistics of its codes (`statistics`), which depend on neighbours but not on position
      | standardised by the mean and the variance over the training data
      | two dense layers, for each of `members` parallel networks
    evidence [N, members * 2 K] float32: estimates of K numbers that describe the grade, multiplied
             by their precisions, and the precisions
      | summed over frames in one grade, or averaged over one shot
      | `decode` of `film_evidence`
    parameters [N, P] float32 in [-2, 2]

Without training, parameters are 0, for which `predict.film_curves` is the plain formula. All pixels
of a frame have the same map, which only changes with the frame as a whole: nothing local flickers.
"""

from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from hdrcnn.models.dense import hidden, standardised
from hdrcnn.models.film_evidence import DECODE, decode, shapes

BINS = 32
"""Number of histogram bins."""
LUMA = (0.2126, 0.7152, 0.0722)
"""Luma coefficients of encoded R, G, B, Rec. 709."""
TOPS = (0.86, 0.89, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998)
"""Codes for which the share of pixels above is measured. A hard clip has a peak at 1 and an average
share of codes just below; a shoulder has no peak, but more and more codes towards 1."""
BOTTOMS = (0.003, 0.01, 0.02, 0.035, 0.05, 0.075)
"""Codes for which the share of pixels below is measured, to detect a toe."""
RAMP = 0.003
"""Distance in codes from `TOPS` and `BOTTOMS` within which a pixel counts partly."""
SMALL = 1e-3
"""Share of the pixels in a level at which its statistics have half their weight."""


def statistics(frames: Any, xp: ModuleType = np) -> Any:
    """Statistics, [N, `STATISTICS`] float32, of frames [N, h, w, 3] with codes in [0, 1].

    Distributions of luma and of the largest and the smallest channel; and for each level of luma
    and of the largest channel, how colourful its pixels are, and by how much and in which direction
    codes change there from pixel to pixel, at two scales.

    Scene contrast, in the logarithm of light, is about the same at all levels, so the size of the
    changes at a level shows how steep the grade's curve is there.
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
            # In the logarithm, scene contrast is an additive constant.
            parts += [xp.log(100.0 * change + 0.1), side / (change + 0.004)]
    parts.append(xp.cumsum(xp.mean(_kernels(smallest, xp), axis=1), axis=-1))
    # Ramps instead of steps, so that rounding and encoder noise cause no jumps.
    starts = np.array([*(top - RAMP for top in TOPS), *(low + RAMP for low in BOTTOMS)])
    signs = np.array([1.0] * len(TOPS) + [-1.0] * len(BOTTOMS))
    for key in (luma, largest, smallest):
        ramps = (_flat(key, xp) - np.float32(starts)) * np.float32(signs / (2.0 * RAMP))
        ends = xp.mean(xp.minimum(xp.maximum(ramps, 0.0), 1.0), axis=1)
        parts.append(xp.log(ends + 1e-4))
    return xp.concatenate(parts, axis=-1)


STATISTICS = 15 * BINS + 3 * (len(TOPS) + len(BOTTOMS))
"""Number of statistics of a frame."""


def _flat(values: Any, xp: ModuleType) -> Any:
    """[N, h, w] to [N, h * w, 1]."""
    count = values.shape[0] if xp is np else ops.shape(values)[0]
    return xp.reshape(values, (count, -1, 1))


def _kernels(values: Any, xp: ModuleType) -> Any:
    """Triangular histogram kernels: [N, h, w] to [N, h * w, BINS], summing to 1 over bins."""
    levels = np.linspace(0.0, 1.0, BINS, dtype=np.float32)
    return xp.maximum(1.0 - xp.abs(_flat(values, xp) - levels) * float(BINS - 1), 0.0)


def _of_levels(kernels: Any, shares: Any, values: list[Any], xp: ModuleType) -> list[Any]:
    """Means of values [N, h, w] over the pixels of each level, [N, BINS] each.

    They tend to 0 for levels with hardly any pixels.
    """
    columns = xp.concatenate([_flat(value, xp) for value in values], axis=-1)
    sums = xp.matmul(xp.transpose(kernels, (0, 2, 1)), columns)
    pixels = kernels.shape[1] if xp is np else ops.cast(ops.shape(kernels)[1], "float32")
    return [sums[..., i] / pixels / (shares + SMALL) for i in range(len(values))]


def _changes(values: Any, xp: ModuleType) -> list[Any]:
    """Size and direction of local changes of values [N, h, w], [N, h, w] each.

    The sum of the absolute differences to the pixels on the right and below, and the sum of the
    differences to all four neighbours, positive if they are brighter.
    """
    padded = xp.pad(values, [(0, 0), (1, 1), (1, 1)], mode="symmetric")
    left, right = padded[:, 1:-1, :-2] - values, padded[:, 1:-1, 2:] - values
    above, below = padded[:, :-2, 1:-1] - values, padded[:, 2:, 1:-1] - values
    return [xp.abs(right) + xp.abs(below), left + right + above + below]


def _halved(values: Any, xp: ModuleType) -> Any:
    """Means of 2 x 2 pixels of [N, h, w]; the border is repeated for odd sizes."""
    padded = xp.pad(values, [(0, 0), (0, 1), (0, 1)], mode="symmetric")
    rows = padded[:, :-1:2] + padded[:, 1::2]
    return 0.25 * (rows[:, :, :-1:2] + rows[:, :, 1::2])


@keras.saving.register_keras_serializable("hdrcnn")
class Statistics(layers.Layer):
    """Layer that computes `statistics` of frames."""

    def call(self, frames: Any) -> Any:
        return statistics(frames, ops)

    def compute_output_spec(self, frames: Any) -> keras.KerasTensor:
        return keras.KerasTensor((frames.shape[0], STATISTICS), dtype="float32")


@keras.saving.register_keras_serializable("hdrcnn")
class Decode(layers.Layer):
    """Layer that computes `decode` of evidence; with initial weights the result is 0."""

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
    """One member: standardised statistics [N, F] to K numbers times their precisions, and the
    precisions, [N, K] each.
    """
    x = hidden(x, width, dropout, name)
    says = layers.Dense(numbers, name=f"{name}_says", dtype="float32")(x)
    options = {"activation": "softplus", "name": f"{name}_precision", "dtype": "float32"}
    precision = layers.Dense(numbers, kernel_initializer="zeros", **options)(x)
    return [layers.Multiply(name=f"{name}_weighed", dtype="float32")([says, precision]), precision]


def build(
    parameters: int, width: int = 96, members: int = 4, evidence: int = 32, dropout: float = 0.0
) -> keras.Model:
    """Build the network with initial weights.

    It maps [N, h, w, 3] float32 codes, of any size, to the parameters [N, P] float32 of each frame
    by itself, within `film_evidence.MAX_PARAMETER` of 0. The output of its layer `evidence` can be
    pooled.

    parameters: number P of parameters; width: channels of the hidden layers; members: number of
    parallel networks, which are averaged; evidence: how many numbers K each estimates for a frame;
    dropout: rate during training. Dropout adds state variables, so the network is built without it
    for inference.
    """
    frames = keras.Input((None, None, 3), name="frames", dtype="float32")
    x = Statistics(name="statistics", dtype="float32")(frames)
    x = standardised(x)
    parts: list[Any] = []
    for index in range(members):
        parts += apply_member(x, evidence, width, dropout, f"member{index + 1}")
    together = layers.Concatenate(name="evidence", dtype="float32")(parts)
    decoded = Decode(parameters, width, members, evidence, name="decode", dtype="float32")(together)
    return keras.Model(frames, decoded, name="film_curves")
