"""The film training: it learns, resumes where it stopped, and saves weights that convert films."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.colour.bt2446 import PEAK
from hdrcnn.colour.primaries import REC709
from hdrcnn.models.film_curves import STATISTICS
from hdrcnn.models.metadata import FilmCurves, FilmUnet
from hdrcnn.predict.film import WHITE, Curves
from hdrcnn.predict.film_curves import PARAMETERS
from tests.conftest import ROOT
from tests.run.training import check_resumed_run, loss_ratio
from training_code.camera import clips
from training_code.camera.grades import Grade
from training_code.evaluation.film_methods import load_methods
from training_code.run import config as configs
from training_code.scenes.collection import load_scenes
from training_code.scenes.views import Views
from training_code.tasks import film, film_rows, film_settings, task
from training_code.tasks.settings import Running

COMMAND = ROOT / "training_code" / "hdrcnn_train.py"
SMALL: dict[str, Any] = {"size": 64, "batch": 2, "epochs": 2, "steps": 2, "width": 4, "members": 2}
SMALL["evidence"] = 3
CLIPS = film_settings.Clips(looks=2, repeats=2, compressed=0.0, alike=2)
CONFIGS = {
    "curves": film_settings.Config(**SMALL, clips=CLIPS),
    "unet": film_settings.Config(**SMALL, clips=CLIPS, network="unet", base_channels=2),
}


def clip() -> dict[str, np.ndarray]:
    """Two frames of a ramp of light with grain, the second 10 % brighter, graded by Reinhard."""
    rng = np.random.default_rng(2)
    ramp = 10.0 ** np.linspace(0.0, 2.9, 96)[None, :, None] * rng.uniform(0.7, 1.0, (64, 96, 3))
    light = np.stack([ramp, 1.1 * ramp]).astype(np.float32)
    return {
        "sdr": clips.graded(light, Grade("reinhard"))[None],
        "hdr": clips.hdr_pq_codes(light)[None],
    }


def rows() -> film_rows.Rows:
    """The two frames of the clip."""
    frames = list(zip(*(values[0] for values in clip().values()), strict=True))
    return film_rows.of_frames(frames, ["a", "b"], 1)


@pytest.mark.parametrize("name", ["curves", pytest.param("unet", marks=pytest.mark.slow)])
def test_one_clip_is_learnt(name):
    batch = clip() if name == "unet" else vars(rows())
    batch.pop("family", None)
    assert loss_ratio("film", CONFIGS[name], batch, "loss", 60) < 0.6


def terms_of(films: list[int], changed: int) -> tuple[np.ndarray, np.ndarray]:
    """L1 of the two rows before and after a change; `films` are the numbers of their films.

    changed: 1 changes the output of the second member, 0 the statistics of the first frame.
    """
    config = dataclasses.replace(CONFIGS["curves"], members=2, dropout=0.0)
    trainee = film.trainee(film.network(config), config, None)
    last, rng = trainee.network.get_layer("decode"), np.random.default_rng(5)
    last.set_weights([rng.normal(0.0, 0.3, values.shape) for values in last.get_weights()])
    batch = {name: np.array(values) for name, values in vars(rows()).items() if name != "family"}
    batch["film"] = np.array(films, np.int32)
    before = np.array(trainee(batch)["l1"])
    if changed:
        arrays = last.get_weights()
        arrays[-1][1] += 0.5
        last.set_weights(arrays)
    else:
        batch["statistics"][0] += 1.0
    return before, np.array(trainee(batch)["l1"])


def test_every_member_learns_from_films_of_its_own():
    before, after = terms_of([0, 1], 1)
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_rows_of_a_film_share_their_evidence():
    for films, together in (([0, 0], True), ([0, 2], False)):
        before, after = terms_of(films, 0)
        assert before[0] != after[0]
        assert (before[1] != after[1]) == together


@pytest.mark.slow
def test_a_run_killed_within_an_epoch_resumes_to_the_same_weights(scene_folder, held_out, tmp_path):
    # Keras numbers the states of dropout per process, and the runs of this test share one.
    config = dataclasses.replace(CONFIGS["curves"], dropout=0.0)
    check_resumed_run("film", config, scene_folder, held_out, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["curves", "unet"])
def test_training_on_scenes_saves_weights_that_can_be_evaluated(
    name, scene_folder, held_out, tmp_path, run_python
):
    pytest.importorskip("av")
    arguments = [f"--scenes={scene_folder}", f"--validation={held_out}"]
    configs.save(CONFIGS[name], "film", tmp_path / "config.json")
    done = run_python(
        COMMAND, "--task=film", *arguments, "--config=config.json", "--epochs=1", "--out_dir=run",
        "--validation_crops=2", cwd=tmp_path,
    )  # fmt: skip
    assert "held out: " in done.stdout
    path = tmp_path / "run" / "weights.npz"
    record = weights.load(path)[1]
    assert isinstance(record, FilmCurves if name == "curves" else FilmUnet)
    assert record.training["scenes"]
    sdr = clip()["sdr"][0]
    for found in (method([sdr])[0] for method in load_methods("ours", path).values()):
        assert found.shape == sdr.shape
        assert found.min() >= 0.0
        assert found.max() <= 1.0
    done = run_python(
        ROOT / "training_code" / "film_evaluate.py", *arguments, f"--params=ours={path}",
        "--size=64", "--clips=1", "--frames=2", "--grades=hable,camera", "--out_dir=out",
        cwd=tmp_path,
    )  # fmt: skip
    table = (tmp_path / "out" / "film.md").read_text()
    assert table.strip() in done.stdout
    ours = "ours, shot by shot" if name == "curves" else "ours"
    for row in ("BT.2446-A", "BT.2446-C", "Reinhard inverse", "BT.1886, 100", ours):
        assert table.count(f"| {row} |") == 5
    lines = (tmp_path / "out" / "film.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * 2 * (7 if name == "curves" else 6)
    assert (tmp_path / "out" / "worst.png").is_file()


@pytest.mark.slow
def test_measured_directions_are_saved_with_the_curves(scene_folder, tmp_path, run_python):
    """The shots of a whole film can then be pooled along them."""
    pytest.importorskip("av")
    kept, out = tmp_path / "fresh.npz", tmp_path / "new" / "measured.npz"
    arrays, record = film.export(film.network(CONFIGS["curves"]), CONFIGS["curves"])
    rng = np.random.default_rng(1)
    arrays = {
        name: values + 0.1 * rng.standard_normal(values.shape) for name, values in arrays.items()
    }
    weights.save(kept, arrays, record)
    done = run_python(
        ROOT / "training_code" / "film_directions.py", f"--scenes={scene_folder}",
        f"--params={kept}", f"--save={out}", "--looks=2", "--grades=reinhard,camera", cwd=tmp_path,
    )  # fmt: skip
    assert "2 grades of 2 scenes, fresh.npz" in done.stdout
    found = Curves(REC709, WHITE, PEAK, out).directions
    assert found is not None
    assert found.shape == (3, PARAMETERS)
    assert Curves(REC709, WHITE, PEAK, kept).directions is None
    pooled, apart = (load_methods("a", path) for path in (out, kept))
    assert [*pooled] == ["a, whole film", *apart]
    rng = np.random.default_rng(2)
    shots = [rng.integers(0, 255, (2, 64, 96, 3), dtype=np.uint8) for _ in range(3)]
    one, each = (pooled[f"a, {name}"](shots) for name in ("whole film", "shot by shot"))
    assert not np.array_equal(one, each)


def test_impossible_settings_are_refused():
    for wrong in (
        {"network": "gan"},
        {"size": 100},
        {"clips": film_settings.Clips(share=0.0)},
        {"network": "unet", "terms": film_settings.Terms(bend=1.0)},
        {"terms": film_settings.Terms(temporal=1.0)},
        {"members": 0},
        {"dropout": 1.0},
    ):
        with pytest.raises(ValueError, match=list(wrong)[-1]):
            dataclasses.replace(CONFIGS["curves"], **wrong)
    with pytest.raises(ValueError, match="terms"):
        film_settings.Terms(ssim=0.0, l1=0.0, delta_e_itp=0.0, temporal=0.0)


LOOK = np.random.default_rng(3).integers(20_000, 40_000, (3, 64, 96, 3)).astype(np.uint16)


def test_looks_repeat_and_their_grades_do_not():
    chosen = film_settings.Clips(looks=1, compressed=0.0, grades=("sigmoid", "mixed"))
    config = dataclasses.replace(CONFIGS["unet"], clips=chosen)
    material = film.Material([LOOK], [])

    def batch(index: int, epoch: int = 0, first: int = 0) -> dict[str, np.ndarray]:
        return film.batches(config, material, task.BatchRange(epoch, first)).batch_at(index)

    one, same, others = batch(1), batch(0, first=1), [batch(0), batch(1, epoch=1)]
    assert one["sdr"].dtype == np.uint8
    assert np.isin(one["hdr"], LOOK[film.WARM :]).all()
    for name, values in one.items():
        np.testing.assert_array_equal(values, same[name])
    assert not any(np.array_equal(one["sdr"], other["sdr"]) for other in others)
    assert not np.array_equal(one["sdr"][0], one["sdr"][1])


def test_given_pairs_and_clips_are_mixed_by_share():
    given = [
        film.Pair(np.full((2, 64, 96, 3), level, np.uint8), LOOK[film.WARM :])
        for level in (1, 2, 3)
    ]

    def levels(share: float, pairs: list[film.Pair]) -> list[int]:
        chosen = film_settings.Clips(compressed=0.0, share=share)
        config = dataclasses.replace(CONFIGS["unet"], batch=6, pairs="folder", clips=chosen)
        taken = film.batches(config, film.Material([LOOK], pairs), task.BatchRange()).batch_at(0)
        return [0 if np.ptp(frames) else int(frames.max()) for frames in taken["sdr"]]

    assert sorted(levels(0.0, given)) == [1, 1, 2, 2, 3, 3]
    assert levels(1.0, given) == [0] * 6
    assert levels(0.5, []) == [0] * 6
    assert 0 in levels(0.5, given)


def test_a_film_whose_name_is_a_number_shares_no_grade_with_a_picture(
    scene_folder, tmp_path, monkeypatch
):
    frames = np.full((2, 64, 96, 3), 90, np.uint8), LOOK[film.WARM :]
    monkeypatch.setattr(film, "folder_pairs", lambda *_: [frames] * 3)
    monkeypatch.setattr(film, "video_pairs", lambda *_: [("2", frames)] * 2)
    chosen = film_settings.Clips(share=0.0)
    config = dataclasses.replace(CONFIGS["curves"], pairs="set", videos="films", clips=chosen)
    (rows,) = film.prepare(config, [], tmp_path, Running()).rows
    sets = [set(np.flatnonzero(rows.film == number)) for number in np.unique(rows.film)]
    assert sorted(map(sorted, sets)) == [[0], [1], [2], [3], [4], [5], [6, 8], [7, 9]]


def test_views_are_those_of_the_settings(scene_folder, tmp_path):
    """Cached rows, too, are taken again if the views have changed."""
    scenes = load_scenes(scene_folder, without=True).scenes
    config, kept = CONFIGS["curves"], tmp_path / "rows.npz"
    above = dataclasses.replace(config, views=Views(pitch=(85.0, 85.0), fov=(20.0, 20.0)))
    found = [film_rows.gather(c, scenes, 2, kept).hdr for c in (config, above, config)]
    assert not np.array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[0])


def test_every_member_has_rows_to_learn_from():
    with pytest.raises(ValueError, match=r"--batch 3.*--members"):
        film_settings.Config(batch=3, members=4)
    film_settings.Config(batch=3, members=4, network="unet")
    with pytest.raises(ValueError, match=r"views\.kinds"):
        film_settings.Config(views=Views(kinds=(1.0, 0.0, 0.0)))


def test_rows_are_the_same_with_and_without_a_cache(scene_folder, tmp_path):
    pytest.importorskip("av")
    scenes = load_scenes(scene_folder, frozenset(), without=True).scenes
    config = dataclasses.replace(
        CONFIGS["curves"], clips=film_settings.Clips(looks=3, repeats=2, compressed=0.5)
    )
    file = tmp_path / "rows.npz"
    found = film_rows.gather(config, scenes, 3, file)
    assert found.sdr.shape == (6, 32, 48, 3)
    assert not np.array_equal(found.sdr[0], found.sdr[1])
    again = film_rows.gather(config, scenes, 3, tmp_path / "others.npz", workers=2)
    kept = film_rows.gather(config, scenes, 3, file)
    for name, values in vars(found).items():
        np.testing.assert_array_equal(values, vars(again)[name])
        np.testing.assert_array_equal(values, vars(kept)[name])
    other = film_rows.gather(dataclasses.replace(config, seed=2), scenes, 3, file)
    assert not np.array_equal(found.hdr, other.hdr)
    file.write_bytes(file.read_bytes()[:1000])
    np.testing.assert_array_equal(film_rows.gather(config, scenes, 3, file).hdr, found.hdr)


def test_each_repeat_groups_the_looks_into_other_films():
    chosen = film_settings.Clips(looks=24, repeats=3, alike=6)
    films = film_rows.films_of(24, chosen, 1)
    numbers, counts = np.unique(films, return_counts=True)
    np.testing.assert_array_equal(numbers, np.arange(12))
    np.testing.assert_array_equal(counts, 6)
    assert len({tuple(sorted(np.flatnonzero(row == row.min()))) for row in films}) == 3
    assert len(np.unique(film_rows.films_of(25, chosen, 1))) == 15


def test_sets_of_a_batch_have_one_grade_and_vary_in_size():
    frame = np.zeros((64, 96, 3), np.uint8), LOOK[0]
    given = film_rows.of_frames([frame] * 60, ["a"] * 60, 1)
    numbers = np.repeat(np.arange(5), 12).astype(np.int32)
    statistics = np.tile(1000.0 * numbers[:, None], STATISTICS).astype(np.float32)
    given = dataclasses.replace(given, film=numbers, statistics=statistics)
    config = dataclasses.replace(
        CONFIGS["curves"], batch=64, jitter=0.0, clips=film_settings.Clips(alike=12)
    )
    batches = film.batches(config, film.Material([], [], (given,)), task.BatchRange())
    sizes = set()
    for index in range(4):
        batch = batches.batch_at(index % config.steps)
        for number in np.unique(batch["film"]):
            of = batch["statistics"][batch["film"] == number, 0]
            assert np.ptp(of) == 0
            sizes.add(len(of))
    assert {1, 2, 4, 12} <= sizes
    again = film.batches(config, film.Material([], [], (given,)), task.BatchRange()).batch_at(1)
    for name, values in batches.batch_at(1).items():
        np.testing.assert_array_equal(values, again[name])


def test_all_members_get_rows_in_small_batches():
    frame = np.zeros((64, 96, 3), np.uint8), LOOK[0]
    given = film_rows.of_frames([frame] * 40, list("abcd") * 10, 1)
    config = dataclasses.replace(CONFIGS["curves"], batch=4, members=4, steps=100)
    batches = film.batches(config, film.Material([], [], (given,)), task.BatchRange())
    films = np.concatenate([batches.batch_at(index)["film"] for index in range(100)])
    counts = np.bincount(films % 4, minlength=4)
    assert counts.min() > 60


def test_batches_mix_given_rows_by_share():
    def of(level: int, count: int, films: str = "abcd") -> film_rows.Rows:
        frame = np.full((64, 96, 3), level, np.uint8), LOOK[0]
        return film_rows.of_frames([frame] * count, list(films * count)[:count], 1)

    config = dataclasses.replace(CONFIGS["curves"], batch=64, pairs="folder", clips=CLIPS)
    material = film.Material([], [], (of(1, 24, "ab"), of(2, 4)))
    batches = film.batches(config, material, task.BatchRange())
    taken = np.concatenate([batches.batch_at(i)["sdr"].max(axis=(1, 2, 3)) for i in range(2)])
    assert np.mean(taken == 1) == pytest.approx(CLIPS.share, abs=0.15)

    def levels(share: float, *given: film_rows.Rows) -> list[int]:
        chosen = film_settings.Clips(compressed=0.0, share=share)
        config = dataclasses.replace(CONFIGS["curves"], batch=8, pairs="folder", clips=chosen)
        batch = film.batches(config, film.Material([], [], given), task.BatchRange()).batch_at(0)
        assert batch["statistics"].shape == (8, STATISTICS)
        assert batch["sdr"].shape == batch["hdr"].shape == (8, 16, 24, 3)
        return [int(frames.max()) for frames in batch["sdr"]]

    assert levels(1.0, of(1, 2), of(2, 2)) == [1] * 8
    assert levels(0.0, of(1, 2), of(2, 2)) == [2] * 8
    assert levels(0.5, of(1, 2)) == [1] * 8
    assert set(levels(0.5, of(1, 2), of(2, 2))) == {1, 2}


@pytest.mark.parametrize("names", [("foo",), ("srgb", "reinhart"), ()])
def test_grades_that_are_not_known_are_refused_with_the_settings(names):
    refused = rf"^grades {names[-1] if names else 'none'}: [^\n]*reinhard"
    with pytest.raises(ValueError, match=refused):
        film_settings.Clips(grades=names)
    with pytest.raises(ValueError, match=r"^--set clips\.grades=foo: "):
        configs.with_overrides(CONFIGS["curves"], ["clips.grades=foo"])
