"""Pairs depend only on seed, epoch, index and item, however Keras asks for them."""

import pickle

import keras
import numpy as np
import pytest

from training_code.camera import Camera, Development, RandomStream, generator
from training_code.camera.batches import Pairs
from training_code.scenes.collection import Scene, load_scenes
from training_code.scenes.views import Views

Batch = dict[str, np.ndarray]


@pytest.fixture
def scenes(scene_folder) -> list[Scene]:
    return load_scenes(scene_folder, without=True, smallest=32).scenes


def make_pairs(scenes, camera: Camera = Camera(), **changes) -> Pairs:  # noqa: B008 - frozen
    settings = {"size": 32, "batch": 3, "steps": 4, "seed": 9} | changes
    return Pairs(scenes, camera, Views(), **settings)


def assert_same(first: Batch, second: Batch) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


class Recorder(keras.Model):
    """Records the batches that Keras passes to it; trains nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Batch] = []
        self.compile(run_eagerly=True)

    def train_step(self, data):
        self.seen.append({name: np.asarray(value) for name, value in data.items()})
        return {"loss": 0.0}


class Absolute(keras.Model):
    """A 1 x 1 convolution, trained on the batch that Keras passes as `x`."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = keras.layers.Conv2D(3, 1)
        self.compile(keras.optimizers.Adam(0.05), jit_compile=False)

    def call(self, batch):
        return self.layer(keras.ops.cast(batch["picture"], "float32") / 255.0)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.abs(y_pred - keras.ops.minimum(x["target"], 1.0)))


class Counting:
    """Stand-in for motion settings: draws the generator's first numbers."""

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return rng.random(5).astype(np.float32)


def test_a_batch_is_codes_and_targets(scenes):
    batch = make_pairs(scenes)[0]
    assert list(batch) == ["picture", "target"]
    codes, target = batch["picture"], batch["target"]
    assert codes.shape == target.shape == (3, 32, 32, 3)
    assert (codes.dtype, target.dtype) == (np.uint8, np.float32)
    assert (codes[target >= 1] == 255).all()
    clipped = (target >= 1).mean(axis=(1, 2, 3))
    assert (clipped > 0.01).all()
    assert (clipped < 0.25).all()


def test_pairs_depend_on_seed_epoch_and_index_only(scenes):
    first = make_pairs(scenes)
    again = make_pairs(scenes[::-1])
    for index in (3, 0, 2):
        assert_same(first[index], again[index])
    others = [first[1], make_pairs(scenes, seed=10)[0], make_pairs(scenes, epoch=1)[0]]
    for other in others:
        assert (other["picture"] != first[0]["picture"]).any()
    whole, part = make_pairs(scenes, batch=5)[1], make_pairs(scenes, batch=2)[1]
    np.testing.assert_array_equal(whole["picture"][:2], part["picture"])


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_keras_gets_the_same_batches_with_any_number_of_workers(scenes, workers):
    recorder = Recorder()
    pairs = make_pairs(scenes, workers=workers, max_queue_size=3)
    recorder.fit(pairs, epochs=3, shuffle=False, verbose=0)
    assert len(recorder.seen) == 12
    for epoch in range(3):
        expected = make_pairs(scenes, epoch=epoch)
        for index in range(4):
            assert_same(recorder.seen[4 * epoch + index], expected[index])


@pytest.mark.parametrize("workers", [0, 4])
def test_a_stopped_epoch_resumes_at_its_next_batch(scenes, workers):
    recorder = Recorder()
    pairs = make_pairs(scenes, epoch=1, first=3, workers=workers)
    assert len(pairs) == 1
    recorder.fit(pairs, epochs=1, shuffle=False, verbose=0)
    assert len(recorder.seen) == 1
    assert_same(recorder.seen[0], make_pairs(scenes, epoch=1)[3])
    assert (len(pairs), pairs.epoch, pairs.first) == (4, 2, 0)
    assert_same(pairs[0], make_pairs(scenes, epoch=2)[0])
    remaining = make_pairs(scenes, first=1)
    for index in range(3):
        assert_same(remaining[index], make_pairs(scenes)[index + 1])


def test_an_epoch_that_never_began_does_not_count(scenes):
    pairs = make_pairs(scenes, first=2)
    pairs.on_epoch_end()
    assert (pairs.epoch, len(pairs)) == (0, 2)
    for expected in (1, 2):
        pairs.on_epoch_begin()
        pairs.on_epoch_end()
        assert (pairs.epoch, len(pairs)) == (expected, 4)


def test_validation_repeats_its_pairs(scenes):
    recorder = Recorder()
    recorder.fit(make_pairs(scenes, repeat_epoch=True), epochs=2, shuffle=False, verbose=0)
    for index in range(4):
        assert_same(recorder.seen[index], recorder.seen[4 + index])


def test_a_model_learns_from_the_pairs(scenes):
    """Keras passes the dict as `x`, with its uint8 codes unchanged, and needs no `y`."""
    model = Absolute()
    losses = model.fit(make_pairs(scenes, steps=15), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]


def test_pickled_pairs_are_the_same(scenes):
    pairs = make_pairs(scenes, motion=Counting(), epoch=2, first=1)
    assert_same(pickle.loads(pickle.dumps(pairs))[1], pairs[1])


def test_motions_are_added_and_change_nothing_else(scenes):
    plain, moved = make_pairs(scenes)[2], make_pairs(scenes, motion=Counting())[2]
    motion = moved.pop("motion")
    assert_same(plain, moved)
    assert (motion.shape, motion.dtype) == ((3, 5), np.float32)
    expected = generator((9, 0, 2, 1, 0), RandomStream.MOTION).random(5)
    np.testing.assert_allclose(motion[1], expected, rtol=1e-6)


def test_jpeg_changes_pictures_and_not_targets(scenes):
    camera = Camera(development=Development(jpeg=(30, 60)))
    clean, lossy = make_pairs(scenes)[0], make_pairs(scenes, camera)[0]
    np.testing.assert_array_equal(clean["target"], lossy["target"])
    assert (clean["picture"] != lossy["picture"]).any(axis=(1, 2, 3)).all()


def test_views_that_are_too_black_are_drawn_again(scenes):
    """A panorama with light on one side only: every pair has light."""
    half = np.zeros((48, 96, 3), np.float16)
    half[:, 60:] = np.random.default_rng(1).random((48, 36, 3)) + 0.1
    pairs = make_pairs([Scene("half.exr", "half", half)], batch=12)
    assert (pairs[0]["target"].max(axis=(1, 2, 3)) >= 1).all()
    attempts = [pairs.draw((9, 0, 0, item, 0)) for item in range(12)]
    lit = [half[:, int((shot.yaw / 360 + 0.5) * 96) % 96].any() for shot in attempts]
    assert not all(lit)
    spot = np.zeros((48, 96, 3), np.float16)
    spot[5, 5] = 1.0
    with pytest.raises(ValueError, match=r"black.*spot\.exr"):
        make_pairs([Scene("spot.exr", "spot", spot)])[0]


def test_first_must_be_within_the_epoch(scenes):
    with pytest.raises(ValueError, match="first 4"):
        make_pairs(scenes, first=4)
