"""Spheres, boxes, rectangles and planes, and where rays meet them.

A shape offers `distance(origin, direction)`, [3, N] rays to [N] distances > 0 with inf where
the ray passes it by; `normal(point)`, [3, N] points of its surface to unit normals, which point
outwards (a rectangle's: to its front); and `extent()`, the lowest and highest x, y and z.
"""

import dataclasses
import functools
from typing import Protocol

import numpy as np

from data.scenes.vectors import Array, Vector, column, cross, dot, normalise

NEAR = 1e-4
"""Distances below, in metres, count as the point the ray starts from."""


Extent = tuple[Array, Array]


class Shape(Protocol):
    def distance(self, origin: Array, direction: Array) -> Array: ...

    def normal(self, point: Array) -> Array: ...

    def extent(self) -> Extent: ...


def _ahead(distance: Array, hit: Array) -> Array:
    return np.where(hit & (distance > NEAR), distance, np.float32(np.inf))


def _steep(component: Array) -> Array:
    """Kept from 0, so that rays along a face divide to something huge, not to nan."""
    return np.where(np.abs(component) < 1e-9, np.float32(1e-9), component)


def slabs(
    start: tuple[Array, ...], step: tuple[Array, ...], extent: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Distances at which rays enter and leave an upright cuboid; they miss it if the first is
    the larger. start, step: x, y and z of origins and directions, [N] each.
    """
    enter = np.full(start[0].shape, -np.inf, np.float32)
    leave = np.full(start[0].shape, np.inf, np.float32)
    for axis in range(3):
        inverse = 1.0 / _steep(step[axis])
        a = (extent[0][axis] - start[axis]) * inverse
        b = (extent[1][axis] - start[axis]) * inverse
        enter = np.maximum(enter, np.minimum(a, b))
        leave = np.minimum(leave, np.maximum(a, b))
    return enter, leave


@dataclasses.dataclass(frozen=True)
class Sphere:
    centre: Vector
    radius: float

    def distance(self, origin: Array, direction: Array) -> Array:
        to_centre = column(self.centre) - origin
        along = dot(to_centre, direction)
        # From the ray's nearest point, not as b^2 - 4ac: small distant spheres would lose all
        # digits in float32 (Haines et al. 2019, Ray Tracing Gems, chapter 7).
        miss = to_centre - along * direction
        inside = np.float32(self.radius**2) - dot(miss, miss)
        half_chord = np.sqrt(np.maximum(inside, 0.0))
        near = along - half_chord
        return _ahead(np.where(near > NEAR, near, along + half_chord), inside > 0.0)

    def normal(self, point: Array) -> Array:
        return normalise(point - column(self.centre))

    def extent(self) -> Extent:
        centre, radius = np.asarray(self.centre, np.float32), np.float32(self.radius)
        return centre - radius, centre + radius


@dataclasses.dataclass(frozen=True)
class Box:
    """A cuboid, turned by `yaw` degrees about the vertical through its centre."""

    centre: Vector
    size: Vector
    yaw: float = 0.0

    @functools.cached_property
    def _turn(self) -> tuple[float, float]:
        return float(np.cos(np.radians(self.yaw))), float(np.sin(np.radians(self.yaw)))

    @functools.cached_property
    def _half(self) -> Array:
        return np.asarray(self.size, np.float32) / 2.0

    def _to_box(self, vector: Array) -> tuple[Array, Array, Array]:
        if self.yaw == 0.0:
            return vector[0], vector[1], vector[2]
        c, s = self._turn
        return c * vector[0] - s * vector[2], vector[1], s * vector[0] + c * vector[2]

    def distance(self, origin: Array, direction: Array) -> Array:
        start = self._to_box(origin - column(self.centre))
        enter, leave = slabs(start, self._to_box(direction), (-self._half, self._half))
        return _ahead(np.where(enter > NEAR, enter, leave), enter <= leave)

    def normal(self, point: Array) -> Array:
        local = np.stack(self._to_box(point - column(self.centre)))
        face = np.argmax(np.abs(local) / column(self._half), axis=0)
        sign = np.copysign(np.float32(1.0), np.take_along_axis(local, face[None], axis=0)[0])
        x, y, z = (sign * (face == axis) for axis in range(3))
        c, s = self._turn
        return np.stack([c * x + s * z, y, c * z - s * x]).astype(np.float32)

    def extent(self) -> Extent:
        c, s = np.abs(self._turn)
        x, y, z = self._half
        centre = np.asarray(self.centre, np.float32)
        reach = np.array([c * x + s * z, y, s * x + c * z], np.float32)
        return centre - reach, centre + reach


@dataclasses.dataclass(frozen=True)
class Rectangle:
    """From `corner` along two edges at right angles; its front is the side of u x v."""

    corner: Vector
    edge_u: Vector
    edge_v: Vector

    @functools.cached_property
    def front(self) -> Array:
        """The unit normal of the front, [3, 1]."""
        return normalise(cross(column(self.edge_u), column(self.edge_v)))

    @property
    def area(self) -> float:
        return float(np.linalg.norm(np.cross(self.edge_u, self.edge_v)))

    def distance(self, origin: Array, direction: Array) -> Array:
        to_corner = column(self.corner) - origin
        distance = dot(self.front, to_corner) / _steep(dot(self.front, direction))
        offset = distance * direction - to_corner
        hit = np.ones(distance.shape, bool)
        for edge in (column(self.edge_u), column(self.edge_v)):
            share = dot(edge, offset) / dot(edge, edge)
            hit &= (share >= 0.0) & (share <= 1.0)
        return _ahead(distance, hit)

    def normal(self, point: Array) -> Array:
        return np.broadcast_to(self.front, point.shape)

    def extent(self) -> Extent:
        corner, u, v = (np.asarray(a, np.float32) for a in (self.corner, self.edge_u, self.edge_v))
        corners = np.stack([corner, corner + u, corner + v, corner + u + v])
        return corners.min(axis=0), corners.max(axis=0)


@dataclasses.dataclass(frozen=True)
class Ground:
    """The endless horizontal plane at `height`."""

    height: float = 0.0

    def distance(self, origin: Array, direction: Array) -> Array:
        distance = (np.float32(self.height) - origin[1]) / _steep(direction[1])
        return _ahead(distance, np.isfinite(distance))

    def normal(self, point: Array) -> Array:
        return np.broadcast_to(column((0.0, 1.0, 0.0)), point.shape)

    def extent(self) -> Extent:
        low, high = np.full(3, -np.inf, np.float32), np.full(3, np.inf, np.float32)
        low[1] = high[1] = self.height
        return low, high
