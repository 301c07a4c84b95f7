"""Flicker of a result: how much small motions of the picture change it, in stops.

For a fixed set of motions T (`MOTIONS`), the result of the moved picture is compared with the
moved result, T f(x) - f(T x); in a film of the moving picture this difference would be seen as
flicker. After G. Eilertsen, R. K. Mantiuk, J. Unger, "Single-frame regularization for temporally
stable CNNs", CVPR 2019; the set of motions is ours. f is all that `Predictor` does, including the
blend, because that is what viewers see; the network's own output is reported beside it.

Works on the files of a finished evaluation, `ldr/<condition>/` and `per_image.csv`, and appends to
its `table.md` and `summary.json`.
"""

import csv
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hdrcnn.colour.transfer import log_encode
from hdrcnn.predict.blend import reconstruct_light
from hdrcnn.predict.single_image import Predictor, load
from hdrcnn.readers.photograph import read_ldr
from training_code.evaluation.bootstrap import Interval, interval, paired, unit_means
from training_code.evaluation.files import write_text
from training_code.evaluation.methods import Named
from training_code.evaluation.protocol import FILES, Condition
from training_code.losses import motion, temporal

MOTIONS = {
    "shift": (motion.row(down=1.0), motion.row(down=-0.5, right=1.5)),
    "rotation": (motion.row(rotation=0.5), motion.row(rotation=-1.0)),
    "noise": (motion.row(noise_sd=0.005, seed=1), motion.row(noise_sd=0.02, seed=2)),
}
"""The motions, by kind. A noise of 0.005 is that of a film in good light, 0.02 in poor light."""

NETWORK = "network"
"""Name, beside the kinds, of the figure of the network's output before the blend, over all
motions."""


@dataclasses.dataclass(frozen=True)
class Flicker:
    """Flicker of one photograph: RMS in stops over the mask and all motions."""

    stops: float
    parts: dict[str, float]
    """The same for each kind of `MOTIONS` alone, and `NETWORK`."""


@dataclasses.dataclass(frozen=True)
class Row:
    """Flicker of one weights file, with intervals over places."""

    method: str
    stops: Interval
    parts: dict[str, Interval]
    difference: Interval
    """Paired difference from the first weights file."""
    share: float
    """Mean as a share of that of the first weights file."""


def _results(predictor: Predictor, code: np.ndarray) -> np.ndarray:
    """Blended result and the network's own output, [2, H, W, 3], in natural log units."""
    log_hdr = predictor.log_hdr(code)
    facts = predictor.metadata
    light = reconstruct_light(code, log_hdr, facts.linearisation, facts.blend)
    return np.stack([log_encode(np.maximum(light, 0.0)), log_hdr])


def flicker(predictor: Predictor, code: np.ndarray) -> Flicker | None:
    """Measure the flicker of one photograph.

    code: [H, W, 3] float32 in [0, 1], display-encoded. The mask is `temporal.moved_saturation`:
    where the moved picture, before noise, is saturated. Returns None if the mask is empty.
    """
    still = _results(predictor, code)
    sums = {
        kind: np.sum([_compared(predictor, code, still, row) for row in rows], axis=0)
        for kind, rows in MOTIONS.items()
    }
    blended, network, weight = np.sum(list(sums.values()), axis=0)
    if not weight:
        return None
    parts = {kind: float(np.sqrt(own[0] / max(own[2], 1e-9))) for kind, own in sums.items()}
    parts[NETWORK] = float(np.sqrt(network / weight))
    return Flicker(float(np.sqrt(blended / weight)), parts)


def _compared(
    predictor: Predictor, code: np.ndarray, still: np.ndarray, row: np.ndarray
) -> np.ndarray:
    """For one motion, over its mask: sums of squared changes in stops, of the blended result and of
    the network's output, and the sum of the mask.
    """
    one, both = row[None], np.stack([row, row])
    moved = temporal.move_picture(code[None], one, np)[0]
    mask = temporal.moved_saturation(code[None], one, np)
    change = (temporal.warp(still, both, np) - _results(predictor, moved)) / np.log(2.0)
    squares = (np.square(change, dtype=np.float64) * mask).sum(axis=(1, 2)).mean(axis=-1)
    return np.array([*squares, mask.sum(dtype=np.float64)])


def photographs(out_dir: Path, condition: Condition) -> Iterator[tuple[str, str, Path]]:
    """Yield view, family and file of each photograph that an evaluation has scored."""
    with (out_dir / "per_image.csv").open(encoding="utf-8", newline="") as stream:
        families = {
            line["view"]: line["family"]
            for line in csv.DictReader(stream)
            if line["condition"] == condition.name
        }
    for view, family in families.items():
        path = out_dir / "ldr" / condition.name / f"{view}{FILES[condition.file]}"
        yield view, family, path


def tabulate(found: dict[str, list[Flicker]], families: Sequence[str]) -> list[Row]:
    """Summarise each method as a `Row`.

    found: for each method, one `Flicker` per photograph, the same photographs for all.
    families: their families, in the same order.
    """
    means = {
        name: unit_means([item.stops for item in items], families) for name, items in found.items()
    }
    first = next(iter(means.values()))
    return [
        Row(
            name,
            interval(means[name]),
            {
                part: interval(unit_means([item.parts[part] for item in items], families))
                for part in items[0].parts
            },
            paired(means[name], first),
            float(means[name].mean() / first.mean()) if first.mean() > 0 else float("nan"),
        )
        for name, items in found.items()
    ]


def describe(rows: Sequence[Row], condition: str, views: int) -> str:
    """Format the rows as a section of `table.md`."""
    head = ["method", "flicker [stops]", "to the first", "of the first", *rows[0].parts]
    lines = [head]
    for row in rows:
        bounds = f"{row.stops.mean:.3f} [{row.stops.low:.3f}, {row.stops.high:.3f}]"
        change = row.difference
        changed = f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
        parts = [f"{part.mean:.3f}" for part in row.parts.values()]
        lines.append([row.method, bounds, changed, f"{row.share:.0%}", *parts])
    lines[1][2:4] = "reference", "-"
    note = (
        f"- RMS of T f(x) - f(T x) over the saturated pixels, f with its blend, for "
        f"{sum(map(len, MOTIONS.values()))} fixed motions; {views} views of "
        f"{rows[0].stops.units} places. Then the parts of it by kind of motion, and the "
        "network's own output without the blend, all in stops."
    )
    lines.insert(1, ["---", *["---:"] * (len(head) - 1)])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"## Flicker: {condition}\n\n{table}\n\n{note}\n"


def add_to_results(out_dir: Path, condition: Condition, params: Sequence[Named]) -> list[Row]:
    """Measure weights files on the photographs of a finished evaluation; print and write the rows.

    Returns the rows; none if no photograph has a saturated pixel left after the motions. Raises
    WeightsError, ImageError or OSError.
    """
    taken = list(photographs(out_dir, condition))
    measured: dict[str, dict[str, Flicker]] = {}
    for named in params:
        predictor = load(named.path)
        results = {view: flicker(predictor, read_ldr(path)) for view, _, path in taken}
        measured[named.name] = {view: item for view, item in results.items() if item is not None}
    families = {view: family for view, family, _ in taken if view in measured[params[0].name]}
    if not families:
        return []
    found = {name: [items[view] for view in families] for name, items in measured.items()}
    rows = tabulate(found, list(families.values()))
    section = describe(rows, condition.name, len(families))
    print(section)
    summary = json.loads((out_dir / "summary.json").read_text(encoding="utf-8"))
    summary["flicker"] = {
        "condition": condition.name,
        "motions": {
            kind: [dict(zip(motion.COLUMNS, map(float, map(str, row)), strict=True)) for row in own]
            for kind, own in MOTIONS.items()
        },
        "methods": {row.method: dataclasses.asdict(row) for row in rows},
        "views": {
            name: {view: item.stops for view, item in items.items()}
            for name, items in measured.items()
        },
    }
    content = (out_dir / "table.md").read_text(encoding="utf-8").rstrip() + f"\n\n{section}"
    write_text(out_dir / "table.md", content)
    write_text(out_dir / "summary.json", json.dumps(summary, indent=1) + "\n")
    return rows
