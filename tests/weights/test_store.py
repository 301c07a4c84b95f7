"""Weights files survive a round trip, and errors name all that does not fit."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import hdrcnn
from hdrcnn import WeightsError, weights
from hdrcnn.models.hdrcnn import build
from hdrcnn.models.metadata import Hdrcnn
from hdrcnn.weights import npz

METADATA = Hdrcnn(width=2, linearisation="srgb", blend="pixel", training={"crops": 7})


@pytest.fixture(scope="module")
def model():
    return build(2)


@given(kernel=hnp.arrays(np.float32, (3, 4), elements=st.floats(-6e4, 6e4, width=16)))
def test_half_precision_round_trip(tmp_path_factory, kernel):
    path = tmp_path_factory.mktemp("w") / "w.npz"
    vector = kernel[0] * np.float32(np.pi)
    weights.save(path, {"a/kernel": kernel, "a/bias": vector}, METADATA)
    arrays, metadata = weights.load(path)
    assert metadata == METADATA
    np.testing.assert_array_equal(arrays["a/kernel"], kernel)
    np.testing.assert_array_equal(arrays["a/bias"], vector)  # Vectors stay float32.


def test_values_beyond_half_floats_stay_float32(tmp_path):
    kernel = np.array([[1e6, 1e-3]], np.float32)
    weights.save(tmp_path / "w.npz", {"a/kernel": kernel}, METADATA)
    np.testing.assert_array_equal(weights.load(tmp_path / "w.npz")[0]["a/kernel"], kernel)


def test_model_round_trip_in_float32(tmp_path, model):
    arrays = weights.collect(model)
    weights.save(tmp_path / "w.npz", arrays, METADATA, half=False)
    other = build(2)
    weights.assign(other, weights.load(tmp_path / "w.npz")[0], "w.npz")
    for name, array in weights.collect(other).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_all_that_does_not_fit_is_named_and_nothing_is_assigned(model):
    before = weights.collect(model)
    arrays = {name: array + 1 for name, array in before.items()}
    del arrays["fuse3/bias"]
    arrays["up2/kernel"] = arrays["up2/kernel"][:1]
    arrays["stray/kernel"] = np.zeros(3, np.float32)
    arrays["rgb_conv/bias"] = np.full(3, np.nan, np.float32)
    with pytest.raises(WeightsError) as caught:
        weights.assign(model, arrays, "w.npz")
    message = str(caught.value)
    assert message.startswith("w.npz: ")
    assert "\n" not in message
    for part in (
        "fuse3/bias",
        "stray/kernel",
        "up2/kernel has shape (1, 4, 4, 8)",
        "rgb_conv/bias",
    ):
        assert part in message
    for name, array in weights.collect(model).items():
        np.testing.assert_array_equal(array, before[name])


def test_values_that_are_not_finite_are_not_written(tmp_path):
    with pytest.raises(WeightsError, match="a/bias"):
        weights.save(tmp_path / "w.npz", {"a/bias": np.array([np.inf])}, METADATA)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 cut off"])
def test_a_damaged_file_gives_one_line(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"^[^\n]*broken\.npz: [^\n]+$"):
        hdrcnn.load(path)


def test_a_missing_file_gives_one_line(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.npz: "):
        hdrcnn.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"width": 2}, "linearisation"),
        ({"width": 0, "linearisation": "srgb", "blend": "pixel"}, "width 0"),
        ({"width": 2, "linearisation": "srgb", "blend": "?"}, "'\\?'"),
        ({"width": 2, "linearisation": "srgb", "blend": "pixel", "model": "x"}, "network 'x'"),
    ],
)
def test_unusable_metadata_is_named(tmp_path, record, reason):
    npz.write(tmp_path / "w.npz", {"a": np.zeros(2)}, record)
    with pytest.raises(WeightsError, match=reason):
        hdrcnn.load(tmp_path / "w.npz")


def test_an_archive_without_metadata_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.zeros(1))
    with pytest.raises(WeightsError, match="metadata"):
        hdrcnn.load(tmp_path / "w.npz")


def test_pickled_objects_are_not_read(tmp_path):
    record = np.array(json.dumps({}))
    np.savez(tmp_path / "w.npz", metadata=record, a=np.array([{}], object))
    with pytest.raises(WeightsError, match=r"w\.npz"):
        hdrcnn.load(tmp_path / "w.npz")


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    weights.save(path, {"a/bias": np.ones(2)}, METADATA)
    old = path.read_bytes()

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(hdrcnn.ImageError, match="No space left"):
        weights.save(path, {"a/bias": np.zeros(2)}, METADATA)
    assert path.read_bytes() == old
    assert [entry.name for entry in Path(tmp_path).iterdir()] == ["w.npz"]
