"""Simulated exposure stacks: one photograph, and the five exposures to be predicted from it.

    light [H, W, 3]  linear, any unit
      -> exposure: 1.0 = clipping level of the photograph
      -> photograph: photon and read noise, camera curve, 8 bits, and optionally JPEG
      -> exposures: the same light times 2^stops through the same curve, without noise and JPEG
      -> clean codes: the photograph without noise, rounding to 8 bits and JPEG

All random numbers come from one generator; everything else is pure.
"""

import dataclasses

import numpy as np

from training_code.camera.camera import Exposure, PhotonCamera, PhotonShot, expose
from training_code.camera.development import apply_curve, develop
from training_code.camera.settings import check_number, check_range
from training_code.scenes.stacks import EXPOSURES


@dataclasses.dataclass(frozen=True)
class Stacks(PhotonCamera):
    """Distribution of stacks. Ranges are uniform unless stated otherwise."""

    spacing: float = 2.0
    """Stops from one exposure to the next."""
    unclipped: tuple[float, float] = (0.85, 0.99)
    """Share of the samples that lie below the clipping level, before under-exposure."""
    under: tuple[float, float] = (0.0, 3.0)
    """Stops of additional under-exposure, which makes more of the photograph dark."""
    noise_sd: tuple[float, float] = (0.0, 0.004)
    photons: tuple[float, float] = (2e3, 1e5)
    curves: tuple[float, float, float] = (0.34, 0.33, 0.33)
    jpeg: tuple[float, float] = (75, 98)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("spacing", self.spacing, 0.1, 10.0)
        Exposure(self.unclipped)  # Raises ValueError.
        check_range("under", self.under, 0.0, 10.0)

    @property
    def stops(self) -> tuple[float, ...]:
        """Exposures of the stack relative to the photograph, in ascending order."""
        return tuple(self.spacing * (k - EXPOSURES // 2) for k in range(EXPOSURES))


@dataclasses.dataclass(frozen=True)
class Stack(PhotonShot):
    """Every number that one stack depends on."""

    stops: tuple[float, ...]
    unclipped: float
    under: float

    def encode(self, light: np.ndarray) -> np.ndarray:
        """Light, 1.0 = clipping level, to codes in [0, 1] of the same shape, not rounded."""
        return apply_curve(light, self.curve, self.n, self.s, self.strength).astype(np.float32)


def draw_stack(distribution: Stacks, rng: np.random.Generator) -> Stack:
    """Draw the numbers of one stack."""
    d = distribution
    look = d.development.draw(rng)
    return Stack(
        stops=d.stops,
        unclipped=float(rng.uniform(*d.unclipped)),
        under=float(rng.uniform(*d.under)),
        noise_sd=float(rng.uniform(*d.noise_sd)),
        photons=float(np.exp(rng.uniform(*np.log(d.photons)))),
        noise_seed=int(rng.integers(1 << 32)),
        curve=look.curve,
        n=look.n,
        s=look.s,
        strength=look.strength,
        jpeg_quality=look.jpeg_quality if rng.random() < d.jpeg_share else 0,
        subsampled=look.subsampled,
    )


def photographed(light: np.ndarray, stack: Stack) -> np.ndarray:
    """The photograph of light [H, W, 3] float32, >= 0, 1.0 = clipping level: uint8 codes."""
    return stack.photograph(light, stack.rng)


def exposed(light: np.ndarray, stack: Stack) -> np.ndarray:
    """Light [H, W, 3] of any unit, exposed as in the photograph: 1.0 = its clipping level. Raises
    TooBlackError.
    """
    return np.asarray(expose(light, stack.unclipped) * np.float32(2.0**-stack.under), np.float32)


def exposures(light: np.ndarray, stack: Stack) -> np.ndarray:
    """The exposures of light [H, W, 3], 1.0 = clipping level of the photograph: uint8
    [5, H, W, 3], darkest first.
    """
    return np.stack([
        develop(light * np.float32(2.0**k), stack.n, stack.s, stack.curve, stack.strength)
        for k in stack.stops
    ])  # fmt: skip
