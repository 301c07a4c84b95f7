"""Results of converting SDR film to HDR, as Markdown tables, a CSV file and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training_code.evaluation import film_metrics as metrics
from training_code.evaluation.files import write_csv, write_text

COLUMNS = ("pq_psnr", "delta_e_itp", "pu21_psnr")
COMPILATION = "compilation"
"""Grade name of a film in which every clip is graded differently."""
AS_GIVEN = -1  # CRF of SDR that was given rather than compressed here.
HEAD = (
    "| method | PQ-PSNR | gain-aligned | ΔE ITP | gain-aligned | PU21-PSNR | gain-aligned "
    "| excess change of mean | of highlights |"
)


TRIMMED = " (trims "


def grade_name(grade: str, trims: float) -> str:
    """Name of a grade in the tables, with the deviation of its trims in stops, so that figures of
    other trims are never taken for the same.
    """
    return f"{grade}{TRIMMED}{trims:g})" if trims else grade


class Row(NamedTuple):
    """Figures of one method on one clip."""

    scene: str
    grade: str
    """Grade of the SDR, as by `grade_name`; for given pairs, the name of their film."""
    crf: int
    """CRF of x264; `AS_GIVEN` for given pairs."""
    method: str
    figures: tuple[float, ...]
    """PQ-PSNR, colour difference and PU21-PSNR, each as it is and gain-aligned; excess change of
    the mean and of the highlights."""

    @property
    def untrimmed(self) -> str:
        """The grade without its trims."""
        return self.grade.partition(TRIMMED)[0]


def figures(found: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    """`Row.figures` of a clip, PQ codes [T, H, W, 3]; all but flicker are of its middle frame."""
    middle, wanted = found[len(found) // 2], truth[len(truth) // 2]
    aligned = metrics.with_gain(middle, metrics.gain(middle, wanted))
    measured = [
        measure(frame, wanted)
        for measure in (metrics.pq_psnr, metrics.delta_e, metrics.pu21)
        for frame in (middle, aligned)
    ]
    return (*measured, *metrics.flicker(found, truth))


def table(title: str, rows: Sequence[Row]) -> str:
    """Markdown table of all figures, averaged over clips and grades, a row for each method."""
    lines = [title, "", HEAD, "| --- " * 9 + "|"]
    for name in dict.fromkeys(row.method for row in rows):
        means = np.mean([row.figures for row in rows if row.method == name], axis=0)
        psnr, psnr_a, colour, colour_a, pu21, pu21_a, mean, top = means
        lines.append(
            f"| {name} | {psnr:.2f} | {psnr_a:.2f} | {colour:.1f} | {colour_a:.1f} | {pu21:.2f} "
            f"| {pu21_a:.2f} | {mean:.2f} | {top:.2f} |"
        )
    return "\n".join(lines)


def compression(rows: Sequence[Row]) -> str:
    """Markdown table of PU21-PSNR by CRF, with the loss from the smallest CRF to the largest."""
    crfs = sorted({row.crf for row in rows})
    lines = ["PU21-PSNR by CRF", "", "| method |" + "".join(f" {c} |" for c in crfs) + " loss |"]
    lines.append("| --- " * (len(crfs) + 2) + "|")
    for name in dict.fromkeys(row.method for row in rows):
        means = [
            np.mean([r.figures[4] for r in rows if r.method == name and r.crf == c]) for c in crfs
        ]
        cells = "".join(f" {mean:.2f} |" for mean in means)
        lines.append(f"| {name} |{cells} {means[0] - means[-1]:.2f} |")
    return "\n".join(lines)


def by_grade(rows: Sequence[Row], what: str) -> str:
    """Markdown table of PU21-PSNR for each `Row.grade`. what: what these are, for the title."""
    names = list(dict.fromkeys(row.grade for row in rows))
    lines = [f"PU21-PSNR by {what}", "", "| method |" + "".join(f" {name} |" for name in names)]
    lines.append("| --- " * (len(names) + 1) + "|")
    for method in dict.fromkeys(row.method for row in rows):
        cells = [
            np.mean([r.figures[4] for r in rows if r.method == method and r.grade == name])
            for name in names
        ]
        lines.append(f"| {method} |" + "".join(f" {cell:.2f} |" for cell in cells))
    return "\n".join(lines)


def text_of(rows: Sequence[Row], unseen: Sequence[str]) -> str:
    """All tables in Markdown. unseen: names of grades that no weights were trained on."""
    given = [row for row in rows if row.crf == AS_GIVEN]
    graded = [row for row in rows if row.crf != AS_GIVEN]
    first = [row for row in graded if row.crf == graded[0].crf]
    parts = []
    for title, chosen in (
        ("Grades of the training", [r for r in first if r.untrimmed not in (*unseen, COMPILATION)]),
        ("Grades not trained on", [r for r in first if r.untrimmed in unseen]),
        ("Each clip in another grade", [r for r in first if r.untrimmed == COMPILATION]),
    ):
        if chosen:
            names = ", ".join(dict.fromkeys(row.grade for row in chosen))
            scenes = len({row.scene for row in chosen})
            parts.append(table(f"{title}: {names}; CRF {first[0].crf}, {scenes} scenes", chosen))
    one = [row for row in graded if row.untrimmed != COMPILATION]
    parts += [compression(one), by_grade(first, "grade")] if one else []
    if given:
        films = len({row.grade for row in given})
        pairs = len({(row.grade, row.scene) for row in given})
        parts.append(table(f"Pairs that were given: {films} films, {pairs} pairs", given))
        parts += [by_grade(given, "film")] if films > 1 else []
    return "\n\n".join(parts)


def write(out: Path, rows: Sequence[Row], unseen: Sequence[str]) -> str:
    """Write `film.md` and `film.csv` to the folder `out`; return the text of the former. Raises
    ImageError.
    """
    text = text_of(rows, unseen)
    write_text(out / "film.md", text + "\n")
    columns = [f"{name}{kind}" for name in COLUMNS for kind in ("", "_aligned")]
    write_csv(
        out / "film.csv",
        ["scene", "grade", "crf", "method", *columns, "change_mean", "change_highlights"],
        [
            (row.scene, row.grade, "" if row.crf == AS_GIVEN else row.crf, row.method, *row.figures)
            for row in rows
        ],
    )
    return text
