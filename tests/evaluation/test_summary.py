"""Verdicts, the 3.5 dB rule and the list of scenes made worse, from made-up scores."""

from pathlib import Path

import numpy as np
import pytest

from training_code.evaluation import summary, text
from training_code.evaluation.protocol import BASE
from training_code.evaluation.scoring import METRICS, Record
from training_code.evaluation.shots import StoredShot


def records(gains: dict[str, float], places: int = 8) -> list[Record]:
    """Made-up scores: inputs of about 30 dB, each method better than the mean curve by its gain."""
    rng = np.random.default_rng(1)
    found = []
    for place in range(places):
        level = rng.normal(30.0, 5.0)
        shot = StoredShot(f"v{place}", f"s{place}", f"f{place}", 9.0, BASE, Path("l"), Path("t"))
        inputs = {"input squared": -1.0, "input inverse sRGB": -0.5, "input inverse mean curve": 0}
        for method, gain in {**inputs, **gains}.items():
            scores = dict.fromkeys(METRICS, 0.5)
            scores["psnr_crf"] = level + gain + rng.normal(0.0, 0.05)
            found.append(Record(shot, method, scores))
    return found


def test_verdicts_and_the_rule() -> None:
    table = summary.tabulate(BASE.name, records({"good": 2.0, "same": 0.0, "bad": -4.0}))
    assert table.best_input == "input inverse mean curve"
    verdicts = {row.method: row.verdict for row in table.rows}
    assert verdicts["good"] == "win"
    assert verdicts["same"] == "tie"
    assert verdicts["bad"] == verdicts["input squared"] == "loss"
    assert verdicts["input inverse mean curve"] == ""
    rule = text.rule_of_hanji(table)
    assert "Farther than that from the best input: bad." in rule
    none = text.rule_of_hanji(summary.tabulate(BASE.name, records({"good": 2.0})))
    assert "No row is that far" in none


def test_worse_scenes_are_listed_the_worst_first() -> None:
    assert summary.worse_scenes(BASE.name, records({"ours": -0.2}), "ours") == []
    found = summary.worse_scenes(BASE.name, records({"ours": -2.0}), "ours")
    changes = [entry.change_db for entry in found]
    assert len(found) == 8
    assert changes == sorted(changes)
    assert changes[0] == pytest.approx(-2.0, abs=0.3)
    lines = text.worse_lines(found, "ours", BASE.name)
    assert "8 scenes" in lines[0]
    assert "(9.0)" in lines[1]
