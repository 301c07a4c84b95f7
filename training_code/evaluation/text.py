"""The results of an evaluation as text: tables, notes, CSV, JSON."""

import csv
import dataclasses
import io
import json
import math
from typing import Any

from training_code.evaluation import bootstrap
from training_code.evaluation.bootstrap import Interval
from training_code.evaluation.methods import CEILING, CEILINGS, PERFECT
from training_code.evaluation.metrics import MEDIAN_LUMINANCE
from training_code.evaluation.scoring import JOD, METRICS, Record
from training_code.evaluation.shots import LeftOut
from training_code.evaluation.summary import DECISIVE, INDISTINCT_DB, WORSE_DB, Row, Table, Worse

COLUMNS = (
    "PU21-PSNR CRF-corrected [dB]",
    "to best input [dB]",
    "verdict",
    "PU21-PSNR aligned [dB]",
    "PU21-SSIM CRF-corrected",
    "PU21-SSIM aligned",
    "highlight RMSE [stops]",
    "highlight bias [stops]",
    "peak error [stops]",
)


def _with_bounds(value: Interval, sign: str = "") -> str:
    return f"{value.mean:{sign}.2f} [{value.low:{sign}.2f}, {value.high:{sign}.2f}]"


def cells(row: Row, best_input: str) -> dict[str, str]:
    """Formatted cells by column title: means over places, some with their interval in brackets."""
    metrics = row.metrics
    texts = (
        _with_bounds(metrics[DECISIVE]),
        "reference" if row.method == best_input else _with_bounds(row.difference, "+"),
        row.verdict or "-",
        f"{metrics['psnr_aligned'].mean:.2f}",
        f"{metrics['ssim_crf'].mean:.4f}",
        f"{metrics['ssim_aligned'].mean:.4f}",
        f"{metrics['highlight_rmse'].mean:.2f}",
        f"{metrics['highlight_bias'].mean:+.2f}",
        f"{metrics['peak_error'].mean:+.2f}",
    )
    shown = dict(zip(COLUMNS, texts, strict=True))
    if JOD in metrics:
        shown["ColorVideoVDP [JOD]"] = f"{metrics[JOD].mean:.2f}"
    return shown


def markdown_table(table: Table) -> str:
    """Format a table as Markdown whose columns are also aligned as plain text."""
    rows = [cells(row, table.best_input) for row in table.rows]
    names = [row.method for row in table.rows]
    lines = [["method", *rows[0]]]
    lines += [[name, *row.values()] for name, row in zip(names, rows, strict=True)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| "
        + " | ".join(
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in (lines[0], rule, *lines[1:])
    )


def rule_of_hanji(table: Table) -> str:
    """The 3.5 dB rule, and which rows of this table exceed it."""
    rows = [row for row in table.rows if row.method not in (*CEILINGS, table.best_input)]
    clear = [row.method for row in rows if abs(row.difference.mean) >= INDISTINCT_DB]
    return (
        f"A difference of less than {INDISTINCT_DB} dB PU21-PSNR does not show that one method is "
        "better than another (Hanji et al. 2022). "
        + (
            f"Farther than that from the best input: {', '.join(clear)}."
            if clear
            else "No row is that far from the best input."
        )
    )


def notes(table: Table) -> list[str]:
    """Notes that explain a table."""
    few = (
        f" With fewer than {bootstrap.MIN_UNITS} places nothing is called a win or a loss."
        if table.places < bootstrap.MIN_UNITS
        else ""
    )
    return [
        rule_of_hanji(table),
        f"{table.views} views of {table.places} places. Means are over places; in brackets the "
        f"{bootstrap.LEVEL:.0%} percentile interval of a bootstrap over places, paired for "
        "differences. A win or a loss is called only if the interval of the difference excludes "
        f"zero.{few}",
        f"Best input: the do-nothing row with the highest mean, here {table.best_input}.",
        "One gain per image for every method: the median of truth over prediction where codes lie "
        f"in (0.05, 0.95); the truth's median luminance is put at {MEDIAN_LUMINANCE:g} cd/m2.",
        f"{PERFECT}: truth where alpha > 0, elsewhere the input by the inverse mean curve; "
        f"{CEILING}: there the input with its camera response corrected.",
    ]


def worse_lines(found: list[Worse], method: str, condition: str) -> list[str]:
    """Lines that list the scenes a method made worse, with the range ratio of each."""
    heading = f"{method} under {condition}: worse than the best input by more than {WORSE_DB} dB"
    if not found:
        return [f"{heading}: no scene."]
    return [
        f"{heading}: {len(found)} scenes (in brackets their 99.99th percentile over median).",
        *(f"  {w.scene}  {w.change_db:+.2f} dB  ({w.range_ratio:.1f})" for w in found),
    ]


def left_out_lines(left_out: list[LeftOut]) -> list[str]:
    """Lines that list the photographs left out of the tables, and why."""
    return [f"  {item.view} ({item.condition}): {item.reason}" for item in left_out]


def per_image_csv(records: list[Record]) -> str:
    """CSV with a line for each photograph and method."""
    stream = io.StringIO()
    metrics = [*METRICS, *([JOD] if records and JOD in records[0].scores else [])]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["condition", "view", "scene", "family", "range_ratio", "method", *metrics])
    for record in records:
        shot = record.shot
        facts = (shot.condition.name, shot.view, shot.scene, shot.family, f"{shot.range_ratio:.6g}")
        scores = [f"{record.scores[name]:.6f}" for name in metrics]
        writer.writerow([*facts, record.method, *scores])
    return stream.getvalue()


def _finite(value: Any) -> Any:
    """Replace infinity and NaN, which JSON does not have, by None, recursively."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def summary_json(
    settings: dict[str, Any], tables: list[Table], worse: list[Worse], left_out: list[LeftOut]
) -> str:
    """JSON of everything except per-image figures; values that are not finite become null."""
    summary = {
        "settings": settings,
        "bootstrap": {
            "level": bootstrap.LEVEL,
            "resamples": bootstrap.RESAMPLES,
            "seed": bootstrap.SEED,
            "fewest": bootstrap.MIN_UNITS,
        },
        "conditions": {
            table.condition: {
                "views": table.views,
                "places": table.places,
                "best_input": table.best_input,
                "methods": {
                    row.method: {
                        "metrics": {k: dataclasses.asdict(v) for k, v in row.metrics.items()},
                        "difference": dataclasses.asdict(row.difference),
                        "verdict": row.verdict,
                    }
                    for row in table.rows
                },
            }
            for table in tables
        },
        "worse_than_input": [dataclasses.asdict(entry) for entry in worse],
        "left_out": [dataclasses.asdict(entry) for entry in left_out],
    }
    return json.dumps(_finite(summary), indent=1, allow_nan=False) + "\n"
