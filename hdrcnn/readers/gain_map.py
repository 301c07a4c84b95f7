"""Compute the HDR rendition of photographs that contain a gain map.

Such a file contains an image (the base rendition) and a map, often smaller, that says for each
sample how much brighter, or darker, it is in another rendition (the alternate one). Usually the
base is SDR and the alternate HDR; in the inverse order the base is HDR.

    ISO 21496-1, `hdrgm`    A = (B + k_B) 2^(w G) - k_A,    G = low + (high - low) m^(1 / gamma)
    Apple                   A = B (1 + (headroom - 1) f(m)), with f the decoding of sRGB

B, A: linear, 1.0 = the white of an SDR display; m: the map in [0, 1]; w: 1, or -1 if the base is
the HDR rendition, 0 if the headrooms of both are equal. Sources: ISO 21496-1:2025 (clauses 5 and 6,
annex C); Google, "Ultra HDR image format" 1.1; Adobe, "Gain map" 1.0; Apple, "Applying Apple HDR
effect to your photos".
"""

import dataclasses
import math
import re
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from hdrcnn.colour import REFERENCE_WHITE
from hdrcnn.colour.measured import Measured
from hdrcnn.colour.pq import pq_decode
from hdrcnn.colour.primaries import REC2020, Chromaticities, luminance_weights, to_rec709
from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.readers.decoded import Decoded
from hdrcnn.readers.metadata import APPLE_NOTE
from hdrcnn.tiles.geometry import resize, strips

CHOICES = ("use", "ignore", "only")
MOST_STOPS = 40.0
"""Larger gains and headrooms are treated as damage."""
NEAR_MAXIMUM = 0.985
"""Value of a map, four 8-bit codes below the largest, from which a sample begins to count as
clipped there too, much as in an image without compression losses."""
HALF_MAX = 65504.0
ISO_HEAD = 5
"""Bytes before the numbers: two versions and the flags."""
_MULTICHANNEL, _BASE_PRIMARIES, _COMMON_DENOMINATOR, _BACKWARD = 0x80, 0x40, 0x08, 0x04
"""Flag bits; the last two are from drafts that libultrahdr reads too."""

Three = tuple[float, float, float]


def _vector(numbers: Three) -> np.ndarray:
    return np.asarray(numbers, np.float32)


class GainMapError(Exception):
    """Why a gain map is not used; completes "its gain map is not used: "."""


@dataclasses.dataclass(frozen=True)
class GainMap:
    """The metadata of ISO 21496-1 and of `hdrgm`; per-channel numbers are in the order R, G, B.

    Raises GainMapError for numbers that no gain map has.
    """

    low: Three
    high: Three
    """log2 of the gains where the map is 0 (`low`) and 1 (`high`)."""
    gamma: Three
    base_offset: Three
    alternate_offset: Three
    base_headroom: float
    alternate_headroom: float
    """Headroom of base and alternate rendition, in stops above the white of an SDR display."""
    in_base_primaries: bool = True
    """Whether the formula applies in the primaries of the base; else in those of the alternate."""

    def __post_init__(self) -> None:
        stops = (*self.low, *self.high, self.base_headroom, self.alternate_headroom)
        numbers = (*stops, *self.gamma, *self.base_offset, *self.alternate_offset)
        if not all(math.isfinite(number) for number in numbers):
            raise GainMapError("its metadata hold numbers that are not finite")
        if max(map(abs, stops)) > MOST_STOPS or not all(0.01 <= g <= 100.0 for g in self.gamma):
            raise GainMapError("its metadata hold numbers out of range")
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise GainMapError("its smallest gain is above its largest")

    @property
    def is_inverse(self) -> bool:
        """Whether the base is the HDR rendition."""
        return self.base_headroom > self.alternate_headroom

    def gains(self, share: np.ndarray) -> np.ndarray:
        """Return log2 of the gains from SDR to HDR. share: [..., 3], the map in [0, 1]."""
        if self.base_headroom == self.alternate_headroom:
            return np.zeros_like(share)
        low, high, gamma = _vector(self.low), _vector(self.high), _vector(self.gamma)
        return low + (high - low) * np.power(share, 1.0 / gamma)

    def alternate(self, base: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Return the alternate rendition of a base, both linear, [..., 3] float32."""
        weight = -1.0 if self.is_inverse else 1.0
        factor = np.exp2(np.float32(weight) * self.gains(share))
        return (base + _vector(self.base_offset)) * factor - _vector(self.alternate_offset)

    def clipped(self, share: np.ndarray, light: np.ndarray) -> np.ndarray:
        """Return how close the HDR rendition is to its largest possible value: [..., 3] in [0, 1].

        With an SDR base, that is the value which the end of the map gives the base's largest code;
        with an HDR base it is the headroom. share: the map; light: the HDR rendition.
        """
        if self.is_inverse:
            share = light * np.float32(2.0**-self.base_headroom)
        else:
            flat = np.equal(self.low, self.high) | (self.base_headroom == self.alternate_headroom)
            share = np.where(flat, np.float32(1.0), share)
        return np.clip((share - NEAR_MAXIMUM) / (1.0 - NEAR_MAXIMUM), 0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class AppleGainMap:
    """A gain map of iPhones, without ISO 21496-1."""

    stops: float
    """Headroom in stops; negative values count as 0."""
    in_base_primaries: bool = True
    is_inverse: bool = False

    def alternate(self, base: np.ndarray, share: np.ndarray) -> np.ndarray:
        """As `GainMap.alternate`."""
        headroom = np.float32(2.0 ** max(self.stops, 0.0))
        return base * (1.0 + (headroom - 1.0) * np.asarray(srgb_decode(share), np.float32))

    def clipped(self, share: np.ndarray, light: np.ndarray) -> np.ndarray:
        """As `GainMap.clipped`."""
        del light
        share = np.ones_like(share) if self.stops <= 0.0 else share
        return np.clip((share - NEAR_MAXIMUM) / (1.0 - NEAR_MAXIMUM), 0.0, 1.0)


def _ratios(numbers: tuple[int, ...], common: int | None) -> list[float]:
    """Divide numerators by `common`, or else by the denominators between them.

    Raises GainMapError if a denominator is 0.
    """
    pairs = (
        [(number, common) for number in numbers]
        if common is not None
        else list(zip(numbers[0::2], numbers[1::2], strict=True))
    )
    if any(below == 0 for _, below in pairs):
        raise GainMapError("its metadata hold a division by 0")
    return [above / below for above, below in pairs]


def _three(values: Sequence[float]) -> Three:
    one = tuple(values) * 3 if len(values) == 1 else tuple(values)
    return float(one[0]), float(one[1]), float(one[2])


def of_iso(data: bytes) -> GainMap:
    """Read gain map metadata as ISO 21496-1 stores it (annex C.2). Raises GainMapError."""
    if len(data) < ISO_HEAD:
        raise GainMapError("its metadata are missing")
    (least,) = struct.unpack_from(">H", data)
    if least != 0:
        raise GainMapError(f"its metadata need a reader of version {least} of ISO 21496-1")
    flags = data[4]
    channels = 3 if flags & _MULTICHANNEL else 1
    try:
        if flags & _COMMON_DENOMINATOR:
            (common,) = struct.unpack_from(">I", data, ISO_HEAD)
            read = struct.unpack_from(">2I" + "iiIii" * channels, data, ISO_HEAD + 4)
            numbers = _ratios(read, common)
        else:
            kinds = ">4I" + "iIiI2IiIiI" * channels
            numbers = _ratios(struct.unpack_from(kinds, data, ISO_HEAD), None)
    except struct.error as error:
        raise GainMapError("its metadata are cut short") from error
    base, alternate = numbers[:2]
    if flags & _BACKWARD and base < alternate:
        base, alternate = alternate, base
    low, high, gamma, base_offset, alternate_offset = (
        _three(numbers[2 + n :: 5]) for n in range(5)
    )
    return GainMap(
        low, high, gamma, base_offset, alternate_offset, base, alternate,
        bool(flags & _BASE_PRIMARIES),
    )  # fmt: skip


_VALUE = rb"hdrgm:%s(?:\s*=\s*[\"']([^\"'<>]*)[\"']|\s*>(.*?)</hdrgm:)"


def _value(xmp: bytes, name: str) -> str | None:
    """Return the text of an attribute, or the contents of an element; None if there is neither."""
    found = re.search(_VALUE % name.encode(), xmp, re.DOTALL)
    if found is None:
        return None
    return (found[1] if found[1] is not None else found[2]).decode("utf-8", "replace").strip()


def _numbers(xmp: bytes, name: str, default: float | None) -> list[float]:
    """Return the one number of a property, or those of three channels. Raises GainMapError."""
    text = _value(xmp, name)
    if text is None:
        if default is None:
            raise GainMapError(f"its metadata lack {name}")
        return [default]
    items = re.findall(r"<rdf:li[^>]*>([^<]*)</rdf:li>", text) or [text]
    try:
        numbers = [float(item) for item in items]
    except ValueError as error:
        raise GainMapError(f"its metadata hold a {name} that is no number") from error
    if len(numbers) not in (1, 3):
        raise GainMapError(f"its metadata hold {len(numbers)} of {name}")
    return numbers


def has_hdrgm(xmp: bytes) -> bool:
    """Whether an XMP packet contains gain map metadata."""
    return b"hdrgm:GainMapM" in xmp or b"hdrgm:HDRCapacity" in xmp


def of_hdrgm(xmp: bytes) -> GainMap:
    """Read the metadata in a map's XMP packet; logarithms are to base 2. Raises GainMapError."""

    def three(name: str, default: float | None) -> Three:
        return _three(_numbers(xmp, name, default))

    sdr, hdr = three("OffsetSDR", 1.0 / 64.0), three("OffsetHDR", 1.0 / 64.0)
    (least,), (most,) = (
        _numbers(xmp, name, default)[:1]
        for name, default in (("HDRCapacityMin", 0.0), ("HDRCapacityMax", None))
    )
    inverse = (_value(xmp, "BaseRenditionIsHDR") or "False").lower() == "true"
    return GainMap(
        low=three("GainMapMin", 0.0),
        high=three("GainMapMax", None),
        gamma=three("Gamma", 1.0),
        base_offset=hdr if inverse else sdr,
        alternate_offset=sdr if inverse else hdr,
        base_headroom=most if inverse else least,
        alternate_headroom=least if inverse else most,
    )


APPLE = b"urn:com:apple:photo:2020:aux:hdrgainmap"
"""Identifies Apple's gain maps, in HEIC and JPEG files."""
_APPLE_HEADROOM, _APPLE_GAIN = 33, 48


def _apple_note(note: bytes) -> dict[int, float]:
    """Return the fractions in Apple's maker note, by tag; offsets count from its first byte."""
    found: dict[int, float] = {}
    if not note.startswith(APPLE_NOTE) or len(note) < 16:
        return found
    order = ">" if note[12:14] == b"MM" else "<"
    (count,) = struct.unpack_from(f"{order}H", note, 14)
    for number in range(count):
        at = 16 + 12 * number
        if at + 12 > len(note):
            break
        tag, kind, _, place = struct.unpack_from(f"{order}HHII", note, at)
        if kind == 10 and place + 8 <= len(note):  # A signed fraction.
            above, below = struct.unpack_from(f"{order}ii", note, place)
            if below:
                found[tag] = float(Fraction(above, below))
    return found


def of_apple(note: bytes) -> AppleGainMap:
    """Read the headroom from an iPhone's maker note (Exif tag 0x927C). Raises GainMapError."""
    numbers = _apple_note(note)
    if _APPLE_HEADROOM not in numbers or _APPLE_GAIN not in numbers:
        raise GainMapError("its headroom is missing in Apple's maker note")
    m, n = numbers[_APPLE_HEADROOM], numbers[_APPLE_GAIN]
    if m < 1.0:
        stops = -20.0 * n + 1.8 if n <= 0.01 else -0.101 * n + 1.601
    else:
        stops = -70.0 * n + 3.0 if n <= 0.01 else -0.303 * n + 2.303
    if stops > MOST_STOPS:
        raise GainMapError("its headroom in Apple's maker note is out of range")
    return AppleGainMap(stops)


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """A gain map as it is in a file."""

    numbers: GainMap | AppleGainMap
    picture: Decoded
    """The map itself, as stored; its `orientation` is the one that turns it with its base."""
    alternate_primaries: Chromaticities | None = None
    """Primaries of the alternate rendition, if the file specifies them."""


Curve = Callable[[np.ndarray], np.ndarray]
"""Function from codes in [0, 1] to linear light, [..., 3] both; 1.0 = white of an SDR display."""


def check_size(shape: tuple[int, ...], base: tuple[int, ...]) -> None:
    """Check that a map is the whole of its base, reduced, apart from rounding to even numbers.

    shape, base: rows and columns of map and base, both upright. Raises GainMapError.
    """
    rows, columns = shape[:2]
    across, down = columns / base[1], rows / base[0]
    if abs(columns - down * base[1]) > 2.0 + down and abs(rows - across * base[0]) > 2.0 + across:
        raise GainMapError(
            f"its size {columns}x{rows} does not fit a picture of {base[1]}x{base[0]}"
        )
    if rows * columns > 4 * base[0] * base[1]:
        raise GainMapError(f"its size {columns}x{rows} is more than twice that of the picture")


def _enlarged(gain: np.ndarray, rows: slice, size: tuple[int, int]) -> np.ndarray:
    """Resize a map [h, w, C] float32 to `size`, bilinear, and return [rows, W, 3] of it."""
    height, width = gain.shape[:2]
    box = (0.0, rows.start * height / size[0], float(width), rows.stop * height / size[0])
    enlarged = resize(gain, rows.stop - rows.start, size[1], box=box)
    return enlarged.repeat(3 // enlarged.shape[-1], axis=-1)


def _between(here: Chromaticities, there: Chromaticities) -> np.ndarray:
    """Return the [3, 3] float32 matrix M of `rgb @ M` between linear RGB spaces, white to white."""
    one, other = (
        np.eye(3) if matrix is None else matrix for matrix in map(to_rec709, (here, there))
    )
    return np.asarray((np.linalg.inv(other) @ one).T, np.float32)


def reconstructed(
    codes: np.ndarray, gain: np.ndarray, found: Found, curve: Curve, primaries: Chromaticities
) -> tuple[Measured, np.ndarray]:
    """Return the HDR rendition, and the codes of the SDR rendition.

    codes: [H, W, 3] float32 in [0, 1], the base, upright; gain: [h, w, 1 or 3] float32 in [0, 1],
    the map, upright; curve, primaries: of the base. The light is in the primaries of the base. The
    returned codes are `codes` itself or, for an HDR base, the sRGB codes of the alternate
    rendition, float32. Raises GainMapError.
    """
    check_size(gain.shape, codes.shape)
    numbers = found.numbers
    ways: list[np.ndarray] | None = None
    if not numbers.in_base_primaries:
        other = found.alternate_primaries or primaries
        if other != primaries:
            ways = [_between(primaries, other), _between(other, primaries)]
    light = np.empty(codes.shape, np.float16)
    clipped = np.empty(codes.shape, np.uint8)
    sdr = np.empty(codes.shape, np.float32) if numbers.is_inverse else codes
    for rows in strips(len(codes)):
        share = _enlarged(gain, rows, codes.shape[:2])
        base = np.asarray(curve(codes[rows]), np.float32)
        moved = base if ways is None else base @ ways[0]
        alternate = numbers.alternate(moved, share)
        alternate = alternate if ways is None else alternate @ ways[1]
        hdr = base if numbers.is_inverse else alternate
        if numbers.is_inverse:
            sdr[rows] = srgb_encode(np.clip(alternate, 0.0, 1.0))
        light[rows] = np.clip(hdr, -HALF_MAX, HALF_MAX)
        clipped[rows] = np.round(255.0 * numbers.clipped(share, hdr))
    return Measured(light, clipped), sdr


def pq_curve(codes: np.ndarray) -> np.ndarray:
    """`Curve` of PQ: BT.2100, with the reference white of BT.2408, 203 cd/m^2, as 1.0."""
    return np.asarray(pq_decode(codes) / REFERENCE_WHITE, np.float32)


def hlg_curve(codes: np.ndarray) -> np.ndarray:
    """`Curve` of HLG: BT.2100 on a display of 1000 cd/m^2, 203 cd/m^2 as 1.0."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    above = (np.exp((np.maximum(codes, 0.5) - c) / a) + b) / 12.0
    scene = np.where(codes <= 0.5, np.square(codes) / 3.0, above)
    luminance = scene @ luminance_weights(REC2020)
    system = 1000.0 / REFERENCE_WHITE * np.power(np.maximum(luminance, 0.0), 0.2)
    return np.asarray(scene * system[..., None], np.float32)


HDR_CURVES: dict[str, Curve] = {"PQ": pq_curve, "HLG": hlg_curve}
"""Curves by their name in `cicp.HDR_CURVES`."""


def profile_curve(profile: bytes, bits: int) -> Curve:
    """Return the `Curve` of a matrix-based ICC profile; for any other profile that of sRGB.

    bits: per sample of the codes.
    """
    import imagecodecs

    count = 2 ** min(bits, 12)
    ramps = np.zeros((3, count, 3), np.float32)
    for channel in range(3):
        ramps[channel, :, channel] = np.linspace(0.0, 1.0, count)
    try:
        if profile[16:20] != b"RGB ":
            return srgb_decode
        xyz = imagecodecs.cms_transform(
            ramps,
            profile,
            imagecodecs.cms_profile("xyz"),
            colorspace="rgb",
            outcolorspace="xyz",
            outdtype=np.float32,
            intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
            flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,
        )
    except (RuntimeError, ValueError):
        return srgb_decode
    tables = xyz[..., 1] / np.where(xyz[:, -1:, 1] > 0, xyz[:, -1:, 1], np.nan)
    if not np.isfinite(tables).all():
        return srgb_decode
    at = np.linspace(0.0, 1.0, count)

    def curve(codes: np.ndarray) -> np.ndarray:
        planes = [np.interp(codes[..., c], at, tables[c]) for c in range(3)]
        return np.stack(planes, axis=-1).astype(np.float32)

    return curve
