"""The light of a panorama on a table and two spheres, against what is known in closed form."""

import numpy as np
import pytest

from docs.lighting import ALBEDO, CHROME, SPHERES, directions, irradiance, look_up, trace

FAR = np.array([[0.0, 0.0, 300.0]], np.float32)
"""A place on the table from which the spheres hide next to nothing."""
UP = np.array([[0.0, 1.0, 0.0]], np.float32)


def test_directions_are_looked_up_where_they_are():
    panorama = np.random.default_rng(1).random((12, 24, 3)).astype(np.float32)
    found = look_up(panorama, directions(12, 24).reshape(-1, 3))
    np.testing.assert_array_equal(found, panorama.reshape(-1, 3))


def test_a_uniform_sky_gives_pi_and_a_furnace_is_seen_as_it_is():
    sky = np.full((64, 128, 3), 2.0, np.float32)
    assert irradiance(sky, FAR, UP) == pytest.approx(2.0 * np.pi, rel=1e-3)
    ahead = np.array([[0.0, 0.0, 1.0]], np.float32)
    np.testing.assert_allclose(trace(sky, FAR, ahead, 1), 2.0)
    down = np.array([[0.0, -1.0, 0.0]], np.float32)
    table = trace(sky, FAR + UP, down, 1)
    np.testing.assert_allclose(table, 2.0 * ALBEDO, rtol=1e-3)


@pytest.mark.parametrize("height", [10, 30, 50])
def test_a_small_sun_falls_by_the_cosine(height):
    sky = np.zeros((64, 128, 3), np.float32)
    row = round((0.5 - height / 180) * 64)
    sky[row, 40] = 1000.0
    sun = directions(64, 128)[row, 40]
    latitude = np.arcsin(sun[1])
    solid_angle = 2.0 * np.pi**2 / 64 / 128 * np.cos(latitude)
    assert irradiance(sky, FAR, UP) == pytest.approx(1000.0 * solid_angle * sun[1], rel=1e-3)


def test_the_spheres_throw_shadows_and_the_chrome_one_mirrors():
    sky = np.zeros((64, 128, 3), np.float32)
    sky[:3] = 5.0  # Light from above alone.
    below = np.array([[SPHERES[1][0] + 0.1, 0.0, 0.0]], np.float32)
    assert irradiance(sky, below, UP).max() == 0.0
    from_above = np.array([[SPHERES[0][0], 6.0, 0.0]], np.float32)
    np.testing.assert_allclose(trace(sky, from_above, -UP, 1), 5.0 * CHROME, rtol=1e-5)
