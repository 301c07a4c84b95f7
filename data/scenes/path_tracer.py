"""The light along camera rays: unidirectional path tracing in NumPy.

At each point of a path the sun and one other light are aimed at, and one direction is drawn from
the surface; two ways to the same light are weighed by the balance heuristic (Veach 1997, section
9.2). Paths end by Russian roulette. A mirror seen from a rougher surface is taken to be as rough
(path-space regularisation, Kaplanyan and Dachsbacher 2013): its caustics are softer than they
are, which spares the image bright single pixels; all else is unbiased up to the last bounce.
"""

from collections.abc import Callable

import numpy as np

from data.scenes.daylight import Daylight
from data.scenes.lights import Aim, aim, probabilities
from data.scenes.scene import Body, Scene
from data.scenes.shapes import Rectangle
from data.scenes.surfaces import Vertex, evaluate, evaluate_texture, sample
from data.scenes.vectors import Array, dot

BOUNCE_NUMBERS = 9
"""Uniform numbers that each bounce takes: 3 surface, 3 light, 2 sun, 1 roulette."""
ROULETTE_FROM = 3
"""Bounces that every path is granted."""
SOFTENED = 0.3
"""Roughness that surfaces have at least, seen from a diffuse point."""
WIDE = 1.0
"""Density per steradian below which a direction was drawn as if from a diffuse point."""
OFFSET = 5e-4
"""Paths go on this many metres above a surface, not in it."""


def nearest(scene: Scene, origin: Array, direction: Array) -> tuple[Array, Array]:
    """Distance [N] to the first body on each ray, inf for none, and its index [N], -1 for none."""
    distance = np.full(direction.shape[1], np.inf, np.float32)
    index = np.full(direction.shape[1], -1, np.int16)
    number = 0
    for cluster in scene.clusters:
        at = cluster.near(origin, direction, distance)
        o, d = (
            (origin, direction) if at.size == distance.size else (origin[:, at], direction[:, at])
        )
        for body in cluster.bodies:
            here = body.shape.distance(o, d)
            closer = here < distance[at]
            distance[at[closer]] = here[closer]
            index[at[closer]] = number
            number += 1
    return distance, index


def occluded(scene: Scene, origin: Array, direction: Array, limit: Array) -> Array:
    """Whether a body stands within `limit` metres of each ray's origin: [N] bool."""
    blocked = np.zeros(limit.size, bool)
    for cluster in scene.clusters:
        at = cluster.near(origin, direction, np.where(blocked, np.float32(0.0), limit))
        o, d = origin[:, at], direction[:, at]
        for body in cluster.bodies:
            blocked[at] |= body.shape.distance(o, d) < limit[at]
    return blocked


def vertices(
    scene: Scene, origin: Array, direction: Array, distance: Array, index: Array, least: Array
) -> Vertex:
    """Where rays meet the bodies `index` [N]; roughness is `least` [N] at least."""
    point = origin + distance * direction
    normal, albedo, specular = (np.empty_like(point) for _ in range(3))
    roughness = np.empty_like(distance)
    for number in np.unique(index):
        at = np.flatnonzero(index == number)
        body, place = scene.bodies[number], point[:, at]
        normal[:, at] = body.shape.normal(place)
        albedo[:, at] = evaluate_texture(body.material.albedo, place)
        specular[:, at] = evaluate_texture(body.material.specular, place)
        roughness[at] = evaluate_texture(body.material.roughness, place)
    normal *= np.copysign(np.float32(1.0), -dot(normal, direction))
    lifted = point + np.float32(OFFSET) * normal
    return Vertex(lifted, normal, -direction, albedo, specular, np.maximum(roughness, least))


def _camera_vertex(origin: Array, direction: Array) -> Vertex:
    """Where camera rays start, as if they had come there from a black surface."""
    black = np.zeros_like(direction)
    return Vertex(origin, direction, direction, black, black, black[0])


def _weight(scene: Scene, light: int, vertex: Vertex, direction: Array, density: Array) -> Array:
    """Share of a direction drawn from the surface, against aiming at the light: [N] in (0, 1]."""
    aimed = probabilities(scene.lights, vertex)[light]
    aimed = aimed * scene.lights[light].density(vertex.point, direction)
    return 1.0 / (1.0 + aimed / density)


def _emitted(body: Body, point: Array, direction: Array) -> Array:
    """Radiance [3, N] of a luminous body towards where rays came from."""
    emitted = evaluate_texture(body.material.emission or (0.0, 0.0, 0.0), point)
    if isinstance(body.shape, Rectangle):
        return np.where(dot(body.shape.front, direction) < 0.0, emitted, np.float32(0.0))
    return emitted


def seen(
    scene: Scene, vertex: Vertex, direction: Array, density: Array, distance: Array, index: Array
) -> Array:
    """Radiance [3, N] that the light sources at the ends of rays send back along them.

    vertex: where the rays start; density: [N], per steradian, with which the surface there drew
    their direction, inf where no light could have been aimed at instead.
    """
    radiance = np.zeros_like(direction)
    for light, number in enumerate(scene.luminous):
        at = np.flatnonzero(index == number)
        if at.size:
            start, ray = vertex.part(at), direction[:, at]
            share = _weight(scene, light, start, ray, density[at])
            end = start.point + distance[at] * ray
            radiance[:, at] = share * _emitted(scene.bodies[number], end, ray)
    at = np.flatnonzero(index < 0)
    if at.size:
        radiance[:, at] = _beyond(scene, vertex.part(at), direction[:, at], density[at])
    return radiance


def _beyond(scene: Scene, vertex: Vertex, direction: Array, density: Array) -> Array:
    """Sky and sun at the end of rays that meet no body: [3, N]."""
    radiance = np.array(scene.sky(direction), np.float32)
    for portal in range(len(scene.luminous), len(scene.lights)):
        radiance *= _weight(scene, portal, vertex, direction, density)
    if scene.daylight is not None:
        in_sun = scene.daylight.in_sun(direction)
        share = 1.0 / (1.0 + np.float32(scene.daylight.sun_density) / density)
        radiance += np.where(in_sun, share * scene.daylight.sun_radiance, np.float32(0.0))
    return radiance


def _direct(scene: Scene, vertex: Vertex, numbers: Array) -> Array:
    """Light that reaches the eye from one light aimed at from each vertex: [3, N]."""
    aimed, density = aim(scene.lights, vertex, numbers)
    return _arriving(scene, vertex, aimed, density)


def _sunlight(scene: Scene, daylight: Daylight, vertex: Vertex, numbers: Array) -> Array:
    """The same from the sun, which is aimed at from every vertex: [3, N]."""
    direction = daylight.sample_sun(numbers[0], numbers[1])
    density = np.full(direction.shape[1], daylight.sun_density, np.float32)
    if scene.portals:
        through = [np.isfinite(p.distance(vertex.point, direction)) for p in scene.portals]
        density *= np.any(through, axis=0)
    distance = np.full_like(density, np.inf)
    return _arriving(scene, vertex, (direction, distance, daylight.sun_radiance), density)


def _arriving(scene: Scene, vertex: Vertex, aimed: Aim, density: Array) -> Array:
    """Reflected radiance of aims of some density, 0 where that is 0 or a body is in between."""
    direction, distance, radiance = aimed
    at = np.flatnonzero((density > 0.0) & (dot(vertex.normal, direction) > 0.0))
    limit = distance[at] * np.float32(1.0 - 1e-4) - np.float32(2.0 * OFFSET)
    free = ~occluded(scene, vertex.point[:, at], direction[:, at], limit)
    at = at[free]
    reflected, drawn = evaluate(vertex.part(at), direction[:, at])
    light = np.zeros_like(direction)
    radiance = np.broadcast_to(radiance, direction.shape)[:, at]
    light[:, at] = reflected * radiance / (density[at] + drawn)
    return light


def _soften(least: Array, vertex: Vertex, density: Array) -> Array:
    """The roughness below which the path's next surface must not be: [N]."""
    met = np.where(density < WIDE, np.float32(1.0), vertex.roughness)
    met = np.where(np.isfinite(density), np.minimum(met, np.float32(SOFTENED)), np.float32(0.0))
    return np.maximum(least, met)


def trace(
    scene: Scene, origin: Array, direction: Array, draw: Callable[[int, Array], Array], depth: int
) -> Array:
    """Radiance [3, N] in cd/m2 along camera rays, one random path each.

    draw(bounce, path) gives uniform numbers [BOUNCE_NUMBERS, n] for the paths [n]; depth: bounces
    at most.
    """
    radiance = np.zeros_like(direction)
    weight = np.ones_like(direction)
    path = np.arange(direction.shape[1])
    density = np.full(path.shape, np.inf, np.float32)
    least = np.zeros(path.shape, np.float32)
    vertex = _camera_vertex(origin, direction)
    for bounce in range(depth + 1):
        distance, index = nearest(scene, vertex.point, direction)
        radiance[:, path] += weight * seen(scene, vertex, direction, density, distance, index)
        on = np.flatnonzero(index >= 0)
        if bounce == depth or not on.size:
            break
        path, weight = path[on], weight[:, on]
        vertex = vertices(
            scene, vertex.point[:, on], direction[:, on], distance[on], index[on], least[on]
        )
        numbers = draw(bounce, path)
        if scene.lights:
            radiance[:, path] += weight * _direct(scene, vertex, numbers[3:6])
        if scene.daylight is not None:
            radiance[:, path] += weight * _sunlight(scene, scene.daylight, vertex, numbers[6:8])
        direction, factor, density = sample(vertex, numbers[0:3])
        weight = weight * factor
        least = _soften(least[on], vertex, density)
        goes_on = np.max(weight, axis=0)
        if bounce >= ROULETTE_FROM:
            chance = np.minimum(goes_on, np.float32(0.95))
            weight = weight / np.maximum(chance, 1e-6)
            goes_on = np.where(numbers[8] < chance, goes_on, 0.0)
        on = np.flatnonzero(goes_on > 0.0)
        path, weight, least, vertex = path[on], weight[:, on], least[on], vertex.part(on)
        direction, density = direction[:, on], density[on]
    return radiance
