"""How files are wanted: a flag of the command each. Loads nothing that takes long."""

import dataclasses
from collections.abc import Callable
from typing import Any

from hdrcnn.colour import REFERENCE_WHITE

COMPRESSIONS = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")
LOOKS = ("photograph", "light")


def _option(
    default: Any,
    about: str,
    choices: tuple[str, ...] = (),
    valid: Callable[[Any], bool] | None = None,
    limits: str = "",
) -> Any:
    """A field that tells its help, and how it may be. limits: `valid` in words."""
    told = {"about": about, "choices": choices, "valid": valid, "limits": limits}
    return dataclasses.field(default=default, metadata=told)


def _percent(value: int) -> bool:
    return 1 <= value <= 100


@dataclasses.dataclass(frozen=True)
class Options:
    """How the files are wanted. Raises ValueError, one line. The command makes a flag of each."""

    nits: float = _option(
        REFERENCE_WHITE,
        "cd/m^2 of the clipping level, 1.0.",
        valid=lambda value: 0.0 < value <= 10000.0,
        limits="cd/m^2 above 0, at most 10000",
    )
    look: str = _option(
        "photograph",
        "Of files to look at, below the clipping level: that of the photograph, or the light "
        "behind it.",
        LOOKS,
    )
    exr_float: bool = _option(False, "OpenEXR and JPEG XL of 32 bits a sample. Without: 16.")
    exr_compression: str = _option("zip", "Of OpenEXR.", COMPRESSIONS)
    exr_level: float | None = _option(
        None,
        "Of dwaa and dwab: 45 as a rule, more is smaller and worse.",
        valid=lambda value: value is None or 0.0 <= value < 1e5,
        limits="0 or more",
    )
    jpeg_quality: int = _option(
        95, "Of ultrahdr: gain map, and base where encoded anew.", valid=_percent, limits="1 to 100"
    )
    avif_quality: int = _option(
        95, "Of avif; 100 keeps every code.", valid=_percent, limits="1 to 100"
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, told = getattr(self, field.name), field.metadata
            if told["choices"] and value not in told["choices"]:
                known = ", ".join(told["choices"])
                raise ValueError(f"{field.name} {value!r}; known: {known}")
            if told["valid"] is not None and not told["valid"](value):
                raise ValueError(f"{field.name} {value:g}: {told['limits']}")
