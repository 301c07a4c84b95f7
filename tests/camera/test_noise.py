"""Noise from a hash: normal, independent, and the same under every backend."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, strategies as st

from training_code.camera import noise

SHAPE = (128, 160, 3)
SEEDS = np.array([0, 1, 2, 2**31, 2**32 - 1], np.uint32)
DRAWN = np.asarray(noise.gaussian(SEEDS, SHAPE), np.float64)

PQ_MAX = st.integers(0, 2**32 - 1)


def unmixed(word: int) -> int:
    """The inverse of `mix`, in Python integers: undoes its xor-shifts and odd factors."""
    word ^= word >> 16
    for shift, factor in ((15, 0x846CA68B), (16, 0x7FEB352D)):
        word = word * pow(factor, -1, 2**32) % 2**32
        word ^= word >> shift ^ (word >> 2 * shift)
    return word


@given(PQ_MAX)
def test_mixing_is_one_to_one(word):
    assert unmixed(int(noise.mix(np.array([word], np.uint32), np)[0])) == word
    assert unmixed(int(np.asarray(noise.mix(np.array([word], np.uint32)))[0])) == word


@pytest.mark.parametrize("bit", [0, 7, 16, 31])
def test_each_input_bit_flips_about_half_of_the_output_bits(bit):
    words = np.arange(4096, dtype=np.uint32)
    changed = noise.mix(words, np) ^ noise.mix(words ^ np.uint32(1 << bit), np)
    shares = [(changed >> np.uint32(i) & 1).mean() for i in range(32)]
    np.testing.assert_allclose(shares, 0.5, atol=0.06)


def test_moments_are_those_of_a_normal_distribution():
    for values in DRAWN.reshape(len(SEEDS), -1):
        count = values.size
        assert abs(values.mean()) < 5 / np.sqrt(count)
        assert abs(values.var() - 1) < 5 * np.sqrt(2 / count)
        assert abs(scipy.stats.skew(values)) < 5 * np.sqrt(6 / count)
        assert abs(scipy.stats.kurtosis(values)) < 5 * np.sqrt(24 / count)
        assert 3.8 < np.abs(values).max() < 5.8


def test_values_pass_a_kolmogorov_smirnov_test():
    for item in DRAWN:
        for channel in range(3):
            assert scipy.stats.kstest(item[..., channel].ravel(), "norm").pvalue > 1e-3
    assert scipy.stats.kstest(DRAWN[:, 5, 7].ravel(), "norm").pvalue > 1e-3


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation coefficient in units of its standard deviation for independent values."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1] * np.sqrt(first.size))


def test_items_and_channels_are_independent():
    for i in range(len(SEEDS)):
        for j in range(i):
            assert abs(correlation(DRAWN[i], DRAWN[j])) < 5
            assert abs(correlation(DRAWN[i] ** 2, DRAWN[j] ** 2)) < 5
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert abs(correlation(DRAWN[i][..., a], DRAWN[i][..., b])) < 5


@pytest.mark.parametrize("power", [1, 2])
def test_pixels_are_uncorrelated_at_every_distance(power):
    """The circular autocorrelation at all lags at once, by the Fourier transform."""
    for plane in (DRAWN[0, ..., 0], DRAWN[3, ..., 2]):
        values = plane**power - np.mean(plane**power)
        found = np.fft.ifft2(np.abs(np.fft.fft2(values)) ** 2).real
        found = found / found[0, 0] * np.sqrt(values.size)
        assert np.abs(found.ravel()[1:]).max() < 6.5


def test_a_value_depends_on_seed_and_place_and_nothing_else():
    again = np.asarray(noise.gaussian(SEEDS[::-1], (40, 30, 3)))
    np.testing.assert_array_equal(again[::-1], DRAWN[:, :40, :30].astype(np.float32))
    signed = np.asarray(noise.gaussian(SEEDS.view(np.int32), SHAPE))
    np.testing.assert_array_equal(signed, DRAWN.astype(np.float32))


@given(PQ_MAX)
def test_uniform_stays_within_its_bounds(seed):
    values = noise.uniform(np.array([seed], np.uint32), (8, 8, 2), np)
    assert values.dtype == np.float32
    assert values.min() > 0
    assert values.max() < 1


@pytest.mark.parametrize("word", [0, 2**32 - 1])
def test_ends_of_the_uniform_are_finite(monkeypatch, word):
    monkeypatch.setattr(noise, "mix", lambda values, xp: np.full_like(values, word))
    assert 0 < noise.uniform(np.zeros(1, np.uint32), (2, 2, 1), np)[0, 0, 0, 0] < 1
    drawn = noise.gaussian(np.zeros(1, np.uint32), (2, 2, 1), np)
    assert np.isfinite(drawn).all()
    assert np.abs(drawn).max() < 5.8


def test_numpy_and_jax_give_the_same_noise(run_python, tmp_path):
    twin = noise.gaussian(SEEDS, SHAPE, np)
    assert twin.dtype == np.float32
    np.testing.assert_allclose(twin, DRAWN, atol=5e-6)
    script = (
        "import jax, numpy as np\n"
        "from training_code.camera import noise\n"
        "seeds = np.array([0, 1, 2, 2**31, 2**32 - 1], np.uint32)\n"
        f"np.save('jax.npy', jax.jit(lambda s: noise.gaussian(s, {SHAPE}))(seeds))\n"
    )
    run_python("-c", script, cwd=tmp_path, KERAS_BACKEND="jax")
    np.testing.assert_allclose(np.load(tmp_path / "jax.npy"), DRAWN, atol=5e-6)
