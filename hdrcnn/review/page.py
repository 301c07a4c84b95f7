"""All entries in one HTML file, which holds all it needs; its policy forbids it to load anything.

All text that comes from outside (names, places) is escaped.
"""

import base64
import urllib.parse
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from hdrcnn.files import finished_whole
from hdrcnn.review.entry import Entry

LARGEST_PAGE = 40_000_000
"""Bytes of a page, whatever number of pictures it shows."""
LARGEST_ENTRY = 300_000
"""Bytes of a picture in a page of few."""
FRAME = Path(__file__).with_name("page.html")


GENERATOR = b'<meta name="generator" content="hdrcnn">'
"""Stands in the first lines of every page."""


def made_here(path: Path) -> bool:
    """Whether a file is a page of this tool. Raises OSError."""
    with path.open("rb") as file:
        return GENERATOR in file.read(1000)


def bytes_for(count: int) -> int:
    """How much of the page each of so many pictures may take."""
    return min(LARGEST_ENTRY, (LARGEST_PAGE - 100_000) // max(count, 1))


def _data(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _links(files: dict[str, str]) -> str:
    return " ".join(
        f'<a href="{escape(urllib.parse.quote(place), quote=True)}">{escape(label)}</a>'
        for label, place in files.items()
    )


def _card(number: int, shown: Entry) -> str:
    """One picture. The script reads its numbers and images from the attributes."""
    gain = shown.gain
    stops = f"{gain.stops:+.1f}".replace("-", "\N{MINUS SIGN}")
    name = escape(shown.name, quote=True)
    return (
        f'<article id="picture-{number}" data-name="{name}" data-stops="{gain.stops:.4f}"'
        f' data-share="{gain.saturated:.6f}" data-low="{shown.low:.6f}"'
        f' data-high="{shown.high:.6f}">'
        f'<div class="view" style="--ratio:{shown.width / shown.height:.5f}"><canvas role="img"'
        f' aria-label="Photograph and result: {name}"></canvas><i class="line"></i>'
        '<b class="left">photograph</b><b class="right">result</b></div>'
        f'<input class="wipe" type="range" min="0" max="100" value="50" step="1"'
        f' aria-label="Photograph up to here, result from here: {name}">'
        f"<h2>{escape(shown.name)}</h2>"
        f"<p><strong>{stops} stops</strong><span>peak {gain.peak_before:.2f} \N{RIGHTWARDS ARROW}"
        f" {gain.peak_after:.2f}</span><span>{gain.saturated:.1%} saturated</span>"
        f"<span>{shown.width}\N{MULTIPLICATION SIGN}{shown.height}</span></p>"
        f'<p class="files">{_links(dict(shown.files))}</p>'
        f'<template><img alt="" src="{_data(shown.photograph)}">'
        f'<img alt="" src="{_data(shown.gain_map)}"></template></article>'
    )


def write_report(path: Path, title: str, entries: Sequence[Entry]) -> None:
    """The page of a folder. Raises ImageError where its place cannot be written."""
    cards = "\n".join(_card(number, shown) for number, shown in enumerate(entries, 1))
    count = f"{len(entries)} picture{'' if len(entries) == 1 else 's'}"
    frame = Template(FRAME.read_text(encoding="utf-8"))
    page = frame.substitute(title=escape(title), count=count, cards=cards)
    with finished_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
