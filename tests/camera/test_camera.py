"""The camera chain: picture and target agree, parts draw independently; exposure and sensor."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from keras import ops
from scipy import stats

from training_code.camera import (
    Camera,
    Development,
    Exposure,
    Sensor,
    Settings,
    TooBlackError,
    add_noise,
    develop,
    expose,
    jpeg,
    photograph,
    sense,
)

LIGHT = np.random.default_rng(0).lognormal(0.0, 2.0, (40, 60, 3)).astype(np.float32)
KEY = (1, 0, 2, 3, 0)
PLAIN = Settings(
    unclipped=0.9,
    noise_sd=0.004,
    noise_seed=4_000_000_000,
    peak=50.0,
    white_balance=(1.0, 1.0, 1.0),
    hue=0.0,
    saturation=0.0,
    curve=0,
    n=0.9,
    s=0.6,
    strength=0.0,
    jpeg_quality=0,
    subsampled=True,
)


def test_picture_and_target_agree():
    codes, target = photograph(LIGHT, dataclasses.replace(PLAIN, hue=9.0, saturation=-0.1))
    assert codes.shape == target.shape == LIGHT.shape
    assert (codes.dtype, target.dtype) == (np.uint8, np.float32)
    assert target.max() == 50.0
    np.testing.assert_array_equal(codes, develop(target))
    assert (target < 1).mean() == pytest.approx(0.9, abs=0.03)  # The jitter moves a few samples.


def test_codes_clip_where_the_target_does_in_any_development():
    settings = dataclasses.replace(
        PLAIN, white_balance=(1.4, 1.0, 0.6), hue=-20.0, saturation=0.2, curve=2, strength=0.5
    )
    codes, target = photograph(LIGHT, settings)
    assert (codes[target >= 1.0] == 255).all()
    assert (codes[target < 0.98] < 255).all()


def test_white_balance_changes_the_target_by_its_gains_alone():
    gains = (1.25, 1.0, 0.8)
    wide = dataclasses.replace(PLAIN, peak=1e6)
    _, target = photograph(LIGHT, wide)
    _, balanced = photograph(LIGHT, dataclasses.replace(wide, white_balance=gains))
    np.testing.assert_allclose(balanced / np.array(gains, np.float32), target, rtol=1e-6)


def test_jpeg_changes_the_picture_and_not_the_target():
    codes, target = photograph(LIGHT, PLAIN)
    lossy = dataclasses.replace(PLAIN, jpeg_quality=60, subsampled=False)
    stored, same = photograph(LIGHT, lossy)
    np.testing.assert_array_equal(same, target)
    np.testing.assert_array_equal(stored, jpeg.round_trip(codes, 60, subsampled=False))
    assert (stored != codes).any()


def test_the_same_settings_take_the_same_picture():
    first, again, other = (
        photograph(LIGHT, dataclasses.replace(PLAIN, noise_seed=seed))[0] for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_draws_depend_on_the_key_alone():
    camera = Camera(development=Development(jpeg=(30, 100), white_balance_sd=0.1))
    assert camera.draw(KEY) == camera.draw(KEY)
    for place in range(5):
        other = tuple(number + (i == place) for i, number in enumerate(KEY))
        assert camera.draw(other) != camera.draw(KEY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ({"exposure": Exposure((0.5, 0.6))}, {"unclipped"}),
        ({"sensor": Sensor((0.1, 0.2), peak=9.0)}, {"noise_sd", "peak"}),
        ({"development": Development(hue_sd=1.0, saturation_sd=0.0)}, {"hue", "saturation"}),
    ],
)
def test_changing_a_part_keeps_the_draws_of_the_others(part, fields):
    before = dataclasses.asdict(Camera().draw(KEY))
    after = dataclasses.asdict(Camera(**part).draw(KEY))
    assert {name for name in before if before[name] != after[name]} == fields


def test_settings_are_plain_numbers():
    for value in dataclasses.asdict(Camera().draw(KEY)).values():
        kinds = {type(item) for item in (value if isinstance(value, tuple) else (value,))}
        assert kinds <= {bool, int, float}


@settings(deadline=None)
@given(unclipped=st.floats(0.02, 0.98), unit=st.floats(1e-3, 1e3))
def test_exposure_leaves_the_share_below_clipping_in_any_unit(unclipped, unit):
    exposed = expose(LIGHT * np.float32(unit), unclipped)
    assert (exposed < 1.0).mean() == pytest.approx(unclipped, abs=2 / LIGHT.size + 1e-4)


def test_exposure_is_one_gain():
    ratio = expose(LIGHT, 0.9) / LIGHT
    np.testing.assert_allclose(ratio, ratio[0, 0, 0], rtol=1e-6)


def test_black_cannot_be_exposed():
    with pytest.raises(TooBlackError, match="black"):
        expose(np.zeros((4, 4, 3), np.float32), 0.9)
    lamp = np.zeros((10, 10, 3), np.float32)
    lamp[:2] = 1.0
    with pytest.raises(TooBlackError, match="75%"):
        expose(lamp, 0.75)
    assert (expose(lamp, 0.85) == lamp).all()


def test_shares_are_drawn_evenly_from_their_range():
    rng = np.random.default_rng(1)
    drawn = np.array([Exposure((0.7, 0.9)).draw(rng) for _ in range(4000)])
    counts, _ = np.histogram(drawn, 4, (0.7, 0.9))
    assert counts.sum() == 4000
    np.testing.assert_allclose(counts, 1000, atol=5 * np.sqrt(1000))


@pytest.mark.parametrize("share", [(0.9, 0.8), (0.0, 0.5), (0.5, 1.0), (0.5,), 0.9])
def test_unusable_shares_are_named(share):
    with pytest.raises(ValueError, match="unclipped"):
        Exposure(share)


FLAT = np.full((200, 200, 3), 0.5, np.float32)


def test_noise_is_normal_and_light_stays_positive():
    residual = (sense(FLAT, 0.01, np.random.default_rng(1)) - FLAT) / 0.01
    assert stats.kstest(residual.ravel(), "norm").pvalue > 1e-4
    assert sense(np.zeros_like(FLAT), 0.01, np.random.default_rng(1)).min() == 0.0
    np.testing.assert_array_equal(sense(FLAT, 0.0, np.random.default_rng(1)), FLAT)


def test_noise_of_a_batch_under_keras_equals_that_of_each_image():
    rng = np.random.default_rng(2)
    light, noise = rng.random((3, 8, 8, 3), np.float32), rng.standard_normal((3, 8, 8, 3))
    noise, sd = noise.astype(np.float32), np.array([0.0, 0.01, 0.5], np.float32)
    together = np.asarray(add_noise(light, sd.reshape(-1, 1, 1, 1), noise, xp=ops))
    for item in range(3):
        alone = add_noise(light[item], sd[item], noise[item])
        np.testing.assert_allclose(together[item], alone, rtol=1e-6, atol=1e-7)


def test_draws_stay_in_their_range_and_seeds_differ():
    rng = np.random.default_rng(3)
    drawn = [Sensor(noise_sd=(0.002, 0.004)).draw(rng) for _ in range(500)]
    assert min(noise.noise_sd for noise in drawn) >= 0.002
    assert max(noise.noise_sd for noise in drawn) <= 0.004
    seeds = {noise.noise_seed for noise in drawn}
    assert len(seeds) == 500
    assert min(seeds) >= 0
    assert 2**31 < max(seeds) < 2**32


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"noise_sd": (0.2, 0.1)}, "noise_sd"),
        ({"noise_sd": (-0.1, 0.1)}, "noise_sd"),
        ({"peak": 0.5}, "peak 0.5"),
    ],
)
def test_unusable_settings_are_named(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Sensor(**changes)
