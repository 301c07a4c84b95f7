"""Development, tested with independent colour code, inverses of curves and shares of draws."""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from hdrcnn.colour.transfer import inverse_camera_curve, srgb_encode
from training_code.camera import (
    CURVES,
    Development,
    Look,
    curve_codes,
    develop,
    jitter_colour,
    picture_style,
    white_balance,
)

numbers = st.floats(0, 1000, width=32, allow_subnormal=False)
light = hnp.arrays(np.float32, (3, 3, 3), elements=numbers)
LIGHT = np.random.default_rng(0).lognormal(0.0, 2.0, (3, 16, 16, 3)).astype(np.float32)
LIGHT[:, :2] = 0.0
LIGHT[:, 2:4] = LIGHT[:, 2:4, :, :1]


def looks(count: int = 4000, **settings) -> list[Look]:
    rng = np.random.default_rng(5)
    return [Development(**settings).draw(rng) for _ in range(count)]


def per_item(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1, 1, 1)


# Colour


@settings(deadline=None)
@given(linear=light, hue=st.floats(-400, 400), saturation=st.floats(-0.3, 0.3))
def test_colour_jitter_against_colorsys(linear, hue, saturation):
    jittered = jitter_colour(linear, hue, saturation)
    assert jittered.dtype == np.float32
    for before, after in zip(np.sqrt(linear).reshape(-1, 3), jittered.reshape(-1, 3), strict=True):
        peak = float(before.max()) or 1.0
        h, s, v = colorsys.rgb_to_hsv(*(float(c) / peak for c in before))
        shifted = min(max(s + saturation, 0.0), 1.0) if s > 0 else 0.0
        expected = np.square(np.array(colorsys.hsv_to_rgb((h + hue / 360) % 1, shifted, v)) * peak)
        np.testing.assert_allclose(after, expected, rtol=2e-3, atol=2e-3 * peak**2)


@settings(deadline=None)
@given(linear=light)
def test_no_jitter_is_the_identity(linear):
    np.testing.assert_allclose(jitter_colour(linear, 0.0, 0.0), linear, rtol=1e-4, atol=1e-5)


@settings(deadline=None)
@given(linear=light, hue=st.floats(-180, 180), saturation=st.floats(-1, 1))
def test_jitter_keeps_the_largest_channel_and_grey(linear, hue, saturation):
    after = jitter_colour(linear, hue, saturation)
    np.testing.assert_allclose(after.max(axis=-1), linear.max(axis=-1), rtol=1e-5)
    assert after.min() >= 0
    grey = np.repeat(linear[..., :1], 3, axis=-1)
    np.testing.assert_allclose(jitter_colour(grey, hue, saturation), grey, rtol=1e-5)


def test_hue_rotation_is_reversible():
    there = jitter_colour(LIGHT, 50.0, 0.0)
    np.testing.assert_allclose(jitter_colour(there, -50.0, 0.0), LIGHT, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(jitter_colour(LIGHT, 120.0, 0.0), np.roll(LIGHT, 1, -1), rtol=1e-3)


@settings(deadline=None)
@given(
    linear=light,
    red=st.floats(-2, 2),
    blue=st.floats(-2, 2),
)
def test_white_balance_is_undone_by_the_inverse_gains(linear, red, blue):
    gains = np.array([2.0**red, 1.0, 2.0**blue], np.float32)
    there = white_balance(linear, gains)
    np.testing.assert_array_equal(there[..., 1], linear[..., 1])
    np.testing.assert_allclose(white_balance(there, 1 / gains), linear, rtol=1e-5)


# Curves


@settings(deadline=None)
@given(n=st.floats(0.4, 2.0), s=st.floats(0.1, 2.0))
def test_developed_codes_rise_and_invert_to_half_a_code(n, s):
    linear = np.linspace(0.0, 3.0, 500, dtype=np.float32)
    codes = develop(linear, n, s)
    assert codes.dtype == np.uint8
    assert codes[0] == 0
    assert (codes[linear >= 1] == 255).all()
    assert (np.diff(codes.astype(int)) >= 0).all()
    low, high = (
        inverse_camera_curve(np.clip((codes + d) / 255.0, 0, 1), n, s) for d in (-0.5, 0.5)
    )
    inside = linear < 1
    assert (low[inside] <= linear[inside] + 1e-4).all()
    assert (high[inside] >= linear[inside] - 1e-4).all()


def test_the_other_curves_are_srgb_with_and_without_a_style():
    linear = np.linspace(0.0, 2.0, 500, dtype=np.float32)
    code = srgb_encode(np.minimum(linear, 1.0).astype(np.float64))
    for name, strength in (("srgb", 0.0), ("srgb_style", 0.6)):
        expected = 255.0 * picture_style(code, strength)
        found = develop(linear, curve=CURVES.index(name), strength=strength)
        np.testing.assert_allclose(found, expected, atol=0.5001)


def test_a_batch_under_keras_equals_each_picture_alone():
    hue, saturation = (7.0, -200.0, 0.0), (0.1, -0.3, 0.0)
    gains = np.array([[1.1, 1.0, 0.9], [1.0, 1.0, 1.0], [0.5, 1.0, 2.0]], np.float32)
    curve, n, s, strength = (0, 1, 2), (0.9, 1.1, 0.7), (0.6, 0.2, 0.9), (0.0, 0.0, 0.4)
    balanced = white_balance(LIGHT, gains.reshape(3, 1, 1, 3), xp=ops)
    jittered = jitter_colour(balanced, per_item(*hue), per_item(*saturation), xp=ops)
    which = np.array(curve, np.int32).reshape(-1, 1, 1, 1)
    codes = curve_codes(jittered, which, per_item(*n), per_item(*s), per_item(*strength), xp=ops)
    for i in range(3):
        alone = jitter_colour(white_balance(LIGHT[i], gains[i]), hue[i], saturation[i])
        np.testing.assert_allclose(np.asarray(jittered)[i], alone, rtol=1e-4, atol=1e-6)
        expected = develop(np.asarray(jittered)[i], n[i], s[i], curve[i], strength[i])
        found = np.asarray(codes)[i]
        np.testing.assert_array_equal(found, np.round(found))
        # A value halfway between two codes may be rounded either way.
        assert np.abs(found - expected).max() <= 1
        assert (found == expected).mean() > 0.999


# Draws


def test_curves_are_drawn_in_their_shares_each_with_its_parameters():
    drawn = looks(curves=(0.5, 0.3, 0.2), style_strength=(0.2, 0.4))
    counts = np.bincount([look.curve for look in drawn], minlength=3)
    np.testing.assert_allclose(counts / 4000, (0.5, 0.3, 0.2), atol=0.04)
    for look in drawn:
        styled = CURVES[look.curve] == "srgb_style"
        assert 0.2 <= look.strength <= 0.4 if styled else look.strength == 0.0
    assert {look.curve for look in looks()} == {0}
    assert {look.curve for look in looks(200, curves=(0.0, 0.0, 1.0))} == {2}


def test_draws_have_the_published_moments():
    drawn = looks()
    for name, mean, sd in (("hue", 0, 7), ("saturation", 0, 0.1), ("n", 0.9, 0.1), ("s", 0.6, 0.1)):
        values = np.array([getattr(look, name) for look in drawn])
        assert values.mean() == pytest.approx(mean, abs=0.1 * sd)
        assert values.std() == pytest.approx(sd, rel=0.05)
    assert {look.white_balance for look in drawn} == {(1.0, 1.0, 1.0)}
    assert {look.jpeg_quality for look in drawn} == {0}


def test_parameters_of_the_curve_are_clipped_to_their_limits():
    drawn = looks(curve_n=(0.9, 2.0), curve_s=(0.6, 2.0))
    n, s = (np.array([getattr(look, name) for look in drawn]) for name in ("n", "s"))
    assert (n.min(), n.max(), s.min(), s.max()) == (0.2, 2.5, 0.01, 5.0)


def test_white_balance_is_normal_in_stops_and_keeps_green():
    gains = np.log2([look.white_balance for look in looks(white_balance_sd=0.3)])
    np.testing.assert_allclose(gains.std(axis=0), [0.3, 0.0, 0.3], rtol=0.05)
    np.testing.assert_allclose(gains.mean(axis=0), 0.0, atol=0.02)
    assert abs(np.corrcoef(gains[:, 0], gains[:, 2])[0, 1]) < 0.1


def test_jpeg_qualities_are_uniform_and_chroma_is_subsampled_in_its_share():
    drawn = looks(jpeg=(30, 100), jpeg_subsampled=0.8)
    counts = np.bincount([look.jpeg_quality for look in drawn], minlength=101)
    assert counts[:30].sum() == 0
    assert (counts[30:] > 20).all()
    assert counts.max() < 100
    assert np.mean([look.subsampled for look in drawn]) == pytest.approx(0.8, abs=0.03)
    assert all(look.subsampled for look in looks(200, jpeg=(80, 80)))


def test_no_setting_changes_the_draws_of_another():
    plain = looks(50)
    for changes, touched in (
        ({"jpeg": (30, 100)}, {"jpeg_quality"}),
        ({"white_balance_sd": 0.2}, {"white_balance"}),
        ({"curves": (0.0, 0.5, 0.5)}, {"curve", "strength"}),
        ({"hue_sd": 1.0}, {"hue"}),
    ):
        for before, after in zip(plain, looks(50, **changes), strict=True):
            pairs = zip(Look._fields, before, after, strict=True)
            assert {name for name, first, second in pairs if first != second} <= touched
        assert looks(50, **changes) != plain


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"curves": (0.5, 0.2, 0.2)}, "published, srgb, srgb_style"),
        ({"curves": (1.5, -0.5, 0.0)}, "curves"),
        ({"curves": (1.0,)}, "curves"),
        ({"hue_sd": -1.0}, "hue_sd -1"),
        ({"white_balance_sd": 9.0}, "white_balance_sd 9"),
        ({"curve_n": (3.0, 0.1)}, "mean of curve_n 3"),
        ({"curve_s": 0.6}, "curve_s 0.6"),
        ({"style_strength": (0.5, 1.0)}, "style_strength"),
        ({"jpeg": (0, 90)}, "jpeg"),
        ({"jpeg": 75}, "jpeg 75"),
        ({"jpeg_subsampled": 2}, "jpeg_subsampled 2"),
    ],
)
def test_unusable_settings_are_named(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Development(**changes)
