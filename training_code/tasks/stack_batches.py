"""What both exposure stack trainings are shown: photographs of scenes with their exposures, or
pictures of the published layout; and how they are watched on held-out ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from hdrcnn.writers.display import write_png
from training_code.camera import Camera, Key, Part, TooBlackError, generator
from training_code.camera.batches import ATTEMPTS, Batches
from training_code.camera.shots import draw_shot, families, in_order, look
from training_code.camera.stacks import Stack, draw_stack, exposed, exposures, photographed
from training_code.scenes.collection import Scene
from training_code.scenes.stacks import StackScene
from training_code.tasks import task
from training_code.tasks.stack_settings import Stack as Settings

SHOWN = 6
"""Held-out photographs on a sheet."""


class StackBatches(Batches):
    """`picture` uint8 [N, S, S, 3] and, as asked for, its `exposures` uint8 [N, 5, S, S, 3],
    darkest first, or its clean codes, `truth` float32 [N, S, S, 3].
    """

    def __init__(
        self, scenes: Sequence[Scene], config: Settings, *, wanted: str, **kwargs: Any
    ) -> None:
        """wanted: `exposures` or `truth`; of pictures of the published layout only the former."""
        super().__init__(batch=config.batch, seed=config.seed, **kwargs)
        self.config, self.wanted = config, wanted
        self.scenes = in_order(scenes)
        self.families = families(self.scenes)

    def shot(self, key: Key) -> tuple[np.ndarray, Stack] | np.ndarray:
        """Light [S, S, 3], 1.0 = clipping level of the photograph, and the numbers of its stack; or
        five exposures, uint8 [5, S, S, 3], of the published layout. Raises TooBlackError.
        """
        c = self.config
        shot = draw_shot(self.scenes, self.families, c.views, Camera(), key, c.size)
        scene = self.scenes[shot.scene]
        if isinstance(scene, StackScene):
            rng = generator(key, Part.EXPOSURE)
            top, left = (int(rng.integers(side - c.size + 1)) for side in scene.shape)
            crop = scene.exposures()[:, top : top + c.size, left : left + c.size]
            return crop[:, :, ::-1] if shot.mirror else crop
        stack = draw_stack(c.stacks, generator(key, Part.DEVELOPMENT))
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
    config: Settings, scenes: Sequence[Scene], count: int, wanted: str
) -> list[dict[str, np.ndarray]]:
    """Photographs of held-out scenes, the same in every epoch and run, one a batch."""
    taken = StackBatches(
        scenes, config, wanted=wanted, steps=count, repeat_epoch=True, share=(0, config.batch)
    )
    return [taken[index] for index in range(count)]


class HeldOut(keras.callbacks.Callback):
    """After every few epochs figures on held-out photographs, and a sheet."""

    def __init__(
        self,
        batches: Sequence[dict[str, np.ndarray]],
        answer: Callable[[np.ndarray], np.ndarray],
        figures: Callable[[dict[str, np.ndarray], np.ndarray], dict[str, float]],
        cells: Callable[[dict[str, np.ndarray], np.ndarray], list[np.ndarray]],
        watched: task.Watched,
        epochs: int,
    ) -> None:
        """batches: of one photograph each. answer: codes [1, S, S, 3] float32 to what the network
        makes of them. figures, cells: of a batch and its answer; cells of a row of the sheet are
        codes [S, S, 3] in [0, 1].
        """
        super().__init__()
        self.held, self.answer, self.figures, self.cells = batches, answer, figures, cells
        self.watched, self.epochs = watched, epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.watched.running.validate_every and epoch + 1 != self.epochs:
            return
        _ = self.model  # Under JAX the variables are stale until it is asked for.
        with self.watched.averaged():
            answers = [
                self.answer(batch["picture"].astype(np.float32) / np.float32(255.0))
                for batch in self.held
            ]
        found = [self.figures(b, a) for b, a in zip(self.held, answers, strict=True)]
        means = {name: float(np.mean([f[name] for f in found])) for name in found[0]}
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in means.items()})
        print("held out: " + "  ".join(f"{n} {v:.4f}" for n, v in means.items()), flush=True)
        rows = [
            np.concatenate(self.cells(b, a), axis=1)
            for b, a in zip(self.held[:SHOWN], answers[:SHOWN], strict=True)
        ]
        sheet = self.watched.folder / "sheets" / f"epoch_{epoch + 1:03d}.png"
        sheet.parent.mkdir(exist_ok=True)
        write_png(sheet, np.rint(255.0 * np.concatenate(rows)).astype(np.uint8))
