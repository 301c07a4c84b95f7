"""Simulated brackets: exposures, camera shake, movers and noise obey their physics."""

import dataclasses

import numpy as np
import pytest

from hdrcnn.colour.transfer import srgb_decode
from training_code.camera.brackets import (
    IDENTITY,
    Brackets,
    Mover,
    draw_bracket,
    exposed,
    metered,
    moved_in,
    plain,
    scene_codes,
    shaken,
    take,
)
from training_code.camera.camera import TooBlackError

LIGHT = np.random.default_rng(3).uniform(0.05, 4.0, (40, 48, 3)).astype(np.float32)


def test_exposures_are_powers_of_two_apart():
    bracket = plain((-3.0, -1.0, 2.0))
    gain = float(metered(LIGHT))
    linear = [exposed(LIGHT, gain, bracket, frame) for frame in range(3)]
    np.testing.assert_array_equal(linear[1], 4.0 * linear[0])
    np.testing.assert_array_equal(linear[2], 8.0 * linear[1])


def test_decoded_frames_are_the_exposed_light_where_nothing_clips():
    stops = (-1.0, 0.0, 1.0)
    frames = take(0.2 * LIGHT + 2.0, plain(stops))
    light = srgb_decode(frames / 255.0)
    inside = (frames.min(axis=0) > 60) & (frames.max(axis=0) < 255)
    assert inside.mean() > 0.9
    for frame in (0, 2):
        ratio = np.log2(light[frame][inside] / light[1][inside])
        np.testing.assert_allclose(ratio, stops[frame], atol=0.05)


def test_metering_brings_the_median_to_middle_grey():
    assert np.median((LIGHT * metered(LIGHT)).max(axis=-1)) == pytest.approx(0.18, rel=1e-5)
    with pytest.raises(TooBlackError):
        metered(np.zeros((4, 4, 3), np.float32))


def test_draws_stay_in_their_ranges():
    distribution = Brackets(frames=(2, 9), shaken_share=0.5, moving_share=0.5)
    brackets = [draw_bracket(distribution, np.random.default_rng(seed)) for seed in range(200)]
    assert {len(b.stops) for b in brackets} == set(range(2, 10))
    for b in brackets:
        steps = np.diff(b.stops)
        assert steps.min() > 0
        np.testing.assert_allclose(steps, steps[0])
        assert -3.0 <= b.stops[0] <= -1.5
        assert 1.5 <= b.stops[-1] <= 3.0
        assert b.homographies[b.reference] == IDENTITY
        assert b.jpeg_quality == 0 or 85 <= b.jpeg_quality <= 95
        mover = b.held_still().mover
        assert mover is None or mover.motion == (0.0, 0.0)
    assert 0.2 < np.mean([b.still for b in brackets]) < 0.35
    assert 0.4 < np.mean([b.jpeg_quality > 0 for b in brackets]) < 0.6
    again = draw_bracket(distribution, np.random.default_rng(7))
    assert again == draw_bracket(distribution, np.random.default_rng(7))


def test_a_given_number_of_frames_changes_no_other_draw():
    drawn = draw_bracket(Brackets(), np.random.default_rng(1), 4)
    other = draw_bracket(Brackets(), np.random.default_rng(1), 3)
    assert (len(drawn.stops), len(other.stops)) == (4, 3)
    assert drawn.stops[0] == other.stops[0]
    assert drawn.noise_seed == other.noise_seed


@pytest.mark.parametrize("wrong", [{"frames": (1, 3)}, {"frames": (2, 10)}, {"jpeg": (0, 95)}])
def test_impossible_distributions_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Brackets(**wrong)


def test_a_shift_by_whole_pixels_moves_the_light():
    # In units of the shorter side.
    shift = (1.0, 0.0, 3 / 40, 0.0, 1.0, -2 / 40, 0.0, 0.0, 1.0)
    moved = shaken(LIGHT, shift)
    np.testing.assert_allclose(moved[8:-8, 8:-8], LIGHT[6:-10, 11:-5], rtol=1e-3, atol=1e-3)
    assert shaken(LIGHT, IDENTITY) is LIGHT


def test_shake_causes_no_dark_ringing_beside_a_lamp():
    light = np.full((40, 60, 3), 0.5, np.float32)
    light[18:22, 28:33] = 3000.0
    moved = shaken(light, (1.0, 0.01, 0.3 / 40, -0.01, 1.0, 0.4 / 40, 0.0, 0.0, 1.0))
    assert moved.min() == pytest.approx(0.5)
    assert moved.max() == pytest.approx(3000.0)


def test_a_quarter_turn_equals_rot90():
    square = LIGHT[:, :40]
    turned = shaken(square, (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    np.testing.assert_allclose(turned, np.rot90(square), rtol=1e-3, atol=1e-3)


def test_a_mover_is_at_its_place_in_each_frame_and_nowhere_else():
    mover = Mover(place=(0.25, 0.25), motion=(0.5, 0.5), radii=(0.1, 0.15), gain=2.0)
    other = np.full_like(LIGHT, 7.0)
    for frame, centre in ((0, (10, 12)), (1, (30, 36))):
        changed = moved_in(LIGHT, other, mover, frame)
        assert changed[centre] == pytest.approx(2.0 * np.median(LIGHT))
        y, x = np.nonzero(np.abs(changed - LIGHT).max(axis=-1) > 1e-6)
        assert np.abs(y - centre[0]).max() <= 4 + 4
        assert np.abs(x - centre[1]).max() <= 6 + 4


def test_a_bracket_held_still_shows_the_view_of_its_reference():
    distribution = Brackets(frames=(3, 3), shaken_share=1.0, moving_share=1.0)
    bracket = draw_bracket(distribution, np.random.default_rng(2))
    quiet = dataclasses.replace(bracket, noise_sd=0.0, photons=1e12)
    other = LIGHT[::-1].copy()
    shaken_frames, still = (take(LIGHT, b, other) for b in (quiet, quiet.held_still()))
    np.testing.assert_array_equal(shaken_frames[1], still[1])
    assert np.abs(shaken_frames[0].astype(int) - still[0]).mean() > 1
    of_first = take(LIGHT, quiet.held_still(0), other)
    np.testing.assert_array_equal(of_first[0], shaken_frames[0])
    assert np.abs(shaken_frames[1].astype(int) - of_first[1]).mean() > 1
    with pytest.raises(ValueError, match="mover"):
        take(LIGHT, bracket)


def test_truth_is_the_metered_frame():
    bracket = plain((-2.0, 0.0, 2.0))
    np.testing.assert_array_equal(scene_codes(LIGHT, bracket), take(LIGHT, bracket)[1])


def test_noise_has_the_requested_deviation():
    grey = np.full((200, 200, 3), 0.18, np.float32)
    bracket = dataclasses.replace(plain((0.0,)), noise_sd=0.01, photons=2000.0)
    light = srgb_decode(take(grey, bracket)[0] / 255.0)
    assert light.std() == pytest.approx(np.hypot(0.01, np.sqrt(0.18 / 2000)), rel=0.05)
