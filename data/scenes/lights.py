"""Where light comes from, as something a path can aim at.

A light offers `luminance`, its mean in cd/m2; `outlook(point)`, the direction to its middle
[3, N] and the squared sine of its angular radius [N], roughly (these only steer which light is
aimed at); `sample(point, u, v)`, a direction to it, the distance and the radiance from there; and
`density(point, direction)`, the density per steradian with which `sample` takes a direction, 0
for directions it never takes.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np

from data.scenes.shapes import Rectangle, Sphere
from data.scenes.surfaces import Texture, Vertex, evaluate_texture, likely_reflection
from data.scenes.vectors import Array, Vector, column, dot, sample_cone, to_world

UNIFORM_SHARE = 0.1
"""Of the aims: spread over all lights, whatever is likely, against rare bright surprises."""

Aim = tuple[Array, Array, Array]
"""Directions [3, N], distances [N] in metres and radiances [3, N] in cd/m2."""


class Light(Protocol):
    @property
    def luminance(self) -> float: ...

    def outlook(self, point: Array) -> tuple[Array, Array]: ...

    def sample(self, point: Array, u: Array, v: Array) -> Aim: ...

    def density(self, point: Array, direction: Array) -> Array: ...


@dataclasses.dataclass(frozen=True)
class SphereLight:
    shape: Sphere
    emission: Vector | Texture
    luminance: float

    def outlook(self, point: Array) -> tuple[Array, Array]:
        to_centre = column(self.shape.centre) - point
        distance2 = np.maximum(dot(to_centre, to_centre), self.shape.radius**2 * 1.0001)
        return to_centre / np.sqrt(distance2), np.float32(self.shape.radius**2) / distance2

    def sample(self, point: Array, u: Array, v: Array) -> Aim:
        axis, sine2 = self.outlook(point)
        local, gap = sample_cone(_gap(sine2), u, v)
        direction = to_world(local, axis)
        far = self.shape.radius / np.sqrt(sine2)
        chord2 = self.shape.radius**2 - far * far * gap * (2.0 - gap)
        distance = far * (1.0 - gap) - np.sqrt(np.maximum(chord2, 0.0))
        return direction, distance, evaluate_texture(self.emission, point + distance * direction)

    def density(self, point: Array, direction: Array) -> Array:
        hit = np.isfinite(self.shape.distance(point, direction))
        _, sine2 = self.outlook(point)
        return np.where(hit, 1.0 / (np.float32(2.0 * np.pi) * _gap(sine2)), 0.0)


def _gap(sine2: Array) -> Array:
    """1 - cosine of an angle, exact where it is small."""
    return sine2 / (1.0 + np.sqrt(1.0 - sine2))


def _rectangle_outlook(shape: Rectangle, point: Array) -> tuple[Array, Array]:
    middle = column(shape.corner) + (column(shape.edge_u) + column(shape.edge_v)) / 2.0
    to_middle = middle - point
    distance2 = dot(to_middle, to_middle)
    sine2 = 1.0 / (1.0 + distance2 * np.float32(np.pi / shape.area))
    return to_middle / np.sqrt(np.maximum(distance2, 1e-12)), sine2


def _rectangle_aim(shape: Rectangle, point: Array, u: Array, v: Array) -> tuple[Array, Array]:
    target = column(shape.corner) + u * column(shape.edge_u) + v * column(shape.edge_v)
    offset = target - point
    distance = np.sqrt(np.maximum(dot(offset, offset), 1e-12))
    return offset / distance, distance


def _rectangle_density(shape: Rectangle, point: Array, direction: Array) -> Array:
    distance = shape.distance(point, direction)
    hit = np.isfinite(distance)
    distance = np.where(hit, distance, 0.0)
    slope = np.maximum(np.abs(dot(shape.front, direction)), 1e-6)
    return np.where(hit, distance**2 / (np.float32(shape.area) * slope), 0.0)


@dataclasses.dataclass(frozen=True)
class RectangleLight:
    shape: Rectangle
    emission: Vector | Texture
    luminance: float

    def outlook(self, point: Array) -> tuple[Array, Array]:
        direction, sine2 = _rectangle_outlook(self.shape, point)
        behind = dot(self.shape.front, point - column(self.shape.corner)) <= 0.0
        return direction, np.where(behind, np.float32(0.0), sine2)

    def sample(self, point: Array, u: Array, v: Array) -> Aim:
        direction, distance = _rectangle_aim(self.shape, point, u, v)
        radiance = evaluate_texture(self.emission, point + distance * direction)
        in_front = dot(self.shape.front, direction) < 0.0
        return direction, distance, np.where(in_front, radiance, 0.0)

    def density(self, point: Array, direction: Array) -> Array:
        return _rectangle_density(self.shape, point, direction)


@dataclasses.dataclass(frozen=True)
class Portal:
    """An opening through which a room sees the sky: aimed at, but not a body."""

    shape: Rectangle
    sky: Callable[[Array], Array]
    luminance: float

    def outlook(self, point: Array) -> tuple[Array, Array]:
        return _rectangle_outlook(self.shape, point)

    def sample(self, point: Array, u: Array, v: Array) -> Aim:
        direction, _ = _rectangle_aim(self.shape, point, u, v)
        return direction, np.full(point.shape[1], np.inf, np.float32), self.sky(direction)

    def density(self, point: Array, direction: Array) -> Array:
        return _rectangle_density(self.shape, point, direction)


def probabilities(lights: tuple[Light, ...], vertex: Vertex) -> Array:
    """With which each light is aimed at from each vertex: [L, N], sums of 1."""
    likely = np.empty((len(lights), vertex.point.shape[1]), np.float32)
    for row, light in zip(likely, lights, strict=True):
        direction, sine2 = light.outlook(vertex.point)
        row[:] = light.luminance * sine2 * likely_reflection(vertex, direction, sine2)
    likely /= np.maximum(np.sum(likely, axis=0), 1e-20)
    return (1.0 - UNIFORM_SHARE) * likely + np.float32(UNIFORM_SHARE / len(lights))


def aim(lights: tuple[Light, ...], vertex: Vertex, numbers: Array) -> tuple[Aim, Array]:
    """Pick a light for each vertex and a direction to it, from uniform numbers [3, N].

    Returns the aims and their densities [N], the pick included.
    """
    chance = probabilities(lights, vertex)
    total = np.cumsum(chance, axis=0)
    pick = np.minimum(np.sum(numbers[0] * total[-1] >= total, axis=0), len(lights) - 1)
    direction, radiance = np.zeros_like(vertex.point), np.zeros_like(vertex.point)
    distance, density = np.zeros_like(total[-1]), np.zeros_like(total[-1])
    for index, light in enumerate(lights):
        at = np.flatnonzero(pick == index)
        if at.size:
            place = vertex.point[:, at]
            aimed = light.sample(place, numbers[1, at], numbers[2, at])
            direction[:, at], distance[at], radiance[:, at] = aimed
            density[at] = chance[index, at] * light.density(place, aimed[0])
    return (direction, distance, radiance), density
