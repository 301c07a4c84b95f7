"""The light of a panorama on a table and two spheres, compared with closed-form solutions."""

import numpy as np
import pytest

from docs.lighting import ALBEDO, CHROME, SPHERES, directions, irradiance, look_up, trace

FAR = np.array([[0.0, 0.0, 300.0]], np.float32)
"""Point on the table from which the spheres hide almost nothing of the sky."""
UP = np.array([[0.0, 1.0, 0.0]], np.float32)


def test_each_direction_looks_up_its_own_pixel():
    panorama = np.random.default_rng(1).random((12, 24, 3)).astype(np.float32)
    found = look_up(panorama, directions(12, 24).reshape(-1, 3))
    np.testing.assert_array_equal(found, panorama.reshape(-1, 3))


def test_a_uniform_sky_gives_pi_times_its_radiance_and_looks_uniform():
    sky = np.full((64, 128, 3), 2.0, np.float32)
    assert irradiance(sky, FAR, UP) == pytest.approx(2.0 * np.pi, rel=1e-3)
    ahead = np.array([[0.0, 0.0, 1.0]], np.float32)
    np.testing.assert_allclose(trace(sky, FAR, ahead, 1), 2.0)
    down = np.array([[0.0, -1.0, 0.0]], np.float32)
    table = trace(sky, FAR + UP, down, 1)
    np.testing.assert_allclose(table, 2.0 * ALBEDO, rtol=1e-3)


@pytest.mark.parametrize("height", [10, 30, 50])
def test_irradiance_of_a_small_sun_follows_the_cosine(height):
    sky = np.zeros((64, 128, 3), np.float32)
    row = round((0.5 - height / 180) * 64)
    sky[row, 40] = 1000.0
    sun = directions(64, 128)[row, 40]
    latitude = np.arcsin(sun[1])
    solid_angle = 2.0 * np.pi**2 / 64 / 128 * np.cos(latitude)
    assert irradiance(sky, FAR, UP) == pytest.approx(1000.0 * solid_angle * sun[1], rel=1e-3)


def test_the_spheres_cast_shadows_and_the_chrome_one_mirrors():
    sky = np.zeros((64, 128, 3), np.float32)
    sky[:3] = 5.0  # Light from above alone.
    below = np.array([[SPHERES[1][0] + 0.1, 0.0, 0.0]], np.float32)
    assert irradiance(sky, below, UP).max() == 0.0
    from_above = np.array([[SPHERES[0][0], 6.0, 0.0]], np.float32)
    np.testing.assert_allclose(trace(sky, from_above, -UP, 1), 5.0 * CHROME, rtol=1e-5)
