"""What a run is trained and validated on: scenes of folders, and the shots taken of them."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.files import ImageError
from training_code.camera import Camera
from training_code.camera.batches import Pairs
from training_code.camera.on_device import atlas
from training_code.camera.on_device.camera import DeviceCamera
from training_code.run.config import Config
from training_code.scenes.collection import Scene, load_scenes
from training_code.scenes.families import missing_note, read_list
from training_code.scenes.files import Folders, check_apart
from training_code.scenes.photographs import load_photographs
from training_code.scenes.split import sides
from training_code.scenes.store import SceneStore, half_of_memory
from training_code.watch.validation import Validation


def gathered(config: Config, folders: Folders, out_dir: Path, memory_gb: float) -> list[Scene]:
    """The scenes of all folders; reports what there is, and which files are unusable.

    Arguments and errors as for `both_sides`. Two scenes of one name are told apart by the names of
    their folders.
    """
    budget = round(memory_gb * 1e9) or half_of_memory()
    store = SceneStore(out_dir / "scenes", budget)
    every: dict[str, Scene] = {}
    for folder in (*folders.scenes, *folders.photographs):
        if folder in folders.photographs or config.linearize:
            check_apart(out_dir / "sheets", folder)
            index = out_dir / ("_".join(["photographs", *folder.parts[-1:]]) + ".csv")
            left = max(0, budget - store.used)
            found = load_photographs(
                folder, without=True, smallest=config.size, index=index, memory=left
            )
            store.used += sum(s.pixels.nbytes for s in found.scenes if type(s) is Scene)
        else:
            found = load_scenes(
                folder, without=True, smallest=config.size, views=config.views, store=store
            )
        more = len(folders.scenes + folders.photographs) > 1
        print(f"{f'{folder}: ' if more else ''}{found.rejected_lines()}{found.summary()}")
        for scene in found.scenes:
            name = scene.name if scene.name not in every else f"{folder.name}/{scene.name}"
            if name in every:
                raise ImageError(f"{folder}: given twice, or as another folder of its name")
            every[name] = copy.copy(scene)
            object.__setattr__(every[name], "name", name)
    return list(every.values())


def both_sides(
    config: Config, folders: Folders, out_dir: Path, held_out: Sequence[Path], memory_gb: float
) -> tuple[list[Scene], list[Scene]]:
    """Scenes to train on and scenes held out; reports what there is, and unusable files.

    held_out: text files of the families to hold out; without any a share is, by name.
    memory_gb: of scenes held in memory, 0: half of all; the others are mapped from `out_dir`.
    Raises ImageError where the run's own pictures would become photographs, or there are none.
    """
    scenes = gathered(config, folders, out_dir, memory_gb)
    for path in held_out:
        note = missing_note(path, read_list(path), scenes)
        if note:
            print(note)
    training, withheld = sides(scenes, held_out, config.validation_share)
    print(f"{len(training)} scenes to train on, {len(withheld)} held out", flush=True)
    return training, withheld


def device_camera(config: Config, scenes: list[Scene]) -> DeviceCamera:
    """The camera with all scenes in the accelerator's memory; says how much they take."""
    laid_out = atlas.build(scenes, config.views, config.size)
    print(laid_out.memory(), flush=True)
    return DeviceCamera(laid_out, config.size, config.development)


def batches(
    config: Config, scenes: list[Scene], kind: type[Pairs] = Pairs, **settings: Any
) -> Pairs:
    """Batches of the configuration: `Pairs` taken by NumPy, or `ShotBatches` for `device_camera`.

    settings: of `Pairs`, beside or in the place of those of the run.
    """
    return kind(
        scenes,
        Camera(config.exposure, config.sensor, config.development),
        config.views,
        **{
            "size": config.size,
            "batch": config.batch,
            "steps": config.steps,
            "seed": config.seed,
            "motion": config.motion if config.temporal else None,
            **settings,
        },
    )


def validation(config: Config, scenes: list[Scene], crops: int) -> Validation:
    """Fixed crops of held-out scenes, taken by the camera that training uses; says what doing
    nothing gives on them.
    """
    taken = batches(config, scenes, steps=crops, batch=1, seed=config.seed + 1, motion=None)
    crop = [taken[index] for index in range(crops)]
    codes, targets = (np.concatenate([c[key] for c in crop]) for key in ("picture", "target"))
    made = Validation(codes, targets, linearisation=config.linearisation, blend=config.blend)
    print("\n".join([made.describe(), *(f"  {line}" for line in made.left_out)]), flush=True)
    return made
