"""Tests of HDRCNN alone; `test_contract` has those that all networks share."""

import keras
import numpy as np
import scipy.ndimage
from keras import ops

from hdrcnn.models import hdrcnn


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows).random((2, rows, columns, 3), np.float32)


def test_published_size():
    model = hdrcnn.build(64)
    assert model.count_params() == 29_447_332
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 29_443_358


def test_vgg_input_is_bgr_without_the_mean():
    x = np.random.default_rng(0).random((1, 2, 2, 3), np.float32)
    expected = 255 * x[..., ::-1] - np.array([103.939, 116.779, 123.68])
    np.testing.assert_allclose(np.asarray(hdrcnn.VggInput()(x)), expected, atol=1e-3)


def test_log_skip_by_hand():
    s = np.array([[0.0, 127.5, 255.0]], np.float32)
    expected = np.log([[1 / 255, 0.25 + 1 / 255, 1 + 1 / 255]])
    np.testing.assert_allclose(np.asarray(hdrcnn.LogSkip()(s)), expected, rtol=1e-4)


def test_fusion_starts_as_addition():
    a, b = np.random.default_rng(1).random((2, 1, 4, 4, 6), np.float32)
    fuse = keras.layers.Conv2D(6, 1, kernel_initializer=hdrcnn.Addition())
    np.testing.assert_allclose(np.asarray(fuse(ops.concatenate([a, b], -1))), a + b, rtol=1e-5)


def test_upsampling_starts_as_bilinear():
    x = np.random.default_rng(1).random((1, 6, 7, 2), np.float32)
    up = keras.layers.Conv2DTranspose(
        2, 4, strides=2, padding="same", kernel_initializer=hdrcnn.Bilinear()
    )
    expected = scipy.ndimage.zoom(x[0], (2, 2, 1), order=1, grid_mode=True, mode="grid-constant")
    np.testing.assert_allclose(np.asarray(up(x))[0], expected, atol=1e-6)


def test_the_skips_of_an_untrained_network_are_not_flat():
    """Activations must keep the scale 0..255 up to the last block, or the log skips are flat."""
    keras.utils.set_random_seed(4)
    model = hdrcnn.build(8)
    skips = keras.Model(model.input, [model.get_layer(f"skip{i}_log").output for i in range(6)])
    for level, skip in enumerate(skips(noise(128, 128), training=False)):
        assert np.asarray(skip).std() > 0.3, level


def test_a_pixel_depends_on_input_up_to_184_pixels_away():
    """Changing a column has effects far away, but none beyond the published receptive field."""
    keras.utils.set_random_seed(6)
    model = hdrcnn.build(8)
    before = np.random.default_rng(6).random((1, 64, 1024, 3), np.float32)
    after = before.copy()
    after[:, :, 512] = 1.0 - after[:, :, 512]
    change = np.abs(np.asarray(model(before)) - np.asarray(model(after)))[0].max(axis=(0, 2))
    reach = np.abs(np.flatnonzero(change > 0) - 512)
    assert 100 < reach.max() <= 184
