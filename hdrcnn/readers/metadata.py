"""Read what a file says about its photograph: camera settings and orientation from Exif data; from
XMP data, which part of a sphere an equirectangular panorama covers.

Only what is listed here is ever passed on to results. Locations (GPS), serial numbers, people's
names and maker notes are not.

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

APPLE_NOTE = b"Apple iOS\0"
"""Beginning of the maker note of an iPhone."""
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
    """Convert a value to text or number; None if it is neither, empty, or not finite."""
    if isinstance(value, tuple) and value:
        value = value[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        value = value.split("\0")[0]
        with contextlib.suppress(UnicodeError):  # Pillow decodes UTF-8 as Latin-1.
            value = value.encode("latin-1").decode("utf-8")
        text = "".join(sign for sign in value if sign.isprintable())
        # An unknown date consists of colons and spaces.
        return text.strip()[:200] if text.strip(" :") else None
    if isinstance(value, int):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


_DAMAGED = (SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, OSError, struct.error)
"""What Pillow raises on damaged Exif data, which does not affect the pixels."""


def exif_of(image: Image.Image) -> Image.Exif:
    """Return the Exif data of an opened file; empty if it is damaged.

    The orientation is that of the Exif data alone. Pillow also takes it from XMP, which no other
    decoder does, and which programs that rotate an image leave unchanged.
    """
    tags = getattr(image, "tag_v2", None)
    try:
        if tags is not None:
            found = image.getexif()
            if ORIENTATION not in tags:
                found.pop(ORIENTATION, None)
            return found
        stored = image.info.get("exif")
        if not stored:  # ImageMagick's form in PNG: lines of name, length, digits.
            lines = image.info.get("Raw profile type exif", "").split("\n")
            stored = bytes.fromhex("".join(lines[3:]))
    except _DAMAGED:
        return Image.Exif()
    return parse_exif(stored) if stored else Image.Exif()


def parse_exif(block: bytes) -> Image.Exif:
    """Parse an Exif block as stored in a file; empty if it is damaged."""
    exif = Image.Exif()
    try:
        exif.load(block)
    except _DAMAGED:
        return Image.Exif()
    return exif


def _inner(exif: Image.Exif, place: int) -> dict[int, object]:
    """Return a directory (IFD) inside the Exif data; empty if it is missing or damaged."""
    try:
        return dict(exif.get_ifd(place))
    except _DAMAGED:
        return {}


def camera_data(exif: Image.Exif) -> Camera:
    """Return camera, lens and exposure by Exif name, in seconds, f-number, millimetres, EV."""
    found = {name: _plain(exif.get(tag)) for tag, name in CAMERA.items()}
    inner = _inner(exif, EXIF)
    found |= {name: _plain(inner.get(tag)) for tag, name in EXPOSURE.items()}
    return {name: value for name, value in found.items() if value is not None}


def apple_note(exif: Image.Exif) -> bytes:
    """Return the maker note of an iPhone; empty if there is none, or that of another camera."""
    found = _inner(exif, EXIF).get(0x927C)
    return found if isinstance(found, bytes) and found.startswith(APPLE_NOTE) else b""


def sensible_orientation(value: object) -> int:
    """Return an Exif orientation, 1 to 8; 1 (upright) for any other value."""
    plain = _plain(value)
    return int(plain) if isinstance(plain, int) and 1 <= plain <= 8 else 1


def orientation(exif: Image.Exif) -> int:
    """Return the Exif orientation that is still to be applied; 1 = upright."""
    return sensible_orientation(exif.get(ORIENTATION))


def says_adobe_rgb(exif: Image.Exif) -> bool:
    """Whether a camera marked its file as Adobe RGB: the option file R03 of DCF 2.0."""
    return _plain(_inner(exif, INTEROPERABILITY).get(1)) == "R03"


def xmp_of(info: Mapping[Any, Any]) -> bytes:
    """Return the XMP packet from the `info` of Pillow or pillow-heif; empty if there is none."""
    found = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    return found.encode("utf-8", "replace") if isinstance(found, str) else bytes(found)


_XMP = rb"GPano:%s(?:\s*=\s*[\"']|(?:\s[^<>]*)?>)\s*"
"""An attribute, or an element. Case is ignored because some programs write names in lower case."""
_EQUIRECTANGULAR = re.compile(_XMP % b"ProjectionType" + rb"equirectangular", re.IGNORECASE)


DIRECTIONS = (
    *(f"Pose{axis}Degrees" for axis in ("Heading", "Pitch", "Roll")),
    *(f"InitialView{axis}Degrees" for axis in ("Heading", "Pitch", "Roll")),
    "InitialHorizontalFOVDegrees",
)
"""Orientation and initial view of a panorama: names in GPano."""
_DEGREES = rb"([-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?)\s*[\"'<]"


def _directions(xmp: bytes) -> tuple[tuple[str, float], ...]:
    """Return those of `DIRECTIONS` that a packet states, except values beyond a full turn."""
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
    """The part of a sphere that a panorama covers, row by row; its columns go all the way round."""

    first: float = 0.0
    """Where it begins: 0 = zenith, 1 = nadir."""
    share: float = 1.0
    """Share of the way from zenith to nadir that it covers."""
    directions: tuple[tuple[str, float], ...] = ()
    """Its orientation and initial view: some of `DIRECTIONS`, in degrees."""

    @property
    def whole(self) -> bool:
        """Whether it covers the whole sphere, apart from rounding."""
        return self.share > 0.995

    @classmethod
    def around_horizon(cls, rows: int, columns: int) -> "Band":
        """Return the band of an image whose left and right side meet, if nothing else is stated.

        Assumes square pixels, and the horizon in the middle.
        """
        share = min(1.0, 2.0 * rows / columns)
        return cls((1.0 - share) / 2.0, share)

    def fitted(self, rows: int, columns: int, height: int, width: int) -> "Band | None":
        """Return the band of an image after it is fitted into another size
        (`geometry.crop_and_resize`).

        None if columns are cropped, so that its sides no longer meet.
        """
        kept = centred(rows, columns, height, width)
        lost = columns - (kept.right - kept.left)
        if lost * width >= columns:  # One pixel of the result, or more.
            return None
        return self.part(kept.top / rows, (kept.bottom - kept.top) / rows)

    def part(self, first: float, share: float) -> "Band":
        """Return the part from `first` on that covers `share`, both relative to its height."""
        return Band(self.first + first * self.share, self.share * share, self.directions)

    def xmp(self, rows: int, columns: int) -> dict[str, str]:
        """Return the GPano attributes for an image of the band with this size."""
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
    """Return the band of an image with this XMP packet; None if its sides do not meet."""
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
