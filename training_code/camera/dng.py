"""Simulated RAW files with known truth: sensor samples written as uncompressed DNG.

Source: Adobe, "Digital Negative (DNG) Specification" 1.4.
"""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from hdrcnn.colour.primaries import REC709, rgb_to_xyz

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SIGNED = 1, 2, 3, 4, 5, 10
_D65 = 21
_MOSAIC = ((0, 1), (1, 2))
"""Channel of each sample of the Bayer mosaic: red, green; green, blue."""


@dataclasses.dataclass(frozen=True)
class RawSensor:
    """How a sensor records linear Rec. 709 light."""

    mixture: tuple[tuple[float, float, float], ...] = (
        (0.70, 0.25, 0.05),
        (0.10, 0.80, 0.10),
        (0.02, 0.20, 0.78),
    )
    """Matrix from Rec. 709 to white-balanced camera RGB; each row sums to 1."""
    multipliers: tuple[float, float, float] = (2.0, 1.0, 1.5)
    """White balance multipliers of red, green and blue; the smallest is 1."""
    black: tuple[int, int, int, int] = (512, 512, 512, 512)
    """Black levels of the 2 x 2 samples of the mosaic, row by row."""
    white: int = 16383
    read_noise: float = 0.0
    """Standard deviation of the read noise, in code values."""
    full_well: float = 0.0
    """Electrons at the white level; 0: no photon noise."""

    def samples(self, light: np.ndarray, seed: int = 0) -> np.ndarray:
        """Sensor samples of [H, W, 3] linear Rec. 709, all three colours at each pixel: [H, W, 3]
        uint16, clipped at the white level.

        Neutral light of 1.0 reaches the white level in the channel whose multiplier is 1.
        """
        rng = np.random.default_rng(seed)
        camera = light.astype(np.float64) @ np.array(self.mixture).T / np.array(self.multipliers)
        if self.full_well:
            electrons = np.clip(camera, 0.0, 4.0) * self.full_well
            camera = rng.poisson(electrons) / self.full_well
        rows, columns = light.shape[:2]
        black = np.tile(np.reshape(self.black, (2, 2)), (-(-rows // 2), -(-columns // 2)))
        black = black[:rows, :columns, None]
        found = black + camera * (self.white - black)
        found += self.read_noise * rng.standard_normal(found.shape)
        return np.clip(np.round(found), 0, self.white).astype(np.uint16)


def mosaic(samples: np.ndarray) -> np.ndarray:
    """Reduce samples [H, W, 3] to a Bayer mosaic [H, W]: the one colour recorded at each pixel."""
    found = samples[..., 1].copy()
    for row, colours in enumerate(_MOSAIC):
        for column, colour in enumerate(colours):
            found[row::2, column::2] = samples[row::2, column::2, colour]
    return found


def _fractions(values: npt.ArrayLike) -> list[int]:
    return [part for value in np.ravel(values) for part in (round(float(value) * 1e6), 1_000_000)]


def write_dng(
    path: Path, samples: np.ndarray, sensor: RawSensor = RawSensor(), orientation: int = 1
) -> None:
    """Write samples as a DNG file: a mosaic, [H, W] uint16, or linear raw, [H, W, 3] uint16.

    orientation: the Exif orientation, 1 to 8.
    """
    flat = samples.ndim == 2
    from_xyz = (
        np.array(sensor.mixture) / np.array(sensor.multipliers)[:, None]
        @ np.linalg.inv(rgb_to_xyz(REC709))
    )  # fmt: skip
    tags = [
        (271, _ASCII, 0, "Virtual", True),
        (272, _ASCII, 0, "Sensor", True),
        (274, _SHORT, 1, orientation, True),
        (50706, _BYTE, 4, bytes([1, 4, 0, 0]), True),  # DNGVersion
        (50707, _BYTE, 4, bytes([1, 1, 0, 0]), True),  # DNGBackwardVersion
        (50708, _ASCII, 0, "Virtual Sensor", True),  # UniqueCameraModel
        (50721, _SIGNED, 9, _fractions(from_xyz), True),  # ColorMatrix1
        (
            50728,
            _RATIONAL,
            3,
            _fractions(1.0 / np.array(sensor.multipliers)),
            True,
        ),  # AsShotNeutral
        (50778, _SHORT, 1, _D65, True),  # CalibrationIlluminant1
    ]
    if flat:
        tags += [
            (33421, _SHORT, 2, (2, 2), True),  # CFARepeatPatternDim
            (33422, _BYTE, 4, bytes(np.ravel(_MOSAIC).tolist()), True),  # CFAPattern
            (50713, _SHORT, 2, (2, 2), True),  # BlackLevelRepeatDim
            (50714, _RATIONAL, 4, _fractions(np.array(sensor.black)), True),  # BlackLevel
            (50717, _LONG, 1, sensor.white, True),  # WhiteLevel
        ]
    else:
        tags += [
            (50714, _RATIONAL, 3, _fractions(np.array(sensor.black[:3])), True),
            (50717, _LONG, 3, (sensor.white,) * 3, True),
        ]
    tifffile.imwrite(
        path,
        samples,
        photometric=32803 if flat else 34892,  # Colour filter array; linear raw.
        planarconfig=None if flat else 1,
        extratags=tags,
        metadata=None,
    )
