"""Summaries of scores: means, intervals, differences, verdicts."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from training_code.evaluation import bootstrap
from training_code.evaluation.bootstrap import Interval
from training_code.evaluation.methods import DO_NOTHING
from training_code.evaluation.scoring import METRICS, Record

DECISIVE = "psnr_crf"
"""Metric by which rows are compared: PU21-PSNR, CRF-corrected (Hanji et al. 2022)."""

INDISTINCT_DB = 3.5
"""Smallest difference in `DECISIVE`, dB, that shows one method to be better than another, ibid."""

WORSE_DB = 0.5
"""Loss against doing nothing, dB, beyond which a scene is listed."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One method under one condition; intervals over places."""

    method: str
    metrics: dict[str, Interval]
    difference: Interval
    """Paired difference in `DECISIVE` from the best do-nothing row."""
    verdict: str
    """`win`, `loss`, `tie`; empty for that row itself and if there are too few places."""


@dataclasses.dataclass(frozen=True)
class Table:
    """All rows under one condition."""

    condition: str
    best_input: str
    """The do-nothing row with the best mean of `DECISIVE`."""
    views: int
    places: int
    rows: list[Row]


@dataclasses.dataclass(frozen=True)
class Worse:
    """A scene that a method made worse than doing nothing."""

    condition: str
    method: str
    scene: str
    change_db: float
    """Mean of `DECISIVE` over its views minus that of the best do-nothing row, dB."""
    range_ratio: float


def by_condition(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records by the name of their condition, in order of appearance."""
    grouped: dict[str, list[Record]] = {}
    for record in records:
        grouped.setdefault(record.shot.condition.name, []).append(record)
    return grouped


def _values(records: list[Record], method: str, metric: str) -> bootstrap.FloatArray:
    """Mean of a metric for each place, sorted by the names of the places."""
    own = [record for record in records if record.method == method]
    return bootstrap.unit_means(
        [record.scores[metric] for record in own], [record.shot.family for record in own]
    )


def best_input(records: list[Record]) -> str:
    """Name of the do-nothing row with the best mean, against which methods are judged."""
    return max(DO_NOTHING, key=lambda name: float(np.mean(_values(records, name, DECISIVE))))


def tabulate(condition: str, records: list[Record]) -> Table:
    """Build the table of one condition from records of the same photographs for every method."""
    best = best_input(records)
    methods = list(dict.fromkeys(record.method for record in records))
    metrics = [name for name in (*METRICS, "jod") if name in records[0].scores]
    rows = []
    for method in methods:
        own = _values(records, method, DECISIVE)
        difference = bootstrap.paired(own, _values(records, best, DECISIVE))
        rows.append(
            Row(
                method,
                {name: bootstrap.interval(_values(records, method, name)) for name in metrics},
                difference,
                "" if method == best else bootstrap.verdict(difference),
            )
        )
    views = len({record.shot.view for record in records})
    return Table(condition, best, views, difference.units, rows)


def worse_scenes(condition: str, records: list[Record], method: str) -> list[Worse]:
    """Scenes that the method made worse than doing nothing by more than `WORSE_DB`, worst first."""
    best = best_input(records)
    mine: dict[str, dict[str, list[float]]] = {}
    ratios: dict[str, float] = {}
    for record in records:
        if record.method in (method, best):
            scene = mine.setdefault(record.shot.scene, {})
            scene.setdefault(record.method, []).append(record.scores[DECISIVE])
            ratios[record.shot.scene] = record.shot.range_ratio
    changes = {
        scene: float(np.mean(values[method]) - np.mean(values[best]))
        for scene, values in mine.items()
    }
    return [
        Worse(condition, method, scene, change, ratios[scene])
        for scene, change in sorted(changes.items(), key=lambda item: item[1])
        if change < -WORSE_DB
    ]
