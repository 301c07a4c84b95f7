"""Shots: every number that one training picture depends on, drawn from a key.

Shots are always drawn on the host. They are rendered either by NumPy (`take`) or on the
accelerator, which receives the numbers of a batch of shots as arrays (`stack`). `scenes` is always
the list sorted by name, see `in_order`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from training_code.camera import Camera, Key, RandomStream, Settings, expose, generator, photograph
from training_code.camera.projection import square_crop, square_view
from training_code.camera.tones import compress, expand, scale_highlights
from training_code.scenes.collection import Scene
from training_code.scenes.views import KINDS, Views


@dataclasses.dataclass(frozen=True)
class Shot(Settings):
    """Which part of which scene is photographed, and with which settings. All fields are plain
    Python numbers.
    """

    scene: int
    """Index into the scenes sorted by name."""
    mirror: bool
    """Whether left and right are exchanged."""
    yaw: float
    """Degrees to the right of a panorama's centre; 0 for photographs."""
    pitch: float
    """Degrees above the horizon; 0 for photographs."""
    fov: float
    """Horizontal field of view in a panorama, degrees; 0 for photographs."""
    top: int
    """First row of the crop of a photograph, pixels; 0 for panoramas."""
    left: int
    """First column of the crop, pixels; 0 for panoramas."""
    side: int
    """Side of the crop, pixels; 0 for panoramas."""
    knee: float
    """This and the four fields below are those of `tones.Shoulder`."""
    steepness: float
    shoulder_unclipped: float
    gain: float
    highlight_scale: float


def in_order(scenes: Sequence[Scene]) -> list[Scene]:
    """Scenes sorted by name, so that shots do not depend on the order in which files were found."""
    return sorted(scenes, key=lambda scene: scene.name)


def families(scenes: Sequence[Scene]) -> list[list[int]]:
    """Indices of the scenes of each family, families sorted by name. A family with scenes of two
    kinds (see `views.KINDS`) counts as one family of each kind.
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
    """Draw a family, of a kind drawn by the shares in `views.kinds`; without them, of any kind."""
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
    """Draw a shot of `size` x `size` pixels, which depends only on the key and the arguments.

    A family is drawn first, then one of its scenes, so that a place photographed five times does
    not count five times. Reads only the sizes of the scenes, not their pixels.
    """
    rng = generator(key, RandomStream.VIEW)
    family = _family(scenes, by_family, views, rng)
    index = family[int(rng.integers(len(family)))]
    scene = scenes[index]
    view = _panorama_view(views, rng) if scene.is_panorama else _crop(scene, views, size, rng)
    mirror = bool(rng.random() < 0.5)
    settings = dataclasses.asdict(camera.draw(key))
    shoulder = camera.tones.draw(generator(key, RandomStream.TONES), scene.linearised)
    return Shot(scene=index, mirror=mirror, **view, **settings, **shoulder._asdict())


def _panorama_view(views: Views, rng: np.random.Generator) -> dict[str, Any]:
    """The fields of a `Shot` that locate a view in a panorama."""
    yaw, pitch = rng.uniform(-180.0, 180.0), rng.uniform(*views.pitch)
    fov = float(np.exp(rng.uniform(*np.log(views.fov))))
    return {"yaw": yaw, "pitch": pitch, "fov": fov, "top": 0, "left": 0, "side": 0}


def _crop(scene: Scene, views: Views, size: int, rng: np.random.Generator) -> dict[str, Any]:
    """The fields of a `Shot` that locate a crop of a photograph. Raises ValueError if the scene is
    smaller than `size`.
    """
    rows, columns = scene.shape
    if min(rows, columns) < size:
        raise ValueError(f"{scene.name}: {columns}x{rows} pixels, too small for crops of {size}")
    side = int(np.clip(rng.uniform(*views.crop) * columns, size, min(rows, columns)))
    top, left = int(rng.integers(rows - side + 1)), int(rng.integers(columns - side + 1))
    return {"yaw": 0.0, "pitch": 0.0, "fov": 0.0, "top": top, "left": left, "side": side}


def look(scene: Scene, shot: Shot, size: int) -> np.ndarray:
    """The view of a shot, [size, size, 3] float32, linear, in the unit of the scene.

    Of a panorama a perspective view, of a photograph a crop that is reduced to `size`.
    """
    if scene.is_panorama:
        return square_view(scene.pixels, shot.yaw, shot.pitch, shot.fov, size, shot.mirror)
    return square_crop(scene.crop(shot.top, shot.left, shot.side, shot.side), size, shot.mirror)


def take(scene: Scene, shot: Shot, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Photograph a shot of `scene`.

    Returns the picture, uint8 codes [size, size, 3], and its target, float32 [size, size, 3],
    linear, 1.0 = clipping level, NaN where the scene's source was clipped. Raises TooBlackError if
    the view is too black to be exposed.
    """
    light = look(scene, shot, size)
    codes, target = photograph(apply_shoulder(light, shot), shot)
    if shot.highlight_scale != 1.0:
        target = scale_highlights(target, np.float32(shot.highlight_scale))
    return codes, np.where(scene.known(light), target, np.float32(np.nan))


def apply_shoulder(light: np.ndarray, shot: Shot) -> np.ndarray:
    """Add a highlight shoulder to light [H, W, 3] float32, or remove one, as the shot demands.
    Input and result are in any unit. Raises TooBlackError.
    """
    knee, steepness = np.float32(shot.knee), np.float32(shot.steepness)
    if shot.shoulder_unclipped:
        return compress(expose(light, shot.shoulder_unclipped) * np.float32(shot.gain), knee)
    return light if shot.knee == 1.0 else expand(light, knee, steepness)


TYPES: dict[Any, type] = {bool: np.bool_, int: np.int32, float: np.float32}


def stack(shots: Sequence[Shot]) -> dict[str, np.ndarray]:
    """The fields of N shots as arrays by name, [N] each: int32, float32 or bool; `white_balance` is
    [N, 3] float32, `noise_seed` uint32.
    """
    kinds = {field.name: TYPES.get(field.type, np.float32) for field in dataclasses.fields(Shot)}
    kinds["noise_seed"] = np.uint32
    return {
        name: np.array([getattr(shot, name) for shot in shots], kind)
        for name, kind in kinds.items()
    }
