"""The scenes on which a run trains and validates: loaded from its folders, and split."""

import copy
from collections.abc import Sequence
from pathlib import Path

from hdrcnn.files import ImageError, real_path
from training_code.scenes.collection import Scene, load_scenes
from training_code.scenes.families import missing_note, read_list
from training_code.scenes.files import Folders, check_apart
from training_code.scenes.photographs import load_photographs
from training_code.scenes.split import sides
from training_code.scenes.stacks import load_stacks
from training_code.scenes.store import SceneStore, half_of_memory
from training_code.scenes.views import Views
from training_code.tasks.settings import Schedule


def load_all_scenes(
    config: Schedule,
    scene_views: tuple[Views, int],
    folders: Folders,
    out_dir: Path,
    memory_gb: float,
) -> list[Scene]:
    """Load the scenes of all folders; print what was found and which files are unusable.

    Arguments and errors as for `training_and_held_out`. A scene whose name is already taken gets
    the name of its folder as a prefix.
    """
    views, smallest = scene_views
    budget = round(memory_gb * 1e9) or half_of_memory()
    store = SceneStore(out_dir / "scenes", budget)
    every: dict[str, Scene] = {}
    kinds = {"scenes": folders.scenes, "photographs": folders.photographs, "stacks": folders.stacks}
    taken: set[tuple[str, Path]] = set()
    for kind, folder in ((kind, folder) for kind, own in kinds.items() for folder in own):
        kind = "photographs" if config.linearize and kind == "scenes" else kind
        if (kind, real_path(folder)) in taken:
            raise ImageError(f"{folder}: given twice; name it once")
        taken.add((kind, real_path(folder)))
        if kind == "stacks":
            found = load_stacks(folder, smallest)
        elif kind == "photographs":
            check_apart(out_dir / "sheets", folder)
            index = out_dir / ("_".join(["photographs", *folder.parts[-1:]]) + ".csv")
            left = max(0, budget - store.used)
            found = load_photographs(
                folder, without=True, smallest=smallest, index=index, memory=left
            )
            store.used += sum(s.pixels.nbytes for s in found.scenes if type(s) is Scene)
        else:
            found = load_scenes(folder, without=True, smallest=smallest, views=views, store=store)
        more = len(folders.scenes + folders.photographs + folders.stacks) > 1
        print(f"{f'{folder}: ' if more else ''}{found.rejected_lines()}{found.summary()}")
        for scene in found.scenes:
            name = scene.name if scene.name not in every else f"{folder.name}/{scene.name}"
            if name in every:
                raise ImageError(
                    f"{folder}: holds {scene.name}, and so does another folder of its name; rename "
                    "one of them"
                )
            every[name] = copy.copy(scene)
            object.__setattr__(every[name], "name", name)
    return list(every.values())


def training_and_held_out(
    config: Schedule,
    scene_views: tuple[Views, int],
    folders: Folders,
    out_dir: Path,
    held_out: Sequence[Path],
    memory_gb: float,
) -> tuple[list[Scene], list[Scene]]:
    """Return the scenes to train on and those held out; print what was found and unusable files.

    scene_views: the result of `Task.scene_views`.
    held_out: text files of the families to hold out; by default a share is chosen by name.
    memory_gb: memory for scenes, 0: half of the machine's; other scenes are mapped from `out_dir`.
    Raises ImageError if the run's own pictures would be read as photographs, a folder has no usable
    files, or a folder or name is given twice; ValueError if the scenes cannot be split.
    """
    scenes = load_all_scenes(config, scene_views, folders, out_dir, memory_gb)
    for path in held_out:
        note = missing_note(path, read_list(path), scenes)
        if note:
            print(note)
    training, held_out_scenes = sides(scenes, held_out, config.validation_share)
    print(f"{len(training)} scenes to train on, {len(held_out_scenes)} held out", flush=True)
    return training, held_out_scenes
