"""The small motions of temporal regularisation: their distribution and the numbers drawn.

G. Eilertsen, R. K. Mantiuk, J. Unger, "Single-frame regularization for temporally stable CNNs",
CVPR 2019. `temporal` applies the motions.
"""

import dataclasses

import numpy as np

COLUMNS = (
    "down",
    "right",
    "rotation",
    "shear",
    "zoom",
    "noise_sd",
    "seed_high",
    "seed_low",
)
"""Columns of a motion array [N, K] float32: shifts of the content in pixels; angles in degrees, the
rotation counter-clockwise; zoom as a factor, above 1 enlarges; the standard deviation of the noise,
in codes of [0, 1]; its seed, uint32, in two halves of 16 bits, which float32 holds exactly."""


def row(
    *,
    down: float = 0.0,
    right: float = 0.0,
    rotation: float = 0.0,
    shear: float = 0.0,
    zoom: float = 1.0,
    noise_sd: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """A motion as float32 [K] in the order of `COLUMNS`; by default the identity."""
    halves = divmod(seed, 65536)
    return np.array([down, right, rotation, shear, zoom, noise_sd, *halves], np.float32)


@dataclasses.dataclass(frozen=True)
class Motion:
    """Distribution of motions, all uniform and independent. The defaults are published."""

    shift: float = 2.0
    """Largest shift along each axis, in pixels."""
    rotation: float = 1.0
    """Largest angle, degrees."""
    shear: float = 1.0
    """Largest angle, degrees."""
    zoom: float = 0.03
    """Largest enlargement and reduction, as a share of the size."""
    noise_sd: tuple[float, float] = (0.01, 0.05)
    """Range of the standard deviation of the noise on the moved picture, in codes of [0, 1]."""

    def __post_init__(self) -> None:
        for name, end in (("rotation", 45.0), ("shear", 45.0), ("zoom", 0.5)):
            if not 0.0 <= getattr(self, name) <= end:
                raise ValueError(f"motion.{name} {getattr(self, name)}: must be in 0..{end:g}")
        if not 0.0 <= self.shift < float("inf"):
            raise ValueError(f"motion.shift {self.shift}: must be a number of pixels, at least 0")
        if len(self.noise_sd) != 2 or not 0.0 <= self.noise_sd[0] <= self.noise_sd[1] <= 1.0:
            raise ValueError(f"motion.noise_sd {self.noise_sd}: two rising numbers within 0..1")

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw one motion, float32 [K] in the order of `COLUMNS`."""
        down, right, rotation, shear, zoom = rng.uniform(-1.0, 1.0, 5)
        return row(
            down=self.shift * down,
            right=self.shift * right,
            rotation=self.rotation * rotation,
            shear=self.shear * shear,
            zoom=1.0 + self.zoom * zoom,
            noise_sd=rng.uniform(*self.noise_sd),
            seed=int(rng.integers(2**32)),
        )
