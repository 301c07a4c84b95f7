"""SDR film to HDR on clips of held-out scenes: ours beside formulas, over grades and compression.

    python training_code/film_evaluate.py --scenes HDR --validation LIST --params curves=FILE

Clips, each a pan with a zoom and an exposure ramp, are together a film, which is graded to SDR in
every way of --grades, and compressed by x264 at every --crf; last each clip in another of these
grades, as in a compilation. Measured are PQ-PSNR, colour difference (ICtCp, BT.2124) and
PU21-PSNR of the middle frame, as it is and after one gain, and over all frames the excess change of
the mean and of the brightest hundredth against the truth. Writes `film.md`, `film.csv`, and the
clip with the worst result of the last --params as a picture of PQ codes: SDR, truth, each method.
"""

import csv
import itertools
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError, prepare_folder
from hdrcnn.weights import WeightsError
from training_code.console import run

if TYPE_CHECKING:
    from training_code.evaluation.film_methods import Method
    from training_code.scenes.collection import Scene

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("scenes", [], "Folder with HDR scenes; may be given several times.")
flags.DEFINE_multi_string(
    "validation", [], "Text files of families; only these are taken. Default: all."
)
flags.DEFINE_multi_string("params", [], "NAME=FILE: a weights file; may be given several times.")
flags.DEFINE_bool("formulas", True, "Measure formulas, too: the same whatever the weights.")
flags.DEFINE_list(
    "grades",
    ["reinhard", "moebius", "bt2446a", "bt2446c", "camera", "hable", "srgb"],
    "Of the SDR.",
)
flags.DEFINE_bool("compilation", True, "Measure a film whose clips have different grades, too.")
flags.DEFINE_list("unseen", ["hable", "srgb"], "Grades that no weights were trained on.")
flags.DEFINE_list("crf", ["18", "35"], "Of x264; the first one is that of the tables.")
flags.DEFINE_integer("clips", 12, "Looks at scenes.", 1)
flags.DEFINE_integer("films", 1, "Times that all clips are graded, each with other numbers.", 1)
flags.DEFINE_integer("frames", 6, "Of a clip.", 2)
flags.DEFINE_integer("size", 192, "Rows of the frames, a multiple of 32.", 64)
flags.DEFINE_integer("seed", 7, "Of all clips.")
flags.DEFINE_string("out_dir", None, "Folder for tables and pictures.", required=True)

COLUMNS = ("pq_psnr", "delta_e_itp", "pu21_psnr")
COMPILATION = "compilation"
HEAD = (
    "| method | PQ-PSNR | gain-aligned | ΔE ITP | gain-aligned | PU21-PSNR | gain-aligned "
    "| excess change of mean | of highlights |"
)


class Row(NamedTuple):
    """One clip by one method."""

    scene: str
    grade: str
    crf: int
    method: str
    figures: tuple[float, ...]
    """PQ-PSNR, colour difference, PU21-PSNR, each as is and gain-aligned; excess change of mean and
    highlights."""


def figures(found: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    """Of the frames of a clip, PQ codes [T, H, W, 3]."""
    from training_code.evaluation import film_metrics as metrics

    middle, wanted = found[len(found) // 2], truth[len(truth) // 2]
    aligned = metrics.with_gain(middle, metrics.gain(middle, wanted))
    measured = [
        measure(frame, wanted)
        for measure in (metrics.pq_psnr, metrics.delta_e, metrics.pu21)
        for frame in (middle, aligned)
    ]
    return (*measured, *metrics.flicker(found, truth))


def clip_of(scenes: "list[Scene]", index: int) -> tuple[str, np.ndarray]:
    """The name of a scene and a clip of it, [T, H, W, 3], cd/m^2 of BT.2020: scenes in turn."""
    from training_code.camera import clips

    def draw(attempt: int) -> "tuple[Scene, clips.Take]":
        rng = np.random.default_rng((FLAGS.seed, index, attempt))
        return scenes[index % len(scenes)], clips.draw_take(rng, FLAGS.frames)

    scene, light = clips.filmed(draw, FLAGS.size, FLAGS.size * 16 // 9 // 32 * 32)
    return scene.name, light


def table(title: str, rows: Sequence[Row]) -> str:
    """In Markdown: means over clips and grades."""
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
    """PU21-PSNR by CRF, in Markdown."""
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


def by_grade(rows: Sequence[Row]) -> str:
    """PU21-PSNR of each grade, in Markdown."""
    names = list(dict.fromkeys(row.grade for row in rows))
    lines = ["PU21-PSNR by grade", "", "| method |" + "".join(f" {name} |" for name in names)]
    lines.append("| --- " * (len(names) + 1) + "|")
    for method in dict.fromkeys(row.method for row in rows):
        cells = [
            np.mean([r.figures[4] for r in rows if r.method == method and r.grade == name])
            for name in names
        ]
        lines.append(f"| {method} |" + "".join(f" {cell:.2f} |" for cell in cells))
    return "\n".join(lines)


def report(out: Path, rows: list[Row], crfs: list[int]) -> str:
    """Writes `film.md` and `film.csv`; returns the former."""
    first = [row for row in rows if row.crf == crfs[0]]
    parts = []
    mixed = [row for row in first if row.grade == COMPILATION]
    known = [row for row in first if row.grade not in (*FLAGS.unseen, COMPILATION)]
    unseen = [row for row in first if row.grade in FLAGS.unseen]
    for title, chosen in (
        ("Grades of the training", known),
        ("Grades not trained on", unseen),
        ("Each clip in another grade", mixed),
    ):
        if chosen:
            names = ", ".join(dict.fromkeys(row.grade for row in chosen))
            scenes = len({row.scene for row in chosen})
            parts.append(table(f"{title}: {names}; CRF {crfs[0]}, {scenes} scenes", chosen))
    one = [row for row in rows if row.grade != COMPILATION]
    parts += [compression(one), by_grade(first)] if one else []
    text = "\n\n".join(parts)
    (out / "film.md").write_text(text + "\n")
    with (out / "film.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        columns = [f"{name}{kind}" for name in COLUMNS for kind in ("", "_aligned")]
        lines.writerow(
            ["scene", "grade", "crf", "method", *columns, "change_mean", "change_highlights"]
        )
        lines.writerows((*row[:-1], *row.figures) for row in rows)
    return text


def all_methods() -> "dict[str, Method]":
    """Formulas, then the weights of the flags. Raises ValueError, WeightsError."""
    from training_code.evaluation import film_methods as methods

    found = methods.formulas() if FLAGS.formulas else {}
    for text in FLAGS.params:
        name, _, path = text.partition("=")
        if not path:
            raise ValueError("--params: NAME=FILE is needed")
        found |= methods.of_weights(name, Path(path))
    if not found:
        raise ValueError("--noformulas needs --params: there is nothing to measure")
    return found


def main() -> int:
    """Flags to tables. Returns the exit status."""
    from hdrcnn.writers.display import write_png
    from training_code.camera import clips, grades
    from training_code.scenes.collection import load_scenes
    from training_code.scenes.families import read_list

    if FLAGS.size % 32:
        raise ValueError(f"--size {FLAGS.size}: must be a multiple of 32")
    if not set(FLAGS.grades) <= set(grades.NAMES):
        raise ValueError(f"--grades: known are {', '.join(grades.NAMES)}")
    crfs = [int(text) for text in FLAGS.crf]
    methods = all_methods()
    families = frozenset[str]().union(*(read_list(Path(p)) for p in FLAGS.validation))
    scenes: list[Scene] = []
    for folder in FLAGS.scenes:
        scenes += load_scenes(Path(folder), families, without=not FLAGS.validation).scenes
    if not scenes:
        raise ValueError("no scenes; give --scenes")
    scenes.sort(key=lambda scene: (scene.family, scene.name))
    # One of each family before any family comes again.
    turn = {id(s): [t.family for t in scenes[:i]].count(s.family) for i, s in enumerate(scenes)}
    scenes.sort(key=lambda scene: turn[id(scene)])
    out = Path(FLAGS.out_dir)
    prepare_folder(out)
    rows: list[Row] = []
    judged, worst, text = list(methods)[-1], np.inf, ""
    names, lights = zip(*(clip_of(scenes, index) for index in range(FLAGS.clips)), strict=True)
    truths = [clips.hdr_words(own).astype(np.float32) / np.float32(clips.WORDS) for own in lights]
    asked = [*FLAGS.grades, *[COMPILATION] * FLAGS.compilation]
    for number, grade_name in itertools.product(range(FLAGS.films), asked):
        rng = np.random.default_rng((FLAGS.seed, number, zlib.crc32(grade_name.encode())))
        film = [grades.draw_grade((grade_name,), rng)] * len(lights)
        if grade_name == COMPILATION:
            film = [grades.draw_grade(FLAGS.grades, rng) for _ in lights]
        for crf in crfs:
            sdr = [clips.graded(own, g, crf) for own, g in zip(lights, film, strict=True)]
            found = {n: method(sdr) for n, method in methods.items()}
            for index, (name, truth) in enumerate(zip(names, truths, strict=True)):
                rows += [
                    Row(name, grade_name, crf, n, figures(of[index], truth))
                    for n, of in found.items()
                ]
                if rows[-1].figures[4] < worst:
                    worst = rows[-1].figures[4]
                    results = (of[index][0] for of in found.values())
                    write_png(out / "worst.png", grid([sdr[index][0] / 255, truth[0], *results]))
        text = report(out, rows, crfs)
        print(f"{grade_name} done, film {number + 1} of {FLAGS.films}", flush=True)
    print(text)
    print(f"worst.png: {judged}, {worst:.2f} dB")
    return 0


def grid(cells: list[np.ndarray], columns: int = 3) -> np.ndarray:
    """[H, W, 3] in [0, 1] each, some a row, the rest black, as uint8."""
    codes = [np.rint(255.0 * np.clip(cell, 0.0, 1.0)).astype(np.uint8) for cell in cells]
    codes += [np.zeros_like(codes[0])] * (-len(codes) % columns)
    rows = [np.concatenate(codes[i : i + columns], axis=1) for i in range(0, len(codes), columns)]
    return np.concatenate(rows)


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
