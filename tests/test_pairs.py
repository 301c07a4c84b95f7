"""Pairs: the same seed the same pairs, codes as a camera stores them."""

import numpy as np

from training_code.pairs import Pairs
from training_code.scenes import Scene, Views, load_scenes
from training_code.virtual_camera import Camera


def load(folder) -> list[Scene]:
    return load_scenes(folder, without=True, smallest=32).scenes


def make_pairs(scenes, **changes) -> Pairs:
    settings = {"size": 32, "batch": 3, "steps": 4, "seed": 9} | changes
    return Pairs(scenes, Camera(), Views(), **settings)


def test_a_batch_is_codes_and_targets(scene_folder):
    pictures, targets = make_pairs(load(scene_folder))[0]
    assert pictures.shape == targets.shape == (3, 32, 32, 3)
    assert pictures.dtype == targets.dtype == np.float32
    np.testing.assert_allclose(pictures * 255, np.round(pictures * 255), atol=1e-4)
    assert (pictures[targets >= 1] == 1).all()
    clipped = (targets >= 1).mean(axis=(1, 2, 3))
    assert (clipped > 0.01).all()
    assert (clipped < 0.25).all()


def test_pairs_depend_on_seed_epoch_and_index_only(scene_folder):
    scenes = load(scene_folder)
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
    pairs = make_pairs(load(scene_folder), repeat_epoch=True)
    before = pairs[1][0]
    pairs.on_epoch_end()
    np.testing.assert_array_equal(pairs[1][0], before)


def test_a_family_of_many_images_does_not_weigh_more(scene_folder):
    scenes = load(scene_folder)
    pairs = make_pairs(scenes + [scenes[0]] * 20)
    assert sorted(len(family) for family in pairs.families) == [1, 1, 22]
