"""Helpers of the tests of the accelerator's camera; as a program, takes shots under one backend.

    KERAS_BACKEND=jax python tests/camera/on_device/on_device.py results.npz

writes pictures and targets of the batches of `shot_batches`, and how often the graph was traced.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from training_code.camera import Camera, Development, Sensor, Tones
from training_code.camera.on_device import atlas
from training_code.camera.on_device.batches import ShotBatches
from training_code.camera.on_device.camera import DeviceCamera
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views

SIZE = 32
DEVELOPMENT = Development(
    white_balance_sd=0.1, curves=(0.4, 0.3, 0.3), jpeg=(50, 100), jpeg_subsampled=0.5
)
VIEWS = Views(crop=(0.3, 0.6))


def smooth_scenes() -> list[Scene]:
    """Two panoramas and a photograph, each of smooth waves with a broad bright spot."""
    scenes = []
    for index, (rows, columns) in enumerate([(80, 160), (64, 128), (90, 130)]):
        y, x = (np.mgrid[0:rows, 0:columns] + 0.5) / [[[rows]], [[columns]]]
        spot = 9.0 * np.exp(-((x - 0.3 - 0.2 * index) ** 2 + (y - 0.4) ** 2) / 0.02)
        waves = [1.5 + np.sin(2 * np.pi * (x + 0.3 * k)) * np.cos(3.0 * y + k) for k in range(3)]
        pixels = np.stack(waves, axis=-1) * [0.2, 0.25, 0.3] + spot[..., None]
        scenes.append(Scene(f"{index}", f"{index}", pixels.astype(np.float16)))
    return scenes


def shot_batches(
    noise_sd: float = 0.0,
    development: Development = DEVELOPMENT,
    scenes: Sequence[Scene] | None = None,
    tones: Tones | None = None,
) -> ShotBatches:
    sensor = Sensor(noise_sd=(noise_sd, noise_sd))
    camera = Camera(sensor=sensor, development=development, tones=tones or Tones())
    return ShotBatches(
        scenes or smooth_scenes(), camera, VIEWS, size=SIZE, batch=6, steps=4, seed=5
    )


def device_camera(development: Development = DEVELOPMENT) -> DeviceCamera:
    return DeviceCamera(atlas.build(smooth_scenes(), VIEWS, SIZE), SIZE, development)


class Watching(keras.Model):
    """Returns its camera's pictures and targets. The loss is the mean squared difference between
    the pictures and a number that it learns.
    """

    def __init__(self, camera: DeviceCamera) -> None:
        super().__init__(autocast=False)
        self.camera, self.traced = camera, 0
        self.level = self.add_weight(shape=(), initializer="zeros", name="level")
        self.built = True

    def call(self, shots):
        self.traced += 1
        picture, target = self.camera.take(shots)
        return {"picture": picture, "target": target}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.square(y_pred["picture"] - self.level))


def main(path: Path) -> None:
    model = Watching(device_camera())
    # JAX compiles and TensorFlow runs eagerly, so that a fault of the compiler or of one backend
    # shows as a difference.
    compiles = keras.backend.backend() == "jax"
    model.compile(keras.optimizers.SGD(0.1), jit_compile=compiles, run_eagerly=not compiles)
    batches = shot_batches(noise_sd=0.01)
    model.fit(batches, epochs=2, shuffle=False, verbose=0)
    traced = model.traced
    model.traced = 0
    taken = [model.predict_on_batch(shot_batches(noise_sd=0.01)[index]) for index in range(4)]
    np.savez(
        path,
        picture=np.concatenate([batch["picture"] for batch in taken]),
        target=np.concatenate([batch["target"] for batch in taken]),
        traced=[traced, model.traced],
        level=np.asarray(model.level),
        without_tensorflow="tensorflow" not in sys.modules,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
