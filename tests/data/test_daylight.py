"""Sun, sky and lamps against colour science and against what is known of daylight."""

import colour
import numpy as np
import pytest

from data.scenes.backdrop import Backdrop
from data.scenes.daylight import SUN_RADIUS, Daylight
from data.scenes.shapes import Box, Ground
from data.scenes.spectra import black_body, colour_matching, lamp
from data.scenes.vectors import column
from hdrcnn.colour.transfer import LUMINANCE_WEIGHTS
from tests.data.test_surfaces import hemisphere


def luminance(rgb: np.ndarray) -> np.ndarray:
    return np.tensordot(LUMINANCE_WEIGHTS, rgb, 1)


def test_colour_matching_follows_the_standard_observer():
    shape = colour.SpectralShape(380, 780, 5)
    observer = colour.MSDS_CMFS["CIE 1931 2 Degree Standard Observer"].copy().align(shape)
    np.testing.assert_allclose(colour_matching(), observer.values.T, atol=0.06)
    assert np.abs(colour_matching() - observer.values.T).mean() < 0.01


def test_black_body_is_plancks():
    expected = colour.sd_blackbody(5778, colour.SpectralShape(380, 780, 5)).values
    np.testing.assert_allclose(black_body(5778), expected, rtol=3e-4)


@pytest.mark.parametrize("temperature", [2200, 2700, 4000, 6500])
def test_lamps_have_their_luminance_and_the_chromaticity_of_their_temperature(temperature):
    rgb = np.array(lamp(123.0, temperature))
    assert luminance(rgb) == pytest.approx(123.0)
    xyz = colour.RGB_to_XYZ(rgb, "ITU-R BT.709")
    expected = colour.temperature.CCT_to_xy_Kang2002(temperature)
    np.testing.assert_allclose(colour.XYZ_to_xy(xyz), expected, atol=0.012)


@pytest.mark.parametrize("elevation", [10.0, 35.0, 70.0])
def test_sky_is_positive_finite_and_brightest_at_the_sun(elevation):
    day = Daylight(elevation, 40.0, 2.5)
    grid, angle = hemisphere(300)
    sky = day.sky(grid)
    assert np.isfinite(sky).all()
    assert (sky >= 0).all()
    assert luminance(sky).min() > 100
    brightest = grid[:, np.argmax(luminance(sky))]
    assert np.degrees(np.arccos(brightest @ day.sun_direction[:, 0])) < 3.0
    by_sum = (sky * grid[1]).sum(axis=1) * angle
    np.testing.assert_allclose(day.sky_irradiance[:, 0], by_sum, rtol=0.01)
    assert 2e3 < luminance(by_sum) < 3e4


def test_clear_zenith_is_blue_and_follows_the_papers_formula():
    day = Daylight(45.0, 0.0, 3.0)
    zenith = day.sky(column((0.0, 1.0, 0.0)))[:, 0]
    chi = (4 / 9 - 3 / 120) * np.pi / 2
    expected = 1000 * ((4.0453 * 3 - 4.9710) * np.tan(chi) - 0.2155 * 3 + 2.4192)
    assert luminance(zenith) == pytest.approx(expected, rel=1e-3)
    assert zenith[2] > 1.5 * zenith[0]
    # Worked out by hand from the paper's tables for turbidity 3 and an angle of pi / 4.
    xy = colour.XYZ_to_xy(colour.RGB_to_XYZ(zenith, "ITU-R BT.709"))
    np.testing.assert_allclose(xy, [0.24568, 0.25147], atol=1e-4)


def test_sun_is_weaker_and_redder_when_it_is_low():
    suns = [Daylight(elevation, 0.0, 3.0).sun_irradiance[:, 0] for elevation in (5, 20, 45, 90)]
    lux = luminance(np.array(suns).T)
    assert (np.diff(lux) > 0).all()
    # Outside the atmosphere it is about 133 klx; at the zenith of a clear day about 100.
    assert 0.6 * 133e3 < lux[-1] < 133e3
    redness = [rgb[0] / rgb[2] for rgb in suns]
    assert (np.diff(redness) < 0).all()
    assert redness[-1] > 1


def test_larger_disc_keeps_its_irradiance_and_its_edge():
    true, wide = Daylight(30.0, 20.0), Daylight(30.0, 20.0, sun_scale=4.0)
    np.testing.assert_allclose(true.sun_irradiance, wide.sun_irradiance, rtol=1e-4)
    np.testing.assert_allclose(true.sun_radiance, 16 * wide.sun_radiance, rtol=1e-5)
    for degrees, inside in ((0.0, True), (0.97 * SUN_RADIUS, True), (1.03 * SUN_RADIUS, False)):
        up, turn = np.radians(30.0 + degrees), np.radians(20.0)
        there = (np.cos(up) * np.sin(turn), np.sin(up), -np.cos(up) * np.cos(turn))
        assert true.in_sun(column(there))[0] == inside
    u, v = np.random.default_rng(1).random((2, 1000)).astype(np.float32)
    assert true.in_sun(true.sample_sun(0.999 * u, v)).all()


def test_backdrop_is_lit_like_a_lambertian_and_casts_shadows():
    day = Daylight(45.0, 0.0)
    things = (
        (Ground(-1.0), (0.2, 0.2, 0.2)),
        (Box((0.0, 0.0, -10.0), (2.0, 2.0, 2.0)), (1.0, 1.0, 1.0)),
    )
    view = Backdrop(day, things, (0.0, 0.0, 0.0))
    on_ground = day.sky_irradiance + np.sin(np.pi / 4) * day.sun_irradiance
    lit = view(column((0.8, -0.6, 0.0)))
    np.testing.assert_allclose(lit, 0.2 / np.pi * on_ground, rtol=1e-3)
    # The sun is beyond the box: on this side it has a shadow at its foot.
    shadow = view(column((0.0, -0.1195, -1.0) / np.hypot(1.0, 0.1195)))
    np.testing.assert_allclose(shadow, 0.2 / np.pi * day.sky_irradiance, rtol=1e-3)
    np.testing.assert_allclose(view(column((0.0, 1.0, 0.0))), day.sky(column((0.0, 1.0, 0.0))))
