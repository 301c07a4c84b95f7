"""A network as it is computed: in stages, each of which can be computed in strips, or as a whole.

Which library computes is all the same here: `tiles.keras_graph` makes a network of a Keras model,
`tiles.onnx_graph` of an ONNX file.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

# Of the library that computes, [1, rows, columns, channels].
Tensor = Any
INPUT = -1
"""In place of a stage: the input of the model."""


@dataclasses.dataclass(frozen=True)
class Reach:
    """Which rows of its input the rows of an output follow from."""

    up: int = 1
    """Output rows for an input row."""
    down: int = 1
    """Input rows for an output row."""
    halo: int = 0
    """Input rows besides, on both sides."""

    def needs(self, first: int, last: int) -> tuple[int, int]:
        """The input rows behind output rows [first, last); may reach beyond the input's ends."""
        low, high = first * self.down // self.up, -(-last * self.down // self.up)
        low, high = low - self.halo, high + self.halo
        # Whole blocks of a pooling, whatever comes before it in the stage.
        return low - low % self.down, high + -high % self.down

    def gives(self, first: int, last: int) -> tuple[int, int]:
        """The output rows that are computed from input rows [first, last), spoilt ones too."""
        return first * self.up // self.down, last * self.up // self.down

    def after(self, before: "Reach") -> "Reach":
        """That of two layers, `before` being the first."""
        halo = before.halo - (-self.halo * before.down // before.up)
        return Reach(self.up * before.up, self.down * before.down, halo)


@dataclasses.dataclass(frozen=True)
class Stage:
    """One step of the network."""

    sources: tuple[int, ...]
    """The stages it follows from, by their place in the list, or INPUT. It looks at neighbours
    in the first alone; in the others at each pixel."""
    reach: Reach
    run: Callable[..., Tensor]


@dataclasses.dataclass(frozen=True)
class Network:
    """One input, one output: [1, rows, columns, channels] float32."""

    name: str
    whole: Callable[[np.ndarray], np.ndarray]
    """In one piece, a batch of any size."""
    stages: Sequence[Stage] | None
    """Each after its sources, the last gives the output; None: it has to see all of a picture."""
    stride: int
    """Of what rows and columns must be a multiple."""
    halo: int = 0
    """Pixels around a block of stride x stride that its output follows from; unknown without
    stages."""
    join: Callable[[list[Tensor]], Tensor] = lambda rows: np.concatenate(rows, axis=1)
    """Parts of one tensor, one below the other."""
    few_sizes: bool = False
    """Every size of picture that is new takes long."""
    whole_first: bool = False
    """The whole is ready before the stages are, and any size is computed at once."""
    source: Any = None
    """What it was made of: the Keras model, or the path of the ONNX file."""


def window(stages: Sequence[Stage]) -> tuple[int, int]:
    """Stride and halo: a block of stride x stride output pixels, beginning at a multiple of the
    stride, follows from the input pixels there and up to `halo` pixels around.

    Raises ValueError for stages that do not give an output pixel for every input pixel.
    """
    scale = {INPUT: Fraction(1)}
    for place, stage in enumerate(stages):
        scale[place] = scale[stage.sources[0]] * Fraction(stage.reach.up, stage.reach.down)
    if scale[len(stages) - 1] != 1:
        raise ValueError("the output is not as large as the input")
    # Every upsampling begins a stage, so none is coarser inside than at its ends.
    stride = math.lcm(*(share.denominator for share in scale.values()))
    spans = {len(stages) - 1: (0, stride)}
    for place, stage in reversed(list(enumerate(stages))):
        low, high = stage.reach.needs(*spans[place])
        beside = [stage.reach.gives(low, high)] * (len(stage.sources) - 1)
        for source, (first, last) in zip(stage.sources, [(low, high), *beside], strict=True):
            known = spans.get(source, (first, last))
            spans[source] = min(first, known[0]), max(last, known[1])
    low, high = spans[INPUT]
    return stride, max(-low, high - stride, 0)
