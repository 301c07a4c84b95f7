"""The atlas contains every scene at the pyramid levels that shots need."""

import dataclasses
import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st

from training_code.camera import Camera
from training_code.camera.on_device import atlas
from training_code.camera.shots import draw_shot, families
from training_code.scenes.collection import Scene, StoredScene
from training_code.scenes.views import Views

VIEWS = Views()


def scene(name: str, rows: int, columns: int) -> Scene:
    pixels = np.random.default_rng(rows).random((rows, columns, 3), np.float32)
    return Scene(name, name, pixels.astype(np.float16))


SCENES = [scene("b", 128, 256), scene("a", 120, 160), scene("c", 256, 512), scene("d", 97, 401)]


def level_of(laid_out: atlas.Atlas, index: int, level: int) -> np.ndarray:
    """The pixels of one level of one scene."""
    rows, columns = laid_out.rows[index, level], laid_out.columns[index, level]
    begin = laid_out.offset[index, level]
    return laid_out.pixels[begin : begin + rows * columns].reshape(rows, columns, 3)


def test_scenes_are_sorted_by_name():
    laid_out = atlas.build(SCENES, VIEWS, 64)
    assert laid_out.is_panorama.tolist() == [False, True, True, False]
    for index, name in enumerate("abcd"):
        (expected,) = (scene for scene in SCENES if scene.name == name)
        assert (laid_out.full_rows[index], laid_out.full_columns[index]) == expected.shape
        if name != "c":  # Level 0 of "c" is not stored: views reduce it twofold.
            np.testing.assert_array_equal(level_of(laid_out, index, 0), expected.pixels)
    assert laid_out.offset.dtype == np.int32
    assert laid_out.pixels.dtype == np.float16


def test_levels_are_area_averages():
    pixels = SCENES[2].pixels
    for level, image in enumerate(atlas.pyramid(pixels, 0, 3)):
        size = (pixels.shape[1] >> level, pixels.shape[0] >> level)
        expected = cv2.resize(pixels.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(image, expected, rtol=2e-3)


def test_halving_odd_sizes_preserves_the_mean():
    image = atlas.halved(SCENES[3].pixels)
    assert image.shape == (48, 200, 3)
    assert image.mean() == pytest.approx(SCENES[3].pixels.mean(dtype=np.float64), rel=1e-3)


@pytest.mark.parametrize("size", [32, 64])
def test_exactly_the_levels_that_shots_need_are_stored(size):
    views = Views(fov=(40.0, 100.0), crop=(0.25, 0.9))
    large = [scene("a", 400, 900), scene("b", 512, 1024)]
    laid_out = atlas.build(large, views, size)
    asked: list[set[int]] = [set(), set()]
    for item in range(400):
        shot = draw_shot(large, families(large), views, Camera(), (1, 0, 0, item, 0), size)
        reduction = (
            atlas.panorama_reduction(1024, shot.fov, size)
            if shot.scene
            else atlas.photograph_reduction(shot.side, size)
        )
        asked[shot.scene].add(atlas.level(reduction))
    for index, levels in enumerate(asked):
        kept = {int(begin) for begin in laid_out.offset[index]}
        assert len(kept) == len(levels) > 1
        for level in levels:
            assert laid_out.columns[index, level] == large[index].shape[1] >> level


def test_more_pixels_than_can_be_addressed_are_refused(monkeypatch):
    monkeypatch.setattr(atlas, "MOST_PIXELS", 100_000)
    with pytest.raises(ValueError, match=r"4 scenes .*100,000"):
        atlas.build(SCENES, VIEWS, 64)


def test_too_many_pixels_are_refused_before_any_scene_is_read(monkeypatch):
    monkeypatch.setattr(atlas, "MOST_PIXELS", 100_000)
    lost = StoredScene("a", "a", "nowhere.npy", (256, 512))
    with pytest.raises(ValueError, match=r"1 scenes .*100,000"):
        atlas.build([lost], Views(fov=(30.0, 100.0)), 64)


def test_building_needs_little_more_memory_than_the_pixels():
    views = Views(fov=(90.0, 100.0))
    many = [scene(f"{number:02}", 128, 256) for number in range(32)]
    tracemalloc.start()
    laid_out = atlas.build(many, views, 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert laid_out.pixels.nbytes == 32 * 64 * 128 * 6
    assert peak < 1.5 * laid_out.pixels.nbytes


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 4), st.integers(0, 4))
def test_shapes_match_the_pyramid(rows, columns, first, more):
    last = first + more
    expected = [(rows, columns)]
    while min(expected[-1]) >= 4:
        expected.append((expected[-1][0] // 2, expected[-1][1] // 2))
    levels = atlas.pyramid(np.ones((rows, columns, 3), np.float16), first, last)
    found = [image.shape[:2] for image in levels]
    assert found == atlas.shapes(rows, columns, first, last)
    assert found == (expected[first : last + 1] or expected[-1:])


def test_memory_reports_the_size_of_the_pixels():
    laid_out = atlas.build(SCENES, VIEWS, 64)
    grown = dataclasses.replace(laid_out, pixels=np.zeros((2_000_000, 3), np.float16))
    assert grown.memory() == "4 scenes on the accelerator: 0.01 GB"
