"""Write HDR images in many formats, each strictly by its standard.

    name       ending       for                          light            colours
    exr        .exr         compositing                  half or float    Rec. 709, tagged
    hdr        .hdr         3D programs                  8 + 8 bits       Rec. 709, tagged
    jxl        .jxl         archives                     half or float    Rec. 709, tagged
    ultrahdr   _hdr.jpg     phones, browsers             8 bits + 8 bits  the photograph's
    avif       _hdr.avif    browsers, phones             10 bits, PQ      BT.2020
    png        _hdr.png     browsers, players            16 bits, PQ      BT.2020

    tiff       _fused.tif   darkrooms, printing          none: 16 bits    the photographs'
    sdr_png    _fused.png   screens                      none: 16 bits    the photographs'
    jpeg       _fused.jpg   screens, the web             none: 8 bits     the photographs'

The first three store the light of the scene; `ultrahdr`, `avif` and `png` are for viewing
(`picture.shown`). The last three are display-referred: they store `Picture.codes`, of fused
brackets, and are listed in `DISPLAY_WRITERS`; for a single photograph they would be copies. The
docstring of each module says what its format cannot store. Linear 1.0 is `Options.nits` cd/m^2.
"""

import dataclasses
import importlib
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hdrcnn.colour import REFERENCE_WHITE
from hdrcnn.files import ImageError
from hdrcnn.writers import notes

if TYPE_CHECKING:
    from hdrcnn.writers.picture import Picture

__all__ = [
    "ALL_WRITERS",
    "DISPLAY_WRITERS",
    "WRITERS",
    "Options",
    "Picture",
    "Writer",
    "of_path",
    "select_writers",
]


def __getattr__(name: str) -> type["Picture"]:
    """Import `Picture` only when it is used: a command that lists the formats needs no NumPy."""
    if name != "Picture":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hdrcnn.writers.picture import Picture

    return Picture


COMPRESSIONS = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")
LOOKS = ("photograph", "light")


def _option(
    default: Any,
    about: str,
    choices: tuple[str, ...] = (),
    valid: Callable[[Any], bool] | None = None,
    limits: str = "",
) -> Any:
    """Return a field with its help text and valid values. limits: `valid` in words."""
    metadata = {"about": about, "choices": choices, "valid": valid, "limits": limits}
    return dataclasses.field(default=default, metadata=metadata)


def _percent(value: int) -> bool:
    return 1 <= value <= 100


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings of the output files, each also a flag of the command. Raises ValueError."""

    nits: float = _option(
        REFERENCE_WHITE,
        "luminance of 1.0, the clipping level, in cd/m^2, for exr, hdr, avif and png",
        valid=lambda value: 0.0 < value <= 10000.0,
        limits="cd/m^2 above 0, at most 10000",
    )
    look: str = _option(
        "photograph",
        "what ultrahdr, avif and png show below the clipping level: the photograph as it looks, "
        "or its light",
        LOOKS,
    )
    exr_float: bool = _option(False, "32 bits per sample in exr and jxl instead of 16")
    exr_compression: str = _option("zip", "compression of exr", COMPRESSIONS)
    exr_level: float | None = _option(
        None,
        "level of dwaa and dwab; 45 is usual, more is smaller and worse",
        valid=lambda value: value is None or 0.0 <= value < 1e5,
        limits="0 or more",
    )
    jpeg_quality: int = _option(
        95,
        "quality of JPEG files, 1 to 100; of ultrahdr that of the gain map, and of the photograph "
        "if it is encoded again",
        valid=_percent,
        limits="1 to 100",
    )
    avif_quality: int = _option(
        95, "quality of avif, 1 to 100; 100 keeps every code", valid=_percent, limits="1 to 100"
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, metadata = getattr(self, field.name), field.metadata
            if metadata["choices"] and value not in metadata["choices"]:
                known = ", ".join(metadata["choices"])
                raise ValueError(f"{field.name} {value!r}; known: {known}")
            if metadata["valid"] is not None and not metadata["valid"](value):
                raise ValueError(f"{field.name} {value:g}: {metadata['limits']}")


@dataclasses.dataclass(frozen=True)
class Writer:
    """How files of one format are written, and how the format is described to users."""

    ending: str
    """Added to the stem of the photograph's name; never the ending of a photograph itself."""
    write: Callable[[Path, "Picture", Options], None]
    """Writes a complete file or none. Raises ImageError."""
    label: str
    """Name of the format for users, as in the links of the report."""
    about: str
    """What the format is for: a phrase for the help."""
    flags: tuple[str, ...] = ()
    """Flags that change only files of this format, and of others that list them too; most of them
    are fields of `Options`."""
    keeps_jpeg: bool = False
    """Whether the file contains a JPEG photograph's own compressed samples, unchanged."""
    package: str | None = None
    """Optional package that the format needs; None if there is none."""
    hint: str = ""
    """How to install it."""
    notes: Callable[[Path], Mapping[str, str] | None] = notes.read
    """Reads `Picture.notes` back; None if there are none. Raises OSError and the like."""


def _later(module: str, function: str = "write") -> Callable:
    """Return a function of a module of this package; the module is imported when it is called."""

    def call(*arguments: object) -> object:
        return getattr(importlib.import_module(f"{__name__}.{module}"), function)(*arguments)

    return call


WRITERS: dict[str, Writer] = {
    "exr": Writer(
        ".exr", _later("exr"), "OpenEXR", "for compositing and lighting: all of it",
        ("mask", "primaries", "nits", "exr_float", "exr_compression", "exr_level"),
        notes=_later("exr", "read_notes"),
    ),
    "hdr": Writer(
        ".hdr", _later("radiance"), "Radiance", "for 3D programs", ("primaries", "nits"),
    ),
    "ultrahdr": Writer(
        "_hdr.jpg", _later("ultrahdr"), "Ultra HDR",
        "for phones and browsers: a JPEG of the photograph with a gain map",
        ("look", "jpeg_quality"), keeps_jpeg=True,
    ),
    "avif": Writer(
        "_hdr.avif", _later("avif"), "AVIF", "for browsers and phones, 10 bits, PQ",
        ("look", "nits", "avif_quality"), package="imagecodecs",
        hint="pip install 'imagecodecs>=2025.11.11' (Python 3.11 or newer)",
    ),
    "png": Writer(
        "_hdr.png", _later("png"), "PNG (PQ)", "for browsers and players, 16 bits",
        ("look", "nits"),
    ),
    "jxl": Writer(
        ".jxl", _later("jxl"), "JPEG XL", "for archives, without losses",
        ("exr_float",), package="imagecodecs", hint="pip install imagecodecs",
    ),
}  # fmt: skip
"""By their name in `--format`. Command, report and library know the formats only from here."""
DISPLAY_WRITERS: dict[str, Writer] = {
    "tiff": Writer("_fused.tif", _later("display", "write_tiff"), "TIFF", "of 16 bits"),
    "sdr_png": Writer("_fused.png", _later("display", "write_sdr_png"), "PNG", "of 16 bits"),
    "jpeg": Writer(
        "_fused.jpg", _later("display", "write_jpeg"), "JPEG", "of 8 bits", ("jpeg_quality",)
    ),
}
"""Display-referred formats, for `hdrcnn fuse`."""
ALL_WRITERS: Mapping[str, Writer] = ChainMap(WRITERS, DISPLAY_WRITERS)
"""A live view of both: a format that a program adds to either is known everywhere."""


def _installed(writer: Writer, what: str) -> Writer:
    if writer.package is not None and find_spec(writer.package) is None:
        raise ImageError(f"{what} needs one more package; {writer.hint}")
    return writer


def needed(name: str, path: Path) -> ModuleType:
    """Import the package that a format needs to write a file. Raises ImageError."""
    writer = WRITERS[name]
    try:
        return importlib.import_module(str(writer.package))
    except ImportError as error:
        raise ImageError(f"{path}: {writer.label} needs one more package; {writer.hint}") from error


def select_writers(
    names: Sequence[str], known: Mapping[str, Writer] = WRITERS
) -> dict[str, Writer]:
    """Return the writers with these names, each once, in their order; known: all there are.

    Raises ImageError, one line, for an unknown name or a missing package, and so before the first
    image is converted.
    """
    found = {}
    for name in names:
        if name not in known:
            raise ImageError(f"--format={name}: not written; known: {', '.join(known)}")
        found[name] = _installed(known[name], f"--format={name}")
    return found


def of_path(path: Path, overwrite: bool = False) -> Writer:
    """Return the writer for a file, by the ending of its name or else by its extension alone.

    Raises ImageError if there is none, if its package is missing, or if a file exists that may be a
    photograph, unless `overwrite` is set.
    """
    from hdrcnn.readers.folders import may_be_photograph  # Loads NumPy.

    name = path.name.lower()
    named = [w for w in WRITERS.values() if name.endswith(w.ending)] or [
        w for w in WRITERS.values() if path.suffix.lower() == f".{w.ending.rpartition('.')[2]}"
    ]
    if not named:
        known = ", ".join(writer.ending for writer in WRITERS.values())
        raise ImageError(f"{path}: not written as such; end the name in {known}")
    if may_be_photograph(path) and path.exists() and not overwrite:
        raise ImageError(
            f"{path}: exists and may be a photograph, so not overwritten; give another name, as "
            f"one that ends in {named[0].ending}, or overwrite=True"
        )
    return _installed(named[0], f"{path}: {named[0].label}")
