"""Shots: every number that one training picture depends on, drawn from a key.

A shot is drawn on the host, whoever takes it: `take` by NumPy, or the accelerator, which is given
the numbers of a batch of them by `stack`. `scenes` is always the list sorted by name, `in_order`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from training_code.camera import Camera, Key, Part, Settings, expose, generator, photograph
from training_code.camera.projection import square_crop, square_view
from training_code.camera.tones import compress, expand, hold
from training_code.scenes.collection import Scene
from training_code.scenes.views import KINDS, Views


@dataclasses.dataclass(frozen=True)
class Shot(Settings):
    """What of which scene is photographed, and with which settings. All plain Python numbers."""

    scene: int
    """Index into the scenes sorted by name."""
    mirror: bool
    """Left and right are exchanged."""
    yaw: float
    """Degrees to the right of a panorama's centre; 0 for photographs."""
    pitch: float
    """Degrees above the horizon; 0 for photographs."""
    fov: float
    """Horizontal field of view in a panorama, degrees; 0 for photographs."""
    top: int
    """First row of the crop of a photograph, pixels; 0 for panoramas."""
    left: int
    """First column; 0 for panoramas."""
    side: int
    """Side of the crop, pixels; 0 for panoramas."""
    knee: float
    """This and the four that follow: `tones.Tone`."""
    steep: float
    level: float
    gain: float
    held: float


def in_order(scenes: Sequence[Scene]) -> list[Scene]:
    """Sorted by name, so that shots do not depend on the order in which files were found."""
    return sorted(scenes, key=lambda scene: scene.name)


def families(scenes: Sequence[Scene]) -> list[list[int]]:
    """The indices of the scenes of each family, families sorted by name. A place in scenes of two
    kinds is a family of each.
    """
    by_name: dict[tuple[str, int], list[int]] = {}
    for index, scene in enumerate(scenes):
        by_name.setdefault((scene.family, scene.kind), []).append(index)
    return [by_name[name] for name in sorted(by_name)]


def _family(
    scenes: Sequence[Scene],
    by_family: Sequence[Sequence[int]],
    views: Views,
    rng: np.random.Generator,
) -> Sequence[int]:
    """One of the families: of a kind drawn by the shares of `views.kinds`, or of all."""
    if views.kinds is not None:
        of_kind = [[f for f in by_family if scenes[f[0]].kind == k] for k in range(len(KINDS))]
        shares = np.array([s if f else 0.0 for s, f in zip(views.kinds, of_kind, strict=True)])
        if not shares.sum() > 0:
            raise ValueError(f"views.kinds {views.kinds}: there are no scenes of these kinds")
        by_family = of_kind[int(rng.choice(len(KINDS), p=shares / shares.sum()))]
    return by_family[int(rng.integers(len(by_family)))]


def draw_shot(
    scenes: Sequence[Scene],
    by_family: Sequence[Sequence[int]],
    views: Views,
    camera: Camera,
    key: Key,
    size: int,
) -> Shot:
    """One shot of `size` x `size` pixels; it depends on the key and the arguments alone.

    A family is drawn first, then one of its scenes, so that a place photographed five times does
    not count five times. Only the sizes of the scenes are looked at, not their pixels.
    """
    rng = generator(key, Part.VIEW)
    family = _family(scenes, by_family, views, rng)
    index = family[int(rng.integers(len(family)))]
    scene = scenes[index]
    view = _panorama_view(views, rng) if scene.is_panorama else _crop(scene, views, size, rng)
    mirror = bool(rng.random() < 0.5)
    settings = dataclasses.asdict(camera.draw(key))
    tone = camera.tones.draw(generator(key, Part.TONES), scene.linearised)
    return Shot(scene=index, mirror=mirror, **view, **settings, **tone._asdict())


def _panorama_view(views: Views, rng: np.random.Generator) -> dict[str, Any]:
    """The part of a `Shot` that says where in a panorama."""
    yaw, pitch = rng.uniform(-180.0, 180.0), rng.uniform(*views.pitch)
    fov = float(np.exp(rng.uniform(*np.log(views.fov))))
    return {"yaw": yaw, "pitch": pitch, "fov": fov, "top": 0, "left": 0, "side": 0}


def _crop(scene: Scene, views: Views, size: int, rng: np.random.Generator) -> dict[str, Any]:
    """The part of a `Shot` that says where in a photograph."""
    rows, columns = scene.shape
    if min(rows, columns) < size:
        raise ValueError(f"{scene.name}: {columns}x{rows} pixels, too small for crops of {size}")
    side = int(np.clip(rng.uniform(*views.crop) * columns, size, min(rows, columns)))
    top, left = int(rng.integers(rows - side + 1)), int(rng.integers(columns - side + 1))
    return {"yaw": 0.0, "pitch": 0.0, "fov": 0.0, "top": top, "left": left, "side": side}


def look(scene: Scene, shot: Shot, size: int) -> np.ndarray:
    """The view of a shot, [size, size, 3] float32, linear, in the unit of the scene.

    Panoramas are photographed in perspective, photographs cropped and reduced.
    """
    if scene.is_panorama:
        return square_view(scene.pixels, shot.yaw, shot.pitch, shot.fov, size, shot.mirror)
    return square_crop(scene.crop(shot.top, shot.left, shot.side, shot.side), size, shot.mirror)


def take(scene: Scene, shot: Shot, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture of a shot of `scene`, uint8 codes [size, size, 3], and its target, float32
    [size, size, 3], linear, 1.0 = clipping level, NaN where the scene's source was clipped.

    Raises TooBlackError where the view is too black to be exposed.
    """
    light = look(scene, shot, size)
    codes, target = photograph(bent(light, shot), shot)
    if shot.held != 1.0:
        target = hold(target, np.float32(shot.held))
    return codes, np.where(scene.known(light), target, np.float32(np.nan))


def bent(light: np.ndarray, shot: Shot) -> np.ndarray:
    """Light [H, W, 3] float32 with its tones bent as the shot says, in any unit.

    Raises TooBlackError.
    """
    knee, steep = np.float32(shot.knee), np.float32(shot.steep)
    if shot.level:
        return compress(expose(light, shot.level) * np.float32(shot.gain), knee)
    return light if shot.knee == 1.0 else expand(light, knee, steep)


TYPES: dict[Any, type] = {bool: np.bool_, int: np.int32, float: np.float32}


def stack(shots: Sequence[Shot]) -> dict[str, np.ndarray]:
    """The numbers of N shots by their names, [N] each: int32, float32, bool; `white_balance` is
    [N, 3] float32, `noise_seed` uint32.
    """
    kinds = {field.name: TYPES.get(field.type, np.float32) for field in dataclasses.fields(Shot)}
    kinds["noise_seed"] = np.uint32
    return {
        name: np.array([getattr(shot, name) for shot in shots], kind)
        for name, kind in kinds.items()
    }
