"""Small vector algebra on batches [3, N] float32."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Vector = tuple[float, float, float]


def column(vector: Vector | Array) -> Array:
    """Three numbers as [3, 1] float32, to be broadcast over a batch."""
    return np.asarray(vector, np.float32).reshape(3, 1)


def dot(a: Array, b: Array) -> Array:
    """Scalar products of two batches (or of a batch and a column): [N]."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def normalise(a: Array) -> Array:
    """Unit vectors; the zero vector has no direction and gives nan."""
    return a / np.sqrt(dot(a, a))


def cross(a: Array, b: Array) -> Array:
    """Vector products of two batches."""
    return np.stack(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )


def frame(normal: Array) -> tuple[Array, Array]:
    """Two tangents that make an orthonormal frame with each normal (Duff et al. 2017, JCGT)."""
    x, y, z = normal
    sign = np.copysign(np.float32(1.0), z)
    a = -1.0 / (sign + z)
    b = x * y * a
    tangent = np.stack([1.0 + sign * x * x * a, sign * b, -sign * x])
    return tangent, np.stack([b, sign + y * y * a, -y])


def to_world(local: Array, normal: Array) -> Array:
    """Vectors given about the z axis, turned to stand about each normal."""
    tangent, bitangent = frame(normal)
    return local[0] * tangent + local[1] * bitangent + local[2] * normal


def sample_disc(u: Array, v: Array) -> tuple[Array, Array]:
    """Two uniform numbers to a uniform point of the unit disc, area-preserving polar map."""
    radius = np.sqrt(u)
    angle = np.float32(2.0 * np.pi) * v
    return radius * np.cos(angle), radius * np.sin(angle)


def sample_cone(one_minus_cosine: Array | float, u: Array, v: Array) -> tuple[Array, Array]:
    """Uniform directions in a cone about the z axis, and the 1 - cosine of each.

    The cone is given by 1 - cosine of its half angle: exact in float32 for a cone as narrow as
    the sun's. Returns [3, N] and [N]. Density: 1 / (2 pi (1 - cosine)).
    """
    gap = np.asarray(u * one_minus_cosine, np.float32)
    sine = np.sqrt(gap * (2.0 - gap))
    angle = np.float32(2.0 * np.pi) * v
    return np.stack([sine * np.cos(angle), sine * np.sin(angle), 1.0 - gap]), gap
