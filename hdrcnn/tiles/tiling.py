"""Apply a network to an image of any size in bounded memory, with the same result as in one piece.

The requested cells are covered by few rectangles; nothing else is computed. Each rectangle is
computed with a halo of the pixels that its output depends on, so one rectangle around two lamps may
cost less than one around each. Rectangles are divided into bands of columns that fit the memory,
and bands are computed in strips from top to bottom (`hdrcnn.tiles.stages`).
"""

import dataclasses
import functools
import math
from collections.abc import Iterator

import numpy as np

from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.geometry import Region
from hdrcnn.tiles.stages import Network, Strips

CELL = 32
"""Side of the cells by which parts of an image are requested, in pixels; a multiple of it where the
stride requires that."""
FILLED = 0.5
"""Share of requested cells from which on a rectangle is not divided any further."""
MAX_RECTANGLES = 1000
"""Largest number of rectangles whose pairs are all compared; if there are more, larger ones are
made."""
FAR = 192
"""Pixels by which a closed image is extended for a network without stages."""
PIECE = 4
"""Largest image that a network without stages accepts, as a multiple of `tile_pixels`."""
TILE_PIXELS = 1 << 21
"""Default number of pixels that are processed at once; they take about 0.8 GB for width 16."""


def _tight(mask: np.ndarray, top: int, left: int) -> list[int] | None:
    """Bounding box [top, bottom, left, right] of the set cells of a part that begins at (top,
    left); None if there are none.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return [top + rows[0], top + rows[-1] + 1, left + columns[0], left + columns[-1] + 1]


def _divide(mask: np.ndarray, smallest: int) -> np.ndarray | None:
    """Cover the set cells by tight rectangles, [N, 4], halved until they are filled enough or no
    larger than `smallest`. None if there are more than MAX_RECTANGLES.
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
            if len(done) > MAX_RECTANGLES:
                return None
        elif height >= width:
            todo.append(_tight(inside[: height // 2], top, left))
            todo.append(_tight(inside[height // 2 :], top + height // 2, left))
        else:
            todo.append(_tight(inside[:, : width // 2], top, left))
            todo.append(_tight(inside[:, width // 2 :], top, left + width // 2))
    return np.array(done, np.int64).reshape(-1, 4)


def _cost(boxes: np.ndarray, halo: int) -> np.ndarray:
    """Cost of computing rectangles [..., 4]: their area including the halo."""
    height, width = boxes[..., 1] - boxes[..., 0], boxes[..., 3] - boxes[..., 2]
    return (height + 2 * halo) * (width + 2 * halo)


def _union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Bounding box of two rectangles; broadcasts."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.stack([low[..., 0], high[..., 1], low[..., 2], high[..., 3]], axis=-1)


def _joined(boxes: np.ndarray, halo: int) -> np.ndarray:
    """Join pairs of rectangles, the most profitable first, as long as that does not add cost."""
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
        # The best partner of other rectangles may have been one of the two.
        lost = (saved[:, i] == best) | (saved[:, j] == best)
        saved[j] = saved[:, j] = -1
        saved[i] = saved[:, i] = save(i)
        best = np.maximum(best, saved[:, i])
        lost[i] = lost[j] = True
        best[lost] = saved[lost].max(axis=1)
    return boxes[alive]


def cover(mask: np.ndarray, halo: int) -> list[Region]:
    """Cover every set cell of a mask [H, W] by rectangles, top ones first.

    halo: cells computed around each rectangle in addition. Pairs are joined, the most profitable
    first, as long as one rectangle costs no more than two. If set cells are very scattered,
    neighbours are put into one rectangle beforehand.
    """
    smallest = max(1, halo)
    while (boxes := _divide(mask, smallest)) is None:
        smallest *= 2
    boxes = _joined(boxes, halo)
    if len(boxes):
        # One rectangle around all may be best even if no pair is worth joining.
        low, high = boxes.min(axis=0), boxes.max(axis=0)
        around = np.array([[low[0], high[1], low[2], high[3]]])
        if _cost(around, halo)[0] <= _cost(boxes, halo).sum():
            boxes = around
    return [Region(*map(int, box)) for box in boxes[np.lexsort(boxes.T[[2, 0]])]]


def _few_lengths(first: int, last: int, begin: int, end: int) -> tuple[int, int]:
    """Extend [first, last) within [begin, end) to a length of 512, 768, 1024, 1536, 2048 ..."""
    octave = 1 << max(9, (last - first - 1).bit_length())
    length = octave * 3 // 4 if last - first <= octave * 3 // 4 > 512 else octave
    first = max(begin, min(first, end - length))
    return first, min(end, first + length)


class TooLargeError(ValueError):
    """The image is too large for a network that must see it in one piece."""


class Tiling:
    """Applies a network to images in tiles. A network without stages is computed in one piece."""

    cell: int
    """Height and width of a cell in pixels, a multiple of the stride."""
    halo: int
    """Pixels computed around a piece where the frame does not end; a multiple of `cell`."""

    def __init__(self, network: Network, tile_pixels: int = TILE_PIXELS) -> None:
        """tile_pixels: number of pixels processed at once, halo included; 0 for the whole image.
        Raises ValueError if it is below 0.
        """
        if tile_pixels < 0:
            raise ValueError(f"tile_pixels {tile_pixels}: at least 0, which is the whole picture")
        self.network, self.tile_pixels = network, tile_pixels
        self.by_parts = network.stages is not None
        self.cell = math.lcm(CELL, network.stride)
        self.halo = -(-(network.halo if self.by_parts else FAR) // self.cell) * self.cell

    @functools.cached_property
    def _strips(self) -> Strips:
        return Strips(self.network)

    @property
    def step(self) -> int:
        """Rows of a strip. Taller strips waste less at their ends but need more memory."""
        return max(self.cell, min(256, self.tile_pixels // 8192) // self.cell * self.cell)

    def _bands(self, region: Region) -> Iterator[Region]:
        """Yield a region in bands of columns of about equal width that fit `tile_pixels`."""
        columns = region.right - region.left
        if self.tile_pixels:
            widest = self.tile_pixels // (self.step + 2 * self.halo) - 2 * self.halo
            count = -(-columns // max(self.cell, widest))
            columns = -(-columns // count // self.cell) * self.cell
        for left in range(region.left, region.right, columns):
            yield dataclasses.replace(region, left=left, right=min(left + columns, region.right))

    def _around(self, core: Region, bounds: Region) -> Region:
        """Region that is computed for `core`: with its halo, and enlarged to one of few sizes for
        libraries that need that.
        """
        grown = core.grown(self.halo) & bounds
        if not self.network.compiles_per_size:
            return grown
        return Region(
            *_few_lengths(grown.top, grown.bottom, bounds.top, bounds.bottom),
            *_few_lengths(grown.left, grown.right, bounds.left, bounds.right),
        )

    def predict(self, frame: Frame, cells: np.ndarray) -> Iterator[tuple[Region, np.ndarray]]:
        """Compute the network's output in some cells of a frame padded to multiples of `cell`.

        cells: [ceil(H / cell), ceil(W / cell)] bool, the requested blocks of pixels. Yields pieces,
        each a region and the output there, [rows, columns, 3] float32; for HDRCNN, that is
        y = log(H + 1/255). Pieces are inside the image and cover all requested cells, possibly
        more. Raises TooLargeError for an image too large for a network without stages.
        """
        if cells.any() and not self.by_parts:
            yield self._one_piece(frame)
            return
        regions = [cell.scaled(self.cell) for cell in cover(cells, self.halo // self.cell)]
        if regions and not self.tile_pixels:
            regions = [frame.bounds]
        # If one region needs the whole image anyway, it is computed in one piece.
        around = (self._around(region, frame.bounds) for region in regions)
        if self.network.prefers_whole and self._fits(frame.bounds) and frame.bounds in around:
            yield self._one_piece(frame)
            return
        for region in regions:
            for core in self._bands(region):
                yield from self._band(frame, core)

    def _fits(self, region: Region) -> bool:
        """Whether a region is computed at once: less arithmetic than strips, twice the memory."""
        pixels = (region.bottom - region.top) * (region.right - region.left)
        return 2 * pixels <= self.tile_pixels or not self.tile_pixels

    def _one_piece(self, frame: Frame) -> tuple[Region, np.ndarray]:
        bounds = frame.bounds
        pixels = (bounds.bottom - bounds.top) * (bounds.right - bounds.left)
        if self.tile_pixels and pixels > PIECE * self.tile_pixels:
            raise TooLargeError(
                f"too large for the network {self.network.name}, which sees a picture in one "
                "piece; give --resolution=working, or a smaller picture"
            )
        y = self.network.whole(frame.shown(bounds)[None])[0]
        return frame.picture, y[frame.picture.within(bounds)]

    def _band(self, frame: Frame, core: Region) -> Iterator[tuple[Region, np.ndarray]]:
        around = self._around(core, frame.bounds)

        def fetch(first: int, last: int) -> np.ndarray:
            top, bottom = around.top + first, around.top + last
            return frame.shown(dataclasses.replace(around, top=top, bottom=bottom))[None]

        first, last = core.top - around.top, core.bottom - around.top
        step = last - first if self._fits(around) else self.step
        for row, strip in self._strips.run(fetch, around.bottom - around.top, first, last, step):
            top = around.top + row
            piece = dataclasses.replace(core, top=top, bottom=min(top + step, core.bottom))
            kept = piece & frame.picture
            yield (
                kept,
                np.asarray(strip)[0][kept.within(dataclasses.replace(piece, left=around.left))],
            )
