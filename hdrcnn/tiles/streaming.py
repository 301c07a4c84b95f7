"""A network computed in strips from top to bottom: hardly anything twice, little held at a time.

Of the output of each stage (`tiles.stages`) those rows are held that later stages still need: a
few where a block of convolutions follows, the skips for as long as the coarse levels take to look
184 rows ahead. Memory depends on the columns and on the strip, not on the height. Only the few
rows that a stage's convolutions look beyond its strip are computed twice.

At the ends of the rows it is handed a layer pads with zeros. That is right at the true ends; at
all others the rows it spoils are dropped.
"""

from collections.abc import Callable, Iterator
from typing import Any

from hdrcnn.tiles.stages import INPUT, Network, Stage, Tensor


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
