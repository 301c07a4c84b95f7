"""The evaluation as one HTML page: tables, gain per image, and every image to look at.

The page holds all it needs and opens offline; a content security policy in its head forbids it
to load anything. Its frame, with style and script, is `report.html` beside this file.
All text that comes from outside (names, methods, notes) is escaped.
"""

import base64
import dataclasses
import math
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from hdrcnn.files import finished_whole
from training_code.evaluation.panels import (
    ERROR_RANGE,
    EXPOSURES,
    RenderedView,
    ReportView,
    error_colours,
    render_view,
)
from training_code.evaluation.summary import INDISTINCT_DB

__all__ = ["RenderedView", "ReportRow", "ReportView", "render_view", "write_report"]

NOTES_SHOWN = 6
"""More notes than these are folded: lists of scenes can be long."""

IMAGES = ("Input", "Ours", "Truth")
VERDICTS = ("win", "loss", "tie", "")

_FRAME = Path(__file__).with_suffix(".html")
_MINUS = "\N{MINUS SIGN}"


@dataclasses.dataclass(frozen=True)
class ReportRow:
    """One line of the table of one condition."""

    method: str
    values: dict[str, str]
    """Column title to formatted text, in order."""
    verdict: str
    """One of `VERDICTS`."""


def _number(value: float, digits: int = 2, sign: bool = False) -> str:
    """For people: a true minus sign, a dash where there is no number."""
    if math.isnan(value):
        return "\N{EN DASH}"
    rounded = round(value, digits) + 0.0  # no minus before a zero
    text = f"{rounded:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", _MINUS).replace("inf", "\N{INFINITY}")


def _heading(text: str) -> str:
    """Escaped; may break after an underscore."""
    return escape(text).replace("_", "_<wbr>")


def _columns(rows: Iterable[Iterable[str]]) -> list[str]:
    """All keys in the order in which they first appear."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _table(caption: str, head: list[str], rows: list[tuple[str, list[str]]], kind: str) -> str:
    """head: texts; rows: (text of the row's heading, cells as HTML). Scrolls within itself."""
    titles = "".join(f'<th scope="col">{_heading(text)}</th>' for text in head)
    body = "".join(
        f'<tr><th scope="row">{_heading(name)}</th>{"".join(cells)}</tr>' for name, cells in rows
    )
    label = escape(caption, quote=True)
    return (
        f'<div class="scroll {kind}" role="region" aria-label="{label}" tabindex="0"><table>'
        f"<caption>{escape(caption)}</caption>"
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _condition(name: str, rows: list[ReportRow]) -> str:
    """The table of one condition; a column for the verdicts where there are any."""
    columns = _columns(row.values for row in rows)
    judged = any(row.verdict for row in rows)
    lines = []
    for row in rows:
        if row.verdict not in VERDICTS:
            raise ValueError(
                f"{row.method}: unknown verdict {row.verdict!r}; known: win, loss, tie"
            )
        cells = [
            f"<td>{escape(row.values.get(title, _number(math.nan)))}</td>" for title in columns
        ]
        if judged:
            badge = f'<span class="badge {row.verdict}">{row.verdict}</span>' if row.verdict else ""
            cells.append(f"<td>{badge}</td>")
        lines.append((row.method, cells))
    return _table(name, ["Method", *columns, *(["Verdict"] if judged else [])], lines, "main")


def _notes(notes: list[str]) -> str:
    """A list; what is beyond `NOTES_SHOWN` is folded."""
    items = [f"<li>{escape(note)}</li>" for note in notes]
    shown, folded = items[:NOTES_SHOWN], items[NOTES_SHOWN:]
    text = f'<ul class="notes">{"".join(shown)}</ul>' if shown else ""
    if folded:
        text += (
            f"<details><summary>Further notes: {len(folded)}</summary>"
            f'<ul class="notes">{"".join(folded)}</ul></details>'
        )
    return text


def _conditions(tables: dict[str, list[ReportRow]], notes: list[str]) -> str:
    """The first table, the notes under it, the other tables folded."""
    drawn = [(name, _condition(name, rows)) for name, rows in tables.items()]
    first = "".join(f"<h2>{escape(name)}</h2>{table}" for name, table in drawn[:1])
    folded = "".join(
        f"<details><summary>{escape(name)}</summary>{table}</details>" for name, table in drawn[1:]
    )
    return first + _notes(notes) + folded


def _bars(views: list[RenderedView]) -> str:
    """One bar per view, as sorted: each a link to its images."""
    finite = [view.gain_db for view in views if math.isfinite(view.gain_db)]
    low = min([-INDISTINCT_DB, *finite]) - 0.5
    high = max([INDISTINCT_DB, *finite]) + 0.5

    def place(value: float) -> float:
        return 100.0 * (min(max(value, low), high) - low) / (high - low)

    items = []
    for number, view in enumerate(views, 1):
        gain = 0.0 if math.isnan(view.gain_db) else view.gain_db
        left, right = sorted((place(gain), place(0.0)))
        sign = "gain" if gain > 0.0 else "loss"
        items.append(
            f'<li><a href="#view-{number}" title="{escape(view.name, quote=True)}">'
            f'<span class="name">{escape(view.name)}</span>'
            f'<span class="track"><span class="bar {sign}" '
            f'style="left:{left:.3f}%;width:{right - left:.3f}%"></span></span>'
            f'<span class="value">{_number(view.gain_db, sign=True)}</span></a></li>'
        )
    band = place(-INDISTINCT_DB), place(INDISTINCT_DB)
    style = f"--zero:{place(0.0):.3f}%;--from:{band[0]:.3f}%;--to:{band[1]:.3f}%"
    return f'<ol class="bars" style="{style}">{"".join(items)}</ol>'


def _panel(jpeg: bytes, alt: str, view: RenderedView) -> str:
    """One picture, as a button that shows it large."""
    source = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
    return (
        f'<button class="panel" type="button"><img src="{source}" width="{view.width}" '
        f'height="{view.height}" alt="{escape(alt, quote=True)}"></button>'
    )


def _exposures(view: RenderedView) -> str:
    """Input, ours and truth in one row for each exposure."""
    rows = []
    for stops, jpegs in zip(EXPOSURES, view.exposures, strict=True):
        level = f"{_number(stops, 0)} stops"
        panels = "".join(
            _panel(jpeg, f"{image} at {level}: {view.name}", view)
            for image, jpeg in zip(IMAGES, jpegs, strict=True)
        )
        rows.append(
            f'<p class="label">{level}<span> white = {2**-stops} \N{MULTIPLICATION SIGN} clipping '
            f'level</span></p><div class="row">{panels}</div>'
        )
    heads = "".join(f"<span>{image}</span>" for image in IMAGES)
    return f'<div class="heads" aria-hidden="true">{heads}</div>{"".join(rows)}'


def _legend() -> str:
    """The colours of the error map over its range, as the map draws them."""
    samples = np.linspace(-ERROR_RANGE, ERROR_RANGE, 13).reshape(1, -1, 1)
    colours = ",".join(
        "rgb({},{},{})".format(*colour) for colour in np.rint(error_colours(samples)[0]).astype(int)
    )
    whole = range(-int(ERROR_RANGE), int(ERROR_RANGE) + 1)
    ticks = "".join(f"<span>{_number(stops, 0, sign=stops != 0)}</span>" for stops in whole)
    return (
        f'<div class="legend"><div style="background:linear-gradient(90deg,{colours})"></div>'
        f'<p class="ticks">{ticks}</p>'
        '<p class="ends"><span>ours too dark</span><span>ours too bright</span></p></div>'
    )


def _scores(view: RenderedView) -> str:
    """Every method's figures for this view."""
    metrics = _columns(view.scores.values())
    rows = [
        (method, [f"<td>{_number(values.get(metric, math.nan))}</td>" for metric in metrics])
        for method, values in view.scores.items()
    ]
    return _table(f"Scores: {view.name}", ["Method", *metrics], rows, "small") if rows else ""


def _view(number: int, view: RenderedView) -> str:
    """Everything about one view."""
    error = _panel(view.error, f"Error of ours in stops: {view.name}", view)
    return (
        f'<article id="view-{number}" style="--width:{view.width}px">'
        f"<h3>{_heading(view.name)}</h3>"
        f'<p class="gain">{_number(view.gain_db, sign=True)} dB'
        ' <a href="#gain">all gains</a></p>'
        f'<div class="body"><div class="exposures">{_exposures(view)}</div>'
        '<div class="side"><p class="label">Error in stops'
        "<span> a tint where the input is not saturated</span></p>"
        f'<div class="row">{error}</div>{_legend()}{_scores(view)}</div></div></article>'
    )


def _order(view: RenderedView) -> tuple[bool, float, str]:
    """Largest gain first; what is not a number last."""
    missing = math.isnan(view.gain_db)
    return missing, 0.0 if missing else -view.gain_db, view.name


def write_report(
    path: Path,
    title: str,
    tables: dict[str, list[ReportRow]],
    views: list[RenderedView],
    notes: list[str],
) -> None:
    """Writes the page, whole or not at all.

    tables: condition to rows; the first is shown, the others are folded. views: of the base
    condition, any order. notes: sentences printed under the first table.
    Raises ValueError for an unknown verdict, ImageError where `path` cannot be written.
    """
    ordered = sorted(views, key=_order)
    better = sum(view.gain_db > 0.0 for view in ordered)
    page = Template(_FRAME.read_text(encoding="utf-8")).substitute(
        title=escape(title),
        tables=_conditions(tables, notes),
        summary=f"Ours is above the best row that does nothing in {better} of {len(views)} views.",
        limit=_number(INDISTINCT_DB, 1),
        bars=_bars(ordered),
        views="".join(_view(number, view) for number, view in enumerate(ordered, 1)),
    )
    with finished_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
