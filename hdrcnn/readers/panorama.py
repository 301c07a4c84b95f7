"""Panoramas: which part of a sphere an equirectangular picture shows that closes left and right.

Source: Google, "Photo Sphere XMP Metadata" (GPano).
"""

import dataclasses
import re

from hdrcnn.tiles.geometry import centred

_XMP = rb"GPano:%s(?:\s*=\s*[\"']|(?:\s[^<>]*)?>)\s*"
"""An attribute, or an element. Some programs write names in lower case, so case is ignored."""
_EQUIRECTANGULAR = re.compile(_XMP % b"ProjectionType" + rb"equirectangular", re.IGNORECASE)


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
        return Band(self.first + first * self.share, self.share * share)

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
        return Band.around_horizon(rows, columns)
    share = min(1.0, height / full)
    return Band(min((top or 0) / full, 1.0 - share), share)
