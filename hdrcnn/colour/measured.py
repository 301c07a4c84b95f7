"""Light that a file gives beyond the white of its picture: by a gain map (`Measured`) or, of a RAW
file, by the sensor (`SensorLight`): what was measured, where it clips, what is predicted.

After white balance the channels of a sensor clip at levels of their own, as they were amplified by
different factors. The unit is the lowest of them: at 1.0 the channel with the least multiplier, as
a rule green, clips, and with it what a camera makes of the file; the others hold light up to their
multiplier over the least one, half a stop to two stops more.

    samples  -> camera RGB, white-balanced, linear, below the black level negative
    camera   -> Rec. 709 by the camera's matrix
    shown    what the network was trained on: held at 1.0, mean camera curve, 8 bits
    result   in camera RGB: a channel that is not clipped as measured, a clipped one as predicted

Pure NumPy; of the whole picture only samples and codes are held, all else is made of parts.
"""

import dataclasses
from collections.abc import Callable
from functools import cached_property

import numpy as np

from hdrcnn.colour.clipping_level import saturation_ramp
from hdrcnn.colour.transfer import camera_curve, srgb_encode

RAMP = (0.96, 0.99)
"""Share of a channel's clipping level at which the prediction begins, and from which on it stands
alone: interpolation between clipped samples may end a little below the level."""
STRIP = 256
"""Rows worked on together."""
FLOOR = 1e-4
"""Light below it has no part in a ratio."""

Part = tuple[slice, slice]
"""Rows and columns of a picture."""


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a picture, sample by sample."""

    light: np.ndarray
    """[H, W, 3] float16, linear, in the primaries of the picture's codes; 1.0 = the light of their
    largest code. Colours outside the primaries are negative."""
    ended: np.ndarray
    """[H, W, 3] uint8: 255 = what holds the light is at its own largest value, so that there may
    have been more; 0 = it is not."""


@dataclasses.dataclass(frozen=True, eq=False)
class SensorLight:
    """A demosaiced RAW file, upright."""

    samples: np.ndarray
    """[H, W, 3] uint16 or float32: white-balanced camera RGB, see `gains`."""
    pedestal: float
    """The sample that is black; below it stand the negative values of noise."""
    gains: tuple[float, float, float]
    """Light of one sample above the pedestal."""
    levels: tuple[float, float, float]
    """At which the channels clip: 1.0 for the first, the others above."""
    matrix: np.ndarray
    """[3, 3]: white-balanced camera RGB to linear Rec. 709; neutral stays neutral."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[H, W, 3] of the picture."""
        return self.samples.shape

    @cached_property
    def _from_rec709(self) -> np.ndarray:
        return np.linalg.inv(self.matrix.astype(np.float64)).astype(np.float32)

    def camera(self, part: Part) -> np.ndarray:
        """[rows, columns, 3] float32: white-balanced camera RGB, linear, not clipped at 1.0."""
        above = self.samples[part].astype(np.float32) - np.float32(self.pedestal)
        return above * np.asarray(self.gains, np.float32)

    def light(self, part: Part) -> np.ndarray:
        """[rows, columns, 3] float32 linear Rec. 709 as measured; 1.0 = the level at which the
        first channel clips.
        """
        return self.camera(part) @ self.matrix.T.astype(np.float32)

    def _share(self, camera: np.ndarray) -> np.ndarray:
        return saturation_ramp(camera / np.asarray(self.levels, np.float32), ramp=RAMP)

    def mask(self, part: Part) -> np.ndarray:
        """[rows, columns, 3] float32: how much of each channel of the sensor is predicted; 0 as
        measured, 1 prediction alone.
        """
        return np.asarray(self._share(self.camera(part)))

    def _clipped(self, camera: np.ndarray) -> np.ndarray:
        """Linear Rec. 709 in [0, 1], all channels held at 1.0 before the matrix and after it: else
        clipped lamps would be magenta.
        """
        held = np.minimum(camera, np.float32(1.0)) @ self.matrix.T.astype(np.float32)
        return np.clip(held, 0.0, 1.0)

    def _eight_bits(self, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """[H, W, 3] uint8 from camera RGB by a function to [0, 1]."""
        codes = np.empty(self.shape, np.uint8)
        for top in range(0, len(codes), STRIP):
            part = slice(top, top + STRIP), slice(None)
            codes[part] = np.round(255.0 * of(self.camera(part)))
        return codes

    def rendering(self) -> np.ndarray:
        """[H, W, 3] uint8 sRGB: the picture as LibRaw renders it, clipped at 1.0."""
        return self._eight_bits(lambda camera: srgb_encode(self._clipped(camera)))

    def codes(self) -> np.ndarray:
        """[H, W, 3] uint8: what the network is shown. By the mean camera curve; where a channel of
        the sensor clips, that of the picture does, as in the pictures of its training.
        """

        def shown(camera: np.ndarray) -> np.ndarray:
            codes = camera_curve(self._clipped(camera))
            return np.asarray(np.maximum(codes, self._share(camera)))

        return self._eight_bits(shown)

    def reconstructed(self, part: Part, predicted: np.ndarray) -> np.ndarray:
        """[rows, columns, 3] float32 linear Rec. 709: measured and predicted light in one.

        predicted: the same shape, linear Rec. 709. Where some channels of a pixel are measured
        they say how bright it is, and the prediction the ratios of the others to them; no clipped
        channel becomes darker than its clipping level.
        """
        camera = self.camera(part)
        share = self._share(camera)
        guess = np.maximum(predicted @ self._from_rec709.T, np.float32(FLOOR))
        known = (1.0 - share) * np.maximum(camera, np.float32(FLOOR))
        stops = np.log(np.maximum(camera, np.float32(FLOOR)) / guess)
        told = known.sum(axis=-1, keepdims=True)
        brighter = (known * stops).sum(axis=-1, keepdims=True) / np.maximum(told, np.float32(FLOOR))
        certain = (1.0 - share).max(axis=-1, keepdims=True)
        guess = guess * np.exp(certain * brighter)
        mixed = (1.0 - share) * camera + share * np.maximum(guess, camera)
        return np.asarray(mixed @ self.matrix.T.astype(np.float32), np.float32)
