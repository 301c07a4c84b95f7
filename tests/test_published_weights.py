"""The published 80-array files: order, arithmetic, and that a hostile pickle runs no code."""

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import hdrcnn
from hdrcnn import WeightsError, published_weights
from hdrcnn.models import BUILDERS

VGG16 = [1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 8]
"""Output channels of the 13 convolutions, in units of the width."""
DECODER = [(8, 8), (8, 8), (8, 4), (4, 2), (2, 1)]
"""In and out of the five transposed convolutions, in units of the width."""


def published_arrays(width: int, seed: int = 0) -> list[np.ndarray]:
    """80 random arrays in the published order, shapes by the published table. Scales are chosen
    so that the output stays within the range of half floats."""
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
    """As the original wrote it: an .npz whose one member is a pickled object array."""
    listed = np.empty(len(arrays), object)
    listed[:] = arrays
    return save_pickle(path, pickle.dumps(listed, protocol=protocol))


def save_pickle(path: Path, payload: bytes) -> Path:
    """Any pickle where the published files have theirs."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (80,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + payload
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("params.npy", content)
    return path


def plain_tensorflow(arrays: list[np.ndarray], code: np.ndarray) -> np.ndarray:
    """The published network and blend, [1, H, W, 3] in and out, by index into the list."""
    left = iter(tf.constant(array) for array in arrays)

    def conv(x):
        return tf.nn.conv2d(x, next(left), 1, "SAME") + next(left)

    def norm(x):
        beta, gamma, mean, variance = next(left), next(left), next(left), next(left)
        return tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5))

    def fuse(x, skip):
        return conv(tf.concat([x, tf.math.log((skip / 255.0) ** 2 + 1.0 / 255.0)], -1))

    rgb = 255.0 * tf.constant(code)
    x = tf.stack(
        [rgb[..., 2] - 103.939, rgb[..., 1] - 116.779, rgb[..., 0] - 123.68], axis=-1
    )
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


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_gives_the_arrays(tmp_path, protocol):
    arrays = published_arrays(2)
    arrays[3] = np.asfortranarray(arrays[3].astype(">f4"))
    arrays[4] = np.asfortranarray(arrays[4].astype(np.float64))
    path = save_published(tmp_path / "p.npz", arrays, protocol)
    for read, array in zip(published_weights.read_list(path), arrays, strict=True):
        np.testing.assert_array_equal(read, array.astype(np.float32))


def test_numpy_s_own_file_is_read(tmp_path):
    arrays = published_arrays(2)
    listed = np.empty(80, object)
    listed[:] = arrays
    np.savez(tmp_path / "p.npz", params=listed)
    assert len(published_weights.read_list(tmp_path / "p.npz")) == 80


def test_the_names_are_those_of_the_network():
    names = list(published_weights.names())
    assert len(names) == 80
    assert set(names) == {variable.path for variable in BUILDERS["hdrcnn"]()(2).variables}


def test_published_file_gives_the_published_arithmetic(tmp_path):
    arrays = published_arrays(64)
    assert sum(array.size for array in arrays) == 29_447_332
    predictor = hdrcnn.load(save_published(tmp_path / "p.npz", arrays))
    assert (predictor.metadata.width, predictor.metadata.linearisation) == (64, "square")
    code = np.random.default_rng(1).uniform(0.6, 1.0, (64, 96, 3)).astype(np.float32)
    np.testing.assert_allclose(
        predictor.reconstruct(code), plain_tensorflow(arrays, code[None])[0], rtol=2e-3, atol=1e-4
    )


class Hostile:
    """Runs a command when unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    "function", [os.system, os.mkdir, eval, getattr, np.load, __import__, np.array]
)
def test_a_hostile_pickle_runs_nothing(tmp_path, monkeypatch, function, protocol):
    monkeypatch.chdir(tmp_path)
    argument = "__import__('os').mkdir('trap')" if function is eval else "trap"
    if function is os.system:
        argument = "mkdir trap"
    payload = pickle.dumps([Hostile(function, argument)], protocol=protocol)
    path = save_pickle(tmp_path / "evil.npz", payload)
    with pytest.raises(WeightsError, match=r"evil\.npz: not read: [^\n]*it asks for [^\n]*$"):
        hdrcnn.load(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["evil.npz"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not a pickle",
        pickle.dumps({"a": 1}),
        pickle.dumps(["text"]),
        pickle.dumps([np.array(["text"])]),
        pickle.dumps([np.zeros((3, 3), np.int64)]),
    ],
)
def test_what_is_no_list_of_arrays_gives_one_line(tmp_path, payload):
    with pytest.raises(WeightsError, match=r"^[^\n]*p\.npz: not read[^\n]*$"):
        hdrcnn.load(save_pickle(tmp_path / "p.npz", payload))


def test_a_lie_about_the_shape_is_caught(tmp_path):
    payload = pickle.dumps([np.zeros((4, 4), np.float32)], protocol=2)
    lie = payload.replace(b"K\x04K\x04\x86", b"K\x04K\xff\x86")
    assert lie != payload
    with pytest.raises(WeightsError, match="with 64 bytes"):
        hdrcnn.load(save_pickle(tmp_path / "p.npz", lie))


def test_a_wrong_number_and_wrong_shapes_are_named(tmp_path):
    arrays = published_arrays(2)
    with pytest.raises(WeightsError, match="79 arrays where the published layout has 80"):
        hdrcnn.load(save_published(tmp_path / "short.npz", arrays[:79]))
    arrays[26] = arrays[26][..., :5]
    with pytest.raises(WeightsError, match="latent_conv/kernel has shape"):
        hdrcnn.load(save_published(tmp_path / "bent.npz", arrays))
