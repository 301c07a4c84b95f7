"""Regression check of the shipped weights: figures on the computed scenes, and their comparison.

The truths are in units of the clipping level of their photograph, so the camera of `protocol`
photographs them without exposing them again. A network sees the whole photograph; because there are
few scenes, the metrics are computed on a fixed grid of pieces of it. Pieces of one scene are not
independent: the intervals describe the scatter of these figures and nothing about other scenes.
"""

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from hdrcnn.colour.transfer import DEFAULT_CURVE, linearise
from hdrcnn.files import ImageError
from hdrcnn.predict.single_image import Predictor
from hdrcnn.readers.hdr import read_exr
from training_code.evaluation import protocol as rules
from training_code.evaluation.bootstrap import Interval, interval
from training_code.evaluation.files import write_text
from training_code.evaluation.metrics import Scores, evaluate
from training_code.evaluation.protocol import BASE, Condition, Protocol
from training_code.evaluation.shots import exclusion_reason

CONDITIONS = (
    dataclasses.replace(BASE, curve="srgb"),
    dataclasses.replace(BASE, curve="srgb", file="jpeg80"),
    dataclasses.replace(BASE, curve="srgb_style"),
)
"""Conditions that are measured; their share of clipped samples is ignored, because the truths are
already exposed."""

GRID = (2, 3)
"""Rows and columns of pieces."""

FIGURES = {"gain_db": 1, "psnr_crf": 1, "highlight_rmse": -1}
"""Figures that are compared: 1 if larger is better, -1 if smaller is. gain_db: CRF-corrected
PU21-PSNR minus that of the input linearised by the default curve."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """The committed record: intervals by condition and figure, and the pieces that they average."""

    pieces: dict[str, list[str]]
    intervals: dict[str, dict[str, Interval]]


def condition_name(condition: Condition) -> str:
    return f"{condition.file}_{condition.curve}"


def pieces(rows: int, columns: int) -> Iterator[tuple[str, tuple[slice, slice]]]:
    """Yield name and slices of each piece of a grid that covers an image without overlap."""
    tops = np.linspace(0, rows, GRID[0] + 1).round().astype(int)
    lefts = np.linspace(0, columns, GRID[1] + 1).round().astype(int)
    for i, j in np.ndindex(*GRID):
        place = slice(tops[i], tops[i + 1]), slice(lefts[j], lefts[j + 1])
        yield f"{i}{j}", place


def piece_scores(
    predictor: Predictor, name: str, truth: np.ndarray, condition: Condition, protocol: Protocol
) -> dict[str, tuple[Scores, Scores]]:
    """Scores of the weights and of the input, by piece; pieces that cannot be judged are left out.

    truth: [H, W, 3] float32, linear, 1.0 = clipping level.
    """
    codes = rules.photograph(name, truth, condition, protocol)
    stored = Image.open(io.BytesIO(rules.encode(codes, condition.file)))
    code = np.asarray(stored).astype(np.float32) / np.float32(255.0)
    ours, plain = predictor.reconstruct(code, resolution="native"), linearise(code, DEFAULT_CURVE)
    found = {}
    for label, place in pieces(*truth.shape[:2]):
        if exclusion_reason(code[place], truth[place], protocol) is None:
            own = evaluate(ours[place], truth[place], code[place])
            found[f"{name}/{label}"] = own, evaluate(plain[place], truth[place], code[place])
    return found


def measure(predictor: Predictor, truth_dir: Path, protocol: Protocol | None = None) -> Figures:
    """Measure all figures on the truths of a folder. Raises ImageError if there are none, or none
    can be judged.
    """
    paths = sorted(truth_dir.glob("*.exr"))
    if not paths:
        raise ImageError(f"{truth_dir}: holds no truths (.exr); compute the scenes first")
    protocol = protocol or Protocol()
    names, intervals = {}, {}
    for condition in CONDITIONS:
        scores: dict[str, tuple[Scores, Scores]] = {}
        for path in paths:
            truth = read_exr(path)
            scores |= piece_scores(predictor, path.stem, truth, condition, protocol)
        if not scores:
            raise ImageError(f"{truth_dir}: no truth has saturated pieces, nothing to measure")
        label = condition_name(condition)
        names[label] = list(scores)
        intervals[label] = {
            "gain_db": interval([own.psnr_crf - plain.psnr_crf for own, plain in scores.values()]),
            "psnr_crf": interval([own.psnr_crf for own, _ in scores.values()]),
            "highlight_rmse": interval([own.highlight_rmse for own, _ in scores.values()]),
        }
    return Figures(names, intervals)


def save(path: Path, figures: Figures) -> None:
    """Write figures as JSON."""
    write_text(path, json.dumps(dataclasses.asdict(figures), indent=1) + "\n")


def load(path: Path) -> Figures:
    """Read what `save` wrote. Raises ValueError naming the file and the remedy."""
    try:
        stored = json.loads(path.read_text())
        intervals = {
            condition: {name: Interval(**bounds) for name, bounds in figures.items()}
            for condition, figures in stored["intervals"].items()
        }
        return Figures(stored["pieces"], intervals)
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: no usable figures ({error}); write them by --update") from error


def compare(new: Figures, committed: Figures) -> tuple[list[str], bool]:
    """Compare figures with the committed ones; return a line for each, and whether all are good.

    A figure is bad if its mean is outside the committed interval on the worse side. Raises
    ValueError if the two are not of the same pieces.
    """
    if new.pieces != committed.pieces:
        raise ValueError(
            "the committed figures are of other scenes or pieces; if the scenes were meant to "
            "change, write new figures by --update"
        )
    lines, good = [], True
    for condition, figures in committed.intervals.items():
        for name, old in figures.items():
            mean, better = new.intervals[condition][name].mean, FIGURES[name]
            holds = mean >= old.low if better > 0 else mean <= old.high
            good = good and holds
            lines.append(
                f"{condition:<22} {name:<15} {mean:8.3f}  committed {old.mean:8.3f} "
                f"[{old.low:.3f}, {old.high:.3f}]  {'ok' if holds else 'WORSE'}"
            )
    return lines, good
