"""Compute a network as a whole, or in stages, each of them in strips from top to bottom.

Independent of the library that computes: `tiles.keras_graph` makes a `Network` from a Keras model,
`tiles.onnx_graph` from an ONNX file.

In strips, almost nothing is computed twice and little is held at a time. Only those rows of the
output of each stage are held that later stages still need: a few rows where a block of convolutions
follows, more for skip connections, since the coarse levels look 184 rows ahead. Memory depends on
the number of columns and the strip height, not on the image height. Only the few rows by which the
convolutions of a stage look beyond its strip are computed twice.

A layer pads with zeros at both ends of the rows it is given. That is correct at the true ends of
the image; elsewhere the rows affected by the padding are dropped.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

# A tensor of the computing library, [1, rows, columns, channels].
Tensor = Any
INPUT = -1
"""Index that refers to the input of the model instead of a stage."""


@dataclasses.dataclass(frozen=True)
class Reach:
    """Which input rows the output rows of a layer or stage depend on."""

    up: int = 1
    """Output rows per input row."""
    down: int = 1
    """Input rows per output row."""
    halo: int = 0
    """Additional input rows on each side."""

    def needs(self, first: int, last: int) -> tuple[int, int]:
        """Return the input rows that output rows [first, last) depend on; they may extend beyond
        the ends of the input.
        """
        low, high = first * self.down // self.up, -(-last * self.down // self.up)
        low, high = low - self.halo, high + self.halo
        # Poolings need whole blocks, whatever precedes them in the stage.
        return low - low % self.down, high + -high % self.down

    def gives(self, first: int, last: int) -> tuple[int, int]:
        """Return the output rows computed from input rows [first, last), including rows affected
        by padding.
        """
        return first * self.up // self.down, last * self.up // self.down

    def after(self, before: "Reach") -> "Reach":
        """Return the reach of two layers in sequence, `before` being the first."""
        halo = before.halo - (-self.halo * before.down // before.up)
        return Reach(self.up * before.up, self.down * before.down, halo)


@dataclasses.dataclass(frozen=True)
class Stage:
    """One step of a network."""

    sources: tuple[int, ...]
    """Indices of the stages it takes its inputs from, or INPUT. It looks at neighbours only in the
    first input; the others are used pixel by pixel."""
    reach: Reach
    run: Callable[..., Tensor]


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of one input and one output, [1, rows, columns, channels] float32."""

    name: str
    whole: Callable[[np.ndarray], np.ndarray]
    """Function that computes a batch of whole images."""
    stages: Sequence[Stage] | None
    """Stages in order, each after its sources; the last one gives the output. None if the network
    needs the whole image at once."""
    stride: int
    """Number that rows and columns must be multiples of."""
    halo: int = 0
    """Pixels around a block of stride x stride that the output of the block depends on; unused
    without stages."""
    join: Callable[[list[Tensor]], Tensor] = lambda rows: np.concatenate(rows, axis=1)
    """Function that joins parts of one tensor from top to bottom."""
    compiles_per_size: bool = False
    """Whether the first image of each size is slow, as where the library compiles for each size."""
    prefers_whole: bool = False
    """Whether `whole` needs less preparation than the stages and no time for a new image size."""
    source: Any = None
    """The Keras model, or the path of the ONNX file."""


def stride_and_halo(stages: Sequence[Stage]) -> tuple[int, int]:
    """Return stride and halo of a network: a block of stride x stride output pixels, beginning at a
    multiple of the stride, depends on the input pixels of the block and `halo` pixels around it.

    Raises ValueError for stages whose output is not as large as their input.
    """
    scale = {INPUT: Fraction(1)}
    for place, stage in enumerate(stages):
        scale[place] = scale[stage.sources[0]] * Fraction(stage.reach.up, stage.reach.down)
    if scale[len(stages) - 1] != 1:
        raise ValueError("the output is not as large as the input")
    # Every upsampling begins a stage, so no stage is coarser inside than at its ends.
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
    """The rows of a stage's output that are still needed, in the parts they were computed in."""

    def __init__(self, first: int, join: Callable[[list[Tensor]], Tensor]) -> None:
        self.last, self._join = first, join
        self._parts: list[tuple[int, int, Tensor]] = []

    def append(self, begin: int, last: int, part: Tensor) -> None:
        """Add a part that begins at row `begin`, to be used from where the last part ended to row
        `last`.
        """
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
    """Computes a network in strips."""

    def __init__(self, network: Network) -> None:
        """Raises ValueError for a network without stages."""
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
        """Yield output rows [first, last), `step` at a time: (row, tensor [1, rows, columns, C]).

        fetch: returns input rows [a, b) as [1, b - a, columns, C]. rows: number of rows of the
        whole input, a multiple of the stride.
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
        """Return the rows of each source that a stage needs to compute rows [first, last)."""
        low, high = stage.reach.needs(first, last)
        low, high = max(low, 0), min(high, heights[stage.sources[0]])
        return [(low, high)] + [stage.reach.gives(low, high)] * (len(stage.sources) - 1)

    def _spans(self, first: int, last: int, heights: dict[int, int]) -> dict[int, tuple[int, int]]:
        """Return the rows of every stage that output rows [first, last) depend on."""
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
        """Compute one stage up to row `until`, and drop the rows that no stage needs any more."""
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
        """Return the first row of a stage's output that another stage still needs."""
        firsts = []
        for place in self._followers[source]:
            stage, first = self.stages[place], held[place].last
            spans = self._rows(stage, first, first + 1, heights)
            firsts.append(spans[stage.sources.index(source)][0])
        return min(firsts)
