"""Few large rectangles that cover what has to be computed.

Around every rectangle a halo is computed for nothing, so that one around two lamps may cost less
than one around each. Pure NumPy.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

FILLED = 0.5
"""Share of a rectangle from which on it is not divided any further."""
MOST = 1000
"""Rectangles of which all pairs are looked at; if there are more, they are made larger."""
STRIP = 256
"""Rows that are worked on together."""


def strips(rows: int, step: int = STRIP) -> Iterator[slice]:
    """The rows of a picture, from the top, a few at a time."""
    for top in range(0, rows, step):
        yield slice(top, min(top + step, rows))


@dataclasses.dataclass(frozen=True)
class Region:
    """Rows [top, bottom) and columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    def __and__(self, other: "Region") -> "Region":
        """What two have in common; empty where bottom <= top or right <= left."""
        return Region(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )

    def within(self, outer: "Region") -> tuple[slice, slice]:
        """Where it lies in an array of `outer`: rows, columns."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def moved(self, down: int, right: int) -> "Region":
        return Region(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def grown(self, by: int) -> "Region":
        """Larger on all sides."""
        return Region(self.top - by, self.bottom + by, self.left - by, self.right + by)

    def divided(self, factor: int) -> "Region":
        """In blocks of factor x factor pixels: all that it touches."""
        return Region(
            self.top // factor,
            -(-self.bottom // factor),
            self.left // factor,
            -(-self.right // factor),
        )

    def scaled(self, factor: int) -> "Region":
        """The same with every coordinate multiplied."""
        return Region(*(factor * value for value in dataclasses.astuple(self)))

    def strips(self, rows: int) -> Iterator["Region"]:
        """The same in strips, each of so many rows; the last may have fewer."""
        for top in range(self.top, self.bottom, rows):
            bottom = min(top + rows, self.bottom)
            yield dataclasses.replace(self, top=top, bottom=bottom)


def _tight(mask: np.ndarray, top: int, left: int) -> list[int] | None:
    """[top, bottom, left, right] of what is set in a part that begins at (top, left)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return [top + rows[0], top + rows[-1] + 1, left + columns[0], left + columns[-1] + 1]


def _divide(mask: np.ndarray, smallest: int) -> np.ndarray | None:
    """Rectangles of little emptiness, [N, 4]: halves of halves, each as tight as can be.

    None if they are more than MOST.
    """
    done, todo = [], [_tight(mask, 0, 0)]
    while todo:
        box = todo.pop()
        if box is None:
            continue
        top, bottom, left, right = box
        height, width = bottom - top, right - left
        inside = mask[top:bottom, left:right]
        if max(height, width) <= smallest or inside.mean() >= FILLED:
            done.append(box)
            if len(done) > MOST:
                return None
        elif height >= width:
            todo.append(_tight(inside[: height // 2], top, left))
            todo.append(_tight(inside[height // 2 :], top + height // 2, left))
        else:
            todo.append(_tight(inside[:, : width // 2], top, left))
            todo.append(_tight(inside[:, width // 2 :], top, left + width // 2))
    return np.array(done, np.int64).reshape(-1, 4)


def _cost(boxes: np.ndarray, halo: int) -> np.ndarray:
    """What it takes to compute rectangles [..., 4]: their area, the halo with it."""
    height, width = boxes[..., 1] - boxes[..., 0], boxes[..., 3] - boxes[..., 2]
    return (height + 2 * halo) * (width + 2 * halo)


def _union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rectangle around two; broadcasts."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.stack([low[..., 0], high[..., 1], low[..., 2], high[..., 3]], axis=-1)


def _joined(boxes: np.ndarray, halo: int) -> np.ndarray:
    """Pairs of rectangles made one, the best first, for as long as that costs no more than two."""
    boxes = boxes.copy()
    alive = np.ones(len(boxes), bool)
    saved = np.empty((len(boxes), len(boxes)), np.int64)

    def save(i: int) -> np.ndarray:
        both = _cost(_union(boxes[i], boxes), halo)
        gain = np.where(alive, _cost(boxes[i], halo) + _cost(boxes, halo) - both, -1)
        gain[i] = -1
        return gain

    for i in range(len(boxes)):
        saved[i] = save(i)
    best = saved.max(axis=1, initial=-1)
    while best.max(initial=-1) >= 0:
        i = int(best.argmax())
        j = int(saved[i].argmax())
        boxes[i], alive[j] = _union(boxes[i], boxes[j]), False
        # The best of others may have been one of the two.
        lost = (saved[:, i] == best) | (saved[:, j] == best)
        saved[j] = saved[:, j] = -1
        saved[i] = saved[:, i] = save(i)
        best = np.maximum(best, saved[:, i])
        lost[i] = lost[j] = True
        best[lost] = saved[lost].max(axis=1)
    return boxes[alive]


def cover(mask: np.ndarray, halo: int) -> list[Region]:
    """Rectangles that together hold every set cell of a mask [H, W], top ones first.

    halo: cells computed around each for nothing. Pairs are joined, the best first, for as long
    as one rectangle costs no more than two; of very many places neighbours are joined before.
    """
    smallest = max(1, halo)
    while (boxes := _divide(mask, smallest)) is None:
        smallest *= 2
    boxes = _joined(boxes, halo)
    if len(boxes):
        # Pairs do not see that all of them together may be best as one.
        low, high = boxes.min(axis=0), boxes.max(axis=0)
        around = np.array([[low[0], high[1], low[2], high[3]]])
        if _cost(around, halo)[0] <= _cost(boxes, halo).sum():
            boxes = around
    return [Region(*map(int, box)) for box in boxes[np.lexsort(boxes.T[[2, 0]])]]
