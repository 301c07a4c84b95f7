"""Scenes and pairs: families apart, the same seed the same pairs, panoramas in perspective."""

import numpy as np
import pytest

from hdrcnn.image_io import ImageError, write_exr
from training_code.pairs import Pairs
from training_code.scenes import Views, load_scenes, random_view, read_list
from training_code.virtual_camera import Camera


def make_pairs(scenes, **changes) -> Pairs:
    settings = {"size": 32, "batch": 3, "steps": 4, "seed": 9} | changes
    return Pairs(scenes, Camera(), Views(), **settings)


def test_families_stay_on_one_side(scene_folder):
    held_out = frozenset({"one"})
    training = load_scenes(scene_folder, held_out, without=True)
    validation = load_scenes(scene_folder, held_out)
    assert [scene.name for scene in training] == ["c.exr", "d.exr"]
    assert [scene.name for scene in validation] == ["a.exr", "b.exr"]
    assert [scene.is_panorama for scene in training + validation] == [False, False, True, True]


def test_without_a_manifest_every_file_is_a_family(tmp_path):
    write_exr(tmp_path / "x.exr", np.ones((8, 8, 3)))
    assert load_scenes(tmp_path, frozenset({"x"}))[0].family == "x"


def test_unusable_folders_and_files_are_named(tmp_path):
    with pytest.raises(ImageError, match="holds no HDR scenes"):
        load_scenes(tmp_path, without=True)
    (tmp_path / "bad.exr").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"bad\.exr"):
        load_scenes(tmp_path, without=True)


def test_lists_have_comments(tmp_path):
    (tmp_path / "list.txt").write_text("# families\na\n\nb  # second\n")
    assert read_list(tmp_path / "list.txt") == {"a", "b"}


def test_views_are_square_positive_and_of_the_asked_size(scene_folder):
    rng = np.random.default_rng(0)
    for scene in load_scenes(scene_folder, without=True):
        view = random_view(scene, Views(), 64, rng)
        assert view.shape == (64, 64, 3)
        assert view.dtype == np.float32
        assert view.min() >= 0
        assert view.max() <= scene.pixels.max() * 1.001


def test_a_batch_is_codes_and_targets(scene_folder):
    pictures, targets = make_pairs(load_scenes(scene_folder, without=True))[0]
    assert pictures.shape == targets.shape == (3, 32, 32, 3)
    assert pictures.dtype == targets.dtype == np.float32
    np.testing.assert_allclose(pictures * 255, np.round(pictures * 255), atol=1e-4)
    assert (pictures[targets >= 1] == 1).all()
    clipped = (targets >= 1).mean(axis=(1, 2, 3))
    assert (clipped > 0.01).all()
    assert (clipped < 0.25).all()


def test_pairs_depend_on_seed_epoch_and_index_only(scene_folder):
    scenes = load_scenes(scene_folder, without=True)
    first = make_pairs(scenes)
    epoch0 = [first[index][0] for index in range(4)]
    first.on_epoch_end()
    epoch1 = first[2][0]
    again = make_pairs(scenes[::-1])
    np.testing.assert_array_equal(again[3][0], epoch0[3])
    np.testing.assert_array_equal(make_pairs(scenes, epoch=1)[2][0], epoch1)
    assert (epoch0[2] != epoch1).any()
    assert (epoch0[0] != epoch0[1]).any()
    assert (make_pairs(scenes, seed=10)[0][0] != epoch0[0]).any()


def test_validation_repeats_its_pairs(scene_folder):
    pairs = make_pairs(load_scenes(scene_folder, without=True), repeat_epoch=True)
    before = pairs[1][0]
    pairs.on_epoch_end()
    np.testing.assert_array_equal(pairs[1][0], before)


def test_a_family_of_many_images_does_not_weigh_more(scene_folder):
    scenes = load_scenes(scene_folder, without=True)
    pairs = make_pairs(scenes + [scenes[0]] * 20)
    assert sorted(len(family) for family in pairs.families) == [1, 1, 22]
