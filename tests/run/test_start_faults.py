"""Files that are not start weights give one-line errors, and no code in them is run."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from hdrcnn.weights import WeightsError
from tests.weights.published import Hostile, save_pickle
from tests.weights.test_damaged import many_of_one
from training_code.run import start, vgg16


def test_vgg19_is_not_taken_for_vgg16(tmp_path):
    content = {f"conv{number:02d}": [np.zeros(1), np.zeros(1)] for number in range(16)}
    np.save(tmp_path / "vgg19.npy", np.array(content, dtype=object), allow_pickle=True)
    with pytest.raises(WeightsError, match=r"16 .*VGG16"):
        start.load(tmp_path / "vgg19.npy")


@pytest.mark.parametrize(
    "content",
    [
        {"conv1_1": Hostile(Path.mkdir, Path("trap"))},
        {
            "conv1_1": {
                "weights": Hostile(Path.mkdir, Path("trap")),
                "biases": np.zeros(64, np.float32),
            }
        },
        Hostile(Path.mkdir, Path("trap")),
    ],
)
def test_a_hostile_dictionary_runs_no_code(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.npy"
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    assert b"mkdir" in path.read_bytes()
    with pytest.raises(WeightsError, match=r"evil\.npy: .*asks for "):
        start.load(path)
    assert not Path("trap").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.h5", None, ""),
        ("torn.h5", vgg16.HDF5 + b"\0" * 100, "[^\\n]*VGG16"),
        ("torn.npy", vgg16.NUMPY + b"\1\0\4\0", "[^\\n]*VGG16"),
        ("text.h5", b"not hdf5", "[^\\n]*weights file"),
        ("empty.npz", b"", "[^\\n]*weights file"),
        ("model.pth", b"PK\3\4torn", "[^\\n]*weights file"),
    ],
)
def test_errors_of_unusable_files_are_one_line(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"^[^\n]*{name}: {reason}[^\n]*$"):
        start.load(tmp_path / name)


@pytest.mark.parametrize(
    "content", [np.zeros((2, 2), np.float32), np.array([1, 2], object), np.array("x", object)]
)
def test_errors_of_other_npy_files_are_one_line(tmp_path, content):
    np.save(tmp_path / "a.npy", content, allow_pickle=True)
    with pytest.raises(WeightsError, match=r"^[^\n]*a\.npy: [^\n]*VGG16[^\n]*$"):
        start.load(tmp_path / "a.npy")


def hdf5(path: Path, **dataset) -> Path:
    """Write an HDF5 file with one kernel of VGG16."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("block1_conv1/kernel", **dataset)
    return path


def test_hdf5_of_the_right_shape_but_of_huge_items_is_not_read(tmp_path):
    """A dataset of strings that were never written takes no space in the file."""
    path = hdf5(tmp_path / "a.h5", shape=(3, 3, 3, 64), dtype="S1000000", chunks=(1, 1, 1, 1))
    assert path.stat().st_size < 100_000
    with pytest.raises(WeightsError, match=r"a\.h5: [^\n]*S1000000[^\n]*numbers"):
        start.load(path)


def test_hdf5_data_in_another_file_is_not_read(tmp_path):
    (tmp_path / "other").write_bytes(bytes(3 * 3 * 3 * 64 * 4))
    path = hdf5(
        tmp_path / "a.h5", shape=(3, 3, 3, 64), dtype="f4",
        external=[(str(tmp_path / "other"), 0, 3 * 3 * 3 * 64 * 4)],
    )  # fmt: skip
    with pytest.raises(WeightsError, match=r"a\.h5: [^\n]*another"):
        start.load(path)


def test_an_npz_that_unpacks_to_a_wrong_length_is_refused(tmp_path):
    """VGG16 with a kernel of 64 MB in a file of 64 kB."""
    np.savez_compressed(tmp_path / "a.npz", conv1_1_W=np.zeros(1 << 23), conv1_1_b=np.zeros(64))
    with pytest.raises(WeightsError, match=r"a\.npz: [^\n]*length"):
        start.load(tmp_path / "a.npz")


def test_an_npy_of_many_arrays_of_the_same_bytes_is_refused(tmp_path):
    with zipfile.ZipFile(save_pickle(tmp_path / "p.npz", many_of_one("state"))) as archive:
        (tmp_path / "a.npy").write_bytes(archive.read("params.npy"))
    with pytest.raises(WeightsError, match=r"a\.npy: [^\n]*more than"):
        start.load(tmp_path / "a.npy")
