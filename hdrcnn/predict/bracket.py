"""Preparation of a bracket: codes are scaled to clip at the largest code, frames are aligned, and
what moved is taken from one of them.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from hdrcnn.colour.clipping_level import (
    BAND,
    PIXELS,
    UNCLIPPED,
    Levels,
    clipping_levels,
    described,
    factors,
    scaled,
)
from hdrcnn.predict import ghosts
from hdrcnn.predict.alignment import Alignment, align, inside, warped
from hdrcnn.predict.intensity_mapping import best_exposed
from hdrcnn.predict.opencv import reduced
from hdrcnn.tiles.frame import as_codes
from hdrcnn.tiles.geometry import strips

WORKING = 500
"""Largest length, in pixels, of the longer side of the frames used to choose the reference."""
STRIP = 256
"""Number of rows processed at once."""


@dataclasses.dataclass(frozen=True)
class Choices:
    """How to prepare a bracket."""

    align: bool = True
    deghost: bool = True
    reference: int | None = None
    """Number, counted from 1, of the frame to which the others are aligned and from which what
    moved is taken; None: the best exposed."""


@dataclasses.dataclass(eq=False)
class Bracket:
    """Frames of one scene, aligned and without movement."""

    frames: list[np.ndarray]
    """K of [H, W, 3], uint8 or uint16 as stored; uint16 and scaled if `levels` are lower."""
    reference: int
    alignments: list[Alignment]
    """One for each frame, or empty if alignment was not requested."""
    moved: float = 0.0
    """Share of the image that was replaced."""
    notes: list[str] = dataclasses.field(default_factory=list)
    levels: Levels = UNCLIPPED
    """Codes in (0, 1] at which red, green and blue of the frames clip as stored. `frames` have been
    divided by them."""

    def unscaled(self, fused: np.ndarray) -> np.ndarray:
        """Undo in a fused image, [H, W, 3] uint16, the scaling of the frames, in place: its white
        is then that of the frames as stored.
        """
        if self.levels != UNCLIPPED:
            for rows in strips(len(fused), STRIP):
                fused[rows] = np.round(fused[rows] * np.asarray(self.levels, np.float32))
        return fused

    @property
    def summary(self) -> str:
        """Part of a line for the user; may be empty."""
        codes = described(self.levels)
        clips = f"clips at {codes}" if codes else ""
        farthest = max((a.moved for a in self.alignments), default=0.0)
        aligned = f"aligned, {farthest:.1f} pixels" if farthest else ""
        moved = f"moved {self.moved:.1%}" if self.moved else ""
        return "  ".join(part for part in (clips, aligned, moved) if part)

    def record(self) -> dict[str, Any]:
        """JSON-serialisable facts, stored with a result."""
        return {
            "reference": self.reference + 1,
            "alignment": [alignment.kind for alignment in self.alignments],
            "moved": round(self.moved, 6),
        }


def choose_reference(frames: list[np.ndarray]) -> int:
    """Index of the best exposed frame. frames: K of [H, W, 3] uint8 or uint16."""
    step = -(-max(frames[0].shape[:2]) // WORKING)
    return best_exposed([reduced(frame[::step, ::step], 1) for frame in frames])


def levels_of(frames: Sequence[np.ndarray]) -> Levels:
    """Codes in (0, 1] at which the frames of a bracket clip, one for each channel.

    frames: K of [H, W, 3] uint8 or uint16. Estimated as for a single photograph from bands of rows
    of all frames, since a short exposure may clip nowhere.
    """
    rows, columns = frames[0].shape[:2]
    step = BAND * -(-len(frames) * rows * columns // PIXELS)
    bands = [frame[top : top + BAND] for frame in frames for top in range(0, rows, step)]
    return clipping_levels(np.concatenate(bands))


def _scaled(frame: np.ndarray, levels: Levels) -> np.ndarray:
    """A frame divided by its clipping levels and clipped at the largest code, as uint16."""
    codes, scale = np.empty(frame.shape, np.uint16), factors(levels)
    for rows in strips(len(frame), STRIP):
        codes[rows] = np.round(scaled(as_codes(frame[rows]), scale) * np.float32(65535.0))
    return codes


def prepared(
    frames: list[np.ndarray],
    choices: Choices,
    names: Sequence[str] | None = None,
    levels: Levels | None = None,
) -> Bracket:
    """Prepare a bracket as `choices` says.

    frames: K of [H, W, 3] uint8 or uint16; the arrays and the list are changed in place. names: as
    for `align`. levels: as for `Bracket`; None: estimated. Frames that clip below the largest code
    are scaled, so that all later steps recognise clipped samples. Raises ImageError for frames that
    do not show the same scene, or without OpenCV.
    """
    levels = levels_of(frames) if levels is None else levels
    if levels != UNCLIPPED:
        for index, frame in enumerate(frames):
            frames[index] = _scaled(frame, levels)
    named = choices.reference is not None
    reference = choose_reference(frames) if choices.reference is None else choices.reference - 1
    alignments: list[Alignment] = []
    if choices.align:
        alignments = align(frames, reference, names)
        for index, alignment in enumerate(alignments):
            frames[index] = warped(frames[index], alignment)
    notes = [alignment.note for alignment in alignments if alignment.note]
    bracket = Bracket(frames, reference, alignments, notes=notes, levels=levels)
    resampled = any(alignment.resamples for alignment in alignments)
    if not choices.deghost and not resampled:
        return bracket
    rows, columns = frames[0].shape[:2]

    def measured(index: int, top: int, bottom: int) -> np.ndarray:
        return inside(alignments[index], rows, columns, top, bottom)

    known = measured if resampled else None
    movement = ghosts.find(frames, reference, named, known)
    if not choices.deghost:
        movement = dataclasses.replace(
            movement, masks=np.zeros_like(movement.masks), share=0.0, note=""
        )
    ghosts.replace(frames, movement, known, reference)
    bracket.moved = movement.share
    bracket.notes += [movement.note] if movement.note else []
    return bracket
