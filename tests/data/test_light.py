"""The path tracer against photometry that can be written down; pixels, samples and tiles."""

import numpy as np
import pytest

from data.scenes import renderer
from data.scenes.daylight import Daylight
from data.scenes.path_tracer import trace
from data.scenes.renderer import render, sobol
from data.scenes.scene import Body, Camera, Cluster, PanoramaCamera, Scene, uniform_sky
from data.scenes.shapes import Box, Ground, Rectangle, Sphere
from data.scenes.surfaces import Material, evaluate
from data.scenes.vectors import column, sample_disc
from tests.data.test_surfaces import hemisphere, vertex

WHITE = (1.0, 1.0, 1.0)
BLACK_SKY = uniform_sky((0.0, 0.0, 0.0))
CAMERA = Camera((0.0, 1.0, 4.0), (0.0, 1.0, 0.0), 40.0)


def looked_at(scene: Scene, origin: tuple, target: tuple, count: int = 4096, depth: int = 1):
    """Mean radiance [3] that comes from `target` to `origin`."""
    rng = np.random.default_rng(9)
    ray = np.repeat(column(target) - column(origin), count, axis=1)
    ray = (ray / np.linalg.norm(ray, axis=0)).astype(np.float32)
    start = np.repeat(column(origin), count, axis=1)

    def draw(_: int, path: np.ndarray) -> np.ndarray:
        return rng.random((9, path.size), np.float32)

    with np.errstate(all="ignore"):
        return trace(scene, start, ray, draw, depth).mean(axis=1)


@pytest.mark.parametrize(
    "material",
    [Material((0.25, 0.5, 0.75)), Material(specular=(0.25, 0.5, 0.75), roughness=0.0)],
    ids=["diffuse", "mirror"],
)
def test_furnace(material):
    """A convex body under a uniform sky shows its reflectance, whatever its shape."""
    bodies = Cluster((Body(Sphere((0.0, 1.0, 0.0), 0.8), material),))
    image = render(Scene((bodies,), CAMERA, uniform_sky((2.0, 2.0, 2.0))), (24, 24), 16)
    middle = image[10:14, 10:14].reshape(-1, 3).mean(axis=0)
    if material.specular == (0.0, 0.0, 0.0):
        np.testing.assert_allclose(middle, [0.5, 1.0, 1.5], rtol=1e-3)
    else:
        np.testing.assert_allclose(middle, [0.5, 1.0, 1.5], rtol=0.02)
    np.testing.assert_allclose(image[0, 0], 2.0)


def test_box_in_the_furnace_with_glaze_neither_gains_nor_vanishes():
    material = Material((0.9, 0.9, 0.9), (0.04, 0.04, 0.04), 0.4)
    bodies = Cluster((Body(Box((0.0, 1.0, 0.0), (1.5, 1.5, 1.5), 30.0), material),))
    image = render(Scene((bodies,), CAMERA, uniform_sky(WHITE)), (20, 20), 64)
    assert image.max() <= 1.02
    assert 0.75 < image[8:12, 8:12].mean() < 0.95


@pytest.mark.parametrize(("height", "aside"), [(0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 1.5)])
def test_small_lamp_obeys_inverse_squares_and_lamberts_cosine(height, aside):
    shade = Sphere((aside, height, 0.0), 0.05)
    floor = Body(Ground(), Material((0.5, 0.5, 0.5)))
    lit = Body(shade, Material(emission=(1000.0, 2000.0, 500.0)))
    scene = Scene((Cluster((floor, lit)),), CAMERA, BLACK_SKY)
    distance2 = height**2 + aside**2
    lux = np.pi * np.array([1000, 2000, 500]) * 0.05**2 / distance2 * height / np.sqrt(distance2)
    found = looked_at(scene, (-1.0, 0.4, 0.3), (0.0, 0.0, 0.0))
    np.testing.assert_allclose(found, 0.5 / np.pi * lux, rtol=0.01)


def test_rectangle_lamp_has_the_configuration_factor_of_the_textbooks():
    # Over one corner of a square of side a at height h it is q atan(q) / pi; here over four.
    a, h = 0.4, 0.7
    q = a / np.hypot(a, h)
    factor = 4 * q * np.arctan(q) / np.pi
    square = Rectangle((-a, h, -a), (2 * a, 0.0, 0.0), (0.0, 0.0, 2 * a))
    assert square.front[1, 0] < 0
    lit = Body(square, Material(emission=(10.0, 10.0, 10.0)))
    floor = Body(Ground(), Material((0.8, 0.8, 0.8)))
    scene = Scene((Cluster((floor, lit)),), CAMERA, BLACK_SKY)
    found = looked_at(scene, (2.0, 0.5, 0.0), (0.0, 0.0, 0.0), 40_000)
    np.testing.assert_allclose(found, 0.8 * 10.0 * factor, rtol=0.01)
    behind = looked_at(scene, (0.0, 3.0, 0.0), (0.0, h, 0.0))
    np.testing.assert_allclose(behind, 0.0)


@pytest.mark.parametrize("roughness", [0.1, 0.3, 0.8])
def test_lamp_on_a_glossy_floor_is_the_integral_of_the_reflection_over_it(roughness):
    tilt, distance, radius = 0.6, 2.0, 0.3
    glossy = Material((0.2, 0.2, 0.2), (0.1, 0.1, 0.1), roughness)
    # In the direction of the mirror reflection, and off it by a little.
    turn = tilt - 0.1
    middle = (-distance * np.sin(turn), distance * np.cos(turn), 0.0)
    lit = Body(Sphere(middle, radius), Material(emission=(7.0, 7.0, 7.0)))
    scene = Scene((Cluster((Body(Ground(), glossy), lit)),), CAMERA, BLACK_SKY)
    eye = (3.0 * np.sin(tilt), 3.0 * np.cos(tilt), 0.0)
    found = looked_at(scene, eye, (0.0, 0.0, 0.0), 60_000)
    grid, angle = hemisphere(1500)
    on_lamp = np.isfinite(Sphere(middle, radius).distance(np.zeros_like(grid), grid))
    there = grid[:, on_lamp]
    reflected, _ = evaluate(vertex(tilt, 0.2, 0.1, roughness, there.shape[1]), there)
    np.testing.assert_allclose(found, 7.0 * reflected.sum(axis=1) * angle, rtol=0.02)


def test_light_adds_up_in_an_integrating_sphere():
    albedo, radius, depth = 0.6, 2.0, 8
    bodies = (
        Body(Sphere((0.0, 0.0, 0.0), radius), Material((albedo, albedo, albedo))),
        Body(Sphere((0.0, 0.0, 0.0), 0.05), Material(emission=(900.0, 900.0, 900.0))),
    )
    scene = Scene((Cluster(bodies),), CAMERA, BLACK_SKY)
    found = looked_at(scene, (1.0, 0.5, 0.0), (1.0, -1.0, 1.0), 20_000, depth)
    direct = np.pi * 900.0 * (0.05 / radius) ** 2
    reflections = (1 - albedo**depth) / (1 - albedo)
    np.testing.assert_allclose(found, albedo / np.pi * direct * reflections, rtol=0.02)


def test_sun_lights_the_ground_by_its_height_and_a_wall_keeps_it_off():
    day = Daylight(30.0, 90.0)
    floor = Body(Ground(), Material((0.3, 0.3, 0.3)))
    wall = Body(Box((1.0, 0.5, 0.0), (0.1, 1.0, 2.0)), Material())
    open_, walled = (
        Scene((Cluster(b),), CAMERA, BLACK_SKY, day) for b in ((floor,), (floor, wall))
    )
    expected = 0.3 / np.pi * day.sun_irradiance[:, 0] * np.sin(np.radians(30.0))
    eye, target = (-1.0, 2.0, 0.5), (0.0, 0.0, 0.0)
    np.testing.assert_allclose(looked_at(open_, eye, target), expected, rtol=0.01)
    np.testing.assert_allclose(looked_at(walled, eye, target, depth=0), 0.0)
    assert looked_at(walled, eye, target).max() < 1e-3 * expected.max()


def test_aiming_at_a_window_changes_the_noise_but_not_the_light():
    walls = (
        Body(Ground(), Material((0.5, 0.5, 0.5))),
        Body(Box((0.0, 2.05, 0.0), (4.0, 0.1, 4.0)), Material((0.7, 0.7, 0.7))),
        Body(Box((-2.0, 1.0, 0.0), (0.1, 2.0, 4.0)), Material((0.7, 0.2, 0.2))),
        Body(Box((2.0, 1.0, 0.0), (0.1, 2.0, 4.0)), Material((0.7, 0.7, 0.7))),
        Body(Box((0.0, 1.0, 2.0), (4.0, 2.0, 0.1)), Material((0.7, 0.7, 0.7))),
        Body(Box((-1.2, 1.0, -2.0), (1.6, 2.0, 0.1)), Material((0.7, 0.7, 0.7))),
        Body(Box((1.2, 1.0, -2.0), (1.6, 2.0, 0.1)), Material((0.7, 0.7, 0.7))),
    )
    day = Daylight(40.0, 120.0)
    opening = Rectangle((-0.4, 0.0, -1.95), (0.8, 0.0, 0.0), (0.0, 2.0, 0.0))
    plain = Scene((Cluster(walls),), CAMERA, day.sky)
    aimed = Scene((Cluster(walls),), CAMERA, day.sky, portals=(opening,), portal_luminance=5e3)
    view = ((0.5, 1.2, 1.5), (0.3, 0.0, 0.4))
    found = [looked_at(scene, *view, count=60_000, depth=2) for scene in (plain, aimed)]
    np.testing.assert_allclose(found[0], found[1], rtol=0.03)


# Images


def small_scene() -> Scene:
    bodies = (
        Body(Ground(), Material((0.4, 0.4, 0.4), (0.04, 0.04, 0.04), 0.3)),
        Body(Sphere((0.0, 0.6, 0.0), 0.6), Material((0.5, 0.1, 0.1), (0.04, 0.04, 0.04), 0.0)),
        Body(Sphere((0.8, 1.6, 0.0), 0.2), Material(emission=(30.0, 20.0, 10.0))),
    )
    return Scene((Cluster(bodies),), CAMERA, uniform_sky((0.1, 0.1, 0.2)))


def test_image_depends_on_the_seed_and_not_on_the_tiles(monkeypatch):
    whole = render(small_scene(), (20, 31), 4)
    np.testing.assert_array_equal(render(small_scene(), (20, 31), 4), whole)
    monkeypatch.setattr(renderer, "TILE_PIXELS", 31 * 3)
    np.testing.assert_array_equal(render(small_scene(), (20, 31), 4), whole)
    assert (render(small_scene(), (20, 31), 4, seed=1) != whole).any()


def test_rows_have_noise_of_their_own():
    floor = Body(Ground(), Material((0.5, 0.5, 0.5)))
    lit = Body(Sphere((0.0, 50.0, 0.0), 30.0), Material(emission=WHITE))
    above = Camera((0.0, 1e-2, 0.0), (0.0, 0.0, -1e-4), 1.0)
    image = render(Scene((Cluster((floor, lit)),), above, BLACK_SKY), (32, 32), 1)[..., 0]
    noise = image - image.mean()
    assert np.std(noise) > 0
    assert abs(np.mean(noise[1:] * noise[:-1])) < 0.2 * np.var(noise)


def test_clusters_only_save_work():
    bodies, sky = small_scene().bodies, small_scene().sky
    apart = Scene(tuple(Cluster((body,)) for body in bodies), CAMERA, sky)
    together = Scene((Cluster(bodies[:1]), Cluster(bodies[1:])), CAMERA, sky)
    np.testing.assert_array_equal(render(together, (20, 31), 4), render(apart, (20, 31), 4))


def test_more_paths_come_closer():
    best = render(small_scene(), (9, 12), 512, seed=7)
    errors = [np.abs(render(small_scene(), (9, 12), n) - best).mean() for n in (2, 8, 32)]
    assert errors[1] < 0.65 * errors[0]
    assert errors[2] < 0.65 * errors[1]


def test_picture_has_the_field_of_view_and_is_upright():
    size = (60, 90)
    centre = np.array([[45.0], [0.0]]), np.array([[30.0], [30.0]])
    lens = np.zeros((2, 1), np.float32)
    rays = [CAMERA.rays(x, y, size, lens)[1] for x, y in zip(*centre, strict=True)]
    np.testing.assert_allclose(rays[0][:, 0], [0, 0, -1], atol=1e-6)
    assert np.degrees(np.arccos(rays[1][:, 0] @ rays[0][:, 0])) == pytest.approx(20.0, abs=1e-3)
    sky = Scene((), CAMERA, lambda direction: np.maximum(np.repeat(direction[1:2], 3, 0), 0.0))
    image = render(sky, size, 4)
    assert image[0].min() > image[20].max() > 0
    assert image[40:].max() == 0


def test_lens_is_sharp_at_its_focus_only():
    u, v = np.random.default_rng(2).random((2, 500)).astype(np.float32)
    x, y = sample_disc(u, v)
    assert np.hypot(x, y).max() <= 1.0 + 1e-6
    camera = Camera((0.0, 0.0, 0.0), (0.0, 0.0, -1.0), 50.0, aperture=0.1, focus=3.0)
    origin, direction = camera.rays(
        np.full(500, 20.0), np.full(500, 10.0), (40, 60), np.stack([u, v])
    )
    meet = origin + direction * (-3.0 - origin[2]) / direction[2]
    assert np.ptp(meet, axis=1).max() < 1e-5
    assert np.ptp(origin, axis=1).max() > 0.1


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ValueError, match="power of two"):
        sobol(12, 2)
    glowing = Body(Box((0.0, 0.0, 0.0), WHITE), Material(emission=WHITE))
    with pytest.raises(ValueError, match="only spheres and rectangles"):
        render(Scene((Cluster((glowing,)),), CAMERA, BLACK_SKY), (4, 4), 1)


def test_a_panorama_camera_sees_all_directions_once():
    camera = PanoramaCamera((1.0, 2.0, 3.0), (4.0, 9.0, 3.0))
    rows, columns = 90, 180
    down, across = (grid.ravel() + 0.5 for grid in np.mgrid[0:rows, 0:columns].astype(np.float32))
    origin, direction = camera.rays(across, down, (rows, columns), np.zeros((2, across.size)))
    np.testing.assert_allclose(origin[:, 7], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(np.linalg.norm(direction, axis=0), 1.0, atol=1e-6)
    ahead = direction.reshape(3, rows, columns)
    # The middle is level, towards the target; right of it lies its right hand; the top is up.
    np.testing.assert_allclose(ahead[:, 45, 90], [1.0, 0.0, 0.0], atol=0.03)
    np.testing.assert_allclose(ahead[:, 45, 135], [0.0, 0.0, 1.0], atol=0.03)
    np.testing.assert_allclose(ahead[:, 0, 3], [0.0, 1.0, 0.0], atol=0.03)
    share = np.cos((0.5 - down / rows) * np.pi)
    np.testing.assert_allclose((direction * share).sum(axis=1) / share.sum(), 0.0, atol=1e-5)
    second = (direction[None] * direction[:, None] * share).sum(axis=-1) / share.sum()
    np.testing.assert_allclose(second, np.eye(3) / 3, atol=1e-4)
