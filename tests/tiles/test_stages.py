"""Only layers that are known are computed in strips; whatever a network is made of, parts are the
whole.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops

from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.keras_graph import cut, network
from hdrcnn.tiles.stages import window
from hdrcnn.tiles.tiling import PIECE, Tiling, TooLargeError
from tests.models.tiny import PICTURES

CODE = np.random.default_rng(2).random((700, 640, 3), np.float32)


class Sharpened(layers.Conv2D):
    """A kind of a known layer that looks further than it."""

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
    "a kind of convolution": lambda x: Sharpened(8, 3, padding="same")(x),
    "softmax of rows": lambda x: layers.Softmax(axis=1)(x),
}


@pytest.mark.parametrize("name", [*BY_PARTS, *IN_ONE_PIECE])
def test_parts_are_the_whole(name):
    model = built({**BY_PARTS, **IN_ONE_PIECE}[name])
    tiling = Tiling(network(model), 150_000)
    assert tiling.by_parts is (name in BY_PARTS)
    frame = Frame(CODE, tiling.cell)
    shown = frame.codes(frame.bounds)
    whole = np.asarray(model.predict_on_batch(shown[None]))[0][: len(CODE), : CODE.shape[1]]
    cells = np.ones([side // tiling.cell for side in shown.shape[:2]], bool)
    result, pieces = np.full(CODE.shape, np.nan, np.float32), 0
    for where, y in tiling.log_hdr(frame, cells):
        result[where.within(frame.picture)] = y
        pieces += 1
    assert (pieces > 1) is tiling.by_parts
    np.testing.assert_allclose(result, whole, atol=1e-5 * np.abs(whole).max())


def test_what_must_be_seen_whole_is_refused_where_it_is_too_large():
    tiling = Tiling(network(built(IN_ONE_PIECE["group norm"])), 700 * 640 // PIECE - 1000)
    with pytest.raises(TooLargeError, match="--resolution=working"):
        list(tiling.log_hdr(Frame(CODE, 32), np.ones((22, 20), bool)))


@pytest.mark.parametrize(("middle", "stride", "halo"), [("pooled", 2, 8), ("depthwise", 1, 4)])
def test_stride_and_halo_by_hand(middle, stride, halo):
    """Pooled: 1 + 2 (1 + 1 + 1) = 7 rows, in whole blocks of the pooling 8."""
    assert window(cut(built(BY_PARTS[middle]))) == (stride, halo)


@pytest.mark.parametrize("record", PICTURES, ids=lambda record: record.model)
def test_no_output_depends_on_more_than_the_window(record):
    """Whatever lies beyond the halo of a block of pixels can be changed."""
    keras.utils.set_random_seed(1)
    model = record.build()
    stride, halo = window(cut(model))
    tiling = Tiling(network(model))
    assert tiling.cell % stride == tiling.halo % tiling.cell == 0
    assert halo <= tiling.halo < halo + tiling.cell
    rng, middle = np.random.default_rng(3), -(-halo // stride) * stride + stride
    codes = rng.random((2, 2 * middle + stride, 32, 3), np.float32)
    near = slice(middle - halo, middle + stride + halo)
    codes[1, near] = codes[0, near]
    first, second = np.asarray(model.predict_on_batch(codes))[:, middle : middle + stride]
    np.testing.assert_allclose(first, second, atol=1e-5)
