"""Batches for Keras that a stopped run meets again; and training pairs by the NumPy loader, which
are shots of scenes.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np

from training_code.camera import ATTEMPTS, Camera, Key, Part, TooBlackError, generator
from training_code.camera.shots import Shot, draw_shot, families, in_order, take
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views


class Motions(Protocol):
    """Where the motions of temporal training come from: `training_code.losses.motion`."""

    def draw(self, rng: np.random.Generator) -> np.ndarray: ...


class Batches(keras.utils.PyDataset):
    """Batches whose items depend on (seed, epoch, index, item) alone, whatever the number of
    workers. All of a batch, a dict of arrays [N, ...], is the `x` of Keras.

    Keras announces the end of an epoch before the first one too; only epochs that began are
    counted. It counts the batches of an epoch once in a `fit`: one that begins within an epoch
    (`first`) must end with it. Under JAX it takes a batch to build a model that is not built, and
    calls that an epoch: build the model before.
    """

    def __init__(
        self,
        *,
        batch: int,
        steps: int,
        seed: int,
        epoch: int = 0,
        first: int = 0,
        repeat_epoch: bool = False,
        share: tuple[int, int] = (0, 1),
        **kwargs: Any,
    ) -> None:
        """steps: batches an epoch; epoch: where to begin, and first: at which of its batches, as
        after a stop within it; repeat_epoch: the same batches every epoch, for validation.
        share: (i, n): part i of n equal parts of every batch alone, from 0, for process i of n.
        kwargs: workers, use_multiprocessing and max_queue_size of Keras.
        """
        super().__init__(**kwargs)
        if not 0 <= first < steps:
            raise ValueError(f"first {first}: one of the {steps} batches of an epoch is needed")
        self.batch, self.steps, self.seed = batch, steps, seed
        self.epoch, self.first, self.repeat_epoch = epoch, first, repeat_epoch
        part, parts = share
        if batch % parts:
            raise ValueError(f"batch {batch}: cannot be split into {parts} equal parts")
        self.items = range(part * batch // parts, (part + 1) * batch // parts)
        self._within_epoch = False
        self.failures: list[Exception] = []
        """Why batches could not be made, the first one first: Keras and its backend wrap what is
        raised here. Copies share it."""

    def item(self, index: int, item: int) -> dict[str, np.ndarray]:
        """One item of batch `index` of the epoch."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Batches of the epoch at hand."""
        return self.steps - self.first

    def on_epoch_begin(self) -> None:
        self._within_epoch = True

    def on_epoch_end(self) -> None:
        if self._within_epoch and not self.repeat_epoch:
            self.epoch, self.first = self.epoch + 1, 0
        self._within_epoch = False

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        try:
            return self.batch_at(index)
        except Exception as error:
            self.failures.append(error)
            raise

    def batch_at(self, index: int) -> dict[str, np.ndarray]:
        """Batch `index` of those that are left of the epoch."""
        items = [self.item(self.first + index, item) for item in self.items]
        return {name: np.stack([item[name] for item in items]) for name in items[0]}


class Pairs(Batches):
    """Batches of pictures and targets:
    picture  uint8 [N, size, size, 3], codes
    target   float32 [N, size, size, 3], linear, 1.0 = clipping level
    motion   float32 [N, K], with `motion` only
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        camera: Camera,
        views: Views,
        *,
        size: int,
        motion: Motions | None = None,
        **kwargs: Any,
    ) -> None:
        """kwargs: as for `Batches`."""
        super().__init__(**kwargs)
        self.camera, self.views, self.motion, self.size = camera, views, motion, size
        self.scenes = in_order(scenes)
        self.families = families(self.scenes)

    def item(self, index: int, item: int) -> dict[str, np.ndarray]:
        """One pair of batch `index` of the epoch. Views too black to be exposed are drawn again.

        Raises ValueError if all are.
        """
        for attempt in range(ATTEMPTS):
            key = (self.seed, self.epoch, index, item, attempt)
            shot = self.draw(key)
            try:
                picture, target = take(self.scenes[shot.scene], shot, self.size)
            except TooBlackError:
                continue
            pair = {"picture": picture, "target": target}
            if self.motion is not None:
                pair["motion"] = self.motion.draw(generator(key, Part.MOTION))
            return pair
        raise ValueError(
            f"{ATTEMPTS} views in a row are too black to be exposed, the last of "
            f"{self.scenes[shot.scene].name}; remove scenes that are nearly black"
        )

    def draw(self, key: Key) -> Shot:
        """The shot of a key."""
        return draw_shot(self.scenes, self.families, self.views, self.camera, key, self.size)
