"""A small evaluation from scenes to files; the files alone must give the same figures."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hdrcnn.colour.transfer import linearise
from hdrcnn.files import ImageError
from hdrcnn.predict.blend import saturation
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.writers.exr import write_exr
from training_code.evaluation import methods, run
from training_code.evaluation.methods import CEILING, CEILINGS, DO_NOTHING, Named
from training_code.evaluation.metrics import evaluate
from training_code.evaluation.protocol import BASE, VARIED, Condition, Protocol
from training_code.evaluation.run import Request
from training_code.evaluation.scoring import METRICS

SMALL = Protocol(longest_side=64, view_width=60, view_height=40)
VIEWS = {"a-bright", "a-away", "b-bright", "b-away", "c", "d"}


@pytest.fixture(scope="module")
def done(
    scene_folder: Path, tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> SimpleNamespace:
    """One evaluation of tiny weights under all default conditions."""
    request = Request(
        scenes=scene_folder,
        out_dir=tmp_path_factory.mktemp("evaluation"),
        params=(Named("ours", tiny_weights),),
        protocol=SMALL,
        command="the command",
    )
    tables = run.run(request)
    with (request.out_dir / "per_image.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    return SimpleNamespace(request=request, tables=tables, out=request.out_dir, lines=lines)


def test_every_photograph_and_method_has_a_line(done: SimpleNamespace) -> None:
    rows = [*DO_NOTHING, *methods.OPERATORS, "ours", *CEILINGS]
    found = {(line["condition"], line["view"], line["method"]) for line in done.lines}
    assert found == {(c.name, view, row) for c in VARIED for view in VIEWS for row in rows}
    assert len(done.lines) == len(found)


def test_the_files_alone_give_the_same_figures(done: SimpleNamespace) -> None:
    """Photograph and truth as written are what was measured, so other tools can be compared."""
    for line in done.lines:
        if line["method"] != "input squared":
            continue
        ldr = next((done.out / "ldr" / line["condition"]).glob(f"{line['view']}.*"))
        truth = done.out / "truth" / line["condition"][:6] / f"{line['view']}.exr"
        code = read_ldr(ldr)
        scores = evaluate(code.astype(np.float64) ** 2, read_exr(truth), code)
        for name in METRICS:
            assert float(line[name]) == pytest.approx(getattr(scores, name), abs=2e-6), name


def test_our_row_is_that_of_the_predictor(done: SimpleNamespace, tiny_weights: Path) -> None:
    from hdrcnn.predict.single_image import load

    code = read_ldr(done.out / "ldr" / BASE.name / "c.png")
    truth = read_exr(done.out / "truth" / "clip05" / "c.exr")
    scores = evaluate(load(tiny_weights).reconstruct(code), truth, code)
    key = (BASE.name, "c", "ours")
    (line,) = [x for x in done.lines if (x["condition"], x["view"], x["method"]) == key]
    assert float(line["psnr_crf"]) == pytest.approx(scores.psnr_crf, abs=1e-3)


def test_means_are_over_places(done: SimpleNamespace) -> None:
    table = done.tables[0]
    assert (table.condition, table.views, table.places) == (BASE.name, 6, 3)
    values = {
        line["view"]: float(line["psnr_crf"])
        for line in done.lines
        if (line["condition"], line["method"]) == (BASE.name, "ours")
    }
    one = np.mean([values[view] for view in VIEWS - {"c", "d"}])
    (row,) = [row for row in table.rows if row.method == "ours"]
    expected = np.mean([one, values["c"], values["d"]])
    assert row.metrics["psnr_crf"].mean == pytest.approx(expected, abs=1e-5)


def test_the_ceiling_is_above_doing_nothing_everywhere(done: SimpleNamespace) -> None:
    scores: dict[tuple[str, str], dict[str, float]] = {}
    for line in done.lines:
        place = scores.setdefault((line["condition"], line["view"]), {})
        place[line["method"]] = float(line["psnr_crf"])
        if line["method"] in CEILINGS:
            assert float(line["highlight_rmse"]) < 0.01
    for place in scores.values():
        assert place[CEILING] > max(place[name] for name in DO_NOTHING)


def test_differences_are_to_the_best_input(done: SimpleNamespace) -> None:
    for table in done.tables:
        means = {row.method: row.metrics["psnr_crf"].mean for row in table.rows}
        assert means[table.best_input] == max(means[name] for name in DO_NOTHING)
        for row in table.rows:
            expected = means[row.method] - means[table.best_input]
            assert row.difference.mean == pytest.approx(expected, abs=1e-9)


def test_perfect_highlights_change_highlights_only(done: SimpleNamespace) -> None:
    code = read_ldr(done.out / "ldr" / BASE.name / "c.png")
    truth = read_exr(done.out / "truth" / "clip05" / "c.exr").astype(np.float64)
    plain = linearise(code.astype(np.float64), "mean_curve")
    alpha = saturation(code)[..., 0] > 0
    assert 0.01 < alpha.mean() < 0.5
    for curve in (False, True):
        perfect = methods.perfect_highlights(code, truth, curve)
        np.testing.assert_array_equal(perfect[alpha], truth[alpha])
    gains = (methods.perfect_highlights(code, truth) / plain)[~alpha & (code.min(axis=-1) > 0)]
    assert np.ptp(gains) < 1e-9


def test_summary_is_strict_json_with_what_the_figures_depend_on(done: SimpleNamespace) -> None:
    text = (done.out / "summary.json").read_text()
    stored = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert stored["settings"]["protocol"] == dataclasses.asdict(SMALL)
    assert len(stored["settings"]["params"]["ours"]) == 64
    assert list(stored["conditions"]) == [condition.name for condition in VARIED]
    assert str(done.out) not in text


def test_tables_are_printed_with_the_rule(done: SimpleNamespace) -> None:
    text = (done.out / "table.md").read_text()
    assert "`the command`" in text
    for condition in VARIED:
        assert f"## {condition.name}" in text
    assert text.count("less than 3.5 dB PU21-PSNR does not show") == len(VARIED)
    assert text.count("With fewer than 6 places nothing is called") == len(VARIED)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in table[:10]}) == 1
    assert {row.verdict for table in done.tables for row in table.rows} == {""}


def test_report_shows_every_view(done: SimpleNamespace) -> None:
    page = (done.out / "report.html").read_text(encoding="utf-8")
    assert all(page.count(f">{view}<") >= 1 for view in VIEWS)


def copy_truths(done: SimpleNamespace, folder: Path) -> None:
    for condition in VARIED:
        truths = done.out / "truth" / condition.exposure
        shutil.copytree(truths, folder / condition.name)


def test_perfect_results_of_another_tool_score_best(
    done: SimpleNamespace, scene_folder: Path, tmp_path: Path
) -> None:
    """Results lie in one folder per condition; noise, the worst possible result, comes last."""
    copy_truths(done, tmp_path / "perfect")
    copy_truths(done, tmp_path / "noise")
    for index, path in enumerate(sorted((tmp_path / "noise").rglob("*.exr"))):
        noise = np.random.default_rng(index).uniform(0.0, 1.0, read_exr(path).shape)
        write_exr(path, noise)
    conditions = (BASE, Condition(file="jpeg80"))
    request = Request(
        scenes=scene_folder,
        out_dir=tmp_path / "out",
        folders=(Named("perfect", tmp_path / "perfect"), Named("noise", tmp_path / "noise")),
        conditions=conditions,
        protocol=SMALL,
    )
    for table in run.run(request):
        means = {row.method: row.metrics["psnr_crf"].mean for row in table.rows}
        assert max(means, key=lambda name: means[name]) == "perfect"
        assert min(means, key=lambda name: means[name]) == "noise"
        assert means["perfect"] > 80.0
    stored = json.loads((tmp_path / "out" / "summary.json").read_text())
    worse = {(x["condition"], x["method"], x["scene"]) for x in stored["worse_than_input"]}
    scenes = ("a.exr", "b.exr", "c.exr", "d.exr")
    assert worse == {(c.name, "noise", scene) for c in conditions for scene in scenes}
    aligned = stored["conditions"][BASE.name]["methods"]["perfect"]["metrics"]["psnr_aligned"]
    assert aligned["mean"] is None  # Infinite, which JSON cannot express.


def test_a_single_condition_may_lie_in_the_folder_itself(
    done: SimpleNamespace, scene_folder: Path, tmp_path: Path
) -> None:
    request = Request(
        scenes=scene_folder,
        out_dir=tmp_path / "out",
        folders=(Named("perfect", done.out / "truth" / "clip05"),),
        conditions=(BASE,),
        protocol=SMALL,
    )
    (table,) = run.run(request)
    assert [row.method for row in table.rows if row.difference.mean > 40] == ["perfect"]


def test_missing_results_are_named_before_any_prediction(
    done: SimpleNamespace, tmp_path: Path
) -> None:
    copy_truths(done, tmp_path / "other")
    (tmp_path / "other" / BASE.name / "c.exr").unlink()
    request = dataclasses.replace(
        done.request,
        params=(Named("ours", tmp_path / "never_opened.npz"),),
        folders=(Named("other", tmp_path / "other"),),
        out_dir=tmp_path / "out",
    )
    with pytest.raises(ImageError, match=r"1 of 36 .*clip05_png_published/c\.exr"):
        run.run(request)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ldr", "truth"]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.ones((40, 30, 3)), "30x40.*64x51"),
        (np.zeros((51, 64, 3)), "c: the result of other cannot be measured: nothing to align"),
    ],
)
def test_unusable_results_are_named(
    done: SimpleNamespace, tmp_path: Path, result: np.ndarray, message: str
) -> None:
    copy_truths(done, tmp_path / "other")
    write_exr(tmp_path / "other" / BASE.name / "c.exr", result)
    request = dataclasses.replace(
        done.request,
        params=(),
        folders=(Named("other", tmp_path / "other"),),
        out_dir=tmp_path / "out",
        conditions=(BASE,),
    )
    with pytest.raises(ImageError, match=message):
        run.run(request)


def test_two_rows_of_one_name_are_refused(done: SimpleNamespace, tmp_path: Path) -> None:
    twice = dataclasses.replace(done.request, params=done.request.params * 2, out_dir=tmp_path)
    with pytest.raises(ValueError, match="ours"):
        run.run(twice)
