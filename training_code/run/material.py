"""What a run is trained and validated on: scenes of a folder, and the shots taken of them."""

from pathlib import Path
from typing import Any

import numpy as np

from training_code.camera import Camera
from training_code.camera.batches import Pairs
from training_code.camera.on_device import atlas
from training_code.camera.on_device.camera import DeviceCamera
from training_code.run.config import Config
from training_code.scenes.collection import Scene, load_scenes
from training_code.scenes.families import missing_note, read_list
from training_code.scenes.files import check_apart
from training_code.scenes.photographs import load_photographs
from training_code.scenes.split import sides
from training_code.scenes.store import SceneStore, half_of_memory
from training_code.watch.validation import Validation


def both_sides(
    config: Config, folder: Path, out_dir: Path, held_out: Path | None, memory_gb: float
) -> tuple[list[Scene], list[Scene]]:
    """Scenes to train on and scenes held out; says what there is, and which files are unusable.

    memory_gb: of scenes held in memory, 0: half of all; the others are mapped from `out_dir`.
    Raises ImageError where the run's own pictures would become photographs, or there are none.
    """
    if config.linearize:
        check_apart(out_dir / "sheets", folder)
        index = out_dir / "photographs.csv"
        found = load_photographs(folder, without=True, smallest=config.size, index=index)
    else:
        store = SceneStore(out_dir / "scenes", round(memory_gb * 1e9) or half_of_memory())
        found = load_scenes(
            folder, without=True, smallest=config.size, views=config.views, store=store
        )
    print(f"{found.rejected_lines()}{found.summary()}")
    note = missing_note(held_out, read_list(held_out), found.scenes) if held_out else ""
    if note:
        print(note)
    training, withheld = sides(found.scenes, held_out, config.validation_share)
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
