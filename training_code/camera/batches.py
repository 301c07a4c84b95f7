"""Reproducible batches for Keras, and training pairs: shots of scenes, taken by NumPy."""

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np

from training_code.camera import ATTEMPTS, Camera, Key, RandomStream, TooBlackError, generator
from training_code.camera.shots import Shot, draw_shot, families, in_order, take
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views


class Motions(Protocol):
    """Distribution of the motions of temporal training: see `training_code.losses.motion`."""

    def draw(self, rng: np.random.Generator) -> np.ndarray: ...


class Batches(keras.utils.PyDataset):
    """Batches whose items depend only on (seed, epoch, index, item), not on the number of workers,
    so that a resumed run gets the same batches. A whole batch, a dict of arrays [N, ...], is
    passed to Keras as `x`.

    Keras calls `on_epoch_end` once before the first epoch as well; only epochs that began are
    counted. Keras reads the number of batches once per `fit`: a `fit` that begins within an epoch
    (`first`) must end with that epoch. Under JAX, Keras takes a batch to build an unbuilt model and
    counts that as an epoch, so build the model first.
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
        """steps: batches per epoch; epoch and first: the epoch, and the batch within it, to begin
        with, for resuming; repeat_epoch: return the same batches in every epoch, for validation.
        share: (i, n): return only part i (from 0) of n equal parts of every batch, for process i
        of n. kwargs: workers, use_multiprocessing and max_queue_size of Keras.
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
        """Exceptions raised while making batches, oldest first, kept because Keras and its backend
        wrap them. Shared by shallow copies."""

    def item(self, index: int, item: int) -> dict[str, np.ndarray]:
        """One item of batch `index` of the current epoch, arrays by name."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Number of batches left in the current epoch when it begins."""
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
        """Batch `index` of the current epoch, counted from `first`."""
        items = [self.item(self.first + index, item) for item in self.items]
        return {name: np.stack([item[name] for item in items]) for name in items[0]}


class Pairs(Batches):
    """Batches of pictures and targets:
    picture  uint8 [N, size, size, 3], codes
    target   float32 [N, size, size, 3], linear, 1.0 = clipping level, NaN where unknown
    motion   float32 [N, K], only if `motion` is given
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
        """One pair of batch `index` of the epoch. Redraws views that are too black to be exposed.

        Raises ValueError if `ATTEMPTS` views in a row are too black.
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
                pair["motion"] = self.motion.draw(generator(key, RandomStream.MOTION))
            return pair
        raise ValueError(
            f"{ATTEMPTS} views in a row are too black to be exposed, the last of "
            f"{self.scenes[shot.scene].name}; remove scenes that are nearly black"
        )

    def draw(self, key: Key) -> Shot:
        """The shot that belongs to a key."""
        return draw_shot(self.scenes, self.families, self.views, self.camera, key, self.size)
