"""Grades from HDR to SDR: values of ffmpeg's tone mapping, inverses, properties of every grade."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.colour.sdr import sdr_linear
from training_code.camera import grades

NEUTRAL = {"saturation": 1.0}


@pytest.mark.parametrize(("x", "y"), [(1.0, 0.66310), (2.0, 0.82254), (5.0, 0.95009), (10.0, 1.0)])
def test_moebius_at_a_peak_of_ten(x, y):
    assert float(grades.moebius(np.array(x), 10.0)) == pytest.approx(y, abs=1e-5)


def test_moebius_is_straight_below_three_tenths_and_smooth_there():
    x = np.array([0.0, 0.1, 0.299])
    np.testing.assert_array_equal(grades.moebius(x, 10.0), x)
    near = grades.moebius(np.array([0.3, 0.3001]), 10.0)
    assert near[0] == pytest.approx(0.3)
    assert (near[1] - near[0]) / 1e-4 == pytest.approx(1.0, abs=1e-3)


def test_reinhard_at_a_peak_of_ten():
    assert float(grades.reinhard(np.array(1.0), 10.0)) == pytest.approx(0.55)
    assert float(grades.reinhard(np.array(10.0), 10.0)) == pytest.approx(1.0)


@given(st.floats(0.0, 10.0))
def test_inverse_reinhard(x):
    assert float(grades.inverse_reinhard(grades.reinhard(np.array(x)))) == pytest.approx(x)


@pytest.mark.parametrize("curve", [grades.hable, grades.moebius, grades.reinhard])
def test_curves_rise_to_one_at_the_peak(curve):
    x = np.linspace(0.0, 4.0, 400)
    y = curve(x, 4.0)
    assert (np.diff(y) > 0).all()
    assert (y[0], y[-1]) == (pytest.approx(0.0, abs=1e-6), pytest.approx(1.0))


def test_hable_by_hand():
    # f(x) = (x (0.15 x + 0.05) + 0.004) / (x (0.15 x + 0.5) + 0.06) - 0.02 / 0.3
    bent = {x: (x * (0.15 * x + 0.05) + 0.004) / (x * (0.15 * x + 0.5) + 0.06) for x in (1.0, 5.0)}
    expected = (bent[1.0] - 0.02 / 0.3) / (bent[5.0] - 0.02 / 0.3)
    assert float(grades.hable(np.array(1.0), 5.0)) == pytest.approx(expected)


@pytest.mark.parametrize("name", grades.NAMES)
def test_every_grade_gives_codes_that_rise_along_grey(name):
    light = np.repeat(np.linspace(0.01, 999.0, 300, dtype=np.float32)[:, None], 3, axis=1)
    codes = grades.Grade(name)(light)
    assert codes.dtype == np.float32
    assert codes.min() >= 0.0
    assert codes.max() <= 1.0
    assert (np.diff(codes, axis=0) >= -1e-5).all()
    np.testing.assert_allclose(codes, np.repeat(codes[:, :1], 3, axis=1), atol=2e-3)


def test_a_curve_on_the_largest_channel_keeps_ratios():
    light = np.array([[400.0, 100.0, 50.0]], np.float32)
    # Within Rec. 709, so that nothing is clipped to the gamut.
    light = (light @ np.linalg.inv(grades.REC2020_TO_REC709).T).astype(np.float32)
    codes = grades.Grade("reinhard")(light)
    linear = sdr_linear(codes.astype(np.float64))
    np.testing.assert_allclose(linear / linear[..., :1], light / light[..., :1], rtol=1e-3)


def test_mixed_grades_blend_two_grades_none_of_them_held_out():
    light = np.geomspace(1.0, 900.0, 90, dtype=np.float32).reshape(-1, 3)
    one, two = (grades.Grade(name)(light) for name in ("moebius", "bt2446a"))
    mixed = grades.Grade("mixed", parts=("moebius", "bt2446a"), share=0.25)(light)
    np.testing.assert_allclose(mixed, 0.25 * one + 0.75 * two, atol=1e-6)
    rng = np.random.default_rng(1)
    drawn = [grades.draw_grade(("mixed",), rng) for _ in range(60)]
    assert {part for grade in drawn for part in grade.parts} == set(grades.PARTS)
    assert not {"hable", "srgb"} & set(grades.PARTS)
    assert len({grade.contrast for grade in drawn}) == 60


def test_an_unknown_grade_is_refused():
    with pytest.raises(ValueError, match="sepia"):
        grades.Grade("sepia")(np.ones((1, 3), np.float32))


def test_a_tone_by_hand():
    # Contrast 1, shoulder 1, white 3: (x / (x + 1)) (4 / 3), a toe of t: y^2 (1 + t) / (y + t).
    tone = grades.ToneCurve(contrast=1.0, shoulder=1.0, white=3.0, toe=0.5, gamma=2.0)
    y = 0.5 * 4.0 / 3.0
    linear = tone.linear(np.array([1.0, 3.0, 5.0]))
    np.testing.assert_allclose(linear, [y * y * 1.5 / (y + 0.5), 1.0, 1.0], rtol=1e-5)
    np.testing.assert_allclose(tone.codes(linear), np.sqrt(linear), rtol=1e-5)
    warped = grades.ToneCurve(gamma=1.0, warp=(0.4, 0.0)).codes(np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(warped, [0.0, 0.5 + 0.4 / np.pi, 1.0], atol=1e-6)


def test_drawn_tones_rise_and_keep_grey_and_white_in_range():
    rng = np.random.default_rng(5)
    x = np.geomspace(1e-3, grades.RANGE, 200).astype(np.float32)
    tones = [grades.draw_tone_curve(rng) for _ in range(80)]
    for tone in tones:
        codes = tone.codes(tone.linear(x))
        assert (np.diff(codes) >= -1e-6).all()
        assert codes[-1] == pytest.approx(1.0, abs=1e-5) or tone.stops < 0
        low, high = grades.GREY_CODES
        grey, white = tone.codes(tone.linear(np.array([grades.GREY, 1.0], np.float32)))
        assert low <= grey <= high
        assert white >= grades.WHITE_CODE
    assert {tone.basis for tone in tones} == set(grades.BASES)
    assert len({tone.contrast for tone in tones}) == 80


def test_a_tone_without_a_shoulder_is_a_power_of_light_until_it_clips():
    rng = np.random.default_rng(6)
    for _ in range(40):
        tone = dataclasses.replace(grades.draw_tone_curve(rng, clipped=True), toe=0.0, stops=0.0)
        x = tone.white * np.array([0.01, 0.1, 0.999, 1.0, 1.5])
        linear = tone.linear(x)
        np.testing.assert_allclose(linear[:3], (x[:3] / tone.white) ** tone.contrast, rtol=1e-4)
        np.testing.assert_allclose(linear[3:], 1.0, atol=1e-6)


@pytest.mark.parametrize("basis", ["largest", "luminance"])
def test_a_tone_common_to_all_channels_keeps_their_ratios(basis):
    tone = grades.ToneCurve(basis, contrast=1.1, shoulder=0.8, gamma=2.0)
    x = np.array([[0.8, 0.3, 0.2]], np.float32)
    linear = tone(x) ** 2
    np.testing.assert_allclose(linear / linear[..., :1], x / x[..., :1], rtol=1e-4)
    separate = grades.ToneCurve("channels", contrast=1.1, shoulder=0.8, gamma=2.0)(x) ** 2
    assert not np.allclose(separate / separate[..., :1], x / x[..., :1], rtol=0.05)


def test_random_grades_come_near_the_held_out_ones_without_equalling_them():
    light = np.repeat(np.geomspace(1.0, 900.0, 60, dtype=np.float32)[:, None], 3, axis=1)
    rng = np.random.default_rng(1)
    drawn = np.stack([grades.draw_grade(("sigmoid",), rng)(light) for _ in range(300)])
    for name in ("hable", "srgb"):
        apart = np.sqrt(np.mean(np.square(drawn - grades.Grade(name)(light)), axis=(1, 2)))
        assert 0.002 < apart.min() < 0.05
        assert np.median(apart) > 0.05


FRAME = np.random.default_rng(8).uniform(0.0, 900.0, (6, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("name", grades.NAMES)
def test_no_trim_is_the_grade_and_a_stop_is_twice_the_light(name):
    grade = grades.draw_grade((name,), np.random.default_rng(5))
    assert grade.trim == grades.draw_trim(0.0, np.random.default_rng(6)) == grades.Trim()
    brighter = dataclasses.replace(grade, trim=grades.Trim(stops=1.0))
    np.testing.assert_array_equal(brighter(FRAME / 2), grade(FRAME))


def test_a_trim_by_hand():
    grade = grades.Grade("reinhard")
    codes = grade(FRAME)
    steeper = dataclasses.replace(grade, trim=grades.Trim(contrast=1.2))
    np.testing.assert_allclose(steeper(FRAME), codes**1.2, rtol=1e-5)
    without = dataclasses.replace(grade, trim=grades.Trim(saturation=0.0))(FRAME)
    luma = (codes @ np.array([0.2126, 0.7152, 0.0722]))[..., None]
    np.testing.assert_allclose(without, np.broadcast_to(luma, codes.shape), rtol=1e-5)
    warm = dataclasses.replace(grade, trim=grades.Trim(white_balance=(1.1, 1.0, 0.9)))
    tinted = FRAME * np.array([1.1, 1.0, 0.9], np.float32)
    np.testing.assert_allclose(warm(FRAME), grade(tinted), atol=1e-6)


@pytest.mark.parametrize("name", grades.NAMES)
def test_grey_stays_grey_in_a_trim_without_white_balance(name):
    grey = np.linspace(0.1, 900.0, 50, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    grade = grades.draw_grade((name,), np.random.default_rng(5))
    trim = grades.draw_trim(0.5, np.random.default_rng(2))
    neutral = dataclasses.replace(trim, white_balance=(1.0, 1.0, 1.0))
    codes = dataclasses.replace(grade, trim=neutral)(grey)
    assert np.ptp(codes, axis=-1).max() < 2e-3
    assert np.ptp(dataclasses.replace(grade, trim=trim)(grey), axis=-1).max() > 5e-3


def test_trims_are_drawn_in_proportion():
    rng = np.random.default_rng(1)
    drawn = [grades.draw_trim(0.5, rng) for _ in range(4000)]
    assert np.std([trim.stops for trim in drawn]) == pytest.approx(0.5, rel=0.05)
    for values in ([trim.contrast for trim in drawn], [trim.saturation for trim in drawn]):
        assert np.std(np.log(values)) == pytest.approx(0.1, rel=0.05)
    gains = np.log([trim.white_balance for trim in drawn])
    # The gain of a channel divided by that of another.
    np.testing.assert_allclose(gains.std(axis=0), np.sqrt([2, 0, 2]) * 0.03, rtol=0.05)
