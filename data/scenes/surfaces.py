"""How surfaces reflect: a diffuse body under a specular coat, or a metal.

The coat is a GGX microfacet surface (Walter et al. 2007) with Smith's height-correlated masking
(Heitz 2014, JCGT) and Schlick's Fresnel term; what it reflects does not reach the body below.
A surface of roughness 0 is a perfect mirror, a distribution without density.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from data.scenes.vectors import Array, Vector, column, dot, normalise, sample_disc, to_world
from hdrcnn.colour.transfer import LUMINANCE_WEIGHTS

Texture = Callable[[Array], Array]
"""Points [3, N] in metres to colours [3, N] or values [N]."""

SMOOTH = 0.01
"""Roughness below which a surface is taken as a perfect mirror."""


@dataclasses.dataclass(frozen=True)
class Material:
    albedo: Vector | Texture = (0.0, 0.0, 0.0)
    """Diffuse reflectance, in [0, 1]."""
    specular: Vector = (0.0, 0.0, 0.0)
    """Reflectance of the coat at normal incidence, in [0, 1]: 0.04 for glass, the colour of a
    metal, 0 for no coat at all."""
    roughness: float | Texture = 0.0
    """GGX alpha, in [0, 1]."""
    emission: Vector | Texture | None = None
    """Radiance in cd/m2, the same in all directions; a rectangle shines to its front only."""


@dataclasses.dataclass(frozen=True)
class Vertex:
    """Where a batch of paths has met a surface. All [3, N], but roughness [N]."""

    point: Array
    """Lifted off the surface a little: the next ray starts here."""
    normal: Array
    """On the side of the eye."""
    toward_eye: Array
    """The way the path came from."""
    albedo: Array
    specular: Array
    roughness: Array

    def part(self, index: Array) -> "Vertex":
        """The paths `index` of the batch."""
        return Vertex(*(getattr(self, f.name)[..., index] for f in dataclasses.fields(self)))


def evaluate_texture(value: Vector | float | Texture, point: Array) -> Array:
    """A constant or a texture at points [3, N]: [3, N] or [N], broadcast where constant."""
    if callable(value):
        return value(point)
    if isinstance(value, tuple):
        return np.broadcast_to(column(value), point.shape)
    return np.broadcast_to(np.float32(value), point.shape[1:])


def fresnel(specular: Array, cosine: Array) -> Array:
    """Schlick 1994. Without a coat (specular 0) grazing light is not reflected either."""
    grazing = np.minimum(50.0 * np.max(specular, axis=0), 1.0)
    return specular + (grazing - specular) * (1.0 - cosine) ** 5


def coat(vertex: Vertex) -> Array:
    """Reflectance of the coat towards the eye, [3, N]."""
    return fresnel(vertex.specular, np.clip(dot(vertex.normal, vertex.toward_eye), 0.0, 1.0))


def _coat_share(vertex: Vertex) -> Array:
    """Probability [N] with which `sample` follows the coat."""
    reflectance = coat(vertex)
    weights = column(LUMINANCE_WEIGHTS)
    specular = dot(weights, reflectance)
    diffuse = dot(weights, (1.0 - reflectance) * vertex.albedo)
    share = specular / np.maximum(specular + diffuse, 1e-12)
    # Neither lobe is starved where both exist: its rare samples would be bright.
    held = np.clip(share, 0.1, 0.9)
    return np.where((specular > 0.0) & (diffuse > 0.0), held, np.round(share))


def evaluate(vertex: Vertex, toward_light: Array) -> tuple[Array, Array]:
    """BSDF times cosine, [3, N], and the density [N] with which `sample` takes `toward_light`.

    A perfect mirror's reflection is in neither. Both are 0 for light from behind.
    """
    out = np.clip(dot(vertex.normal, vertex.toward_eye), 1e-4, 1.0)
    cosine = dot(vertex.normal, toward_light)
    into = np.clip(cosine, 1e-4, 1.0)
    above = cosine > 0.0
    half = normalise(vertex.toward_eye + toward_light + 1e-12 * vertex.normal)

    transmitted = (1.0 - fresnel(vertex.specular, out)) * (1.0 - fresnel(vertex.specular, into))
    diffuse = vertex.albedo * transmitted * (into / np.float32(np.pi))

    alpha2 = np.square(np.maximum(vertex.roughness, SMOOTH))
    facing = np.clip(dot(vertex.normal, half), 0.0, 1.0)
    facets = alpha2 / (np.pi * np.square(facing * facing * (alpha2 - 1.0) + 1.0))
    facets = np.where(vertex.roughness >= SMOOTH, facets, 0.0) / (4.0 * out)
    hidden_out = 0.5 * (np.sqrt(1.0 + alpha2 * (1.0 / out**2 - 1.0)) - 1.0)
    hidden_in = 0.5 * (np.sqrt(1.0 + alpha2 * (1.0 / into**2 - 1.0)) - 1.0)
    reflectance = fresnel(vertex.specular, np.clip(dot(half, vertex.toward_eye), 0.0, 1.0))
    glossy = reflectance * (facets / (1.0 + hidden_out + hidden_in))

    share = _coat_share(vertex)
    density = share * facets / (1.0 + hidden_out) + (1.0 - share) * into / np.float32(np.pi)
    return np.where(above, diffuse + glossy, 0.0), np.where(above, density, 0.0)


def _facet(vertex: Vertex, alpha: Array, u: Array, v: Array) -> Array:
    """A microfacet's normal among those the eye sees, [3, N], by uniform numbers [N].

    Spherical caps, Dupuy and Benyoub 2023 (Computer Graphics Forum 42).
    """
    normal, eye = vertex.normal, vertex.toward_eye
    height = dot(normal, eye)
    # Stretched so that the facets become a hemisphere; its cap seen from the eye is uniform.
    stretched = normalise(alpha * (eye - height * normal) + height * normal)
    level = dot(normal, stretched)
    z = (1.0 - u) * (1.0 + level) - level
    sine = np.sqrt(np.clip(1.0 - z * z, 0.0, 1.0))
    angle = np.float32(2.0 * np.pi) * v
    cap = to_world(np.stack([sine * np.cos(angle), sine * np.sin(angle), z]), normal)
    facet = cap + stretched
    rise = dot(normal, facet)
    return normalise(alpha * (facet - rise * normal) + np.maximum(rise, 1e-6) * normal)


def sample(vertex: Vertex, numbers: Array) -> tuple[Array, Array, Array]:
    """Draw the direction the path goes on in, from uniform numbers [3, N].

    Returns directions [3, N], some of them below the surface; their weights [3, N], BSDF times
    cosine over density; and their densities per steradian [N], inf for a perfect mirror's.
    """
    share = _coat_share(vertex)
    by_coat = numbers[0] < share
    alpha = np.where(vertex.roughness >= SMOOTH, vertex.roughness, 0.0)
    x, y = sample_disc(numbers[1], numbers[2])
    lifted = np.stack([x, y, np.sqrt(np.maximum(1.0 - x * x - y * y, 0.0))])
    facet = _facet(vertex, alpha, numbers[1], numbers[2])
    reflected = 2.0 * dot(facet, vertex.toward_eye) * facet - vertex.toward_eye
    direction = normalise(np.where(by_coat, reflected, to_world(lifted, vertex.normal)))

    reflectance, density = evaluate(vertex, direction)
    # Directions of hardly any density weigh nothing: rounding alone leads there.
    spread = np.where(density > 1e-9, reflectance / np.maximum(density, 1e-9), 0.0)
    mirrored = by_coat & (vertex.roughness < SMOOTH)
    weight = np.where(mirrored, coat(vertex) / np.maximum(share, 1e-6), spread)
    return direction, weight, np.where(mirrored, np.inf, density).astype(np.float32)


def likely_reflection(vertex: Vertex, toward_light: Array, sine2: Array) -> Array:
    """Roughly the luminance reflected for one lux from a light of some size, [N] > 0.

    toward_light: [3, N], to its middle; sine2: [N], squared sine of its angular radius. Cheap;
    it only steers which light is aimed at.
    """
    weights = column(LUMINANCE_WEIGHTS)
    cosine = dot(vertex.normal, toward_light) + np.sqrt(sine2)
    diffuse = dot(weights, vertex.albedo) * np.clip(cosine, 0.01, 1.0)
    eye = vertex.toward_eye
    mirrored = 2.0 * dot(vertex.normal, eye) * vertex.normal - eye
    width = np.minimum(vertex.roughness**2 + 0.25 * sine2 + 1e-3, 1.0)
    off = 1.0 - (1.0 - width) * 0.5 * (1.0 + dot(mirrored, toward_light))
    glossy = dot(weights, coat(vertex)) * width / (4.0 * off * off)
    return (diffuse + glossy) / np.float32(np.pi)
