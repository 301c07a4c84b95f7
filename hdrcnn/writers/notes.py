"""Store how an image was made, as text within its file: the same line of JSON in every format.

    jpeg         a comment
    png          `iTXt` under the keyword "hdrcnn"
    tiff         the image description
    hdr          a comment line of the header
    jxl, avif    a box of type `uuid`, before the samples

Programs that do not know it ignore it. It is found by its first word, near the beginning of a file,
so that a truncated file still has it; OpenEXR has attributes instead.
"""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from hdrcnn.readers import heif_items

MARK = b"hdrcnn-notes "
REACH = 1 << 18
"""Number of bytes searched at either end of a file: an Exif block and an ICC profile may precede
the line, and it was once written to the end of JPEG XL and AVIF files."""
BOX = uuid.uuid5(uuid.NAMESPACE_URL, "hdrcnn-notes").bytes


def line(notes: Mapping[str, str]) -> bytes:
    """Encode notes as ASCII, without spaces after the mark, ended by a line feed."""
    text = json.dumps(dict(notes), separators=(",", ":")).replace(" ", r"\u0020")
    return MARK + text.encode() + b"\n"


def box(notes: Mapping[str, str]) -> bytes:
    """Encode notes as a box of the ISO base media file format (ISO/IEC 14496-12)."""
    return heif_items.box(b"uuid", BOX + line(notes))


def _ends(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        head = file.read(REACH)
        size = file.seek(0, 2)
        file.seek(max(REACH, size - REACH))
        return [head, file.read()]


def begun(path: Path) -> bool:
    """Whether a file has notes, even truncated ones. Raises OSError."""
    return any(MARK in part for part in _ends(path))


def read(path: Path) -> dict[str, str] | None:
    """Read the notes of a file; None if it has none. Raises OSError."""
    for part in _ends(path):
        _, found, rest = part.partition(MARK)
        if not found:
            continue
        try:
            said = json.loads(rest[: rest.index(b"\n")])
            return {str(name): str(text) for name, text in said.items()}
        except (ValueError, AttributeError, RecursionError):
            continue
    return None
