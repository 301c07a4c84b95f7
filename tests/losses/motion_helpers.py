"""Helpers of the tests of motions: noise to move, SciPy's affine transform, a gradient."""

import keras
import numpy as np
import scipy.ndimage
import scipy.stats

from training_code.losses import motion

RNG = np.random.default_rng(3)
ROWS, COLUMNS = 37, 46
IMAGES = RNG.normal(0, 1, (3, ROWS, COLUMNS, 3)).astype(np.float32)
LARGE = motion.Motion(shift=4.0, rotation=12.0, shear=8.0, zoom=0.2)
MOTIONS = np.stack([LARGE.draw(np.random.default_rng(seed)) for seed in range(3)])
IDENTITY = motion.row()


def affine(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset of one motion as SciPy takes them: source = matrix @ pixel + offset."""
    down, right, rotation, shear, zoom = row[:5].astype(np.float64)
    angle = np.radians(rotation)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, 0], [np.tan(np.radians(shear)), 1]]) / zoom
    centre = np.array([(ROWS - 1) / 2, (COLUMNS - 1) / 2])
    return matrix, centre - matrix @ (centre + np.array([down, right]))


def scipy_warp(images: np.ndarray, motions: np.ndarray, mode: str = "nearest") -> np.ndarray:
    """Warp [N, H, W, C] with SciPy, plane by plane, in float64."""
    result = np.empty(images.shape)
    for item, row in enumerate(motions):
        matrix, offset = affine(row)
        for channel in range(images.shape[-1]):
            plane = images[item, ..., channel].astype(np.float64)
            result[item, ..., channel] = scipy.ndimage.affine_transform(
                plane, matrix, offset, order=1, mode=mode
            )
    return result


def gradient(function, value: np.ndarray) -> np.ndarray:
    """Gradient of a scalar function, by the backend of this process."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(value))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tensor = tf.convert_to_tensor(value)
        tape.watch(tensor)
        result = function(tensor)
    return tf.convert_to_tensor(tape.gradient(result, tensor)).numpy()
