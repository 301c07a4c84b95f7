"""What a room's window looks out on: distant matt things under sun and sky, lit beforehand.

To the room they are part of the sky: all of it can then be aimed at through the window.
"""

import dataclasses

import numpy as np

from data.scenes.daylight import Daylight
from data.scenes.shapes import Shape
from data.scenes.vectors import Array, Vector, column, dot

AMBIENT_GROUND = 0.15
"""Share of daylight that the land beyond sends back up."""


Thing = tuple[Shape, Vector]
"""A shape and its albedo."""


@dataclasses.dataclass(frozen=True)
class Backdrop:
    """Callable as a scene's sky. Seen from one point for all, so without parallax."""

    daylight: Daylight
    things: tuple[Thing, ...]
    viewpoint: Vector

    def __call__(self, direction: Array) -> Array:
        """Directions [3, N] to radiances [3, N] in cd/m2."""
        radiance = self.daylight.sky(direction)
        nearest = np.full(direction.shape[1], np.inf, np.float32)
        for shape, albedo in self.things:
            distance = shape.distance(column(self.viewpoint), direction)
            at = np.flatnonzero(distance < nearest)
            nearest[at] = distance[at]
            point = column(self.viewpoint) + distance[at] * direction[:, at]
            light = self._irradiance(point, shape.normal(point))
            radiance[:, at] = column(albedo) / np.float32(np.pi) * light
        return radiance

    def _irradiance(self, point: Array, normal: Array) -> Array:
        """Sun, with cast shadows, and the visible parts of sky and land: [3, N] lux."""
        day = self.daylight
        origin = point + np.float32(0.01) * normal
        sunward = np.broadcast_to(day.sun_direction, point.shape)
        lit = dot(normal, sunward) > 0.0
        for shape, _ in self.things:
            lit &= ~np.isfinite(shape.distance(origin, sunward))
        sun = np.where(lit, dot(normal, sunward), 0.0) * day.sun_irradiance
        upward = 0.5 * (1.0 + normal[1])
        on_land = day.sky_irradiance + day.sun_direction[1] * day.sun_irradiance
        return sun + upward * day.sky_irradiance + (1.0 - upward) * AMBIENT_GROUND * on_land
