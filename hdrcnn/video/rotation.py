"""Frames as they are shown, where a film tells that players turn them."""

import struct

import numpy as np

_ONE = 1 << 16


def _signs(matrix: bytes) -> tuple[bool, int, int] | None:
    """Whether rows become columns, and the direction of what is shown, across and down, in that of
    the frame, 1 or -1; None: the matrix is no turn by quarters.
    """
    a, b, _, c, d = (value / _ONE for value in struct.unpack("5i", matrix[:20]))
    for swapped, across, down, others in ((False, a, d, (b, c)), (True, c, b, (a, d))):
        signs = round(across), round(down)
        error = max(abs(across - signs[0]), abs(down - signs[1]), *map(abs, others))
        if error < 1e-3 and 0 not in signs:
            return swapped, *signs
    return None


def can_turn(matrix: bytes | None) -> bool:
    """Whether `turned` shows a frame as players do."""
    return matrix is None or _signs(matrix) is not None


def turned(picture: np.ndarray, matrix: bytes | None) -> np.ndarray:
    """[H, W, C] as it is shown: turned by quarters and mirrored as FFmpeg's display matrix says; as
    it is if that says something else.
    """
    signs = None if matrix is None else _signs(matrix)
    if signs is None:
        return picture
    swapped, across, down = signs
    shown = picture.swapaxes(0, 1) if swapped else picture
    return np.ascontiguousarray(shown[::down, ::across])
