"""Light of small rendered scenes, computed in a separate process (`tests.apart`)."""

from collections.abc import Sequence
from typing import Any
from unittest import mock

import numpy as np

from data import compute_scenes, scenes


def _under(radiance: float, *things: Any, **look: Any) -> dict[str, Any]:
    look = {"eye": (0.0, 0.0, 0.0), "target": (0.0, 0.0, -1.0), "degrees": 50.0, **look}
    sky = {"type": "constant", "radiance": scenes.rgb((radiance,) * 3)}
    return scenes.scene(things=[sky, *things], **look)


def light(name: str) -> tuple[np.ndarray, list[float]]:
    told: list[float] = []
    return compute_scenes.light(name, 0.05, 8, told.append), told


def cleaned(image: np.ndarray, noise: float) -> np.ndarray:
    """Denoised result of rendering passes that show `image` with relative noise."""
    draw = np.random.default_rng(6)

    def noisy(scene: object, size: object, samples: int, seed: int) -> np.ndarray:
        return (image * (1 + noise * draw.standard_normal(image.shape))).astype(np.float32)

    shots = {"white_court": compute_scenes.Shot((len(image), len(image[0])), 0.5)}
    with (
        mock.patch.object(compute_scenes, "render", noisy),
        mock.patch.object(compute_scenes, "expose", lambda light, share: light),
        mock.patch.object(compute_scenes, "SHOTS", shots),
    ):
        return compute_scenes.light("white_court", 1.0, 8, lambda share: None)


def furnace(kind: str, *arguments: Any) -> float:
    """Mean radiance of a sphere in a sky of 100."""
    ball = scenes.sphere((0.0, 0.0, -2.0), 1.0, getattr(scenes, kind)(*arguments))
    return float(compute_scenes.render(_under(100.0, ball), (9, 9), 256, 0)[3:6, 3:6].mean())


def floor(colour: Sequence[float], albedo: float) -> np.ndarray:
    """Light of a matt floor below a lamp of radius 0.1 at a height of 3."""
    lamp = {**scenes.sphere((0.0, 3.0, 0.0), 0.1, scenes.matt((0, 0, 0)))}
    ground = scenes.ground(scenes.matt((albedo,) * 3))
    look = {"eye": (2.0, 1.0, 0.0), "target": (0.0, 0.0, 0.0), "degrees": 1.0}
    scene = _under(0.0, {**lamp, "on": scenes.area(np.array(colour))}, ground, **look)
    return compute_scenes.render(scene, (3, 3), 64, 0).mean(axis=(0, 1))


def sun(elevation: float, azimuth: float, degrees: float) -> np.ndarray:
    """[80, 80] green channel of a view towards the place where the sun should be."""
    up, turn = np.radians(elevation), np.radians(azimuth)
    target = (np.cos(up) * np.sin(turn), np.sin(up), -np.cos(up) * np.cos(turn))
    scene = scenes.scene((0, 0, 0), target, degrees, [scenes.day(elevation, azimuth)])
    return compute_scenes.render(scene, (80, 80), 16, 0)[..., 1]


def panorama(centre: tuple[float, float, float]) -> np.ndarray:
    """[32, 64] panorama of a sky of 1 and a lamp of 100 at `centre`."""
    ball = scenes.sphere(centre, 0.5, scenes.matt((0, 0, 0)))
    scene = _under(1.0, {**ball, "on": scenes.area((100.0, 100.0, 100.0))}, degrees=360.0)
    return compute_scenes.render(scene, (32, 64), 16, 0)[..., 0]
