"""Frames rotated and mirrored as the display matrix of a film tells players to show them."""

import struct

import numpy as np

_ONE = 1 << 16


def _signs(matrix: bytes) -> tuple[bool, int, int] | None:
    """Decompose a display matrix into a swap of rows and columns and the signs, 1 or -1, of the
    steps across and down. None if it is not a rotation by a multiple of 90 degrees.
    """
    a, b, _, c, d = (value / _ONE for value in struct.unpack("5i", matrix[:20]))
    for swapped, across, down, others in ((False, a, d, (b, c)), (True, c, b, (a, d))):
        signs = round(across), round(down)
        error = max(abs(across - signs[0]), abs(down - signs[1]), *map(abs, others))
        if error < 1e-3 and 0 not in signs:
            return swapped, *signs
    return None


def can_turn(matrix: bytes | None) -> bool:
    """Whether `turned` can apply this display matrix."""
    return matrix is None or _signs(matrix) is not None


def turned(picture: np.ndarray, matrix: bytes | None) -> np.ndarray:
    """Rotate [H, W, C] by a multiple of 90 degrees and mirror it, as FFmpeg's display matrix says.

    Returned unchanged for any other matrix.
    """
    signs = None if matrix is None else _signs(matrix)
    if signs is None:
        return picture
    swapped, across, down = signs
    shown = picture.swapaxes(0, 1) if swapped else picture
    return np.ascontiguousarray(shown[::down, ::across])
