"""Clips of scenes: light fitted under the display's peak, motion, compression by x264."""

import numpy as np
import pytest

from hdrcnn.colour.pq import pq_light
from training_code.camera import TooBlackError, clips
from training_code.camera.grades import Grade
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views

RNG = np.random.default_rng(1)


def panorama() -> Scene:
    """Smooth light with a sun of 2000 times the mean."""
    rows = 1.0 + 0.5 * np.sin(np.arange(64) / 7.0)[:, None, None]
    pixels = rows * RNG.uniform(0.8, 1.2, (64, 128, 3))
    pixels[20:23, 60:64] = 2000.0
    return Scene("sun", "sun", pixels.astype(np.float16))


def test_light_is_scaled_and_compressed_under_the_peak():
    take = clips.Take(3, yaw=0.0, pitch=10.0, fov=80.0)
    light = clips.on_display(clips.views(panorama(), take, 32, 64), take)
    assert light.shape == (3, 32, 64, 3)
    assert light.max() <= 1000.001
    assert light.max() > 800.0
    luminance = light[0] @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    assert np.exp(np.log(luminance).mean()) == pytest.approx(0.18 * 203.0, rel=0.15)


def test_a_ramp_is_in_stops_and_a_pan_moves_the_view():
    still = clips.Take(2, ramp=0.5, pitch=-40.0, fov=50.0)
    light = clips.on_display(clips.views(panorama(), still, 32, 64), still)
    np.testing.assert_allclose(light[1] / light[0], 2.0**0.5, rtol=1e-3)
    moving = clips.views(panorama(), clips.Take(2, pan=4.0, fov=50.0), 32, 64)
    assert np.abs(moving[1] - moving[0]).mean() > 1e-3


def test_photographs_are_seen_through_a_moving_window():
    pixels = np.linspace(1.0, 2.0, 90)[None, :, None] * np.ones((60, 90, 3))
    scene = Scene("wall", "wall", pixels.astype(np.float16))
    seen = clips.views(scene, clips.Take(2, window=0.5, pan=5.0), 18, 32)
    assert seen.shape == (2, 18, 32, 3)
    assert seen[1].mean() > seen[0].mean()


def test_takes_fill_the_ranges_of_the_views():
    views = Views(fov=(20.0, 30.0), pitch=(40.0, 50.0), crop=(0.1, 0.3))
    rng = np.random.default_rng(2)
    taken = [clips.draw_take(rng, 3, views) for _ in range(400)]
    for name, (low, high) in (("fov", views.fov), ("pitch", views.pitch), ("window", views.crop)):
        found = [getattr(take, name) for take in taken]
        assert low <= min(found) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(found) <= high
        assert np.mean(found) == pytest.approx((low + high) / 2, abs=0.05 * (high - low))


def test_a_window_is_as_wide_as_its_share_of_the_photograph():
    pixels = np.linspace(0.0, 1.0, 900)[None, :, None] * np.ones((600, 900, 3))
    scene = Scene("wall", "wall", pixels.astype(np.float16))
    seen = clips.views(scene, clips.Take(1, window=0.4), 18, 32)[0]
    assert seen[:, -1].mean() - seen[:, 0].mean() == pytest.approx(0.4 * 31 / 32, abs=5e-3)


def test_black_scenes_are_refused():
    with pytest.raises(TooBlackError):
        clips.on_display(np.zeros((1, 8, 8, 3), np.float32), clips.Take(1))


def test_hdr_pq_codes_are_pq_encoded():
    light = np.array([[0.0, 203.0, 1000.0]], np.float32)
    np.testing.assert_allclose(
        clips.light_of_pq_codes(clips.hdr_pq_codes(light)), light, rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(
        pq_light(clips.hdr_pq_codes(light) / 65535.0), light, rtol=1e-3, atol=1e-3
    )


def test_the_error_of_x264_grows_with_crf():
    pytest.importorskip("av")
    rows = np.linspace(20.0, 220.0, 64)[:, None, None]
    frames = rows + 10.0 * RNG.standard_normal((1, 64, 96, 1)) + np.array([10.0, 0.0, -10.0])
    frames = np.clip(frames.repeat(3, axis=0), 0, 255).astype(np.uint8)
    errors = [
        np.abs(clips.through_x264(frames, crf).astype(float) - frames).mean() for crf in (5, 40)
    ]
    assert clips.through_x264(frames, 18).shape == frames.shape
    assert errors[0] < 2.5 < errors[1]
    light = np.full((2, 64, 64, 3), 50.0, np.float32)
    plain, coded = (clips.graded(light, Grade("bt2446c"), crf) for crf in (None, 18))
    assert np.abs(plain.astype(int) - coded).max() <= 3


def test_x264_is_deterministic():
    pytest.importorskip("av")
    rng = np.random.default_rng(11)
    still = rng.integers(0, 256, (26, 44, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    frames = np.stack([np.roll(still, 3 * n, axis=1)[:192, :320] // (1 + n % 2) for n in range(7)])
    first = clips.through_x264(frames, 23)
    assert all(np.array_equal(clips.through_x264(frames, 23), first) for _ in range(7))
