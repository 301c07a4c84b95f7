"""Training and validation data of both fusion trainings: simulated brackets of scenes, or
photographs from three folders.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.files import ImageError
from hdrcnn.readers.photograph import read_ldr
from training_code.camera import ATTEMPTS, Camera, Key, RandomStream, TooBlackError, generator
from training_code.camera.batches import Batches
from training_code.camera.brackets import (
    Bracket,
    draw_bracket,
    metered,
    scene_codes,
    take,
)
from training_code.camera.shots import draw_shot, families, in_order, look
from training_code.scenes.collection import Scene
from training_code.tasks.fusion_settings import FusionConfig

FOLDERS = ("gt", "under", "over")
"""Folders of the published supervised setting."""


class BracketBatches(Batches):
    """Batches of brackets of scenes, `frames` uint8 [N, K, S, S, 3]; the number of frames K is the
    same throughout a batch.

    With `truth` also the same scenes at the metered exposure, without noise and JPEG: uint8
    [N, S, S, 3].
    """

    def __init__(
        self, scenes: Sequence[Scene], config: FusionConfig, *, truth: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(batch=config.batch, seed=config.seed, **kwargs)
        self.config, self.truth = config, truth
        self.scenes = in_order(scenes)
        self.families = families(self.scenes)

    def light(self, key: Key) -> np.ndarray:
        """A view of a scene, [S, S, 3] float32, linear. Raises TooBlackError if it cannot be
        metered.
        """
        c = self.config
        shot = draw_shot(self.scenes, self.families, c.views, Camera(), key, c.size)
        light = look(self.scenes[shot.scene], shot, c.size)
        metered(light)
        return light

    def view(self, epoch: int, index: int, item: int, first: int = 0) -> np.ndarray:
        """The first view that is bright enough, from attempt `first` on. Raises ValueError if
        `ATTEMPTS` views in a row are too black.
        """
        for attempt in range(first, first + ATTEMPTS):
            try:
                return self.light((self.seed, epoch, index, item, attempt))
            except TooBlackError:
                continue
        raise ValueError(f"{ATTEMPTS} views in a row are too black; remove scenes nearly black")

    def bracket(self, index: int, item: int) -> Bracket:
        """The numbers of a bracket; the number of frames is that of the whole batch."""
        key = (self.seed, self.epoch, index, 0, 0)
        low, high = self.config.brackets.frames
        count = int(generator(key, RandomStream.EXPOSURE).integers(low, high + 1))
        rng = generator((self.seed, self.epoch, index, item, 0), RandomStream.DEVELOPMENT)
        return draw_bracket(self.config.brackets, rng, count)

    def lights(self, index: int, item: int, bracket: Bracket) -> tuple[np.ndarray, ...]:
        """The light of an item and, if something moves, the light the mover is cut out of:
        [S, S, 3] float32 each.
        """
        own = (self.view(self.epoch, index, item),)
        return (
            own if bracket.mover is None else (*own, self.view(self.epoch, index, item, ATTEMPTS))
        )

    def item(self, index: int, item: int) -> dict[str, np.ndarray]:
        bracket = self.bracket(index, item)
        light, *other = self.lights(index, item, bracket)
        found = {"frames": take(light, bracket, *other)}
        if self.truth:
            found["truth"] = scene_codes(light, bracket)
        return found


class Triples(Batches):
    """Batches of crops of photographs of the same name and size in three folders, gt/, under/ and
    over/: `frames` uint8 [N, 2, S, S, 3] and `truth` uint8 [N, S, S, 3].
    """

    def __init__(
        self, folder: Path, names: Sequence[str], config: FusionConfig, **kwargs: Any
    ) -> None:
        """names: of the files below gt/ to use. Raises ImageError if one has no partner."""
        super().__init__(batch=config.batch, seed=config.seed, **kwargs)
        self.names, self.size = sorted(names), config.size
        self.files = [tuple(partner(folder, k, n) for k in FOLDERS) for n in self.names]

    def item(self, index: int, item: int) -> dict[str, np.ndarray]:
        rng = generator((self.seed, self.epoch, index, item, 0), RandomStream.VIEW)
        files = self.files[int(rng.integers(len(self.files)))]
        pictures = [np.rint(255.0 * read_ldr(path)).astype(np.uint8) for path in files]
        rows, columns = pictures[0].shape[:2]
        for path, picture in zip(files, pictures, strict=True):
            if picture.shape != pictures[0].shape:
                raise ImageError(f"{path}: differs in size from {files[0]}; give equal sizes")
        if min(rows, columns) < self.size:
            raise ImageError(f"{files[0]}: smaller than --size {self.size}; give a larger one")
        top, left = rng.integers(rows - self.size + 1), rng.integers(columns - self.size + 1)
        turn = slice(None, None, -1 if rng.random() < 0.5 else 1)
        crops = [p[top : top + self.size, left : left + self.size][:, turn] for p in pictures]
        return {"frames": np.stack(crops[1:]), "truth": crops[0]}


def partner(folder: Path, kind: str, name: str) -> Path:
    """The file in the folder of one of `FOLDERS` that belongs to a name below gt/, with any ending.
    Raises ImageError if there is none.
    """
    path = folder / kind / name
    if path.is_file():
        return path
    found = sorted(path.parent.glob(f"{path.stem}.*")) if path.parent.is_dir() else []
    if not found:
        raise ImageError(f"{path}: missing beside gt/{name}; add it or remove the other")
    return found[0]


def held_brackets(
    config: FusionConfig, scenes: Sequence[Scene], count: int, *, truth: bool = False
) -> list[dict[str, np.ndarray]]:
    """Batches of one bracket each of held-out scenes, the same in every epoch and run."""
    taken = BracketBatches(
        scenes, config, steps=count, repeat_epoch=True, share=(0, config.batch), truth=truth
    )
    return [taken[index] for index in range(count)]


def cells(batch: dict[str, np.ndarray], fused: np.ndarray) -> list[np.ndarray]:
    """The cells of a bracket on a sheet: darkest and brightest frame, the result, and the truth if
    there is one, [S, S, 3] uint8 each.
    """
    frames = batch["frames"][0]
    return [frames[0], frames[-1], fused, *batch.get("truth", ())]
