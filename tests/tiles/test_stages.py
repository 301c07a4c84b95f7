"""Whatever a network consists of, parts and strips match the whole: only known layers are computed
in parts.
"""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers, ops

from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.keras_graph import network, reach, stages_of
from hdrcnn.tiles.stages import Reach, Strips, stride_and_halo
from hdrcnn.tiles.tiling import PIECE, Tiling, TooLargeError
from tests.models.tiny import IMAGE_NETWORKS

CODE = np.random.default_rng(2).random((700, 640, 3), np.float32)


class Sharpened(layers.Conv2D):
    """A subclass of a known layer that depends on more pixels than that layer."""

    def call(self, x):
        return super().call(x) - ops.mean(x, axis=(1, 2), keepdims=True)


def squeezed(x):
    mean = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Multiply()([x, layers.Dense(8, activation="sigmoid")(mean)])


def twice(x):
    layer = layers.Conv2D(8, 3, padding="same")
    return layer(layer(x))


def pooled(x):
    small = layers.Conv2D(8, 3, padding="same")(layers.MaxPooling2D(2)(x))
    return layers.Conv2DTranspose(8, 4, strides=2, padding="same")(small)


def halved(x):
    small = layers.Conv2D(8, 4, strides=2, padding="same")(x)
    return layers.Conv2DTranspose(8, 4, strides=2, padding="same")(small)


def skipped(x):
    small = layers.Conv2D(8, 3, padding="same")(layers.MaxPooling2D(2)(x))
    large = layers.Conv2DTranspose(8, 4, strides=2, padding="same")(small)
    return layers.ReLU()(layers.Concatenate()([large, x]))


def branched(x):
    wide = layers.Conv2D(8, 5, padding="same")(layers.Conv2D(8, 3, padding="same")(x))
    return layers.Add()([wide, layers.Conv2D(8, 3, padding="same")(x)])


def met(x):
    return layers.Add()([layers.Conv2D(8, 5, padding="same")(pooled(x)), branched(x)])


def built(middle) -> keras.Model:
    keras.utils.set_random_seed(5)
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    return keras.Model(image, layers.Conv2D(3, 3, padding="same")(middle(x)), name="tried")


BY_PARTS = {
    "depthwise": lambda x: layers.DepthwiseConv2D(5, padding="same")(x),
    "separable": lambda x: layers.SeparableConv2D(8, 7, padding="same")(x),
    "norm": lambda x: layers.LayerNormalization()(x),
    "pooled": pooled,
    "halved": halved,
    "skipped": skipped,
    "branched": branched,
    "met": met,
}
IN_ONE_PIECE = {
    "group norm": lambda x: layers.GroupNormalization(2)(x),
    "strided": lambda x: layers.UpSampling2D(2)(
        layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    ),
    "dilated": lambda x: layers.SeparableConv2D(8, 3, padding="same", dilation_rate=2)(x),
    "squeezed": squeezed,
    "twice": twice,
    "operation": lambda x: x - ops.mean(x, axis=(1, 2), keepdims=True),
    "subclass of a convolution": lambda x: Sharpened(8, 3, padding="same")(x),
    "softmax of rows": lambda x: layers.Softmax(axis=1)(x),
}


@pytest.mark.parametrize("name", [*BY_PARTS, *IN_ONE_PIECE])
def test_parts_match_the_whole(name):
    model = built({**BY_PARTS, **IN_ONE_PIECE}[name])
    tiling = Tiling(network(model), 150_000)
    assert tiling.by_parts is (name in BY_PARTS)
    frame = Frame(CODE, tiling.cell)
    shown = frame.codes(frame.bounds)
    whole = np.asarray(model.predict_on_batch(shown[None]))[0][: len(CODE), : CODE.shape[1]]
    cells = np.ones([side // tiling.cell for side in shown.shape[:2]], bool)
    result, pieces = np.full(CODE.shape, np.nan, np.float32), 0
    for where, y in tiling.predict(frame, cells):
        result[where.within(frame.picture)] = y
        pieces += 1
    assert (pieces > 1) is tiling.by_parts
    np.testing.assert_allclose(result, whole, atol=1e-5 * np.abs(whole).max())


def test_networks_that_need_the_whole_refuse_too_large_pictures():
    tiling = Tiling(network(built(IN_ONE_PIECE["group norm"])), 700 * 640 // PIECE - 1000)
    with pytest.raises(TooLargeError, match="--resolution=working"):
        list(tiling.predict(Frame(CODE, 32), np.ones((22, 20), bool)))


@pytest.mark.parametrize(("middle", "stride", "halo"), [("pooled", 2, 8), ("depthwise", 1, 4)])
def test_stride_and_halo_by_hand(middle, stride, halo):
    """Pooled: 1 + 2 (1 + 1 + 1) = 7 rows, which is 8 in whole blocks of the pooling."""
    assert stride_and_halo(stages_of(built(BY_PARTS[middle]))) == (stride, halo)


@pytest.mark.parametrize("record", IMAGE_NETWORKS, ids=lambda record: record.model)
def test_no_output_depends_on_more_than_the_window(record):
    """Changes beyond the halo of a block of pixels have no effect on it."""
    keras.utils.set_random_seed(1)
    model = record.build()
    stride, halo = stride_and_halo(stages_of(model))
    tiling = Tiling(network(model))
    assert tiling.cell % stride == tiling.halo % tiling.cell == 0
    assert halo <= tiling.halo < halo + tiling.cell
    rng, middle = np.random.default_rng(3), -(-halo // stride) * stride + stride
    codes = rng.random((2, 2 * middle + stride, 32, 3), np.float32)
    near = slice(middle - halo, middle + stride + halo)
    codes[1, near] = codes[0, near]
    first, second = np.asarray(model.predict_on_batch(codes))[:, middle : middle + stride]
    np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.fixture(scope="module", params=IMAGE_NETWORKS, ids=lambda record: record.model)
def model(request):
    keras.utils.set_random_seed(3)
    return dataclasses.replace(request.param, **{request.param.width_field: 4}).build()


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
def test_strips_match_the_whole(strips, image, whole, first, last, step):
    asked = []

    def fetch(a: int, b: int) -> np.ndarray:
        asked.append((a, b))
        return image[:, a:b]

    rows = list(strips.run(fetch, 608, first, last, step))
    assert [row for row, _ in rows] == list(range(first, last, step))
    result = np.concatenate([np.asarray(strip) for _, strip in rows], axis=1)
    np.testing.assert_allclose(result, whole[:, first:last], atol=1e-5 * np.abs(whole).max())
    # Hardly more is read than what an output pixel depends on.
    assert min(a for a, _ in asked) >= max(0, first - 224)
    assert max(b for _, b in asked) <= min(608, last + 224)


def test_a_row_is_computed_once(strips, image):
    """Except at the ends of strips: the number of rows that are read hardly grows."""

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


def test_kept_rows_do_not_grow_with_the_height(strips):
    """The number of rows kept between two strips stays the same."""
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
def test_layers_that_cannot_be_computed_in_strips_are_refused(layer):
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match="strips"):
        stages_of(keras.Model(image, layer(image)))


def test_reach_of_layers_by_hand():
    assert reach(layers.Conv2D(2, 3, padding="same")).needs(10, 20) == (9, 21)
    assert reach(layers.MaxPooling2D(2)).needs(10, 20) == (20, 40)
    # Output row o of a 4x4 kernel with stride 2 follows from rows (o - 1) // 2 and one more.
    assert reach(layers.Conv2DTranspose(2, 4, strides=2, padding="same")).needs(10, 20) == (4, 11)
    pooled = reach(layers.Conv2D(2, 3, padding="same")).after(reach(layers.MaxPooling2D(2)))
    assert pooled == Reach(down=2, halo=2)
    assert pooled.needs(10, 20) == (18, 42)


def stretched(x):
    """Halved in width only, and enlarged again."""
    return layers.UpSampling2D((1, 2))(layers.MaxPooling2D((1, 2))(x))


@pytest.mark.parametrize(
    ("middle", "stride"),
    [
        (lambda x: layers.Conv2D(8, (1, 7), padding="same")(x), 1),
        (lambda x: layers.DepthwiseConv2D((7, 1), padding="same")(x), 1),
        (stretched, 2),
    ],
    ids=["wide kernel", "high kernel", "wide pool"],
)
def test_kernels_that_are_not_square_are_computed_in_one_piece(middle, stride):
    """Stride and halo are the same for rows and columns."""
    model = built(middle)
    made = network(model)
    assert (made.stages, made.stride) == (None, stride)
    tiling = Tiling(made, 4096)
    codes = CODE[:64, :256]
    frame = Frame(codes, tiling.cell)
    cells = np.zeros([side // tiling.cell for side in frame.codes(frame.bounds).shape[:2]], bool)
    middle_columns = slice(96 // tiling.cell, 128 // tiling.cell)
    cells[:, middle_columns] = True
    whole = np.asarray(model.predict_on_batch(codes[None]))[0]
    for where, y in tiling.predict(frame, cells):
        np.testing.assert_allclose(y, whole[where.within(frame.picture)], atol=1e-5)


THREADS = """
from concurrent.futures import ThreadPoolExecutor
import keras, numpy
from keras import layers
from hdrcnn.tiles.keras_graph import network

image = keras.Input((None, None, 3))
model = keras.Model(image, layers.Conv2D(3, 1)(layers.BatchNormalization()(image)))
pictures = numpy.random.default_rng(0).random((16, 1, 32, 32, 3), numpy.float32)
with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(network(model).whole, pictures))
numpy.testing.assert_allclose(found, model(pictures[:, 0])[:, None], atol=1e-5)
print("equal under", keras.config.backend())
"""


def test_a_whole_picture_may_be_computed_in_several_threads_at_once_under_jax(tmp_path, run_python):
    done = run_python("-c", THREADS, cwd=tmp_path, KERAS_BACKEND="jax")
    assert "equal under jax" in done.stdout
