"""The published files of 80 arrays: order, arithmetic, and hostile pickles that run no code."""

import os
import pickle

import numpy as np
import pytest

import hdrcnn
from hdrcnn import WeightsError
from hdrcnn.models.hdrcnn import build
from hdrcnn.weights import published
from tests.weights.published import (
    Hostile,
    plain_tensorflow,
    published_arrays,
    save_pickle,
    save_published,
)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_gives_the_arrays(tmp_path, protocol):
    arrays = published_arrays(2)
    arrays[3] = np.asfortranarray(arrays[3].astype(">f4"))
    arrays[4] = np.asfortranarray(arrays[4].astype(np.float64))
    path = save_published(tmp_path / "p.npz", arrays, protocol)
    for read, array in zip(published.read_list(path), arrays, strict=True):
        np.testing.assert_array_equal(read, array.astype(np.float32))


def test_a_file_saved_by_numpy_is_read(tmp_path):
    arrays = published_arrays(2)
    listed = np.empty(80, object)
    listed[:] = arrays
    np.savez(tmp_path / "p.npz", params=listed)
    assert len(published.read_list(tmp_path / "p.npz")) == 80


def test_the_names_match_the_network():
    names = list(published.names())
    assert len(names) == 80
    assert set(names) == {variable.path for variable in build(2).variables}


def test_published_file_gives_the_published_arithmetic(tmp_path):
    arrays = published_arrays(64)
    assert sum(array.size for array in arrays) == 29_447_332
    predictor = hdrcnn.load(save_published(tmp_path / "p.npz", arrays), precision="float32")
    assert (predictor.metadata.width, predictor.metadata.linearisation) == (64, "square")
    code = np.random.default_rng(1).uniform(0.6, 1.0, (64, 96, 3)).astype(np.float32)
    np.testing.assert_allclose(
        predictor.reconstruct(code), plain_tensorflow(arrays, code[None])[0], rtol=2e-3, atol=1e-4
    )


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    "function", [os.system, os.mkdir, eval, getattr, np.load, __import__, np.array]
)
def test_a_hostile_pickle_runs_no_code(tmp_path, monkeypatch, function, protocol):
    monkeypatch.chdir(tmp_path)
    argument = "__import__('os').mkdir('trap')" if function is eval else "trap"
    if function is os.system:
        argument = "mkdir trap"
    payload = pickle.dumps([Hostile(function, argument)], protocol=protocol)
    path = save_pickle(tmp_path / "evil.npz", payload)
    with pytest.raises(WeightsError, match=r"evil\.npz: [^\n]*asks for [^\n]*$"):
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
def test_errors_of_other_pickles_are_one_line(tmp_path, payload):
    with pytest.raises(WeightsError, match=r"^[^\n]*p\.npz: [^\n]*$"):
        hdrcnn.load(save_pickle(tmp_path / "p.npz", payload))


def test_a_wrong_shape_in_the_pickle_is_detected(tmp_path):
    payload = pickle.dumps([np.zeros((4, 4), np.float32)], protocol=2)
    lie = payload.replace(b"K\x04K\x04\x86", b"K\x04K\xff\x86")
    assert lie != payload
    with pytest.raises(WeightsError, match="64 bytes"):
        hdrcnn.load(save_pickle(tmp_path / "p.npz", lie))


def test_a_wrong_number_of_arrays_and_wrong_shapes_are_named(tmp_path):
    arrays = published_arrays(2)
    with pytest.raises(WeightsError, match=r"short\.npz: 79 "):
        hdrcnn.load(save_published(tmp_path / "short.npz", arrays[:79]))
    arrays[26] = arrays[26][..., :5]
    with pytest.raises(WeightsError, match="latent_conv/kernel"):
        hdrcnn.load(save_published(tmp_path / "bent.npz", arrays))
