"""Run an evaluation, from scenes to files: photograph, score, summarise, write.

<out_dir>/ldr/<condition>/<view>.png or .jpg, truth/<exposure>/<view>.exr    `shots`
<out_dir>/table.md, per_image.csv, summary.json, report.html
"""

import dataclasses
import hashlib
import itertools
import time
from collections.abc import Iterable
from typing import Any

from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError
from training_code.evaluation import text
from training_code.evaluation.files import write_text
from training_code.evaluation.methods import build_methods, missing_predictions
from training_code.evaluation.report import (
    RenderedView,
    ReportRow,
    ReportView,
    render_view,
    write_report,
)
from training_code.evaluation.request import Request, choose_scenes
from training_code.evaluation.scoring import Record, ReportShot, score_all
from training_code.evaluation.shots import LeftOut, StoredShot, photograph_scenes
from training_code.evaluation.summary import (
    DECISIVE,
    Table,
    Worse,
    by_condition,
    tabulate,
    worse_scenes,
)
from training_code.scenes import seen
from training_code.scenes.files import check_apart


def _progress(
    number: int, total: int, records: list[Record], request: Request, seconds: float
) -> str:
    """Progress line for a view: its decisive scores under the first condition."""
    first = records[0].shot
    scores = {r.method: r.scores[DECISIVE] for r in records if r.shot == first}
    shown = [m for m in (request.subject, "input inverse mean curve") if m in scores]
    figures = "  ".join(f"{method} {scores[method]:.2f} dB" for method in shown)
    return f"[{number}/{total}] {first.view}  {figures}  {seconds:.0f} s"


def seen_lines(request: Request, scenes: Iterable[str]) -> list[str]:
    """`scenes.seen.seen_lines` for all weights of the request."""
    files = [named.path for named in request.params]
    files += [request.curves] if request.curves else []
    return seen.seen_lines(files, scenes)


def score_views(
    shots: list[StoredShot], request: Request, scenes: Iterable[str] = ()
) -> tuple[list[Record], list[RenderedView]]:
    """Score all photographs; return the records, and the views of the first condition rendered for
    the report.

    scenes: names of all scenes; a line is printed for weights that were trained on one of them.
    """
    single = len(request.conditions) == 1
    for folder in request.folders:
        missing = missing_predictions(folder, shots, single)
        if missing:
            raise ImageError(missing)
    with stderr_discarded():
        import keras  # noqa: F401 - imported here to suppress its messages
    methods = build_methods(list(request.params), list(request.folders), single, request.curves)
    for line in seen_lines(request, scenes):
        print(line, flush=True)
    views = [list(group) for _, group in itertools.groupby(shots, key=lambda shot: shot.view)]
    results = score_all(
        shots,
        methods,
        jod=request.jod,
        report_method=request.subject,
        wanted=lambda shot: shot.condition == request.conditions[0],
    )
    records: list[Record] = []
    rendered = []
    for number, group in enumerate(views, 1):
        begun, before = time.perf_counter(), len(records)
        for own, report_shot in itertools.islice(results, len(group)):
            records += own
            if report_shot:
                rendered.append(render(report_shot))
        seconds = time.perf_counter() - begun
        print(_progress(number, len(views), records[before:], request, seconds), flush=True)
    return records, rendered


def render(report_shot: ReportShot) -> RenderedView:
    """Render the panels of a view; its gain is filled in once all views are scored."""
    scores = {record.method: record.scores for record in report_shot.records}
    nan = float("nan")
    return render_view(
        ReportView(
            report_shot.shot.view,
            report_shot.code,
            report_shot.truth,
            report_shot.prediction,
            nan,
            scores,
        )
    )


def report_rows(table: Table) -> list[ReportRow]:
    """Convert a table to rows of the report, which takes the verdict separately."""
    rows = []
    for row in table.rows:
        values = text.cells(row, table.best_input)
        del values["verdict"]
        rows.append(ReportRow(row.method, values, row.verdict))
    return rows


def settings(request: Request, scenes: list[str]) -> dict[str, Any]:
    """Everything that the figures depend on, JSON-serialisable, with weights by their checksums.

    scenes: names of the scenes.
    """
    return {
        "command": request.command,
        "protocol": dataclasses.asdict(request.protocol),
        "conditions": [dataclasses.asdict(condition) for condition in request.conditions],
        "scenes": scenes,
        "params": {
            named.name: hashlib.sha256(named.path.read_bytes()).hexdigest()
            for named in request.params
        },
        "folders": [named.name for named in request.folders],
        "curves": hashlib.sha256(request.curves.read_bytes()).hexdigest()
        if request.curves
        else None,
    }


def describe(tables: list[Table], worse: list[str], left_out: list[LeftOut], command: str) -> str:
    """Format tables and notes as Markdown, for printing and for `table.md`."""
    parts = [f"`{command}`"] if command else []
    for table in tables:
        parts += [f"## {table.condition}", text.markdown_table(table)]
        parts.append("\n".join(f"- {note}" for note in text.notes(table)))
    if worse:
        parts += ["## Worse than doing nothing", "```\n" + "\n".join(worse) + "\n```"]
    if left_out:
        lines = "\n".join(text.left_out_lines(left_out))
        parts += [f"## Left out: {len(left_out)} photographs", f"```\n{lines}\n```"]
    return "\n\n".join(parts) + "\n"


def run(request: Request) -> list[Table]:
    """Run the whole evaluation; print progress and tables, write all files.

    Returns the tables; none with `write_only`. Raises ImageError, WeightsError, ValueError or
    OSError with a message for the user.
    """
    if not request.scenes.is_dir():
        raise ImageError(f"{request.scenes}: no such folder")
    out_dir = request.out_dir
    check_apart(out_dir / "truth", request.scenes)
    collection, which = choose_scenes(request)
    print(collection.rejected_lines() + which, flush=True)
    scenes = [scene.name for scene in collection.scenes]
    shots: list[StoredShot] = []
    left_out: list[LeftOut] = []
    for item in photograph_scenes(collection.scenes, request.conditions, request.protocol, out_dir):
        if isinstance(item, StoredShot):
            shots.append(item)
        else:
            left_out.append(item)
    del collection  # Free its memory: everything below is read from the photographs on disk.
    print(f"{len(shots)} photographs in {out_dir / 'ldr'}, {len(left_out)} left out", flush=True)
    if not shots:
        print("\n".join(text.left_out_lines(left_out)))
        raise ImageError(f"{request.scenes}: every photograph is left out, nothing to evaluate")
    if request.write_only:
        print("".join(f"{line}\n" for line in text.left_out_lines(left_out)), end="")
        return []

    records, rendered = score_views(shots, request, scenes)
    grouped = by_condition(records)
    tables = [tabulate(condition, own) for condition, own in grouped.items()]
    tables.sort(key=lambda table: [c.name for c in request.conditions].index(table.condition))
    worse: list[Worse] = []
    lines: list[str] = []
    for named in (*request.params, *request.folders):
        for table in tables:
            found = worse_scenes(table.condition, grouped[table.condition], named.name)
            worse += found
            lines += text.worse_lines(found, named.name, table.condition)

    content = describe(tables, lines, left_out, request.command)
    print(content)
    write_text(out_dir / "table.md", content)
    write_text(out_dir / "per_image.csv", text.per_image_csv(records))
    facts = settings(request, scenes)
    write_text(out_dir / "summary.json", text.summary_json(facts, tables, worse, left_out))
    gains = [
        dataclasses.replace(view, gain_db=gain(view, tables[0].best_input, request.subject or ""))
        for view in rendered
    ]
    rows = {table.condition: report_rows(table) for table in tables}
    remarks = [*text.notes(tables[0]), *(line.strip() for line in lines)]
    remarks += [line.strip() for line in text.left_out_lines(left_out)]
    title = f"Evaluation of {request.subject}" if request.subject else "Evaluation"
    write_report(out_dir / "report.html", title, rows, gains, remarks)
    print(f"wrote table.md, per_image.csv, summary.json and report.html in {out_dir}")
    return tables


def gain(view: RenderedView, best_input: str, subject: str) -> float:
    """Gain of the subject over the best do-nothing row, in dB of `DECISIVE`."""
    return view.scores[subject][DECISIVE] - view.scores[best_input][DECISIVE]
