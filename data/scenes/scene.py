"""What a scene is made of, and the camera that looks at it."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from data.scenes.daylight import Daylight
from data.scenes.lights import Light, Portal, RectangleLight, SphereLight
from data.scenes.shapes import Extent, Rectangle, Shape, Sphere, slabs
from data.scenes.surfaces import Material, Texture, evaluate_texture
from data.scenes.vectors import Array, Vector, column, cross, normalise, sample_disc
from hdrcnn.colour.transfer import LUMINANCE_WEIGHTS


@dataclasses.dataclass(frozen=True)
class Body:
    shape: Shape
    material: Material


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Bodies that stand together: rays that pass their common extent by skip them all."""

    bodies: tuple[Body, ...]

    @functools.cached_property
    def extent(self) -> Extent:
        extents = [body.shape.extent() for body in self.bodies]
        return np.min([e[0] for e in extents], axis=0), np.max([e[1] for e in extents], axis=0)

    def near(self, origin: Array, direction: Array, limit: Array) -> Array:
        """The indices of the rays that may meet a body within `limit` metres, [N]."""
        if len(self.bodies) == 1:
            return np.arange(limit.size)
        enter, leave = slabs(tuple(origin), tuple(direction), self.extent)
        return np.flatnonzero((enter <= leave) & (leave > 0.0) & (enter < limit))


@dataclasses.dataclass(frozen=True)
class Camera:
    """A thin lens; sharp at `focus` metres, and everywhere if `aperture` is 0."""

    position: Vector
    target: Vector
    field_of_view: float
    """Of the picture's width, degrees."""
    aperture: float = 0.0
    """Radius of the lens, metres."""
    focus: float = 1.0

    def rays(
        self, across: Array, down: Array, size: tuple[int, int], lens: Array
    ) -> tuple[Array, Array]:
        """Origins and directions, [3, N] each, through points of the picture plane.

        across, down: [N] in pixels from the upper left corner; size: height and width in
        pixels; lens: uniform numbers [2, N].
        """
        height, width = size
        ahead = normalise(column(self.target) - column(self.position))
        right = normalise(cross(ahead, column((0.0, 1.0, 0.0))))
        up = cross(right, ahead)
        half = np.float32(np.tan(np.radians(self.field_of_view) / 2.0))
        x = (2.0 * across / width - 1.0) * half
        y = (1.0 - 2.0 * down / height) * half * np.float32(height / width)
        target = np.float32(self.focus) * (ahead + x * right + y * up)
        a, b = sample_disc(lens[0], lens[1])
        shift = np.float32(self.aperture) * (a * right + b * up)
        return column(self.position) + shift, normalise(target - shift)


@dataclasses.dataclass(frozen=True)
class PanoramaCamera:
    """Sees all around, sharp: an equirectangular picture, its middle column towards the target,
    its middle row at the height of the camera.
    """

    position: Vector
    target: Vector

    def rays(
        self, across: Array, down: Array, size: tuple[int, int], lens: Array
    ) -> tuple[Array, Array]:
        """As `Camera.rays`; there is no lens."""
        height, width = size
        ahead = column(self.target) - column(self.position)
        ahead = normalise(ahead * column((1.0, 0.0, 1.0)))
        up = column((0.0, 1.0, 0.0))
        right = normalise(cross(ahead, up))
        longitude = (across / width - 0.5) * np.float32(2.0 * np.pi)
        latitude = (0.5 - down / height) * np.float32(np.pi)
        level = np.cos(longitude) * ahead + np.sin(longitude) * right
        direction = np.cos(latitude) * level + np.sin(latitude) * up
        origin = np.broadcast_to(column(self.position), direction.shape)
        return origin.astype(np.float32), direction.astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Scene:
    clusters: tuple[Cluster, ...]
    camera: Camera | PanoramaCamera
    sky: Callable[[Array], Array]
    """Directions [3, N] to the radiance of what lies beyond all bodies, [3, N] cd/m2."""
    daylight: Daylight | None = None
    """For the sun's disc."""
    portals: tuple[Rectangle, ...] = ()
    """Openings of a room, through which alone sun and sky are seen; none outdoors."""
    portal_luminance: float = 0.0
    """Of what is seen through them, cd/m2, roughly; only steers the sampling."""

    @functools.cached_property
    def bodies(self) -> tuple[Body, ...]:
        """Of all clusters, in their order."""
        return tuple(body for cluster in self.clusters for body in cluster.bodies)

    @functools.cached_property
    def lights(self) -> tuple[Light, ...]:
        """The bodies that shine, in their order; then the portals.

        Raises ValueError for a luminous body that is neither sphere nor rectangle.
        """
        lights: list[Light] = [_body_light(self.bodies[index]) for index in self.luminous]
        lights += [Portal(shape, self.sky, self.portal_luminance) for shape in self.portals]
        return tuple(lights)

    @functools.cached_property
    def luminous(self) -> tuple[int, ...]:
        """The indices of the bodies that shine."""
        return tuple(i for i, body in enumerate(self.bodies) if body.material.emission is not None)


def _body_light(body: Body) -> Light:
    shape, emission = body.shape, body.material.emission
    if emission is None or not isinstance(shape, Sphere | Rectangle):
        raise ValueError(f"only spheres and rectangles can shine, not {shape}")
    luminance = _mean_luminance(shape, emission)
    if isinstance(shape, Sphere):
        return SphereLight(shape, emission, luminance)
    return RectangleLight(shape, emission, luminance)


def _mean_luminance(shape: Sphere | Rectangle, emission: Vector | Texture) -> float:
    """Over a grid of the rectangle, or at the middle of the sphere."""
    if isinstance(shape, Sphere):
        point = column(shape.centre)
    else:
        u, v = (np.arange(4096) % 64 + 0.5) / 64, (np.arange(4096) // 64 + 0.5) / 64
        point = column(shape.corner) + u * column(shape.edge_u) + v * column(shape.edge_v)
    colour = evaluate_texture(emission, point.astype(np.float32))
    return float(np.mean(np.dot(LUMINANCE_WEIGHTS, colour)))


def uniform_sky(radiance: Vector) -> Callable[[Array], Array]:
    """The same radiance from everywhere, cd/m2: the glow over a city at night; a furnace."""
    return lambda direction: np.broadcast_to(column(radiance), direction.shape)
