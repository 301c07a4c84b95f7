"""At which sizes the network sees an image, and how its predictions at these sizes are combined.

    native    every saturated pixel at the native size of the image
    working   all of them in an image reduced to a working size
    auto      each at the size at which the network sees enough of its surroundings

At native size the network is blind in the middle of a wide clipped area, which it has learnt to
fill from a rim some pixels away; in a reduced image small lamps vanish. `auto` therefore chooses
the size by the depth of a pixel, its distance to the rim: native size up to `RIM`, half the size at
2 RIM, a quarter at 4 RIM. In between it mixes both predictions by the logarithm of the depth.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from hdrcnn.tiles.distance import distance_transform
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.geometry import Region, enlarge
from hdrcnn.tiles.guided import Reduced
from hdrcnn.tiles.tiling import Tiling, cover

WORKING_SIZE = 1024
"""Approximate longest side of the reduced image for `working`, in pixels."""
RIM = 24.0
"""Depth up to which `auto` uses the native size, in pixels."""
SMALLEST = 128
"""Longest side, in pixels, from which on an image is not reduced any further."""
CELL = 4
"""Pixels along each side of a cell of the depth map."""
BLOCK = 32
"""Pixels along each side of the blocks that are mixed at once."""
STRIP = 256
"""Rows that are enlarged at once."""

Pieces = Iterator[tuple[Region, np.ndarray]]
"""Regions of the image, each with y = log(H + 1/255) there, [rows, columns, 3] float32."""


def depths(saturated: np.ndarray, closed: bool = False) -> np.ndarray:
    """Return the distance of each cell to the nearest cell that is less than half saturated.

    saturated: [h, w], saturated share of each cell. closed: left and right side meet. Returns
    [h, w] float32 distances in cells, 0 for cells that are less than half saturated.
    """
    full = saturated >= 0.5
    if full.all():
        return np.full(full.shape, max(full.shape), np.float32)
    return distance_transform(full, closed)


def _by_cells(values: np.ndarray, factor: int) -> np.ndarray:
    """Split a map [h, w] into blocks, [rows, columns, factor, factor]; the last ones are padded."""
    padding = [(0, -side % factor) for side in values.shape]
    values = np.pad(values, padding, mode="edge")
    rows, columns = (side // factor for side in values.shape)
    return values.reshape(rows, factor, columns, factor).swapaxes(1, 2)


def _predict(
    tiling: Tiling, frame: Frame, cells: np.ndarray, factor: int, weight: np.ndarray
) -> Reduced:
    """Predict some cells of a reduced image.

    frame: frame of the reduced image; weight: [h, w], saturated share of each of its pixels.
    """
    log_hdr = np.zeros(frame.image.shape, np.float16)
    known = np.zeros_like(weight)
    for piece, y in tiling.predict(frame, cells):
        part = piece.within(frame.picture)
        log_hdr[part], known[part] = y, weight[part]
    if not frame.closed:
        return Reduced(factor, log_hdr, frame.image, known)
    beside = min(tiling.cell, weight.shape[1])

    def closed(values: np.ndarray) -> np.ndarray:
        return np.pad(values, [(0, 0), (beside, beside), (0, 0)][: values.ndim], mode="wrap")

    return Reduced(factor, closed(log_hdr), closed(frame.image), closed(known), beside)


def working(frame: Frame, tiling: Tiling) -> Pieces:
    """Predict all saturated pixels from the image reduced to about `WORKING_SIZE`."""
    factor = max(1, round(max(frame.image.shape) / WORKING_SIZE))
    if factor == 1:
        yield from native(frame, tiling)
        return
    weight = frame.saturated(factor)
    cells = _by_cells(weight, tiling.cell).max(axis=(2, 3)) > 0
    reduced = _predict(tiling, frame.reduced(factor), cells, factor, weight)
    for region in cover(frame.saturated(tiling.cell) > 0, 0):
        for strip in (region.scaled(tiling.cell) & frame.picture).strips(STRIP):
            yield strip, reduced.enlarged(strip, frame.codes(strip))


def native(frame: Frame, tiling: Tiling) -> Pieces:
    """Predict all saturated pixels at the native size of the image."""
    yield from tiling.predict(frame, frame.saturated(tiling.cell) > 0)


@dataclasses.dataclass(frozen=True)
class _Mixture:
    """Predictions at native size, half, a quarter ..., mixed by depth."""

    depth: np.ndarray
    """Depth of each cell of CELL x CELL pixels, in pixels of the image."""
    smaller: list[Reduced]
    rim: float
    """As for `auto`."""
    closed: bool = False
    """Whether left and right side of the image meet."""

    def _depth(self, region: Region) -> np.ndarray:
        """Depth of each pixel of a region, [rows, columns, 1], interpolated between cells."""
        if not self.closed:
            return enlarge(self.depth[..., None], CELL, region)
        wide = np.pad(self.depth, ((0, 0), (1, 1)), mode="wrap")
        return enlarge(wide[..., None], CELL, region.moved(0, CELL))

    def mixed(self, region: Region, code: np.ndarray, log_hdr: np.ndarray | None) -> np.ndarray:
        """Return y in a region. code: the codes there; log_hdr: y at native size, None if no pixel
        of the region needs it.
        """
        level = np.log2(np.maximum(self._depth(region) / np.float32(self.rim), 1.0))
        level = np.clip(level, 0.0 if log_hdr is not None else 1.0, len(self.smaller))
        shares = [np.maximum(1.0 - np.abs(level - i), 0.0) for i in range(len(self.smaller) + 1)]
        mixed = np.zeros_like(code) if log_hdr is None else shares[0] * log_hdr
        for share, reduced in zip(shares[1:], self.smaller, strict=True):
            if share.any():
                mixed += share * reduced.enlarged(region, code)
        return mixed

    def mix_into(self, piece: Region, log_hdr: np.ndarray, frame: Frame) -> np.ndarray:
        """Replace y of a piece at native size by the mixture where depth requires it."""
        own = piece.divided(CELL)
        deep = self.depth[own.top : own.bottom, own.left : own.right] > 0.8 * self.rim
        if not deep.any():
            return log_hdr
        log_hdr = np.array(log_hdr)
        cells = _by_cells(deep, BLOCK // CELL).max(axis=(2, 3))
        for part in cover(cells, 0):
            region = part.scaled(BLOCK).moved(piece.top, piece.left) & piece
            inside = region.within(piece)
            log_hdr[inside] = self.mixed(region, frame.codes(region), log_hdr[inside])
        return log_hdr


def auto(frame: Frame, tiling: Tiling, rim: float = RIM) -> Pieces:
    """Predict each saturated pixel at the size that suits its depth.

    rim: depth in pixels up to which that is the native size of the image.
    """
    saturated = frame.saturated(2)
    cells = _by_cells(saturated, tiling.cell // 2).max(axis=(2, 3)) > 0
    if not cells.any():
        return
    if max(frame.image.shape) <= SMALLEST:
        yield from tiling.predict(frame, cells)
        return
    depth = CELL * depths(
        _by_cells(saturated, CELL // 2).mean(axis=(2, 3), dtype=np.float32), frame.closed
    )
    reductions = max(frame.image.shape) / SMALLEST
    levels = math.ceil(math.log2(min(max(depth.max() / rim, 1.0), reductions)))
    if not levels:
        yield from tiling.predict(frame, cells)
        return
    mixture = _Mixture(
        depth, _smaller(frame, tiling, depth, saturated, levels, rim), rim, frame.closed
    )
    deep = _by_cells(depth, tiling.cell // CELL).min(axis=(2, 3)) > 1.25 * rim * 2
    for region in cover(cells & deep, 0):
        for strip in (region.scaled(tiling.cell) & frame.picture).strips(STRIP):
            yield strip, mixture.mixed(strip, frame.codes(strip), None)
    # These come last: where pieces overlap, these are the right ones.
    for piece, log_hdr in tiling.predict(frame, cells & ~deep):
        yield piece, mixture.mix_into(piece, log_hdr, frame)


def _smaller(
    frame: Frame,
    tiling: Tiling,
    depth: np.ndarray,
    saturated: np.ndarray,
    levels: int,
    rim: float,
) -> list[Reduced]:
    """Predict at half the size, a quarter ..., each where `_Mixture` needs it.

    saturated: saturated share of each block of 2 x 2 pixels.
    """
    smaller: list[Reduced] = []
    for level in range(1, levels + 1):
        factor = 2**level
        frame = frame.reduced(2)
        if level > 1:
            saturated = _by_cells(saturated, 2).mean(axis=(2, 3), dtype=np.float32)
        around = _by_cells(depth, tiling.cell * factor // CELL)
        # A little more than needed, since depths are interpolated.
        wanted = around.max(axis=(2, 3)) > 0.8 * rim * factor / 2
        if level < levels:
            wanted &= around.min(axis=(2, 3)) < 1.25 * rim * factor * 2
        smaller.append(_predict(tiling, frame, wanted, factor, saturated))
    return smaller


RESOLUTIONS = {"auto": auto, "native": native, "working": working}
"""Functions that predict y wherever something is saturated, by the name of the resolution. Their
pieces may overlap; the later one counts."""
