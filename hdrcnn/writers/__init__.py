"""HDR pictures written to files of many kinds, each by the letter of its standard.

    name       ending       for                          light            colours
    exr        .exr         compositing                  half or float    Rec. 709, tagged
    hdr        .hdr         3D programs                  8 + 8 bits       Rec. 709, tagged
    jxl        .jxl         archives                     half or float    Rec. 709, tagged
    ultrahdr   _hdr.jpg     phones, browsers             8 bits + 8 bits  the photograph's
    avif       _hdr.avif    browsers, phones             10 bits, PQ      BT.2020
    png        _hdr.png     browsers, players            16 bits, PQ      BT.2020

The first three hold the light of the scene; the others are looked at (`look`). What a format
cannot hold stands in the docstring of its file. Linear 1.0 is `Options.nits` cd/m^2.
"""

import dataclasses
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from hdrcnn.files import ImageError
from hdrcnn.writers import avif, exr, jxl, png as png_pq, radiance, ultrahdr
from hdrcnn.writers.picture import Options, Picture

__all__ = ["WRITERS", "Options", "Picture", "Writer", "chosen"]


@dataclasses.dataclass(frozen=True)
class Writer:
    """How a kind of file is written."""

    ending: str
    """Put behind the stem of the photograph; never that of a photograph itself."""
    write: Callable[[Path, Picture, Options], None]
    """Writes the whole file or none. Raises ImageError."""
    package: str | None = None
    """Needed beside what is always installed; None: nothing."""
    hint: str = ""
    """How to install it."""


WRITERS: dict[str, Writer] = {
    "exr": Writer(exr.ENDING, exr.write),
    "hdr": Writer(radiance.ENDING, radiance.write),
    "ultrahdr": Writer(ultrahdr.ENDING, ultrahdr.write),
    "avif": Writer(avif.ENDING, avif.write, avif.PACKAGE, avif.HINT),
    "png": Writer(png_pq.ENDING, png_pq.write),
    "jxl": Writer(jxl.ENDING, jxl.write, jxl.PACKAGE, jxl.HINT),
}


def chosen(names: Sequence[str]) -> dict[str, Writer]:
    """The writers of those names, each once, in their order.

    Raises ImageError, one line, for a name that is none and a package that is missing: before
    the first picture is converted.
    """
    found = {}
    for name in names:
        writer = WRITERS.get(name)
        if writer is None:
            raise ImageError(f"--format={name}: not written; known: {', '.join(WRITERS)}")
        if writer.package is not None and find_spec(writer.package) is None:
            raise ImageError(f"--format={name} needs one package more; {writer.hint}")
        found[name] = writer
    return found
