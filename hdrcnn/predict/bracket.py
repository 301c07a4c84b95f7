"""Preparation of a bracket: frames are aligned, and what moved is taken from one of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from hdrcnn.predict import ghosts
from hdrcnn.predict.alignment import Alignment, align, inside, warped
from hdrcnn.predict.intensity_mapping import best_exposed
from hdrcnn.predict.opencv import reduced

WORKING = 500
"""Largest length, in pixels, of the longer side of the frames used to choose the reference."""


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
    """K of [H, W, 3], uint8 or uint16 as stored."""
    reference: int
    alignments: list[Alignment]
    """One for each frame, or empty if alignment was not requested."""
    moved: float = 0.0
    """Share of the image that was replaced."""
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def summary(self) -> str:
        """Part of a line for the user; may be empty."""
        farthest = max((a.moved for a in self.alignments), default=0.0)
        aligned = f"aligned, {farthest:.1f} pixels" if farthest else ""
        moved = f"moved {self.moved:.1%}" if self.moved else ""
        return "  ".join(part for part in (aligned, moved) if part)

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


def prepared(
    frames: list[np.ndarray], choices: Choices, names: Sequence[str] | None = None
) -> Bracket:
    """Prepare a bracket as `choices` says.

    frames: K of [H, W, 3] uint8 or uint16; the arrays and the list are changed in place. names: as
    for `align`. Raises ImageError for frames that do not show the same scene, or without OpenCV.
    """
    named = choices.reference is not None
    reference = choose_reference(frames) if choices.reference is None else choices.reference - 1
    alignments: list[Alignment] = []
    if choices.align:
        alignments = align(frames, reference, names)
        for index, alignment in enumerate(alignments):
            frames[index] = warped(frames[index], alignment)
    bracket = Bracket(frames, reference, alignments, notes=[a.note for a in alignments if a.note])
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
