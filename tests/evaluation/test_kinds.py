"""Validation by kind of picture: gains and losses are counted correctly."""

import csv

import numpy as np
import pytest
from PIL import Image

from hdrcnn.colour.transfer import linearise, srgb_decode
from hdrcnn.writers.exr import write_exr
from tests.conftest import ONNX, ROOT
from training_code.evaluation import kinds
from training_code.evaluation.protocol import Condition, Protocol
from training_code.scenes.collection import Scene
from training_code.scenes.photographs import load_photographs

SRGB = Condition(0.05, "png", "srgb")


def codes(seed: int = 3, clipped: int = 0) -> np.ndarray:
    """A smooth picture [48, 64, 3] uint8 below 250, in which `clipped` pixels are 255."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(10, 240, (6, 8, 3), dtype=np.uint8))
    picture = np.asarray(small.resize((64, 48), Image.Resampling.BICUBIC)).copy()
    picture = np.minimum(picture, 249)
    picture.reshape(-1, 3)[:clipped] = 255
    return picture


@pytest.fixture
def scenes(tmp_path) -> list[Scene]:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(codes(seed, 20)).save(folder / f"p{seed}.png")
    rng = np.random.default_rng(1)
    light = rng.lognormal(0.0, 1.5, (48, 64, 3)).astype(np.float16)
    return [*load_photographs(folder, without=True, smallest=32).scenes, Scene("h.exr", "h", light)]


@pytest.mark.parametrize("clipped", [0.02, 0.05, 0.1])
def test_the_clipped_share_of_photographs_is_of_the_known_pixels(scenes, clipped):
    found = list(kinds.shots(scenes, Condition(clipped, "png", "srgb"), Protocol(noise_sd=0.0)))
    assert [shot.kind for shot in found] == [2, 2, 2, 1]
    for shot in found[:3]:
        known = ~np.isnan(shot.truth).any(axis=-1)
        assert np.sum(~known) == 20
        assert np.mean(shot.truth[known] >= 1.0) == pytest.approx(clipped, abs=0.005)
        light = srgb_decode(shot.code[known])
        inside = shot.truth[known] < 1.0
        np.testing.assert_allclose(light[inside], shot.truth[known][inside], atol=0.006)


def test_photographs_with_a_lower_white_give_the_same_codes(scenes):
    for low, full in zip(
        kinds.shots(scenes, Condition(0.05, "white240", "srgb"), Protocol()),
        kinds.shots(scenes, SRGB, Protocol()),
        strict=True,
    ):
        assert low.stored.max() == 240
        assert full.stored.max() == 255
        np.testing.assert_allclose(low.code, full.code, atol=0.6 / 240)


def test_an_unchanged_input_wins_nothing_and_perfect_highlights_everything(scenes):
    own = [shot for shot in kinds.shots(scenes, SRGB, Protocol()) if shot.kind == 2]
    methods = {"same": lambda stored: linearise(stored / np.float32(255), "srgb")}
    scores, best = kinds.score(own, methods)
    assert best == "input inverse sRGB"
    rows = {row.method: row for row in kinds.summarise("x", SRGB.name, scores, best)}
    assert set(rows) == {best, "perfect highlights", "same"}
    assert rows["same"].difference.mean == pytest.approx(0.0, abs=1e-3)
    assert rows["same"].share_won == pytest.approx(0.0, abs=1e-3)
    assert rows["same"].rmse_ratio == pytest.approx(1.0, abs=1e-3)
    assert rows["perfect highlights"].share_won == pytest.approx(1.0)
    assert rows["perfect highlights"].difference.low > 1.0
    assert rows["perfect highlights"].rmse_ratio < 0.1
    assert rows["same"].worse == 0


def test_harmful_results_are_counted_as_worse(scenes):
    own = [shot for shot in kinds.shots(scenes, SRGB, Protocol()) if shot.kind == 2]

    def glaring(stored: np.ndarray) -> np.ndarray:
        light = linearise(stored / np.float32(255), "srgb")
        return np.where(stored > 250, 50.0, light)

    scores, best = kinds.score(own, {"glaring": glaring})
    row = kinds.summarise("x", SRGB.name, scores, best)[-1]
    assert row.method == "glaring"
    assert row.worse == row.views == 3
    assert row.share_won < 0
    assert row.peak > 2
    assert "glaring" in kinds.table([row])


def test_views_that_cannot_be_judged_are_named(scenes):
    light = np.zeros((48, 64, 3), np.float16)
    light[:4] = 1.0 + scenes[-1].pixels[:4]
    left = list[str]()
    cave = Scene("cave.exr", "cave", light)
    found = list(kinds.shots([cave, *scenes], SRGB, Protocol(), left_out=left.append))
    assert [shot.family for shot in found] == [scene.family for scene in scenes]
    assert [line.partition(":")[0] for line in left] == ["cave"]


def test_the_error_without_any_usable_view_is_one_line(tmp_path, tiny_exported, run_python):
    (tmp_path / "families.txt").write_text("night\n")
    (tmp_path / "hdr").mkdir()
    light = np.zeros((128, 192, 3), np.float32)
    light[:2] = 3.0
    write_exr(tmp_path / "hdr" / "night.exr", light)
    done = run_python(
        ROOT / "training_code" / "hdrcnn_validate.py", f"--scenes={tmp_path / 'hdr'}",
        f"--families={tmp_path / 'families.txt'}", f"--params=tiny={tiny_exported}",
        "--only=clip05_png_srgb", f"--out_dir={tmp_path / 'out'}", cwd=tmp_path, status=1, **ONNX,
    )  # fmt: skip
    assert "left out of clip05_png_srgb: night" in done.stdout
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_command_prints_one_table(tmp_path, scenes, tiny_exported, run_python):
    (tmp_path / "families.txt").write_text("h\n")
    for path in (tmp_path / "photographs").iterdir():
        with Image.open(path) as image:
            image.resize((128, 96)).save(path)
    light = np.tile(np.asarray(scenes[-1].pixels, np.float32), (2, 2, 1))
    (tmp_path / "hdr").mkdir()
    write_exr(tmp_path / "hdr" / "h.exr", light)
    done = run_python(
        ROOT / "training_code" / "hdrcnn_validate.py",
        f"--scenes={tmp_path / 'hdr'}",
        f"--photographs={tmp_path / 'photographs'}",
        f"--families={tmp_path / 'families.txt'}",
        f"--params=tiny={tiny_exported}",
        "--camera_curve=srgb",
        "--quality=fast",
        "--quality=best",
        "--only=clip05_jpeg80_srgb*",
        f"--out_dir={tmp_path / 'out'}",
        cwd=tmp_path,
        **ONNX,
    )
    table = (tmp_path / "out" / "table.md").read_text()
    assert all(line in done.stdout for line in table.splitlines())
    assert table.count("| tiny srgb best |") == 4  # Two kinds, plain and styled.
    with (tmp_path / "out" / "per_view.csv").open() as file:
        rows = list(csv.DictReader(file))
    ours = {"tiny srgb fast", "tiny srgb best"}
    assert {row["method"] for row in rows} >= {*ours, "perfect highlights"}


def test_differences_are_means_over_places_and_all_else_over_views():
    gains = {"a1": ("a", 0.0), "a2": ("a", 1.0), "b1": ("b", 3.5)}
    perfect = dict.fromkeys(gains, 4.0)

    def scores(method: str, above: dict[str, float]) -> list[kinds.Score]:
        return [
            kinds.Score(view, family, method, 30.0 + above[view], 20.0 + above[view], 0.5, 0.1, 0.0)
            for view, (family, _) in gains.items()
        ]

    every = [line for name in kinds.DO_NOTHING for line in scores(name, dict.fromkeys(gains, 0.0))]
    every += scores("perfect highlights", perfect)
    every += scores("ours", {view: gain for view, (_, gain) in gains.items()})
    row = kinds.summarise("k", "c", every, next(iter(kinds.DO_NOTHING)))[-1]
    assert row.method == "ours"
    assert row.difference.mean == pytest.approx((0.5 + 3.5) / 2)
    assert row.aligned == pytest.approx((0.0 + 1.0 + 3.5) / 3)
    assert row.share_won == pytest.approx(4.5 / 12)
