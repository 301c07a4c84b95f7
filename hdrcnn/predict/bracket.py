"""A bracket made ready: frames aligned, and what moved in them taken from one."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from hdrcnn.predict import ghosts
from hdrcnn.predict.alignment import Alignment, align, inside, warped
from hdrcnn.predict.intensity_mapping import best_exposed
from hdrcnn.predict.opencv import reduced

WORKING = 500
"""Pixels of the longer side of the frames that the reference is chosen by, at most."""


@dataclasses.dataclass(frozen=True)
class Choices:
    """How a bracket is made ready."""

    align: bool = True
    deghost: bool = True
    reference: int | None = None
    """Number of the frame on which the others are laid and from which what moved comes, counted
    from 1; None: the best exposed."""


@dataclasses.dataclass(eq=False)
class Bracket:
    """Frames of one scene in which nothing moves any more."""

    frames: list[np.ndarray]
    """K of [H, W, 3], as they were stored: uint8 or uint16."""
    reference: int
    alignments: list[Alignment]
    """None if they were not asked for."""
    moved: float = 0.0
    """Share of the picture that was replaced."""
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def summary(self) -> str:
        """For a line to the user."""
        farthest = max((a.moved for a in self.alignments), default=0.0)
        aligned = f"aligned, {farthest:.1f} pixels" if farthest else ""
        moved = f"moved {self.moved:.1%}" if self.moved else ""
        return "  ".join(part for part in (aligned, moved) if part)

    def record(self) -> dict[str, Any]:
        """For the notes of a result."""
        return {
            "reference": self.reference + 1,
            "alignment": [alignment.kind for alignment in self.alignments],
            "moved": round(self.moved, 6),
        }


def choose_reference(frames: list[np.ndarray]) -> int:
    """The index of the best exposed frame; frames: K of [H, W, 3] uint8 or uint16."""
    step = -(-max(frames[0].shape[:2]) // WORKING)
    return best_exposed([reduced(frame[::step, ::step], 1) for frame in frames])


def prepared(
    frames: list[np.ndarray], choices: Choices, names: Sequence[str] | None = None
) -> Bracket:
    """A bracket made ready. frames: K of [H, W, 3] uint8 or uint16, which are changed, the list
    too; names: as for `align`. Raises ImageError for frames that do not show the same scene, or
    without OpenCV.
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
    movement = ghosts.find(frames, reference, named)
    if not choices.deghost:
        movement = dataclasses.replace(
            movement, masks=np.zeros_like(movement.masks), share=0.0, note=""
        )
    rows, columns = frames[0].shape[:2]

    def measured(index: int, top: int, bottom: int) -> np.ndarray:
        return inside(alignments[index], rows, columns, top, bottom)

    ghosts.replace(frames, movement, measured if resampled else None, reference)
    bracket.moved = movement.share
    bracket.notes += [movement.note] if movement.note else []
    return bracket
