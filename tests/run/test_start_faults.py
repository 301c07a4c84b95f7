"""Files that are no start: one line each, and nothing in them is run."""

from pathlib import Path

import numpy as np
import pytest

from hdrcnn.weights import WeightsError
from training_code.run import start as starts, vgg16


def test_vgg19_is_not_taken_for_vgg16(tmp_path):
    content = {f"conv{number:02d}": [np.zeros(1), np.zeros(1)] for number in range(16)}
    np.save(tmp_path / "vgg19.npy", np.array(content, dtype=object), allow_pickle=True)
    with pytest.raises(WeightsError, match="16 convolutions where VGG16 has 13"):
        starts.load(tmp_path / "vgg19.npy")


class Hostile:
    """Makes a folder when unpickled."""

    def __reduce__(self):
        return Path.mkdir, (Path("trap"),)


@pytest.mark.parametrize(
    "content",
    [
        {"conv1_1": Hostile()},
        {"conv1_1": {"weights": Hostile(), "biases": np.zeros(64, np.float32)}},
        Hostile(),
    ],
)
def test_a_hostile_dictionary_runs_nothing(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.npy"
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    assert b"mkdir" in path.read_bytes()
    with pytest.raises(WeightsError, match=r"evil\.npy: not read as VGG16 \(it asks for "):
        starts.load(path)
    assert not Path("trap").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.h5", None, "no such weights file"),
        ("torn.h5", vgg16.HDF5 + b"\0" * 100, "not read as VGG16"),
        ("torn.npy", vgg16.NUMPY + b"\1\0\4\0", "not read as VGG16"),
        ("text.h5", b"not hdf5", "not a weights file of this tool"),
        ("empty.npz", b"", "not a weights file of this tool"),
        ("model.pth", b"PK\3\4torn", "not a weights file of this tool"),
    ],
)
def test_what_is_no_start_gives_one_line(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"^[^\n]*{name}: {reason}[^\n]*$"):
        starts.load(tmp_path / name)


@pytest.mark.parametrize(
    "content", [np.zeros((2, 2), np.float32), np.array([1, 2], object), np.array("x", object)]
)
def test_an_npy_of_something_else_gives_one_line(tmp_path, content):
    np.save(tmp_path / "a.npy", content, allow_pickle=True)
    with pytest.raises(WeightsError, match=r"^[^\n]*a\.npy: not read as VGG16 \([^\n]*$"):
        starts.load(tmp_path / "a.npy")
