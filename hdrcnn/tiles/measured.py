"""Light that a file gives beyond the white of its picture, and where that light ends."""

import dataclasses

import numpy as np

from hdrcnn.tiles.geometry import fit


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a picture, sample by sample."""

    light: np.ndarray
    """[H, W, 3] float16, linear, in the primaries of the picture's codes; 1.0 = the light of their
    largest code. Colours outside the primaries are negative."""
    ended: np.ndarray
    """[H, W, 3] uint8: 255 = what holds the light is at its own largest value, so that there may
    have been more; 0 = it is not."""

    def fitted(self, height: int, width: int) -> "Measured":
        """Cropped and resized like its codes, by `geometry.fit`."""
        light = fit(self.light.astype(np.float32), height, width)
        ended = fit(self.ended.astype(np.float32), height, width)
        return Measured(light.astype(np.float16), np.round(ended).astype(np.uint8))
