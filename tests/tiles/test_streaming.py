"""Strips are the whole: for every model, wherever they begin and however high they are."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from hdrcnn.tiles.keras_graph import cut, network, reach
from hdrcnn.tiles.stages import Reach
from hdrcnn.tiles.streaming import Strips
from tests.models.tiny import PICTURES


@pytest.fixture(scope="module", params=PICTURES, ids=lambda record: record.model)
def model(request):
    keras.utils.set_random_seed(3)
    return dataclasses.replace(request.param, **{request.param.widest: 4}).build()


@pytest.fixture(scope="module")
def strips(model):
    return Strips(network(model))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).random((1, 608, 64, 3), np.float32)


@pytest.fixture(scope="module")
def whole(model, image):
    return np.asarray(model.predict_on_batch(image))


@pytest.mark.parametrize(
    ("first", "last", "step"),
    [(0, 608, 32), (0, 608, 608), (256, 448, 64), (0, 33, 17), (575, 608, 96), (301, 302, 1)],
)
def test_strips_are_the_whole(strips, image, whole, first, last, step):
    asked = []

    def fetch(a: int, b: int) -> np.ndarray:
        asked.append((a, b))
        return image[:, a:b]

    rows = list(strips.run(fetch, 608, first, last, step))
    assert [row for row, _ in rows] == list(range(first, last, step))
    result = np.concatenate([np.asarray(strip) for _, strip in rows], axis=1)
    np.testing.assert_allclose(result, whole[:, first:last], atol=1e-5 * np.abs(whole).max())
    # Nothing is looked at far beyond what an output pixel depends on.
    assert min(a for a, _ in asked) >= max(0, first - 224)
    assert max(b for _, b in asked) <= min(608, last + 224)


def test_a_row_is_computed_once(strips, image):
    """Besides the ends of the strips: the sum of what all stages are handed hardly grows."""

    def work(step: int) -> int:
        total = 0

        def fetch(a: int, b: int) -> np.ndarray:
            nonlocal total
            total += b - a
            return image[:, a:b]

        for _ in strips.run(fetch, 608, 0, 608, step):
            pass
        return total

    assert work(64) < 1.2 * work(608)


def test_held_rows_do_not_grow_with_the_height(strips):
    """Of ever the same strip: what is held between two strips is bounded."""
    zeros = np.zeros((1, 2400, 32, 3), np.float32)
    seen = []
    run = strips.run(lambda a, b: zeros[:, a:b], 2400, 0, 2400, 32)
    for row, _ in run:
        held = run.gi_frame.f_locals["held"].values()
        seen.append((row, sum(part.shape[1] for rows in held for _, _, part in rows._parts)))
    middle = [rows for row, rows in seen if 300 < row < 2000]
    assert max(middle) <= 1.1 * min(middle)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(2, 3, strides=2, padding="same"),
        layers.Conv2D(2, 3),
        layers.Conv2DTranspose(2, 3, strides=2, padding="same"),
        layers.UpSampling2D(),
    ],
)
def test_what_cannot_be_computed_in_strips_is_said(layer):
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match="strips"):
        cut(keras.Model(image, layer(image)))


def test_reach_of_layers_by_hand():
    assert reach(layers.Conv2D(2, 3, padding="same")).needs(10, 20) == (9, 21)
    assert reach(layers.MaxPooling2D(2)).needs(10, 20) == (20, 40)
    # Output row o of a 4x4 kernel with stride 2 follows from rows (o - 1) // 2 and one more.
    assert reach(layers.Conv2DTranspose(2, 4, strides=2, padding="same")).needs(10, 20) == (4, 11)
    pooled = reach(layers.Conv2D(2, 3, padding="same")).after(reach(layers.MaxPooling2D(2)))
    assert pooled == Reach(down=2, halo=2)
    assert pooled.needs(10, 20) == (18, 42)
