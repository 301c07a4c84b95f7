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


def test_shares_add_up_and_do_not_depend_on_places():
    frames = RNG.random((1, 16, 24, 3), np.float32)
    shares = np.asarray(film_curves.Shares()(frames))
    bins = film_curves.BINS
    np.testing.assert_allclose(shares[0, [bins - 1, 2 * bins - 1]], 1.0, atol=1e-5)
    turned = np.asarray(film_curves.Shares()(frames[:, ::-1, ::-1]))
    np.testing.assert_allclose(turned, shares, atol=1e-5)
