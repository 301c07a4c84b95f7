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
        "light of 1.0, the clipping level, in cd/m^2",
        valid=lambda value: 0.0 < value <= 10000.0,
        limits="cd/m^2 above 0, at most 10000",
    )
    look: str = _option(
        "photograph",
        "appearance below the clipping level in files to look at: that of the photograph, or its "
        "light",
        LOOKS,
    )
    exr_float: bool = _option(False, "32 bits a sample in exr and jxl instead of 16")
    exr_compression: str = _option("zip", "compression of exr", COMPRESSIONS)
    exr_level: float | None = _option(
        None,
        "level of dwaa and dwab; 45 is usual, more is smaller and worse",
        valid=lambda value: value is None or 0.0 <= value < 1e5,
        limits="0 or more",
    )
    jpeg_quality: int = _option(
        95,
        "quality of jpeg and ultrahdr, 1 to 100: of the latter gain map, and base if encoded again",
        valid=_percent,
        limits="1 to 100",
    )
    avif_quality: int = _option(
        95, "quality of avif, 1 to 100, which keeps every code", valid=_percent, limits="1 to 100"
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, told = getattr(self, field.name), field.metadata
            if told["choices"] and value not in told["choices"]:
                known = ", ".join(told["choices"])
                raise ValueError(f"{field.name} {value!r}; known: {known}")
            if told["valid"] is not None and not told["valid"](value):
                raise ValueError(f"{field.name} {value:g}: {told['limits']}")
