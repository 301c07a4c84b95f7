"""Training pairs: views of scenes, photographed by the virtual camera."""

from typing import Any

import keras
import numpy as np

from training_code.scenes import Scene, Views, random_view
from training_code.virtual_camera import Camera, photograph


class Pairs(keras.utils.PyDataset):
    """Batches of (picture, target); a pair depends on (seed, epoch, index) and nothing else.

    picture: [N, size, size, 3] float32 in [0, 1], display-encoded, 8-bit codes / 255.
    target: [N, size, size, 3] float32, linear, 1.0 = clipping level.
    A family is drawn first, then one of its scenes, so that a place photographed five times does
    not count five times.
    """

    def __init__(
        self,
        scenes: list[Scene],
        camera: Camera,
        views: Views,
        *,
        size: int,
        batch: int,
        steps: int,
        seed: int,
        epoch: int = 0,
        repeat_epoch: bool = False,
        **kwargs: Any,
    ) -> None:
        """steps: batches an epoch; epoch: where to begin; repeat_epoch: the same pairs every
        epoch, for validation.
        """
        super().__init__(**kwargs)
        self.camera, self.views = camera, views
        self.size, self.batch, self.steps, self.seed = size, batch, steps, seed
        self.epoch, self.repeat_epoch = epoch, repeat_epoch
        by_family: dict[str, list[Scene]] = {}
        # Sorted, so that pairs do not depend on the order in which files were found.
        for scene in sorted(scenes, key=lambda scene: scene.name):
            by_family.setdefault(scene.family, []).append(scene)
        self.families = [by_family[name] for name in sorted(by_family)]

    def __len__(self) -> int:
        return self.steps

    def on_epoch_end(self) -> None:
        if not self.repeat_epoch:
            self.epoch += 1

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = [
            self.pair(np.random.default_rng((self.seed, self.epoch, index, item)))
            for item in range(self.batch)
        ]
        pictures, targets = zip(*pairs, strict=True)
        return np.stack(pictures).astype(np.float32) / 255.0, np.stack(targets)

    def pair(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One picture, uint8 [size, size, 3], and its target, float32."""
        while True:
            family = self.families[rng.integers(len(self.families))]
            scene = family[rng.integers(len(family))]
            try:
                return photograph(random_view(scene, self.views, self.size, rng), self.camera, rng)
            except ValueError:
                continue  # A view too black to be exposed: draw another.
