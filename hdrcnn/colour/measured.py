"""Measured light above the white of an image, from a gain map (`Measured`) or from the sensor of a
RAW file (`SensorLight`), combined with predicted light where the measurement clips.

After white balance the channels of a sensor clip at different levels, since they are multiplied by
different factors. The unit is the lowest of these levels: at 1.0 the channel with the smallest
multiplier, usually green, clips, and so does an image rendered from the file; the other channels
hold light up to the ratio of their multiplier to the smallest, half a stop to two stops more.

    samples  -> camera RGB, white-balanced, linear, negative below the black level
    camera   -> Rec. 709 by the matrix of the camera
    shown    as in the network's training: clipped at 1.0, mean camera curve, 8 bits
    result   in camera RGB: unclipped channels as measured, clipped ones as predicted

Pure NumPy. Only samples and codes are held for the whole image, everything else in parts.
"""

import dataclasses
from collections.abc import Callable
from functools import cached_property

import numpy as np

from hdrcnn.colour.clipping_level import saturation_ramp
from hdrcnn.colour.transfer import camera_curve, srgb_encode

RAMP = (0.96, 0.99)
"""Fractions of a channel's clipping level at which the blend with the prediction begins and ends:
demosaicing between clipped samples may give values slightly below the level."""
STRIP = 256
"""Rows processed at once."""
FLOOR = 1e-4
"""Smallest light used in ratios; lower values are raised to it."""

Part = tuple[slice, slice]
"""Rows and columns of an image."""


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """Measured light of a photograph, sample by sample."""

    light: np.ndarray
    """[H, W, 3] float16, linear, in the primaries of the photograph's codes; 1.0 = light of the
    largest code. Colours outside the primaries have negative values."""
    clipped: np.ndarray
    """[H, W, 3] uint8: 255 where the measurement itself is at its largest value, so that the light
    may have been brighter; 0 where it is not, with a short ramp between."""


@dataclasses.dataclass(frozen=True, eq=False)
class SensorLight:
    """A demosaiced RAW photograph, upright."""

    samples: np.ndarray
    """[H, W, 3] uint16 or float32: white-balanced camera RGB; see `gains`."""
    pedestal: float
    """Sample value of black; noise gives values below it, which become negative light."""
    gains: tuple[float, float, float]
    """Light per unit of sample value above the pedestal, for each channel."""
    levels: tuple[float, float, float]
    """Light at which each channel clips: 1.0 for the channel that clips first, more for others."""
    matrix: np.ndarray
    """[3, 3], white-balanced camera RGB to linear Rec. 709; neutral stays neutral."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image, (H, W, 3)."""
        return self.samples.shape

    @cached_property
    def _from_rec709(self) -> np.ndarray:
        return np.linalg.inv(self.matrix.astype(np.float64)).astype(np.float32)

    def camera(self, part: Part) -> np.ndarray:
        """[rows, columns, 3] float32: white-balanced camera RGB, linear, not clipped at 1.0."""
        above = self.samples[part].astype(np.float32) - np.float32(self.pedestal)
        return above * np.asarray(self.gains, np.float32)

    def light(self, part: Part) -> np.ndarray:
        """[rows, columns, 3] float32 measured light, linear Rec. 709; 1.0 = the level at which the
        first channel clips.
        """
        return self.camera(part) @ self.matrix.T.astype(np.float32)

    def _share(self, camera: np.ndarray) -> np.ndarray:
        return saturation_ramp(camera / np.asarray(self.levels, np.float32), ramp=RAMP)

    def mask(self, part: Part) -> np.ndarray:
        """[rows, columns, 3] float32: weight of the prediction in each channel of the sensor; 0 for
        measured light only, 1 for predicted light only.
        """
        return np.asarray(self._share(self.camera(part)))

    def _clipped(self, camera: np.ndarray) -> np.ndarray:
        """Linear Rec. 709 in [0, 1], clipped at 1.0 both before and after the matrix; otherwise
        clipped lamps would become magenta.
        """
        held = np.minimum(camera, np.float32(1.0)) @ self.matrix.T.astype(np.float32)
        return np.clip(held, 0.0, 1.0)

    def _eight_bits(self, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """[H, W, 3] uint8 codes of a function `of` from camera RGB to [0, 1]."""
        codes = np.empty(self.shape, np.uint8)
        for top in range(0, len(codes), STRIP):
            part = slice(top, top + STRIP), slice(None)
            codes[part] = np.round(255.0 * of(self.camera(part)))
        return codes

    def rendering(self) -> np.ndarray:
        """[H, W, 3] uint8 sRGB: the photograph as LibRaw renders it, clipped at 1.0."""
        return self._eight_bits(lambda camera: srgb_encode(self._clipped(camera)))

    def codes(self) -> np.ndarray:
        """[H, W, 3] uint8: the input of the network, encoded by the mean camera curve.

        Where a channel of the sensor clips, so does that channel here, as in the training images.
        """

        def shown(camera: np.ndarray) -> np.ndarray:
            codes = camera_curve(self._clipped(camera))
            return np.asarray(np.maximum(codes, self._share(camera)))

        return self._eight_bits(shown)

    def reconstructed(self, part: Part, predicted: np.ndarray) -> np.ndarray:
        """[rows, columns, 3] float32 linear Rec. 709: measured and predicted light combined.

        predicted: the same shape, linear Rec. 709. In a pixel with some measured channels, these
        determine the brightness, and the prediction only the ratios of the clipped channels to
        them. No clipped channel becomes darker than measured.
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
