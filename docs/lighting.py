"""Render two spheres on a table in the light of a panorama, in pure NumPy.

A chrome sphere and a matt one lie on a matt table. Matt surfaces receive direct light from the
whole panorama, and the chrome sphere reflects its surroundings. Panoramas are [H, W, 3] float32,
linear, y up.
"""

import numpy as np

from hdrcnn.tiles.geometry import reduce_in_strips

SIZE = (300, 420)
"""Rows and columns of a panel."""
LIGHTS = (64, 128)
"""Rows and columns of the directional lights that approximate the panorama."""
SPHERES = ((-1.1, 1.0, 0.0), (1.1, 1.0, 0.0))
"""Centres of the chrome and the matt sphere, of radius 1; the table is the plane of height 0."""
ALBEDO, CHROME = 0.6, 0.9
CHUNK = 4096


def directions(rows: int, columns: int) -> np.ndarray:
    """Directions of the pixels of an equirectangular panorama: [rows, columns, 3], y up, with the
    middle column at -z.
    """
    latitude = (0.5 - (np.arange(rows) + 0.5) / rows)[:, None] * np.pi
    longitude = ((np.arange(columns) + 0.5) / columns - 0.5)[None] * 2.0 * np.pi
    level = np.cos(latitude)
    x, z = level * np.sin(longitude), -level * np.cos(longitude)
    y = np.broadcast_to(np.sin(latitude), x.shape)
    return np.stack([x, y, z], axis=-1).astype(np.float32)


def look_up(panorama: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Radiance [N, 3] of a panorama [H, W, 3] in directions [N, 3], from the nearest pixel."""
    rows, columns = panorama.shape[:2]
    x, y, z = direction.T
    row = (0.5 - np.arcsin(np.clip(y, -1.0, 1.0)) / np.pi) * rows
    column = (np.arctan2(x, -z) / (2.0 * np.pi) + 0.5) * columns
    return panorama[np.minimum(row.astype(int), rows - 1), column.astype(int) % columns]


def distance(origin: np.ndarray, direction: np.ndarray, centre: tuple[float, ...]) -> np.ndarray:
    """Distance to a sphere of radius 1 along rays [..., 3]; inf where they miss it."""
    to = origin - np.asarray(centre, np.float32)
    along = (to * direction).sum(axis=-1)
    inside = along**2 - (to**2).sum(axis=-1) + 1.0
    near = -along - np.sqrt(np.maximum(inside, 0.0))
    return np.where((inside > 0.0) & (near > 1e-3), near, np.inf)


def irradiance(panorama: np.ndarray, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Irradiance [N, 3] at points [N, 3] with normals [N, 3].

    Shadows of the spheres are included, and the table blocks light from below the horizon.
    """
    rows, columns = LIGHTS
    way = directions(rows, columns).reshape(-1, 3)
    share = np.cos((0.5 - (np.arange(rows) + 0.5) / rows) * np.pi) * 2.0 * np.pi**2 / rows / columns
    small = reduce_in_strips(lambda part: panorama[part], panorama.shape[:2], LIGHTS)
    lights = (small * share[:, None, None]).reshape(-1, 3)[way[:, 1] > 0].astype(np.float32)
    way = way[way[:, 1] > 0]
    total = np.empty((len(point), 3), np.float32)
    for first in range(0, len(point), CHUNK):
        part = slice(first, first + CHUNK)
        falls = np.maximum(normal[part] @ way.T, 0.0)
        for centre in SPHERES:
            falls[np.isfinite(distance(point[part, None], way[None], centre))] = 0.0
        total[part] = falls @ lights
    return total


def trace(
    panorama: np.ndarray, origin: np.ndarray, direction: np.ndarray, mirrors: int
) -> np.ndarray:
    """Radiance [N, 3] along rays, origins and directions [N, 3]. mirrors: number of reflections."""
    hits = [distance(origin, direction, centre) for centre in SPHERES]
    down = direction[:, 1] < -1e-4
    table = np.where(down, -origin[:, 1] / np.where(down, direction[:, 1], 1.0), np.inf)
    nearest = np.argmin([*hits, table, np.full(len(origin), 1e6)], axis=0)
    light = look_up(panorama, direction)
    for index in range(3):
        here = nearest == index
        if not here.any():
            continue
        point = origin[here] + (hits[index] if index < 2 else table)[here, None] * direction[here]
        if index == 2:
            normal = np.broadcast_to(np.array([0.0, 1.0, 0.0], np.float32), point.shape)
        else:
            normal = point - np.asarray(SPHERES[index], np.float32)
        if index == 0 and mirrors:
            ahead = direction[here]
            back = ahead - 2.0 * (ahead * normal).sum(axis=-1, keepdims=True) * normal
            light[here] = CHROME * trace(panorama, point, back, mirrors - 1)
        else:
            light[here] = ALBEDO / np.pi * irradiance(panorama, point + 2e-3 * normal, normal)
    return light


def render(panorama: np.ndarray) -> np.ndarray:
    """Render table and spheres in the light of a panorama: [H, W, 3] float32, linear."""
    rows, columns = SIZE
    eye = np.array([0.0, 2.6, 6.2], np.float32)
    ahead = np.array([0.0, 0.75, 0.0], np.float32) - eye
    ahead /= np.linalg.norm(ahead)
    right = np.array([1.0, 0.0, 0.0], np.float32)
    up = np.cross(right, ahead)
    x = ((np.arange(columns) + 0.5) / columns - 0.5)[None, :, None] * 0.86
    y = (0.5 - (np.arange(rows) + 0.5) / rows)[:, None, None] * 0.86 * rows / columns
    way = (ahead + x * right + y * up).reshape(-1, 3).astype(np.float32)
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    return trace(panorama, np.broadcast_to(eye, way.shape), way, 1).reshape(rows, columns, 3)
