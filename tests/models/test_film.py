"""What is the film networks' own; what every network keeps to stands in `test_contract`."""

import keras
import numpy as np

from hdrcnn.models import film_curves, film_unet

RNG = np.random.default_rng(3)


def test_published_size_of_the_unet():
    # 2 convolutions a level of 64 to 1024, 2048 at the bottom, transposed 2x2, 1x1 out.
    assert film_unet.build(64).count_params() == 124_362_307


def test_borders_are_repeated():
    keras.utils.set_random_seed(1)
    layer = film_unet.ReplicateConv2D(2)
    picture = RNG.random((1, 5, 6, 3), np.float32)
    found = np.asarray(layer(picture))
    assert found.shape == (1, 5, 6, 2)
    kernel, bias = (np.asarray(variable) for variable in layer.weights)
    padded = np.pad(picture, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
    corner = np.einsum("yxc,yxcd->d", padded[0, :3, :3], kernel) + bias
    np.testing.assert_allclose(found[0, 0, 0], np.maximum(corner, 0.0), atol=1e-5)


def test_curves_start_at_the_formula_and_stay_within_their_limits():
    network = film_curves.build(23, 4)
    frames = RNG.random((2, 54, 96, 3), np.float32)
    np.testing.assert_array_equal(np.asarray(network(frames)), np.zeros((2, 23)))
    bent = network.get_layer("bent")
    bent.set_weights([100.0 * RNG.standard_normal(w.shape) for w in bent.get_weights()])
    assert np.abs(np.asarray(network(frames))).max() <= film_curves.MOST


BINS = film_curves.BINS


def shares(frames: np.ndarray) -> np.ndarray:
    """[6, BINS] of one frame."""
    return np.asarray(film_curves.Shares()(frames[None].astype(np.float32))).reshape(6, BINS)


def test_shares_add_up_and_do_not_depend_on_places():
    frame = RNG.random((16, 24, 3))
    found = shares(frame)
    np.testing.assert_allclose(found[:3, -1], 1.0, atol=1e-5)
    for channel, of in ((1, frame.max(axis=-1)), (2, frame.min(axis=-1))):
        # Half of a pixel at a level is counted there.
        expected = np.clip(
            (np.linspace(0.0, 1.0, BINS)[:, None] - of.ravel()) * (BINS - 1) + 1, 0, 1
        )
        np.testing.assert_allclose(found[channel], expected.mean(axis=1), atol=1e-5)
    turned = shares(frame[::-1, ::-1])
    np.testing.assert_allclose(np.delete(turned, 4, axis=0), np.delete(found, 4, axis=0), atol=1e-5)


def test_contrast_by_level_says_how_steep_a_curve_is():
    # Steps of equal ratios of light: a curve of exponent 1/2 halves what light itself changes by.
    stops = np.repeat(np.linspace(-5.0, 0.0, 200)[:, None, None], 3, axis=2) * np.ones((1, 40, 1))
    light = 2.0 ** (stops + 0.1 * RNG.standard_normal((200, 40, 1)) - 0.4)
    straight, root = shares(np.clip(light, 0, 1))[4], shares(np.sqrt(np.clip(light, 0, 1)))[4]
    levels = np.linspace(0.0, 1.0, BINS)
    inner = (levels > 0.35) & (levels < 0.7)
    ratio = np.exp(straight - root)[inner]
    assert (ratio > 1.6).all()
    assert (ratio < 2.4).all()


def test_a_frame_of_one_row_or_one_pixel_has_shares():
    for shape in ((1, 24, 3), (1, 1, 3)):
        assert np.isfinite(shares(RNG.random(shape))).all()
