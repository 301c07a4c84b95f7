"""Random parameter files in the published layout, and the published network in plain TensorFlow."""

import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

VGG16 = [1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 8]
"""Output channels of the 13 convolutions, in units of the width."""
DECODER = [(8, 8), (8, 8), (8, 4), (4, 2), (2, 1)]
"""Input and output channels of the five transposed convolutions, in units of the width."""


class Hostile:
    """Calls a function when unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def published_arrays(width: int, seed: int = 0) -> list[np.ndarray]:
    """80 random arrays in the published order, shapes by the published table. Scales are chosen
    so that the output stays within the range of half floats.
    """
    rng = np.random.default_rng(seed)

    def affine(shape, fan_in, out):
        return [rng.normal(0, np.sqrt(1.0 / fan_in), shape), rng.normal(0, 0.1, out)]

    def norm(out, spread=1.0):
        statistics = [rng.normal(0, 1, out), rng.uniform(0.5, 2.0, out) * spread]
        return [rng.normal(0, 0.2, out), rng.normal(1, 0.1, out), *statistics]

    arrays, channels = [], 3
    for out in (width * units for units in VGG16):
        arrays += affine((3, 3, channels, out), 4.5 * channels, out)
        channels = out
    arrays += affine((3, 3, channels, channels), 9 * channels, channels) + norm(channels, 1e4)
    for units_in, units_out in DECODER:
        inner, out = width * units_in, width * units_out
        arrays += affine((4, 4, out, inner), 4 * inner, out) + norm(out, 4.0)
        arrays += affine((1, 1, 2 * out, out), 4 * out, out)
    arrays += affine((1, 1, width, 3), width, 3) + norm(3)
    arrays += affine((1, 1, 6, 3), 6, 3)
    return [array.astype(np.float32) for array in arrays]


def save_published(path: Path, arrays: list[np.ndarray], protocol: int = 2) -> Path:
    """Write an .npz as the original code did: its only member is a pickled object array."""
    listed = np.empty(len(arrays), object)
    listed[:] = arrays
    return save_pickle(path, pickle.dumps(listed, protocol=protocol))


def save_pickle(path: Path, payload: bytes) -> Path:
    """Write an .npz with any pickle in place of the published one."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (80,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + payload
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("params.npy", content)
    return path


def plain_tensorflow(arrays: list[np.ndarray], code: np.ndarray) -> np.ndarray:
    """The published network and blend, [1, H, W, 3] to the same, with arrays in their order."""
    left = iter(tf.constant(array) for array in arrays)

    def conv(x):
        return tf.nn.conv2d(x, next(left), 1, "SAME") + next(left)

    def norm(x):
        beta, gamma, mean, variance = next(left), next(left), next(left), next(left)
        return tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5))

    def fuse(x, skip):
        return conv(tf.concat([x, tf.math.log((skip / 255.0) ** 2 + 1.0 / 255.0)], -1))

    rgb = 255.0 * tf.constant(code)
    x = tf.stack([rgb[..., 2] - 103.939, rgb[..., 1] - 116.779, rgb[..., 0] - 123.68], axis=-1)
    skips = []
    for count in (2, 2, 3, 3, 3):
        for _ in range(count):
            x = tf.nn.relu(conv(x))
        skips.append(x)
        x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    x = norm(conv(x))
    for skip in reversed(skips):
        kernel, bias = next(left), next(left)
        size = tf.shape(skip)
        x = tf.nn.conv2d_transpose(x, kernel, [1, size[1], size[2], kernel.shape[2]], 2) + bias
        x = fuse(norm(x), skip)
    y = fuse(norm(conv(x)), rgb)
    assert next(left, None) is None
    alpha = tf.clip_by_value((tf.reduce_max(code, -1, keepdims=True) - 0.95) / 0.05, 0.0, 1.0)
    return ((1.0 - alpha) * code**2 + alpha * (tf.exp(y) - 1.0 / 255.0)).numpy()
