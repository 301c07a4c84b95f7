"""Shapes against marching along the ray; the reflection model against its own integrals."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from data.scenes.shapes import Box, Ground, Rectangle, Sphere, slabs
from data.scenes.surfaces import Vertex, evaluate, sample
from data.scenes.vectors import column, dot, frame, sample_cone

BOX = Box((0.3, -0.2, 0.1), (1.0, 0.6, 1.6), 35.0)
SPHERE = Sphere((-0.4, 0.3, 0.2), 0.8)


def in_box(point: np.ndarray) -> np.ndarray:
    """By a rotation matrix and float64, unlike the shape itself."""
    turn = np.radians(BOX.yaw)
    rotation = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    local = np.einsum("ij,jnm->inm", rotation.T, point - np.reshape(BOX.centre, (3, 1, 1)))
    return np.all(np.abs(local) <= np.reshape(BOX.size, (3, 1, 1)) / 2, axis=0)


def in_sphere(point: np.ndarray) -> np.ndarray:
    return np.sum((point - np.reshape(SPHERE.centre, (3, 1, 1))) ** 2, axis=0) <= SPHERE.radius**2


def rays(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    origin = rng.uniform(-2.0, 2.0, (3, count)).astype(np.float32)
    direction = rng.uniform(-0.9, 0.9, (3, count)) - origin
    return origin, (direction / np.linalg.norm(direction, axis=0)).astype(np.float32)


@pytest.mark.parametrize(("shape", "inside"), [(BOX, in_box), (SPHERE, in_sphere)])
def test_solids_are_met_where_a_march_along_the_ray_changes_sides(shape, inside):
    origin, direction = rays(1, 400)
    steps = np.linspace(0.0, 8.0, 4001)
    within = inside(origin[:, :, None] + steps * direction[:, :, None].astype(np.float64))
    changes = within[:, 1:] != within[:, :-1]
    expected = np.where(changes.any(axis=1), steps[1:][np.argmax(changes, axis=1)], np.inf)
    distance = shape.distance(origin, direction)
    hit = np.isfinite(expected)
    assert 50 < hit.sum() < 350
    # A corner cut off between two steps may be missed by the march, not by the shape.
    assert np.mean(np.isfinite(distance) == hit) > 0.99
    both = hit & np.isfinite(distance)
    np.testing.assert_allclose(distance[both], expected[both], atol=2.1e-3)

    point = origin[:, both] + distance[both] * direction[:, both]
    normal = shape.normal(point)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=0), 1.0, atol=1e-5)
    outside = ~inside((point + 1e-3 * normal)[:, :, None])[:, 0]
    below = inside((point - 1e-3 * normal)[:, :, None])[:, 0]
    assert np.mean(outside & below) > 0.99
    # Neighbouring points of a face lie across its normal.
    aside = direction[:, both] + np.float32(2e-3) * column((0.3, -0.5, 0.8))
    aside = (aside / np.linalg.norm(aside, axis=0)).astype(np.float32)
    there = shape.distance(origin[:, both], aside)
    step = origin[:, both] + there * aside - point
    near = np.linalg.norm(step, axis=0) < 0.02
    assert near.mean() > 0.7
    assert (
        np.mean(np.abs(dot(normal, step))[near] < 0.03 * np.linalg.norm(step, axis=0)[near]) > 0.97
    )
    low, high = shape.extent()
    assert (point >= low[:, None] - 1e-4).all()
    assert (point <= high[:, None] + 1e-4).all()


def test_rectangle_is_met_where_the_linear_equations_say():
    shape = Rectangle((-0.5, -0.4, 0.2), (1.2, 0.0, 0.5), (0.0, 1.1, 0.0))
    origin, direction = rays(2, 500)
    expected = []
    for o, d in zip(origin.T.astype(float), direction.T.astype(float), strict=True):
        t, u, v = np.linalg.solve(
            np.column_stack([d, -np.array(shape.edge_u), -np.array(shape.edge_v)]),
            np.array(shape.corner) - o,
        )
        expected.append(t if t > 0 and 0 <= u <= 1 and 0 <= v <= 1 else np.inf)
    distance = shape.distance(origin, direction)
    assert 20 < np.isfinite(expected).sum() < 480
    np.testing.assert_allclose(distance, expected, rtol=1e-4)
    np.testing.assert_allclose(shape.area, 1.3 * 1.1, rtol=1e-6)
    np.testing.assert_allclose(shape.front[:, 0] @ np.array(shape.edge_u), 0.0, atol=1e-6)


def test_ground_lies_below_every_ray_that_descends():
    origin, direction = rays(3, 200)
    distance = Ground(-2.5).distance(origin, direction)
    assert (np.isfinite(distance) == (direction[1] < 0)).all()
    down = direction[1] < 0
    height = origin[1, down] + distance[down] * direction[1, down]
    np.testing.assert_allclose(height, -2.5, atol=1e-3)


def test_rays_along_a_face_of_a_cuboid_are_not_lost_to_division_by_zero():
    start = (np.zeros(2, np.float32), np.array([0.5, 2.0], np.float32), np.full(2, -3, np.float32))
    step = (np.zeros(2, np.float32), np.zeros(2, np.float32), np.ones(2, np.float32))
    enter, leave = slabs(start, step, (np.full(3, -1, np.float32), np.full(3, 1, np.float32)))
    assert (enter[0], leave[0]) == (2.0, 4.0)
    assert enter[1] > leave[1]


@given(st.floats(0, np.pi), st.floats(0, 2 * np.pi))
def test_frames_are_orthonormal_everywhere(polar, turn):
    normal = column((np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)))
    axes = np.concatenate([*frame(normal), normal], axis=1)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-5)


def test_cone_is_filled_evenly():
    grid = (np.arange(64, dtype=np.float32) + 0.5) / 64
    u, v = (a.ravel() for a in np.meshgrid(grid, grid))
    direction, gap = sample_cone(0.3, u, v)
    # Archimedes: equal heights hold equal areas of a sphere.
    assert np.histogram(gap, 8, (0, 0.3))[0].std() == 0
    np.testing.assert_allclose(direction.mean(axis=1), [0, 0, 0.85], atol=1e-3)


def vertex(tilt: float, albedo: float, specular: float, roughness: float, count: int = 1) -> Vertex:
    """Seen from `tilt` radians off the normal, which is +y."""
    eye = np.repeat(column((np.sin(tilt), np.cos(tilt), 0.0)), count, axis=1)
    up = np.zeros_like(eye)
    up[1] = 1.0
    return Vertex(
        np.zeros_like(eye), up, eye, np.full_like(eye, albedo), np.full_like(eye, specular),
        np.full(count, roughness, np.float32),
    )  # fmt: skip


def hemisphere(count: int) -> tuple[np.ndarray, float]:
    """Directions of equal solid angles about +y, and that angle."""
    height, turn = np.meshgrid(
        (np.arange(count) + 0.5) / count, (np.arange(count) + 0.5) / count * 2 * np.pi
    )
    sine = np.sqrt(1 - height**2)
    grid = np.stack([sine * np.cos(turn), height, sine * np.sin(turn)]).reshape(3, -1)
    return grid.astype(np.float32), 2 * np.pi / count**2


surface = st.tuples(
    st.floats(0.0, 1.3), st.floats(0.0, 0.9), st.sampled_from([0.0, 0.04, 0.9]),
    st.floats(0.15, 1.0),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(surface)
def test_surfaces_reflect_no_more_than_they_receive_and_density_sums_to_at_most_one(parameters):
    grid, angle = hemisphere(200)
    tilt, albedo, specular, roughness = parameters
    reflected, density = evaluate(vertex(tilt, albedo, specular, roughness, grid.shape[1]), grid)
    assert (reflected >= 0).all()
    assert reflected.sum(axis=1).max() * angle <= 1.01
    assert density.sum() * angle <= 1.01


@settings(max_examples=25, deadline=None)
@given(surface)
def test_reflection_is_reciprocal(parameters):
    tilt, *material = parameters
    light = 0.7
    opposite = column((-np.sin(light), np.cos(light), 0.0))
    there = evaluate(vertex(tilt, *material), opposite)
    eye = column((np.sin(tilt), np.cos(tilt), 0.0))
    back = evaluate(vertex(-light, *material), eye)
    np.testing.assert_allclose(there[0] / np.cos(light), back[0] / np.cos(tilt), rtol=1e-3)


@pytest.mark.parametrize(
    ("tilt", "albedo", "specular", "roughness"),
    [(0.3, 0.6, 0.0, 0.0), (0.9, 0.4, 0.04, 0.3), (0.2, 0.0, 0.8, 0.2), (1.2, 0.0, 0.9, 0.6)],
)
def test_samples_follow_their_density_and_carry_the_whole_reflection(
    tilt, albedo, specular, roughness
):
    numbers = np.random.default_rng(4).random((3, 200_000)).astype(np.float32)
    here = vertex(tilt, albedo, specular, roughness, numbers.shape[1])
    direction, weight, density = sample(here, numbers)
    np.testing.assert_allclose(np.linalg.norm(direction, axis=0), 1.0, atol=1e-4)
    grid, angle = hemisphere(600)
    reflected, expected = evaluate(vertex(tilt, albedo, specular, roughness, grid.shape[1]), grid)
    np.testing.assert_allclose(weight.mean(axis=1), reflected.sum(axis=1) * angle, rtol=0.02)
    # Shares of the samples in quarters of the sky by height and side.
    for low, high in ((0.0, 0.5), (0.5, 0.8), (0.8, 1.0)):
        for side in (-1, 1):
            drawn = (direction[1] > low) & (direction[1] <= high) & (side * direction[0] > 0)
            there = (grid[1] > low) & (grid[1] <= high) & (side * grid[0] > 0)
            assert drawn.mean() == pytest.approx(expected[there].sum() * angle, abs=0.005)
    assert np.isfinite(density).all()


def test_mirror_reflects_by_its_fresnel_term_and_without_density():
    here = vertex(0.6, 0.0, 0.9, 0.0, 5)
    direction, weight, density = sample(here, np.full((3, 5), 0.4, np.float32))
    np.testing.assert_allclose(direction[:, 0], [-np.sin(0.6), np.cos(0.6), 0], atol=1e-5)
    np.testing.assert_allclose(weight, 0.9 + 0.1 * (1 - np.cos(0.6)) ** 5, rtol=1e-5)
    assert np.isinf(density).all()
    assert not evaluate(here, direction)[0].any()
    assert dot(here.normal, direction).min() > 0
