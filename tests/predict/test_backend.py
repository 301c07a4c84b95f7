"""Which library computes a network if nobody says so."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hdrcnn
from hdrcnn import weights
from hdrcnn.files import WeightsError
from hdrcnn.predict import backend
from hdrcnn.predict.film import CURVES
from hdrcnn.predict.runtime import DeviceError
from hdrcnn.tiles import onnx_graph

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


STACK = CURVES.with_name("exposure_stack.npz")


def _forged(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The shipped network of `hdrcnn stack` with other metadata in its ONNX file."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(STACK.with_suffix(".onnx")))
    told = {entry.key: entry.value for entry in model.metadata_props}
    facts = json.loads(told[onnx_graph.KEY])
    found = change(facts)
    onnx.helper.set_model_props(
        model, {onnx_graph.KEY: json.dumps(facts if found is None else found)}
    )
    (folder / "forged.onnx").write_bytes(model.SerializeToString())
    return Path(shutil.copy(STACK, folder / "forged.npz"))


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: ["no", "object"],
        lambda facts: {key: value for key, value in facts.items() if key != "stages"},
        lambda facts: facts.update(stages=[{}]),
        lambda facts: facts.update(stages="all"),
        lambda facts: facts.update(stride=None),
        lambda facts: facts.update(halo=-1),
        lambda facts: facts.update(record=None),
        lambda facts: facts.update(staged="nothing"),
        lambda facts: facts["stages"][0].update(output="nothing"),
        lambda facts: facts["stages"][1].update(sources=[5]),
        lambda facts: facts["stages"][1].update(up=0),
        lambda facts: {key: value for key, value in facts.items() if key != "sha256"},
    ],
)
def test_an_onnx_file_that_was_changed_is_one_line_with_a_remedy_that_works(tmp_path, change):
    path = _forged(tmp_path, change)
    with pytest.raises(WeightsError, match=r"forged\.onnx: .*export .*forged\.npz --overwrite"):
        backend.exported(path, "float32")


def test_an_onnx_file_as_it_was_written_is_taken_and_one_of_other_weights_is_not(tmp_path):
    path = _forged(tmp_path, lambda facts: None)
    assert backend.exported(path, "float32") == path.with_suffix(".onnx")
    shutil.copy(CURVES, path)
    with pytest.raises(WeightsError, match=r"not written from .*--overwrite"):
        backend.exported(path, "float32")
    path.with_suffix(".onnx").write_bytes(path.with_suffix(".onnx").read_bytes()[:1000])
    with pytest.raises(WeightsError, match="damaged"):
        backend.exported(path, "float32")


def test_eight_bits_are_exported_with_pictures_and_only_of_networks_that_have_them(
    tmp_path, monkeypatch
):
    with pytest.raises(WeightsError, match="--precision int8 --calibration"):
        backend.exported(tmp_path / "w.npz", "int8")
    monkeypatch.setenv(backend.VARIABLE, "onnx")
    with pytest.raises(backend.BackendError, match="int8: the network exposure_stack"):
        backend.network(STACK, *weights.load(STACK), precision="int8")
