"""What a file tells of its photograph beside the picture: by Exif data the camera's settings and
the way up, by XMP data which part of a sphere an equirectangular panorama shows.

Only what is listed here is ever taken over. Places (GPS), serial numbers, names of people and
maker notes are not.

Sources: CIPA DC-008 (Exif 3.0); Google, "Photo Sphere XMP Metadata" (GPano).
"""

import contextlib
import dataclasses
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image

from hdrcnn.tiles.geometry import centred

ORIENTATION, EXIF, INTEROPERABILITY = 0x0112, 0x8769, 0xA005
CAMERA = {0x010F: "Make", 0x0110: "Model"}
EXPOSURE = {
    0x829A: "ExposureTime",
    0x829D: "FNumber",
    0x8822: "ExposureProgram",
    0x8827: "ISO",
    0x9003: "DateTimeOriginal",
    0x9011: "OffsetTimeOriginal",
    0x9204: "ExposureBiasValue",
    0x9207: "MeteringMode",
    0x9209: "Flash",
    0x920A: "FocalLength",
    0xA403: "WhiteBalance",
    0xA405: "FocalLengthIn35mmFilm",
    0xA433: "LensMake",
    0xA434: "LensModel",
}
Camera = dict[str, str | int | float]


def _plain(value: object) -> str | int | float | None:
    """A value as text or number; None for what is neither, empty, or not finite."""
    if isinstance(value, tuple) and value:
        value = value[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        value = value.split("\0")[0]
        with contextlib.suppress(UnicodeError):  # Pillow takes UTF-8 for Latin-1.
            value = value.encode("latin-1").decode("utf-8")
        text = "".join(sign for sign in value if sign.isprintable())
        # A date that is not known consists of colons and blanks.
        return text.strip()[:200] if text.strip(" :") else None
    if isinstance(value, int):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


_DAMAGED = (SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, OSError, struct.error)
"""What Pillow raises on damaged Exif data; they harm no pixel."""


def exif_of(image: Image.Image) -> Image.Exif:
    """The Exif data of an opened file; empty if they are damaged.

    The orientation is that of the Exif data alone: Pillow takes it from XMP too, which no other
    decoder does, and which programs that turn a picture leave as it was.
    """
    tags = getattr(image, "tag_v2", None)
    try:
        if tags is not None:
            found = image.getexif()
            if ORIENTATION not in tags:
                found.pop(ORIENTATION, None)
            return found
        stored = image.info.get("exif")
        if not stored:  # As ImageMagick writes it into PNG: name, length and digits in lines.
            lines = image.info.get("Raw profile type exif", "").split("\n")
            stored = bytes.fromhex("".join(lines[3:]))
    except _DAMAGED:
        return Image.Exif()
    return parse_exif(stored) if stored else Image.Exif()


def parse_exif(block: bytes) -> Image.Exif:
    """An Exif block as it stands in a file; empty if it is damaged."""
    exif = Image.Exif()
    try:
        exif.load(block)
    except _DAMAGED:
        return Image.Exif()
    return exif


def _inner(exif: Image.Exif, place: int) -> dict[int, object]:
    """A folder inside the Exif data; empty if it is missing or damaged."""
    try:
        return dict(exif.get_ifd(place))
    except _DAMAGED:
        return {}


def camera_data(exif: Image.Exif) -> Camera:
    """Camera, lens and exposure by their Exif names: seconds, f-number, millimetres, EV."""
    found = {name: _plain(exif.get(tag)) for tag, name in CAMERA.items()}
    inner = _inner(exif, EXIF)
    found |= {name: _plain(inner.get(tag)) for tag, name in EXPOSURE.items()}
    return {name: value for name, value in found.items() if value is not None}


def apple_note(exif: Image.Exif) -> bytes:
    """The maker note of an iPhone; empty if there is none, or another's."""
    found = _inner(exif, EXIF).get(0x927C)
    return found if isinstance(found, bytes) and found.startswith(b"Apple iOS\0") else b""


def sensible_orientation(value: object) -> int:
    """1 to 8, 1 = upright; 1 if it is anything else."""
    plain = _plain(value)
    return int(plain) if isinstance(plain, int) and 1 <= plain <= 8 else 1


def orientation(exif: Image.Exif) -> int:
    """What remains to be turned, 1 = nothing."""
    return sensible_orientation(exif.get(ORIENTATION))


def says_adobe_rgb(exif: Image.Exif) -> bool:
    """Whether a camera marked its file as Adobe RGB: the option file R03 of DCF 2.0."""
    return _plain(_inner(exif, INTEROPERABILITY).get(1)) == "R03"


def xmp_of(info: Mapping[Any, Any]) -> bytes:
    """The XMP packet in what Pillow and others say of a file; empty if there is none."""
    found = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    return found.encode("utf-8", "replace") if isinstance(found, str) else bytes(found)


_XMP = rb"GPano:%s(?:\s*=\s*[\"']|(?:\s[^<>]*)?>)\s*"
"""An attribute, or an element. Some programs write names in lower case, so case is ignored."""
_EQUIRECTANGULAR = re.compile(_XMP % b"ProjectionType" + rb"equirectangular", re.IGNORECASE)


DIRECTIONS = (
    *(f"Pose{axis}Degrees" for axis in ("Heading", "Pitch", "Roll")),
    *(f"InitialView{axis}Degrees" for axis in ("Heading", "Pitch", "Roll")),
    "InitialHorizontalFOVDegrees",
)
"""Where a panorama looks: names of GPano."""
_DEGREES = rb"([-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?)\s*[\"'<]"


def _directions(xmp: bytes) -> tuple[tuple[str, float], ...]:
    """Those of `DIRECTIONS` that a packet names, of a full turn at most."""
    found = []
    for name in DIRECTIONS:
        said = re.search(_XMP % name.encode() + _DEGREES, xmp, re.IGNORECASE)
        if said and abs(float(said[1])) <= 360.0:
            found.append((name, float(said[1])))
    return tuple(found)


def _number(xmp: bytes, name: bytes) -> int | None:
    found = re.search(_XMP % name + rb"(\d{1,9})", xmp, re.IGNORECASE)
    return int(found[1]) if found else None


@dataclasses.dataclass(frozen=True)
class Band:
    """The rows of a picture on the way from zenith to nadir; its columns go all the way round."""

    first: float = 0.0
    """Where it begins, 0 = zenith, 1 = nadir."""
    share: float = 1.0
    """How much of the way it holds."""
    directions: tuple[tuple[str, float], ...] = ()
    """Which way it looks: some of `DIRECTIONS`, degrees."""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, but for rounding."""
        return self.share > 0.995

    @classmethod
    def around_horizon(cls, rows: int, columns: int) -> "Band":
        """What a picture that closes left and right shows if nothing else is stated: its pixels
        are square, and the horizon lies in the middle.
        """
        share = min(1.0, 2.0 * rows / columns)
        return cls((1.0 - share) / 2.0, share)

    def fitted(self, rows: int, columns: int, height: int, width: int) -> "Band | None":
        """Of a picture of it that is fitted into another size (`geometry.fit`); None if columns
        are lost, so that its sides no longer meet.
        """
        kept = centred(rows, columns, height, width)
        lost = columns - (kept.right - kept.left)
        if lost * width >= columns:  # A pixel of the result, or more.
            return None
        return self.part(kept.top / rows, (kept.bottom - kept.top) / rows)

    def part(self, first: float, share: float) -> "Band":
        """Of it the rows from one share of its height on, so much of it."""
        return Band(self.first + first * self.share, self.share * share, self.directions)

    def xmp(self, rows: int, columns: int) -> dict[str, str]:
        """By attribute, for a picture of it of this size."""
        full = max(rows, round(rows / self.share))
        return {
            "GPano:ProjectionType": "equirectangular",
            "GPano:UsePanoramaViewer": "True",
            "GPano:FullPanoWidthPixels": str(columns),
            "GPano:FullPanoHeightPixels": str(full),
            "GPano:CroppedAreaImageWidthPixels": str(columns),
            "GPano:CroppedAreaImageHeightPixels": str(rows),
            "GPano:CroppedAreaLeftPixels": "0",
            "GPano:CroppedAreaTopPixels": str(min(full - rows, round(self.first * full))),
            **{f"GPano:{name}": f"{degrees:.6f}" for name, degrees in self.directions},
        }


def band(xmp: bytes, rows: int, columns: int) -> Band | None:
    """Of a picture with this XMP packet; None if it is no panorama that closes."""
    if not _EQUIRECTANGULAR.search(xmp):
        return None
    shown, full = (
        _number(xmp, name) for name in (b"CroppedAreaImageWidthPixels", b"FullPanoWidthPixels")
    )
    if shown is not None and full is not None and shown < full:
        return None
    names = (b"CroppedAreaTopPixels", b"CroppedAreaImageHeightPixels", b"FullPanoHeightPixels")
    top, height, full = (_number(xmp, name) for name in names)
    if not height or not full:
        return dataclasses.replace(Band.around_horizon(rows, columns), directions=_directions(xmp))
    share = min(1.0, height / full)
    return Band(min((top or 0) / full, 1.0 - share), share, _directions(xmp))
