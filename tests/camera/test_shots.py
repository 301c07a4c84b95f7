"""Shots depend only on their key, stay in their ranges, and are taken as they specify."""

import dataclasses

import cv2
import numpy as np
import pytest

from training_code.camera import Camera, Development, Exposure, Sensor, Settings, photograph
from training_code.camera.projection import perspective_view
from training_code.camera.shots import Shot, draw_shot, families, in_order, look, stack, take
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views

SIZE = 32
QUIET = Camera(sensor=Sensor(noise_sd=(0.0, 0.0)))


def scene(name: str, family: str, rows: int, columns: int) -> Scene:
    rng = np.random.default_rng(len(name) + rows)
    return Scene(name, family, rng.lognormal(0.0, 1.5, (rows, columns, 3)).astype(np.float16))


SCENES = in_order(
    [
        scene("d.exr", "photos", 90, 140),
        scene("b.exr", "hall", 64, 128),
        scene("c.exr", "photos", 100, 70),
        scene("a.exr", "hall", 64, 128),
        scene("e.exr", "hall", 64, 128),
    ]
)
FAMILIES = families(SCENES)


def shoot(seed: int = 1, item: int = 0, views: Views = Views(), camera: Camera = QUIET) -> Shot:
    return draw_shot(SCENES, FAMILIES, views, camera, (seed, 0, 0, item, 0), SIZE)


def many(count: int = 600, **settings) -> list[Shot]:
    return [shoot(item=item, **settings) for item in range(count)]


def test_scenes_are_sorted_and_grouped_by_family():
    assert [s.name for s in SCENES] == ["a.exr", "b.exr", "c.exr", "d.exr", "e.exr"]
    assert in_order(SCENES[::-1]) == SCENES
    assert FAMILIES == [[0, 1, 4], [2, 3]]


def test_families_are_drawn_equally_often_whatever_their_size():
    counts = np.bincount([shot.scene for shot in many(3000)], minlength=5) / 3000
    np.testing.assert_allclose(counts, [1 / 6, 1 / 6, 1 / 4, 1 / 4, 1 / 6], atol=0.04)


def test_kinds_are_drawn_by_their_shares():
    """For any number of families; a kind without scenes leaves its share to the others."""
    counts = np.bincount([s.scene for s in many(3000, views=Views(kinds=(1.0, 3.0, 9.0)))]) / 3000
    np.testing.assert_allclose(counts[[0, 1, 4]].sum(), 0.25, atol=0.03)
    np.testing.assert_allclose(counts[[2, 3]].sum(), 0.75, atol=0.03)
    with pytest.raises(ValueError, match="kinds"):
        shoot(views=Views(kinds=(0.0, 0.0, 1.0)))
    with pytest.raises(ValueError, match="kinds"):
        Views(kinds=(1.0, -1.0, 1.0))


def test_views_stay_in_their_ranges_and_fill_them():
    shots = many(views=Views(fov=(60.0, 90.0), pitch=(-20.0, 10.0), crop=(0.4, 0.7)))
    panoramas = [shot for shot in shots if SCENES[shot.scene].is_panorama]
    photos = [shot for shot in shots if not SCENES[shot.scene].is_panorama]
    for name, low, high in (("yaw", -180, 180), ("pitch", -20, 10), ("fov", 60, 90)):
        values = np.array([getattr(shot, name) for shot in panoramas])
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    assert np.median([shot.fov for shot in panoramas]) == pytest.approx(np.sqrt(60 * 90), abs=2)
    for shot in photos:
        rows, columns = SCENES[shot.scene].shape
        assert max(SIZE, int(0.4 * columns)) <= shot.side <= min(rows, columns, 0.7 * columns)
        assert 0 <= shot.top <= rows - shot.side
        assert 0 <= shot.left <= columns - shot.side
    assert {(shot.top, shot.left, shot.side) for shot in panoramas} == {(0, 0, 0)}
    assert np.mean([shot.mirror for shot in shots]) == pytest.approx(0.5, abs=0.08)


def test_camera_and_views_are_drawn_independently():
    other = Camera(Exposure((0.5, 0.6)), Sensor((0.1, 0.2)), Development(jpeg=(30, 100)))
    camera_fields = {field.name for field in dataclasses.fields(Settings)}
    for before, moved, changed in zip(
        many(40), many(40, views=Views(fov=(40.0, 50.0))), many(40, camera=other), strict=True
    ):
        for name, value in dataclasses.asdict(before).items():
            if name in camera_fields:
                assert getattr(moved, name) == value
            else:
                assert getattr(changed, name) == value
        assert changed.unclipped != before.unclipped


def test_looks_are_the_views_and_crops_of_the_shot():
    for shot in many(60):
        pixels = SCENES[shot.scene].pixels.astype(np.float32)
        if SCENES[shot.scene].is_panorama:
            expected = perspective_view(pixels, shot.yaw, shot.pitch, shot.fov, SIZE, SIZE)
        else:
            rows, columns = (slice(at, at + shot.side) for at in (shot.top, shot.left))
            crop = pixels[rows, columns]
            expected = cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        expected = expected[:, ::-1] if shot.mirror else expected
        found = look(SCENES[shot.scene], shot, SIZE)
        np.testing.assert_allclose(found, expected, rtol=5e-3, atol=2e-3)
        codes, target = take(SCENES[shot.scene], shot, SIZE)
        again, same = photograph(found, shot)
        np.testing.assert_array_equal(codes, again)
        np.testing.assert_array_equal(target, same)


def test_too_small_photographs_are_named():
    small = [scene("small.exr", "f", 20, 60)]
    with pytest.raises(ValueError, match=r"small\.exr: 60x20"):
        draw_shot(small, [[0]], Views(), QUIET, (1, 0, 0, 0, 0), SIZE)


def test_a_stack_contains_every_number_of_every_shot():
    camera = Camera(development=Development(white_balance_sd=0.2, jpeg=(30, 100)))
    shots = many(20, camera=camera)
    batch = stack(shots)
    assert batch.keys() == {field.name for field in dataclasses.fields(Shot)}
    for name, values in batch.items():
        assert values.shape == ((20, 3) if name == "white_balance" else (20,))
        expected = np.array([getattr(shot, name) for shot in shots])
        np.testing.assert_allclose(values, expected, rtol=1e-6)
    kinds = {name: values.dtype.name for name, values in batch.items()}
    for name in ("scene", "top", "left", "side", "curve", "jpeg_quality"):
        assert kinds.pop(name) == "int32"
    assert (kinds.pop("mirror"), kinds.pop("subsampled")) == ("bool", "bool")
    assert kinds.pop("noise_seed") == "uint32"
    assert set(kinds.values()) == {"float32"}
    assert batch["noise_seed"].max() > 2**31
