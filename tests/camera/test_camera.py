"""The chain: picture and target fit together, every part has draws of its own."""

import dataclasses

import numpy as np
import pytest

from training_code.camera import (
    Camera,
    Development,
    Exposure,
    Sensor,
    Settings,
    develop,
    jpeg,
    photograph,
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


def test_picture_and_target_fit_together():
    codes, target = photograph(LIGHT, dataclasses.replace(PLAIN, hue=9.0, saturation=-0.1))
    assert codes.shape == target.shape == LIGHT.shape
    assert (codes.dtype, target.dtype) == (np.uint8, np.float32)
    assert target.max() == 50.0
    np.testing.assert_array_equal(codes, develop(target))
    assert (target < 1).mean() == pytest.approx(0.9, abs=0.03)  # The jitter moves a few samples.


def test_the_target_decides_what_is_clipped_whatever_was_done_to_the_light():
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
def test_a_part_leaves_the_draws_of_the_others_alone(part, fields):
    before = dataclasses.asdict(Camera().draw(KEY))
    after = dataclasses.asdict(Camera(**part).draw(KEY))
    assert {name for name in before if before[name] != after[name]} == fields


def test_settings_are_plain_numbers():
    for value in dataclasses.asdict(Camera().draw(KEY)).values():
        kinds = {type(item) for item in (value if isinstance(value, tuple) else (value,))}
        assert kinds <= {bool, int, float}
