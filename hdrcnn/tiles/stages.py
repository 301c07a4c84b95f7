"""A network as it is computed: in stages, and these in strips from top to bottom, or as a whole.

Which library computes is all the same here: `tiles.keras_graph` makes a network of a Keras model,
`tiles.onnx_graph` of an ONNX file.

In strips hardly anything is computed twice, and little is held at a time. Of the output of each
stage those rows are held that later stages still need: a few where a block of convolutions follows,
the skips for as long as the coarse levels take to look 184 rows ahead. Memory depends on the
columns and on the strip, not on the height. Only the few rows that a stage's convolutions look
beyond its strip are computed twice.

At the ends of the rows it is handed a layer pads with zeros. That is right at the true ends; at
all others the rows it spoils are dropped.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
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
        """The input rows that output rows [first, last) follow from; they may reach beyond its
        ends.
        """
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


class _Held:
    """The rows of one stage's output that are still needed, as the parts they came in."""

    def __init__(self, first: int, join: Callable[[list[Tensor]], Tensor]) -> None:
        self.last, self._join = first, join
        self._parts: list[tuple[int, int, Tensor]] = []

    def append(self, begin: int, last: int, part: Tensor) -> None:
        """A part that begins at row `begin`; good from where the last one ended up to `last`."""
        self._parts.append((begin, last, part))
        self.last = last

    def get(self, first: int, last: int) -> Tensor:
        rows = []
        for begin, end, part in self._parts:
            if first < min(end, last):
                rows.append(part[:, first - begin : min(end, last) - begin])
                first = min(end, last)
        return rows[0] if len(rows) == 1 else self._join(rows)

    def forget(self, before: int) -> None:
        self._parts = [part for part in self._parts if part[1] > before]


class Strips:
    """A network, ready to be computed in strips."""

    def __init__(self, network: Network) -> None:
        """Raises ValueError for a network that has no stages."""
        if network.stages is None:
            raise ValueError(f"{network.name}: it has to see all of a picture")
        self.stages, self._join = network.stages, network.join
        places = range(len(self.stages))
        self._followers = {
            source: [place for place in places if source in self.stages[place].sources]
            for source in places
        }

    def run(
        self, fetch: Callable[[int, int], Any], rows: int, first: int, last: int, step: int
    ) -> Iterator[tuple[int, Tensor]]:
        """Output rows [first, last), `step` at a time, as (row, tensor [1, rows, columns, C]).

        fetch: gives input rows [a, b) as [1, b - a, columns, C]; rows: of the whole input, a
        multiple of what the model needs.
        """
        heights = {INPUT: rows}
        for place, stage in enumerate(self.stages):
            heights[place] = stage.reach.gives(0, heights[stage.sources[0]])[1]
        spans = self._spans(first, last, heights)
        held = {place: _Held(span[0], self._join) for place, span in spans.items()}
        output = len(self.stages) - 1
        for top in range(first, last, step):
            bottom = min(top + step, last)
            spans = self._spans(top, bottom, heights)
            for place in range(output + 1):
                self._advance(place, spans[place][1], held, heights, fetch)
            yield top, held[output].get(top, bottom)
            held[output].forget(bottom)

    def _rows(
        self, stage: Stage, first: int, last: int, heights: dict[int, int]
    ) -> list[tuple[int, int]]:
        """The rows of each of its sources that a stage takes to give rows [first, last)."""
        low, high = stage.reach.needs(first, last)
        low, high = max(low, 0), min(high, heights[stage.sources[0]])
        return [(low, high)] + [stage.reach.gives(low, high)] * (len(stage.sources) - 1)

    def _spans(self, first: int, last: int, heights: dict[int, int]) -> dict[int, tuple[int, int]]:
        """The rows of every stage that output rows [first, last) follow from."""
        spans = {len(self.stages) - 1: (first, last)}
        for place, stage in reversed(list(enumerate(self.stages))):
            for source, (low, high) in zip(
                stage.sources, self._rows(stage, *spans[place], heights), strict=True
            ):
                known = spans.get(source, (low, high))
                spans[source] = min(low, known[0]), max(high, known[1])
        return spans

    def _advance(
        self,
        place: int,
        until: int,
        held: dict[int, _Held],
        heights: dict[int, int],
        fetch: Callable[[int, int], Any],
    ) -> None:
        """Compute one stage up to a row, and let go of what no stage needs any more."""
        stage, first = self.stages[place], held[place].last
        if first >= until:
            return
        spans = self._rows(stage, first, until, heights)
        pairs = list(zip(stage.sources, spans, strict=True))
        rows = [fetch(*span) if s == INPUT else held[s].get(*span) for s, span in pairs]
        begin = stage.reach.gives(*spans[0])[0]
        held[place].append(begin, until, stage.run(*rows))
        del rows
        for source in stage.sources:
            if source != INPUT:
                held[source].forget(self._first_needed(source, held, heights))

    def _first_needed(self, source: int, held: dict[int, _Held], heights: dict[int, int]) -> int:
        """The first row of a stage's output that another has still to see."""
        firsts = []
        for place in self._followers[source]:
            stage, first = self.stages[place], held[place].last
            spans = self._rows(stage, first, first + 1, heights)
            firsts.append(spans[stage.sources.index(source)][0])
        return min(firsts)
