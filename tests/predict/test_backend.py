"""Which library computes a network if nobody says so."""

import shutil

import pytest

import hdrcnn
from hdrcnn.predict import backend
from hdrcnn.predict.film import CURVES
from hdrcnn.predict.runtime import DeviceError

pytest.importorskip("onnxruntime")
NAMES = (backend.VARIABLE, "KERAS_BACKEND")


@pytest.fixture
def unnamed(monkeypatch):
    """Nobody has named one; what is settled is forgotten."""
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("unnamed")
def test_without_a_file_of_its_own_onnxruntime_is_not_taken(tmp_path):
    alone = tmp_path / "curves.npz"
    shutil.copy(CURVES, alone)
    backend.prefer_onnx(alone)
    assert backend.chosen() == "tensorflow"


@pytest.mark.usefixtures("unnamed")
def test_onnxruntime_is_preferred_where_its_file_is_there(tmp_path):
    for ending in (".npz", ".onnx"):
        shutil.copy(CURVES.with_suffix(ending), tmp_path / f"curves{ending}")
    backend.prefer_onnx(tmp_path / "curves.npz")
    assert backend.chosen() == "onnx"


@pytest.mark.usefixtures("unnamed")
def test_a_file_of_other_weights_is_not_taken(tmp_path):
    shutil.copy(CURVES.with_suffix(".onnx"), tmp_path / "curves.onnx")
    (tmp_path / "curves.npz").write_bytes(b"other weights")
    backend.prefer_onnx(tmp_path / "curves.npz")
    assert backend.chosen() == "tensorflow"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("unnamed")
def test_what_the_user_named_stays(name, monkeypatch):
    monkeypatch.setenv(name, "tensorflow")
    backend.prefer_onnx(CURVES)
    assert backend.chosen() == "tensorflow"


def test_onnxruntime_refuses_what_no_backend_knows(monkeypatch):
    monkeypatch.setenv(backend.VARIABLE, "onnx")
    with pytest.raises(ValueError, match="precision 'half'"):
        hdrcnn.load(precision="half")
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        hdrcnn.load(device="tpu")
