"""Light that a file gives beyond the white of its picture, and where that light ends."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a picture, sample by sample."""

    light: np.ndarray
    """[H, W, 3] float16, linear, in the primaries of the picture's codes; 1.0 = the light of their
    largest code. Colours outside the primaries are negative."""
    ended: np.ndarray
    """[H, W, 3] uint8: 255 = what holds the light is at its own largest value, so that there may
    have been more; 0 = it is not."""
