"""Batches of shots for the accelerator to take: numbers alone, some hundred bytes a shot."""

import numpy as np

from training_code.camera import Part, generator
from training_code.camera.batches import Pairs
from training_code.camera.shots import stack


class ShotBatches(Pairs):
    """What `Pairs` draws, not taken yet: the same shots for the same (seed, epoch, index, item).

    A batch is the dict of `shots.stack`, and `motion` where there are motions. Nobody looks at the
    views before they are rendered: one too black to be exposed is not drawn again, as `Pairs` does,
    but taken as a black picture with a black target.
    """

    def batch_at(self, index: int) -> dict[str, np.ndarray]:
        place = self.first + index
        keys = [(self.seed, self.epoch, place, item, 0) for item in self.items]
        batch = stack([self.draw(key) for key in keys])
        if self.motion is not None:
            motions = [self.motion.draw(generator(key, Part.MOTION)) for key in keys]
            batch["motion"] = np.stack(motions)
        return batch
