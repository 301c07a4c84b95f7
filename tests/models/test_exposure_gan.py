"""The published stack networks, compared with the published numbers; `test_contract` has the tests
that all networks share.
"""

import numpy as np

from hdrcnn.models import exposure_gan

RNG = np.random.default_rng(8)


def test_published_numbers():
    generator, discriminator = exposure_gan.build_generator(), exposure_gan.build_discriminator()
    assert generator.count_params() == 280_847
    assert discriminator.count_params() == 151_745
    kernels = [v.shape for v in generator.weights if v.path.endswith("kernel")]
    assert kernels == [(4, 4, 3, 64), (4, 4, 64, 128), (4, 4, 64, 128), (4, 4, 15, 64)]


def test_the_discriminator_judges_63_by_63_patches_of_256():
    discriminator = exposure_gan.build_discriminator(2)
    assert discriminator.compute_output_shape((1, 256, 256, 18)) == (1, 63, 63, 1)


def test_five_exposures_of_codes():
    picture = RNG.random((2, 32, 24, 3), np.float32)
    stack = np.asarray(exposure_gan.build_generator(4)(picture))
    assert stack.shape == (2, 5, 32, 24, 3)
    assert 0.0 <= stack.min() < stack.max() <= 1.0


def test_the_channels_are_exposures_of_rgb():
    channels = np.arange(15, dtype=np.float32) / 20.0
    stack = np.asarray(exposure_gan.Exposures()(np.tile(channels, (1, 2, 3, 1))))
    assert stack.shape == (1, 5, 2, 3, 3)
    np.testing.assert_allclose(stack[0, :, 1, 2], 0.5 + channels.reshape(5, 3) / 2, rtol=1e-6)


def test_the_discriminator_gets_the_picture_and_its_exposures():
    picture, stack = RNG.random((1, 2, 2, 3)), RNG.random((1, 5, 2, 2, 3))
    shown = np.asarray(
        exposure_gan.discriminator_input(picture.astype(np.float32), stack.astype(np.float32))
    )
    assert shown.shape == (1, 2, 2, 18)
    np.testing.assert_allclose(shown[..., :3], 2 * picture - 1, atol=1e-6)
    np.testing.assert_allclose(shown[..., 9:12], 2 * stack[:, 2] - 1, atol=1e-6)


def test_a_sample_depends_on_pixels_up_to_10_away():
    """The published receptive field of the encoder; the decoder adds that of its neighbours."""
    generator = exposure_gan.build_generator(4)
    for variable in generator.weights:
        variable.assign(RNG.standard_normal(variable.shape) * 0.2)
    before = RNG.random((1, 64, 8, 3), np.float32)
    after = before.copy()
    after[:, 32] = 1.0 - after[:, 32]
    change = np.abs(np.asarray(generator(after)) - np.asarray(generator(before)))
    reach = np.abs(np.flatnonzero(change.max(axis=(0, 1, 3, 4)) > 0) - 32)
    assert 5 < reach.max() <= 10
