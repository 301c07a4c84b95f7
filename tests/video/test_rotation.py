"""Rotation of frames as players show them."""

import struct

import numpy as np
import pytest

from hdrcnn.video.rotation import can_turn, turned

PICTURE = np.arange(2 * 3 * 3).reshape(2, 3, 3)
CORNERS = ((0, 0), (0, 2), (1, 0), (1, 2))


def matrix(a, b, c, d):
    """As FFmpeg stores it: x' = a x + c y, y' = b x + d y."""
    numbers = (round(65536 * value) for value in (a, b, 0, c, d, 0, 0, 0))
    return struct.pack("9i", *numbers, 1 << 30)


@pytest.mark.parametrize(
    "turn",
    [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (0, 1, 1, 0)],
    ids=["as it is", "90", "180", "270", "mirrored", "transposed"],
)
def test_corners_go_where_the_matrix_puts_them(turn):
    a, b, c, d = turn
    assert can_turn(matrix(*turn))
    found = turned(PICTURE, matrix(*turn))
    places = [(b * x + d * y, a * x + c * y) for y, x in CORNERS]
    top, left = (min(place[axis] for place in places) for axis in (0, 1))
    for corner, place in zip(CORNERS, places, strict=True):
        assert np.array_equal(found[place[0] - top, place[1] - left], PICTURE[corner])


def test_other_than_quarter_turns_are_ignored():
    tilted = matrix(0.8, 0.6, -0.6, 0.8)
    assert not can_turn(tilted)
    assert np.array_equal(turned(PICTURE, tilted), PICTURE)
    assert can_turn(None)
    assert np.array_equal(turned(PICTURE, None), PICTURE)
