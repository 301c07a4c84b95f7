"""What a camera wrote, as attributes of an OpenEXR file.

OpenEXR's own names where it has them (its "Standard optional attributes"), the Exif name after
`exif:` where it has not. Only what `readers.exif` takes over comes here: never a place.
"""

import re
from collections.abc import Mapping

Value = str | int | float

TEXTS = {
    "Make": "cameraMake",
    "Model": "cameraModel",
    "LensMake": "lensMake",
    "LensModel": "lensModel",
    "DateTimeOriginal": "capDate",
}
NUMBERS = {
    "ExposureTime": "expTime",
    "FNumber": "aperture",
    "ISO": "isoSpeed",
    "FocalLength": "nominalFocalLength",
}
"""Seconds, f-number, ISO, millimetres in both."""
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_INT = range(-(2**31), 2**31)


def utc_offset(text: str) -> float | None:
    """Seconds to be added to local time to give UTC, from Exif's `+02:00`."""
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    seconds = 3600.0 * int(found[2]) + 60.0 * int(found[3])
    return -seconds if found[1] == "+" else seconds


def camera_attributes(camera: Mapping[str, Value]) -> dict[str, Value]:
    """Exif names and values (`Photograph.camera`) to attributes of OpenEXR and their values."""
    attributes: dict[str, Value] = {}
    for name, value in camera.items():
        offset = utc_offset(str(value)) if name == "OffsetTimeOriginal" else None
        if offset is not None:
            attributes["utcOffset"] = offset
        elif name in TEXTS:
            attributes[TEXTS[name]] = str(value)
        elif name in NUMBERS and not isinstance(value, str):
            attributes[NUMBERS[name]] = float(value)
        elif isinstance(value, int) and value not in _INT:
            attributes[f"exif:{name}"] = float(value)
        else:
            attributes[f"exif:{name}"] = value
    return attributes
