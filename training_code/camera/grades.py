"""Grades: how an HDR film, cd/m^2 of BT.2020, becomes SDR, codes of Rec. 709.

    reinhard, hable, moebius   a curve on the largest channel, x = light relative to reference
                               white, as in ffmpeg's `tonemap` with `desat=0`
    bt2446a, bt2446c           Report ITU-R BT.2446, the latter with a crosstalk
    camera                     a camera's curve and clipping, Eilertsen et al. 2017, Eq. 7
    srgb                       a camera that clips without a shoulder, sRGB
    mixed                      mean of two of `PARTS`, with a gain and a contrast of its own
    sigmoid                    generic curve with random toe, shoulder, white point, contrast and
                               encoding (`ToneCurve`)
    clipped                    the same without a shoulder: light above the white point clips

J. Hable, "Uncharted 2: HDR lighting", GDC 2010; E. Reinhard et al., "Photographic tone reproduction
for digital images", SIGGRAPH 2002.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from hdrcnn.colour.bt2446 import PEAK, a_to_sdr, c_to_sdr
from hdrcnn.colour.pq import REC709_TO_REC2020
from hdrcnn.colour.sdr import GAMMA, sdr_codes
from hdrcnn.colour.transfer import camera_curve, srgb_encode

WHITE = 203.0
"""cd/m^2 of diffuse white."""
RANGE = PEAK / WHITE
"""The largest x, light relative to diffuse white."""
REC2020_TO_REC709 = np.linalg.inv(REC709_TO_REC2020)
NAMES = (
    *("reinhard", "hable", "moebius", "bt2446a", "bt2446c", "camera", "srgb"),
    *("mixed", "sigmoid", "clipped"),
)
PARTS = ("reinhard", "moebius", "bt2446a", "bt2446c", "camera")
"""Grades that mixed grades are made of."""
BASES = ("channels", "largest", "luminance")
LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Luminance weights of linear Rec. 709."""
# What makes a random tone curve plausible: the SDR codes of middle grey and of diffuse white.
GREY = 0.18
GREY_CODES = (0.28, 0.66)
WHITE_CODE = 0.6


def hable(x: np.ndarray, peak: float = RANGE) -> np.ndarray:
    """Hable's curve: x relative to reference white, any shape, to [0, 1]; `peak` becomes 1."""

    def bent(v: np.ndarray) -> np.ndarray:
        return (v * (0.15 * v + 0.05) + 0.004) / (v * (0.15 * v + 0.5) + 0.06) - 0.02 / 0.30

    return bent(x) / bent(np.asarray(peak, x.dtype))


def moebius(x: np.ndarray, peak: float = RANGE, linear: float = 0.3) -> np.ndarray:
    """Möbius curve: x relative to reference white to [0, 1]; unchanged below `linear`, `peak`
    becomes 1.
    """
    t = linear
    a = -(t**2) * (peak - 1.0) / (t**2 - 2.0 * t + peak)
    b = (t**2 - 2.0 * t * peak + peak) / (peak - 1.0)
    bent = (b**2 + 2.0 * b * t + t**2) / (b - a) * (x + a) / (x + b)
    return np.where(x < t, x, bent)


def reinhard(x: np.ndarray, peak: float = RANGE) -> np.ndarray:
    """Reinhard's curve: x relative to reference white to [0, 1]; `peak` becomes 1."""
    return x / (x + 1.0) * ((peak + 1.0) / peak)


def inverse_reinhard(y: np.ndarray, peak: float = RANGE) -> np.ndarray:
    """The inverse of `reinhard`: y in [0, 1]."""
    scaled = y * (peak / (peak + 1.0))
    return scaled / (1.0 - scaled)


def on_largest(curve: Callable[[np.ndarray], np.ndarray], light: np.ndarray) -> np.ndarray:
    """Apply a curve to the largest channel of [..., 3], relative to reference white; the other
    channels keep their ratio to it.
    """
    largest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    return np.asarray(light * (curve(largest) / largest), light.dtype)


@dataclasses.dataclass(frozen=True)
class ToneCurve:
    """A tone curve: a sigmoid of log light, then an encoding. x is light relative to reference
    white.
    """

    basis: str = "channels"
    """What the sigmoid is applied to, one of `BASES`: each channel, or the largest channel or the
    luminance, which keeps the ratios of the channels."""
    stops: float = 0.0
    """Exposure, stops."""
    contrast: float = 1.0
    """Exponent of light within the sigmoid."""
    shoulder: float = 1.0
    """x at half the height of the sigmoid, above which light is compressed more and more. Infinite:
    no shoulder, a plain power of light."""
    white: float = RANGE
    """x that becomes SDR white; light above it clips."""
    toe: float = 0.0
    """Linear SDR below which shadows are crushed."""
    gamma: float = GAMMA
    """Exponent of the encoding, code = linear^(1 / gamma)."""
    warp: tuple[float, float] = (0.0, 0.0)
    """Slope amplitudes of a half and of a full sine wave added to the codes, together below 1."""

    def linear(self, x: np.ndarray) -> np.ndarray:
        """x relative to reference white, any shape, to linear SDR in [0, 1]; `white` becomes 1."""

        def bent(v: np.ndarray) -> np.ndarray:
            power = v**self.contrast
            if self.shoulder == np.inf:
                return np.asarray(power)
            return np.asarray(power / (power + self.shoulder**self.contrast))

        exposed = np.clip(x * np.float32(2.0**self.stops), 1e-6, self.white)
        y = bent(exposed) / bent(np.asarray(self.white, np.float32))
        return np.asarray(y * y / (y + self.toe) * (1.0 + self.toe), x.dtype)

    def codes(self, linear: np.ndarray) -> np.ndarray:
        """Linear SDR to codes in [0, 1]; strictly increasing."""
        code = np.clip(linear, 0.0, 1.0) ** np.float32(1.0 / self.gamma)
        half, whole = self.warp
        bent = half / np.pi * np.sin(np.pi * code) + whole / (2.0 * np.pi) * np.sin(
            2.0 * np.pi * code
        )
        return np.asarray(code + bent, np.float32)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Linear Rec. 709 [..., 3], 1.0 = reference white, to codes in [0, 1]."""
        if self.basis == "channels":
            return self.codes(self.linear(x))
        luminance = x @ np.array(LUMINANCE, x.dtype)
        key = luminance if self.basis == "luminance" else x.max(axis=-1)
        key = np.maximum(key, np.float32(1e-6))[..., None]
        return self.codes(x * (self.linear(key) / key))


def draw_tone_curve(rng: np.random.Generator, clipped: bool = False) -> ToneCurve:
    """Draw a plausible tone curve: one that maps `GREY` to a code within `GREY_CODES` and diffuse
    white to at least `WHITE_CODE`; others are redrawn. clipped: without a shoulder.
    """
    while True:
        # Half of the curves are encoded by a plain power, without a warp.
        warp = (0.2, 0.15) if rng.random() < 0.5 else (0.0, 0.0)
        tone = ToneCurve(
            str(rng.choice(BASES)),
            stops=float(rng.normal(0.0, 0.7)),
            contrast=float(np.exp(rng.normal(0.05, 0.15))),
            shoulder=np.inf if clipped else float(np.exp(rng.uniform(np.log(0.3), np.log(6.0)))),
            white=float(np.exp(rng.uniform(np.log(0.6), np.log(2.5 if clipped else RANGE)))),
            toe=float(np.exp(rng.uniform(np.log(0.002), np.log(0.06))) * (rng.random() < 0.6)),
            gamma=float(rng.uniform(1.9, 2.6)),
            warp=(float(np.clip(rng.normal(0.0, warp[0]), -0.5, 0.5)),
                  float(np.clip(rng.normal(0.0, warp[1]), -0.4, 0.4))),
        )  # fmt: skip
        grey, white = tone.codes(tone.linear(np.array([GREY, 1.0], np.float32)))
        if GREY_CODES[0] <= grey <= GREY_CODES[1] and white >= WHITE_CODE:
            return tone


def saturated(codes: np.ndarray, factor: float) -> np.ndarray:
    """Codes [..., 3] with their differences from the luma multiplied by a factor."""
    if factor == 1.0:
        return codes
    luma = (codes @ np.array(LUMINANCE, codes.dtype))[..., None]
    return np.asarray(luma + np.float32(factor) * (codes - luma))


@dataclasses.dataclass(frozen=True)
class Trim:
    """What a colourist changes of a film's grade for one shot. The default changes nothing."""

    stops: float = 0.0
    """Exposure before the grade."""
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Gains on linear R, G, B of BT.2020 before the grade."""
    contrast: float = 1.0
    """Exponent of the codes."""
    saturation: float = 1.0
    """Factor on the difference of the codes from their luma."""

    def light(self, light: np.ndarray) -> np.ndarray:
        """Light [..., 3] as the grade is to take it."""
        if (self.stops, self.white_balance) == (0.0, (1.0, 1.0, 1.0)):
            return light
        return light * (np.float32(2.0**self.stops) * np.array(self.white_balance, np.float32))

    def codes(self, codes: np.ndarray) -> np.ndarray:
        """Graded codes [..., 3] in [0, 1] as they are shown."""
        bent = codes if self.contrast == 1.0 else codes ** np.float32(self.contrast)
        return np.asarray(np.clip(saturated(bent, self.saturation), 0.0, 1.0), np.float32)


@dataclasses.dataclass(frozen=True)
class Grade:
    """Every number that a grade depends on."""

    name: str
    """One of `NAMES`."""
    crosstalk: float = 0.0
    """Crosstalk of bt2446c."""
    n: float = 0.9
    s: float = 0.6
    """n and s are exponent and shoulder of the curve of camera."""
    stops: float = 0.0
    """Exposure of camera and srgb: at 0, diffuse white is at the clipping level."""
    saturation: float = 1.0
    """Factor on the difference of SDR codes from their luma, for all grades."""
    parts: tuple[str, str] = ("reinhard", "camera")
    """The two grades that mixed is the mean of."""
    share: float = 0.5
    """Weight of the first part of mixed."""
    gain: float = 1.0
    """Factor on the codes of mixed, before they clip."""
    contrast: float = 1.0
    """Exponent of the codes of mixed."""
    tone: ToneCurve = ToneCurve()
    """Tone curve of sigmoid and clipped."""
    trim: Trim = Trim()

    def __call__(self, light: np.ndarray) -> np.ndarray:
        """Grade light [..., 3], cd/m^2 of BT.2020, to codes [..., 3] in [0, 1] of Rec. 709."""
        codes = self._codes(self.trim.light(np.asarray(light, np.float32)))
        codes = np.clip(saturated(codes, self.saturation), 0.0, 1.0)
        return self.trim.codes(np.asarray(codes, np.float32))

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
        if self.name in ("sigmoid", "clipped"):
            return self.tone(_to_rec709(x))
        exposed = np.clip(_to_rec709(x) * np.float32(2.0**self.stops), 0.0, 1.0)
        if self.name == "camera":
            return np.asarray(camera_curve(exposed, self.n, self.s))
        if self.name == "srgb":
            return np.asarray(srgb_encode(exposed))
        raise ValueError(f"grade {self.name}: one of {', '.join(NAMES)}")


def _to_rec709(light: np.ndarray) -> np.ndarray:
    return np.asarray(light @ REC2020_TO_REC709.T.astype(light.dtype))


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError unless there are names, and all are in `NAMES`."""
    wrong = [name for name in names if name not in NAMES]
    if wrong or not names:
        found = ", ".join(wrong) or "none"
        raise ValueError(f"grades {found}: give some of {', '.join(NAMES)}")


def draw_grade(names: tuple[str, ...], rng: np.random.Generator) -> Grade:
    """Draw a grade: a random entry of `names`, which may contain repeats, and random parameters."""
    grade = Grade(
        str(names[int(rng.integers(len(names)))]),
        crosstalk=float(rng.uniform(0.0, 0.2)),
        n=float(rng.normal(0.9, 0.1)),
        s=float(max(0.1, rng.normal(0.6, 0.1))),
        stops=float(rng.normal(-0.3, 0.4)),
        saturation=float(np.exp(rng.normal(0.0, 0.06))),
    )
    if grade.name in ("sigmoid", "clipped"):
        tone = draw_tone_curve(rng, grade.name == "clipped")
        wider = grade.saturation * float(np.exp(rng.normal(0.0, 0.1)))
        return dataclasses.replace(grade, tone=tone, saturation=wider)
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


def draw_trim(stops: float, rng: np.random.Generator) -> Trim:
    """Draw a trim whose exposure has a standard deviation of `stops`; that of the other logarithms
    is proportional: 0.2 per stop for contrast and saturation, 0.06 for the gain of each channel,
    which are then divided by that of green. 0: no trim.
    """
    gains = np.exp(rng.normal(0.0, 0.06 * stops, 3))
    return Trim(
        white_balance=(float(gains[0] / gains[1]), 1.0, float(gains[2] / gains[1])),
        stops=float(rng.normal(0.0, stops)),
        contrast=float(np.exp(rng.normal(0.0, 0.2 * stops))),
        saturation=float(np.exp(rng.normal(0.0, 0.2 * stops))),
    )
