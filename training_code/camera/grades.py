"""Grades: how an HDR film, cd/m^2 of BT.2020, becomes SDR, codes of Rec. 709.

    reinhard, hable, moebius   a curve on the largest channel, x = light over reference white, as
                               ffmpeg's `tonemap` has it with `desat=0`
    bt2446a, bt2446c           Report ITU-R BT.2446, with a crosstalk for the latter
    camera                     a camera's curve and clipping, Eilertsen et al. 2017, Eq. 7
    srgb                       a camera that clips without a shoulder, sRGB
    mixed                      a mean of two of `PARTS`, with an exposure and a contrast of its own

J. Hable, "Uncharted 2: HDR lighting", GDC 2010; E. Reinhard et al., "Photographic tone reproduction
for digital images", SIGGRAPH 2002.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from hdrcnn.colour.bt2446 import PEAK, a_to_sdr, c_to_sdr
from hdrcnn.colour.pq import REC709_TO_REC2020
from hdrcnn.colour.sdr import sdr_codes
from hdrcnn.colour.transfer import camera_curve, srgb_encode

WHITE = 203.0
"""cd/m^2 of diffuse white."""
RANGE = PEAK / WHITE
"""The largest x."""
REC2020_TO_REC709 = np.linalg.inv(REC709_TO_REC2020)
NAMES = ("reinhard", "hable", "moebius", "bt2446a", "bt2446c", "camera", "srgb", "mixed")
PARTS = ("reinhard", "moebius", "bt2446a", "bt2446c", "camera")
"""Of mixed grades."""


def hable(x: np.ndarray, peak: float = RANGE) -> np.ndarray:
    """x over reference white, any shape, to [0, 1]: `peak` to 1."""

    def bent(v: np.ndarray) -> np.ndarray:
        return (v * (0.15 * v + 0.05) + 0.004) / (v * (0.15 * v + 0.5) + 0.06) - 0.02 / 0.30

    return bent(x) / bent(np.asarray(peak, x.dtype))


def moebius(x: np.ndarray, peak: float = RANGE, linear: float = 0.3) -> np.ndarray:
    """x over reference white to [0, 1]: as it is below `linear`, `peak` to 1."""
    t = linear
    a = -(t**2) * (peak - 1.0) / (t**2 - 2.0 * t + peak)
    b = (t**2 - 2.0 * t * peak + peak) / (peak - 1.0)
    bent = (b**2 + 2.0 * b * t + t**2) / (b - a) * (x + a) / (x + b)
    return np.where(x < t, x, bent)


def reinhard(x: np.ndarray, peak: float = RANGE) -> np.ndarray:
    """x over reference white to [0, 1]: `peak` to 1."""
    return x / (x + 1.0) * ((peak + 1.0) / peak)


def inverse_reinhard(y: np.ndarray, peak: float = RANGE) -> np.ndarray:
    """The inverse of `reinhard`: y in [0, 1]."""
    scaled = y * (peak / (peak + 1.0))
    return scaled / (1.0 - scaled)


def on_largest(curve: Callable[[np.ndarray], np.ndarray], light: np.ndarray) -> np.ndarray:
    """A curve on the largest channel of [..., 3], x over reference white; the others keep their
    ratios to it.
    """
    largest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    return np.asarray(light * (curve(largest) / largest), light.dtype)


@dataclasses.dataclass(frozen=True)
class Grade:
    """Every number that a grade depends on."""

    name: str
    """One of `NAMES`."""
    crosstalk: float = 0.0
    """Of bt2446c."""
    n: float = 0.9
    s: float = 0.6
    """Of camera."""
    stops: float = 0.0
    """Exposure of the camera: at 0 diffuse white is at the clipping level."""
    saturation: float = 1.0
    """Of the SDR, by which its colours are farther from their luma."""
    parts: tuple[str, str] = ("reinhard", "camera")
    """Of mixed."""
    share: float = 0.5
    """Of mixed, of its first part."""
    gain: float = 1.0
    """Of mixed, by which its codes are brighter before they clip."""
    contrast: float = 1.0
    """Of mixed, the exponent of its codes."""

    def __call__(self, light: np.ndarray) -> np.ndarray:
        """Light [..., 3], cd/m^2 of BT.2020, to codes [..., 3] in [0, 1] of Rec. 709."""
        codes = self._codes(np.asarray(light, np.float32))
        if self.saturation != 1.0:
            luma = codes @ np.array([0.2126, 0.7152, 0.0722], codes.dtype)
            codes = luma[..., None] + np.float32(self.saturation) * (codes - luma[..., None])
        return np.asarray(np.clip(codes, 0.0, 1.0), np.float32)

    def _codes(self, light: np.ndarray) -> np.ndarray:
        if self.name == "mixed":
            one, two = (dataclasses.replace(self, name=part)._codes(light) for part in self.parts)
            mean = np.float32(self.share) * one + np.float32(1.0 - self.share) * two
            bent = np.clip(mean, 0.0, 1.0) ** np.float32(self.contrast)
            return np.asarray(np.float32(self.gain) * bent)
        x = light / np.float32(WHITE)
        curves = {"reinhard": reinhard, "hable": hable, "moebius": moebius}
        if self.name in curves:
            return sdr_codes(_to_rec709(on_largest(curves[self.name], x)))
        if self.name == "bt2446a":
            return sdr_codes(_to_rec709(a_to_sdr(light)))
        if self.name == "bt2446c":
            return sdr_codes(_to_rec709(c_to_sdr(light, self.crosstalk)))
        exposed = np.clip(_to_rec709(x) * np.float32(2.0**self.stops), 0.0, 1.0)
        if self.name == "camera":
            return np.asarray(camera_curve(exposed, self.n, self.s))
        if self.name == "srgb":
            return np.asarray(srgb_encode(exposed))
        raise ValueError(f"grade {self.name}: one of {', '.join(NAMES)}")


def _to_rec709(light: np.ndarray) -> np.ndarray:
    return np.asarray(light @ REC2020_TO_REC709.T.astype(light.dtype))


def draw_grade(names: tuple[str, ...], rng: np.random.Generator) -> Grade:
    """One of the names, each as likely as it is often there, with numbers of its own."""
    grade = Grade(
        str(names[int(rng.integers(len(names)))]),
        crosstalk=float(rng.uniform(0.0, 0.2)),
        n=float(rng.normal(0.9, 0.1)),
        s=float(max(0.1, rng.normal(0.6, 0.1))),
        stops=float(rng.normal(-0.3, 0.4)),
        saturation=float(np.exp(rng.normal(0.0, 0.06))),
    )
    if grade.name != "mixed":
        return grade
    one, two = rng.choice(len(PARTS), 2, replace=False)
    return dataclasses.replace(
        grade,
        parts=(PARTS[one], PARTS[two]),
        share=float(rng.uniform(0.0, 1.0)),
        gain=float(np.exp(rng.normal(0.0, 0.08))),
        contrast=float(np.exp(rng.normal(0.0, 0.12))),
    )
