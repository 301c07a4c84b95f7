"""Scenes beyond the memory budget are kept in files: same pixels, reused, bounded memory."""

import gc
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from hdrcnn.files import ImageError
from hdrcnn.writers.exr import write_exr
from training_code.evaluation.protocol import FixedViews
from training_code.scenes import collection
from training_code.scenes.collection import StoredScene, half_scale, load_scenes
from training_code.scenes.store import MappedScene, SceneStore, half_of_memory
from training_code.scenes.views import Views

SIDE = 96
BYTES = SIDE * SIDE * 3 * 2


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "scenes"
    place.mkdir()
    rng = np.random.default_rng(8)
    for name in "abcdef":
        write_exr(place / f"{name}.exr", rng.lognormal(0.0, 2.0, (SIDE, SIDE, 3)))
    return place


def test_the_budget_is_kept_and_the_pixels_are_the_same(folder, tmp_path):
    plain = load_scenes(folder, without=True).scenes
    store = SceneStore(tmp_path / "run" / "scenes", 2 * BYTES + 1)
    found = load_scenes(folder, without=True, store=store)
    stored = [scene for scene in found.scenes if isinstance(scene, StoredScene)]
    assert len(stored) == 4
    assert store.used == 2 * BYTES
    assert len(list(store.folder.iterdir())) == 4
    for expected, scene in zip(plain, found.scenes, strict=True):
        assert (scene.name, scene.family, scene.shape) == (
            expected.name,
            expected.family,
            expected.shape,
        )
        assert scene.pixels.dtype == np.float16
        np.testing.assert_array_equal(scene.pixels, expected.pixels)
        np.testing.assert_array_equal(scene.crop(5, 7, 40, 30), expected.crop(5, 7, 40, 30))
    assert "0.00 GB in memory, 4 read from their files when used" in found.summary()


def test_a_second_folder_shares_the_budget(folder, tmp_path):
    store = SceneStore(tmp_path / "files", 6 * BYTES)
    assert not any(
        isinstance(s, StoredScene) for s in load_scenes(folder, without=True, store=store).scenes
    )
    assert all(
        isinstance(s, StoredScene) for s in load_scenes(folder, without=True, store=store).scenes
    )


def test_a_second_run_reads_only_changed_originals(folder, tmp_path, monkeypatch):
    load_scenes(folder, without=True, store=SceneStore(tmp_path / "files", 0))
    before = sorted((tmp_path / "files").iterdir())
    read = []
    original = collection.usable_pixels

    def noted(path, *arguments):
        read.append(path.name)
        return original(path, *arguments)

    monkeypatch.setattr(collection, "usable_pixels", noted)
    write_exr(folder / "c.exr", np.random.default_rng(9).random((SIDE, SIDE + 1, 3)))
    before[0].write_bytes(before[0].read_bytes()[:1000])
    found = load_scenes(folder, without=True, store=SceneStore(tmp_path / "files", 0))
    assert "c.exr" in read
    assert len(read) in (1, 2)  # The truncated file may belong to the changed scene.
    plain = load_scenes(folder, without=True)
    for expected, scene in zip(plain.scenes, found.scenes, strict=True):
        np.testing.assert_array_equal(scene.pixels, expected.pixels)


def test_other_views_make_other_files(folder, tmp_path):
    store = SceneStore(tmp_path / "files", 0)
    whole = load_scenes(folder, without=True, smallest=16, store=store)
    for _ in range(2):
        small = load_scenes(
            folder, without=True, smallest=16, views=Views(crop=(0.5, 0.6)), store=store
        )
        assert [scene.shape for scene in small.scenes] == 6 * [(SIDE // 3, SIDE // 3)]
        assert small.reduced == 6
    assert [scene.shape for scene in whole.scenes] == 6 * [(SIDE, SIDE)]
    assert whole.reduced == 0


@pytest.mark.parametrize("changed", ["version", "width"])
def test_files_of_another_reduction_are_not_used(folder, tmp_path, monkeypatch, changed):
    """Such as those of another version, or for views of another width."""
    light = np.random.default_rng(5).random((SIDE, 2 * SIDE, 3))
    write_exr(folder / "g.exr", light)
    store = SceneStore(tmp_path / "files", 0)

    def load(width: int) -> None:
        views = FixedViews(fov=(90.0, 90.0), width=width)
        found = load_scenes(folder, without=True, smallest=16, store=store, views=views)
        assert found.scenes[-1].shape == load_scenes(
            folder, without=True, smallest=16, views=views
        ).scenes[-1].shape  # fmt: skip

    load(16)
    before = len(list(store.folder.iterdir()))
    if changed == "version":
        monkeypatch.setattr(collection, "REDUCTION", 1)
    load(24 if changed == "width" else 16)
    assert len(list(store.folder.iterdir())) == 2 * before == 14


def test_a_stored_scene_is_pickled_as_its_path(folder, tmp_path):
    scene = load_scenes(folder, without=True, store=SceneStore(tmp_path / "files", 0)).scenes[0]
    packed = pickle.dumps(scene)
    assert len(packed) < 1000
    again = pickle.loads(packed)
    assert isinstance(again, MappedScene)
    np.testing.assert_array_equal(again.pixels, scene.pixels)


def test_scenes_beyond_the_budget_use_little_memory(tmp_path):
    """24 scenes of 1.6 MB take 38 MB in memory; stored in files, less than a tenth of that."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    light = np.random.default_rng(1).random((512, 512, 3)).astype(np.float32)
    for number in range(24):
        write_exr(folder / f"{number:02}.exr", light + number)
    held = 24 * light.size * 2

    def kept(budget: int) -> int:
        tracemalloc.start()
        found = load_scenes(folder, without=True, store=SceneStore(tmp_path / "files", budget))
        means = [scene.pixels[::7, ::7].mean(dtype=np.float64) for scene in found.scenes]
        total = sum(m / 2.0 ** half_scale(n + 0.9999) for n, m in enumerate(means))
        gc.collect()  # Reference cycles that libraries leave do not count.
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert total == pytest.approx(24 * light[::7, ::7].mean() + 276, rel=1e-3)
        return size

    assert kept(held) > held
    assert kept(0) < 0.1 * held


def test_errors_of_unwritable_or_missing_files_are_one_line(folder, tmp_path):
    (tmp_path / "files").write_text("in the way")
    with pytest.raises(ImageError, match=r"^[^\n]*files: [^\n]*$"):
        load_scenes(folder, without=True, store=SceneStore(tmp_path / "files", 0))
    scene = load_scenes(folder, without=True, store=SceneStore(tmp_path / "other", 0)).scenes[0]
    Path(scene.path).unlink()  # type: ignore[attr-defined]
    with pytest.raises(ImageError, match=r"^[^\n]*\.npy: [^\n]*$"):
        scene.crop(0, 0, 8, 8)


def test_half_of_memory_respects_the_limit_of_a_container(tmp_path, monkeypatch):
    limits = "training_code.scenes.store.LIMITS"
    monkeypatch.setattr(limits, ("nowhere",))
    unlimited = half_of_memory()
    assert unlimited > 1 << 20
    monkeypatch.setattr(limits, (str(tmp_path / "limit"), "nowhere"))
    for text, expected in (("123456\n", 61728), ("max\n", unlimited)):
        (tmp_path / "limit").write_text(text)
        assert half_of_memory() == expected
