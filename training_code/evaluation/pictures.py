"""Pictures beside the tables: codes of eight bits, and sheets of several pictures."""

from collections.abc import Sequence

import numpy as np


def eight_bits(codes: np.ndarray) -> np.ndarray:
    """Convert codes to uint8, after clipping to [0, 1]."""
    return np.rint(255.0 * np.clip(codes, 0.0, 1.0)).astype(np.uint8)


def grid(cells: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Arrange cells, [H, W, 3] uint8 each, in rows of `columns`, filled up with black."""
    cells = [*cells, *[np.zeros_like(cells[0])] * (-len(cells) % columns)]
    rows = [np.concatenate(cells[i : i + columns], axis=1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows)
