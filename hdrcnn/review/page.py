"""Pages of one HTML file that holds all it needs; a policy in its head forbids it to load anything.

Jinja2 escapes all text that comes from outside (names, places, notes).
"""

import base64
import dataclasses
import functools
import math
import os
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdrcnn.files import ImageError, finished_whole, natural_key
from hdrcnn.review.entry import Entry

if TYPE_CHECKING:
    from jinja2 import Environment

LARGEST_PAGE = 40_000_000
"""Bytes of a page, whatever number of pictures it shows."""
LARGEST_ENTRY = 300_000
"""Bytes of a picture in a page of few."""
TEMPLATE = Path(__file__).with_name("page.html")


GENERATOR = b'<meta name="generator" content="hdrcnn">'
"""Stands in the first lines of every page."""


def made_here(path: Path) -> bool:
    """Whether a file is a page of this tool. Raises OSError."""
    with path.open("rb") as file:
        return GENERATOR in file.read(1000)


def bytes_for(count: int) -> int:
    """How much of the page each of so many pictures may take."""
    return min(LARGEST_ENTRY, (LARGEST_PAGE - 100_000) // max(count, 1))


def number(value: float, digits: int = 2, sign: bool = False) -> str:
    """For people: a true minus sign, a dash if there is no number."""
    if math.isnan(value):
        return "\N{EN DASH}"
    rounded = round(value, digits) + 0.0  # no minus before a zero
    text = f"{rounded:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}").replace("inf", "\N{INFINITY}")


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup, escape

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    environment.filters["address"] = urllib.parse.quote
    environment.filters["jpeg"] = lambda data: (
        "data:image/jpeg;base64," + base64.b64encode(data).decode()
    )
    # May break after an underscore.
    environment.filters["breakable"] = lambda text: escape(text).replace("_", Markup("_<wbr>"))
    return environment


def write_page(path: Path, template: Path, **values: Any) -> None:
    """A template filled, as a whole file or none. Filters in it: `number`, `address` (of a link),
    `jpeg` (bytes as a data address), `breakable`. Raises ImageError if it cannot be written.
    """
    page = _environment().from_string(template.read_text(encoding="utf-8")).render(values)
    with finished_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def write_report(path: Path, title: str, entries: Sequence[Entry]) -> None:
    """The page of a folder. Raises ImageError if its place cannot be written."""
    write_page(path, TEMPLATE, title=title, entries=entries)


NAME = "report.html"
MOST = 4000
"""Pictures in a page: more would leave each too little room to be looked at."""


class Collected:
    """What a run brings for the page in its folder."""

    def __init__(self, out_dir: Path, count: int) -> None:
        """count: of the pictures there may be."""
        self._out_dir, self._entries = out_dir, list[Entry]()
        self.room = bytes_for(min(count, MOST))
        """Bytes for each picture."""
        self._left_out = 0

    def check_place(self) -> None:
        """Raises ImageError if the page would overwrite what this tool has not made."""
        path = self._out_dir / NAME
        if path.exists() and not (path.is_file() and (not path.stat().st_size or made_here(path))):
            raise ImageError(
                f"{path}: not made by this tool, so not overwritten; give --overwrite or another "
                "--out_dir"
            )

    def add(self, entry: Entry, place: Path) -> None:
        """The entry of a picture, its files as seen from the page, its name with its folder.

        place: the folder of its files.
        """
        if len(self._entries) == MOST:
            self._left_out += 1
            return
        folder = place.relative_to(self._out_dir)
        files = {
            label: Path(os.path.relpath(path, self._out_dir)).as_posix()
            for label, path in entry.files.items()
        }
        name = (folder / entry.name).as_posix()
        self._entries.append(dataclasses.replace(entry, name=name, files=files))

    def write(self) -> str:
        """The page, in natural order whoever was done first. Returns its path, with what it lacks.

        Raises ImageError.
        """
        path = self._out_dir / NAME
        self._entries.sort(key=lambda entry: [natural_key(part) for part in entry.name.split("/")])
        write_report(path, "Reconstructed highlights", self._entries)
        lacking = f", without the last {self._left_out} pictures" if self._left_out else ""
        return f"{path}{lacking}"
