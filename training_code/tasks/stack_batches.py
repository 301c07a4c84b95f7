"""Training and validation data of both exposure stack trainings: photographs of scenes with their
exposures, or pictures in the published layout.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from training_code.camera import ATTEMPTS, Camera, Key, RandomStream, TooBlackError, generator
from training_code.camera.batches import Batches
from training_code.camera.shots import draw_shot, families, in_order, look
from training_code.camera.stacks import Stack, draw_stack, exposed, exposures, photographed
from training_code.scenes.collection import Scene
from training_code.scenes.stacks import StackScene
from training_code.tasks.stack_settings import StackConfig


class StackBatches(Batches):
    """Batches of `picture` uint8 [N, S, S, 3] and either its `exposures` uint8 [N, 5, S, S, 3],
    darkest first, or its clean codes, `truth` float32 [N, S, S, 3].
    """

    def __init__(
        self, scenes: Sequence[Scene], config: StackConfig, *, wanted: str, **kwargs: Any
    ) -> None:
        """wanted: `exposures` or `truth`; pictures in the published layout have only the former."""
        super().__init__(batch=config.batch, seed=config.seed, **kwargs)
        self.config, self.wanted = config, wanted
        self.scenes = in_order(scenes)
        self.families = families(self.scenes)

    def shot(self, key: Key) -> tuple[np.ndarray, Stack] | np.ndarray:
        """Light [S, S, 3], 1.0 = clipping level of the photograph, and the numbers of its stack; or
        for a scene in the published layout its five exposures, uint8 [5, S, S, 3]. Raises
        TooBlackError.
        """
        c = self.config
        shot = draw_shot(self.scenes, self.families, c.views, Camera(), key, c.size)
        scene = self.scenes[shot.scene]
        if isinstance(scene, StackScene):
            rng = generator(key, RandomStream.EXPOSURE)
            top, left = (int(rng.integers(side - c.size + 1)) for side in scene.shape)
            crop = scene.exposures()[:, top : top + c.size, left : left + c.size]
            return crop[:, :, ::-1] if shot.mirror else crop
        stack = draw_stack(c.stacks, generator(key, RandomStream.DEVELOPMENT))
        return exposed(look(scene, shot, c.size), stack), stack

    def item(self, index: int, item: int) -> dict[str, np.ndarray]:
        for attempt in range(ATTEMPTS):
            try:
                shot = self.shot((self.seed, self.epoch, index, item, attempt))
            except TooBlackError:
                continue
            if isinstance(shot, np.ndarray):
                return {"picture": shot[len(shot) // 2], "exposures": shot}
            light, stack = shot
            found = {"picture": photographed(light, stack)}
            if self.wanted == "exposures":
                return found | {"exposures": exposures(light, stack)}
            return found | {"truth": stack.encode(light)}
        raise ValueError(f"{ATTEMPTS} views in a row are too black; remove scenes nearly black")


def held_out(
    config: StackConfig, scenes: Sequence[Scene], count: int, wanted: str
) -> list[dict[str, np.ndarray]]:
    """Batches of one photograph each of held-out scenes, the same in every epoch and run."""
    taken = StackBatches(
        scenes, config, wanted=wanted, steps=count, repeat_epoch=True, share=(0, config.batch)
    )
    return [taken[index] for index in range(count)]


def answer_of(network: keras.Model) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """A function from a batch of one photograph to the network's output for it."""

    def answer(batch: dict[str, np.ndarray]) -> np.ndarray:
        codes = batch["picture"].astype(np.float32) / np.float32(255.0)
        return np.asarray(network(codes, training=False))[0]

    return answer


def in_codes(*cells: np.ndarray) -> list[np.ndarray]:
    """Convert the cells of a sheet from [0, 1] to uint8."""
    return [np.rint(255.0 * cell).astype(np.uint8) for cell in cells]
