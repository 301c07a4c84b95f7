"""Batches of shots for the accelerator to render: only numbers, some hundred bytes per shot."""

import numpy as np

from training_code.camera import RandomStream, generator
from training_code.camera.batches import Pairs
from training_code.camera.shots import stack


class ShotBatches(Pairs):
    """The shots that `Pairs` draws for the same (seed, epoch, index, item), not rendered yet.

    A batch is the dict of `shots.stack`, with `motion` if motions are drawn. Views are not rendered
    here, so one too black to be exposed is not redrawn, as `Pairs` does, but becomes a black
    picture with a black target.
    """

    def batch_at(self, index: int) -> dict[str, np.ndarray]:
        place = self.first + index
        keys = [(self.seed, self.epoch, place, item, 0) for item in self.items]
        batch = stack([self.draw(key) for key in keys])
        if self.motion is not None:
            motions = [self.motion.draw(generator(key, RandomStream.MOTION)) for key in keys]
            batch["motion"] = np.stack(motions)
        return batch
