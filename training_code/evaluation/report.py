"""HTML report of an evaluation: tables, the gain of each image, and the images to look at.

The template, with style and script, is `report.html` beside this file; see `hdrcnn.review.page`.
"""

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.review.page import write_page
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
"""Number of notes that are shown; further ones are folded, because lists of scenes can be long."""

IMAGES = ("Input", "Ours", "Truth")
VERDICTS = ("win", "loss", "tie", "")

_TEMPLATE = Path(__file__).with_suffix(".html")


@dataclasses.dataclass(frozen=True)
class ReportRow:
    """One line of the table of one condition."""

    method: str
    values: dict[str, str]
    """Formatted text by column title, in order."""
    verdict: str
    """One of `VERDICTS`."""


def _columns(rows: Iterable[Iterable[str]]) -> list[str]:
    """All column titles in the order in which they first appear."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _bars(views: list[RenderedView]) -> dict[str, Any]:
    """Bars of the views, in the given order, with their ends in percent of the track; and the band
    of indistinct gains around 0.
    """
    finite = [view.gain_db for view in views if math.isfinite(view.gain_db)]
    low = min([-INDISTINCT_DB, *finite]) - 0.5
    high = max([INDISTINCT_DB, *finite]) + 0.5

    def place(value: float) -> float:
        return 100.0 * (min(max(value, low), high) - low) / (high - low)

    gains = [0.0 if math.isnan(view.gain_db) else view.gain_db for view in views]
    ends = [sorted((place(gain), place(0.0))) for gain in gains]
    band = [place(value) for value in (0.0, -INDISTINCT_DB, INDISTINCT_DB)]
    return {"bars": list(zip(views, gains, ends, strict=True)), "band": band}


def _legend() -> str:
    """Colours of the error map over its range, as CSS."""
    samples = np.linspace(-ERROR_RANGE, ERROR_RANGE, 13).reshape(1, -1, 1)
    colours = np.rint(error_colours(samples)[0]).astype(int)
    return ",".join("rgb({},{},{})".format(*colour) for colour in colours)


def _order(view: RenderedView) -> tuple[bool, float, str]:
    """Sort key: the largest gain first, views without a gain (NaN) last."""
    missing = math.isnan(view.gain_db)
    return missing, 0.0 if missing else -view.gain_db, view.name


def write_report(
    path: Path,
    title: str,
    tables: dict[str, list[ReportRow]],
    views: list[RenderedView],
    notes: list[str],
) -> None:
    """Write the page, completely or not at all.

    tables: rows by condition; the first table is shown, the others are folded. views: those of the
    first condition, in any order. notes: sentences below the first table.
    Raises ValueError for an unknown verdict, ImageError if `path` cannot be written.
    """
    for row in (row for rows in tables.values() for row in rows):
        if row.verdict not in VERDICTS:
            raise ValueError(
                f"{row.method}: unknown verdict {row.verdict!r}; known: win, loss, tie"
            )
    ordered = sorted(views, key=_order)
    write_page(
        path,
        _TEMPLATE,
        title=title,
        tables=tables,
        notes=notes,
        notes_shown=NOTES_SHOWN,
        columns=_columns,
        zip=zip,
        missing=math.nan,
        better=sum(view.gain_db > 0.0 for view in views),
        limit=INDISTINCT_DB,
        views=ordered,
        exposures=EXPOSURES,
        images=IMAGES,
        legend=_legend(),
        ticks=range(-int(ERROR_RANGE), int(ERROR_RANGE) + 1),
        **_bars(ordered),
    )
