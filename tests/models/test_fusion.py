"""Properties of the fusion networks beyond the contract, and of the pyramid that they use."""

import keras
import numpy as np
import pytest
from keras import ops

from hdrcnn.models import fusion

RNG = np.random.default_rng(4)
FRAMES = RNG.random((2, 4, 32, 40, 3), np.float32)


def perturbed(network: keras.Model) -> keras.Model:
    """The network with a head that is not 0."""
    for variable in network.weights:
        if "head" in variable.path:
            variable.assign(0.3 * RNG.standard_normal(variable.shape))
    return network


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    return perturbed(fusion.weight_maps(4))


def test_weights_are_a_partition_of_unity(network):
    maps = np.asarray(network(FRAMES))
    assert maps.shape == (2, 4, 32, 40, 1)
    assert maps.min() > 0.0
    np.testing.assert_allclose(maps.sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_any_number_of_frames(network, count):
    frames = RNG.random((1, count, 16, 24, 3), np.float32)
    maps = np.asarray(network(frames))
    assert maps.shape == (1, count, 16, 24, 1)
    if count == 1:
        np.testing.assert_allclose(maps, 1.0)


def test_a_permutation_of_the_frames_permutes_the_weights(network):
    order = [2, 0, 3, 1]
    maps, turned = (np.asarray(network(f)) for f in (FRAMES, FRAMES[:, order]))
    np.testing.assert_allclose(turned, maps[:, order], atol=1e-5)
    assert np.abs(maps - maps[:, order]).max() > 0.01


def test_equal_frames_have_equal_weights(network):
    maps = np.asarray(network(np.repeat(FRAMES[:, :1], 3, axis=1)))
    np.testing.assert_allclose(maps, 1 / 3, atol=1e-5)


def test_training_starts_at_the_weights_for_contrast_and_exposedness():
    maps = np.asarray(fusion.weight_maps(4)(FRAMES))
    luma = np.asarray(fusion.grey(FRAMES.reshape(-1, 32, 40, 3)))
    strength = np.asarray(fusion.contrast(luma)).reshape(2, 4, 32, 40, 1) + fusion.CONTRAST_FLOOR
    exposed = np.exp(-0.5 * fusion.EXPOSED * ((luma - 0.5) / fusion.EXPOSED_SIGMA) ** 2)
    strength = strength * exposed.reshape(strength.shape)
    expected = strength / strength.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_the_fused_pair_lies_between_its_frames():
    keras.utils.set_random_seed(2)
    network = perturbed(fusion.fused_pair(4))
    pair = FRAMES[:, :2]
    fused = np.asarray(network(pair))
    assert fused.shape == (2, 32, 40, 3)
    assert (fused >= pair.min(axis=1) - 1e-6).all()
    assert (fused <= pair.max(axis=1) + 1e-6).all()
    same = np.repeat(pair[:, :1], 2, axis=1)
    np.testing.assert_allclose(np.asarray(network(same)), same[:, 0], atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13])
def test_matrices_of_the_pyramid_keep_constants(size):
    np.testing.assert_allclose(fusion.reduction(size).sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(fusion.expansion(size).sum(axis=1), 1.0, atol=1e-6)


def test_the_pyramid_matches_opencv():
    cv2 = pytest.importorskip("cv2")
    for shape in ((31, 37), (32, 30), (5, 64)):
        image = RNG.random(shape, np.float32)
        down = cv2.pyrDown(image)
        np.testing.assert_allclose(np.asarray(fusion.reduced(image)), down, atol=1e-6)
        up = cv2.pyrUp(down, dstsize=shape[::-1])
        np.testing.assert_allclose(np.asarray(fusion.expanded(down, *shape)), up, atol=1e-6)


@pytest.mark.parametrize("levels", [0, 1, 4])
def test_blends_of_equal_frames_and_of_equal_weights(levels):
    frames = FRAMES[..., 0]
    shares = RNG.dirichlet(np.ones(4), (2, 32, 40)).transpose(0, 3, 1, 2).astype(np.float32)
    fused = np.asarray(fusion.blend(frames, shares, levels))
    if not levels:
        np.testing.assert_allclose(fused, (frames * shares).sum(axis=1), atol=1e-6)
    # Equal frames with any weights, and weights that are equal everywhere.
    equal = np.repeat(frames[:, :1], 4, axis=1)
    np.testing.assert_allclose(
        np.asarray(fusion.blend(equal, shares, levels)), frames[:, 0], atol=1e-5
    )
    even = np.full_like(shares, 0.25)
    np.testing.assert_allclose(
        np.asarray(fusion.blend(frames, even, levels)), frames.mean(axis=1), atol=1e-5
    )


def test_contrast_is_the_laplacian():
    ramp = np.arange(12.0, dtype=np.float32).reshape(1, 3, 4, 1)
    inside = np.asarray(fusion.contrast(ops.convert_to_tensor(ramp)))[0, 1, 1:3, 0]
    np.testing.assert_allclose(inside, 0.0, atol=1e-5)
    point = np.zeros((1, 5, 5, 1), np.float32)
    point[0, 2, 2] = 1.0
    assert np.asarray(fusion.contrast(point))[0, 2, 1:4, 0].tolist() == [1.0, 4.0, 1.0]
