"""Write pages of one self-contained HTML file, which a policy in its head forbids to load anything.

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
"""Maximum size of a page in bytes, however many images it shows."""
LARGEST_ENTRY = 300_000
"""Maximum number of bytes of an image, in a page with few of them."""
TEMPLATE = Path(__file__).with_name("page.html")


GENERATOR = b'<meta name="generator" content="hdrcnn">'
"""Marks pages of this tool, in their first lines."""


def made_here(path: Path) -> bool:
    """Whether a file is a page of this tool. Raises OSError."""
    with path.open("rb") as file:
        return GENERATOR in file.read(1000)


def bytes_for(count: int) -> int:
    """Return the number of bytes that each of `count` images may take in a page."""
    return min(LARGEST_ENTRY, (LARGEST_PAGE - 100_000) // max(count, 1))


def number(value: float, digits: int = 2, sign: bool = False) -> str:
    """Format a number for people: with a true minus sign, and a dash for NaN."""
    if math.isnan(value):
        return "\N{EN DASH}"
    rounded = round(value, digits) + 0.0  # No minus sign before a zero.
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
    # Lines may break after an underscore.
    environment.filters["breakable"] = lambda text: escape(text).replace("_", Markup("_<wbr>"))
    return environment


def write_page(path: Path, template: Path, **values: Any) -> None:
    """Render a template to a file, completely or not at all.

    Filters in it: `number`, `address` (of a link), `jpeg` (bytes to a data URL), `breakable`.
    Raises ImageError if the file cannot be written.
    """
    page = _environment().from_string(template.read_text(encoding="utf-8")).render(values)
    with finished_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def write_report(path: Path, title: str, entries: Sequence[Entry]) -> None:
    """Write the page of a folder. Raises ImageError if it cannot be written."""
    write_page(path, TEMPLATE, title=title, entries=entries)


NAME = "report.html"
MAX_IMAGES = 4000
"""Maximum number of images in a page: more would leave each too few bytes to be worth viewing."""


class Collected:
    """Collects the entries of a run for the page in its folder."""

    def __init__(self, out_dir: Path, count: int) -> None:
        """count: largest possible number of images."""
        self._out_dir, self._entries = out_dir, list[Entry]()
        self.room = bytes_for(min(count, MAX_IMAGES))
        """Number of bytes for each image."""
        self._left_out = 0

    def check_place(self) -> None:
        """Raises ImageError if the page would overwrite a file that this tool has not made."""
        path = self._out_dir / NAME
        if path.exists() and not (path.is_file() and (not path.stat().st_size or made_here(path))):
            raise ImageError(
                f"{path}: not made by this tool, so not overwritten; give --overwrite or another "
                "--out_dir"
            )

    def add(self, entry: Entry, place: Path) -> None:
        """Add an image's entry, with its files relative to the page and its folder in its name.

        place: the folder of its files.
        """
        if len(self._entries) == MAX_IMAGES:
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
        """Write the page, in natural order whatever the order of `add`.

        Returns its path, and how many images it lacks if any. Raises ImageError.
        """
        path = self._out_dir / NAME
        self._entries.sort(key=lambda entry: [natural_key(part) for part in entry.name.split("/")])
        write_report(path, "Reconstructed highlights", self._entries)
        lacking = f", without the last {self._left_out} pictures" if self._left_out else ""
        return f"{path}{lacking}"
