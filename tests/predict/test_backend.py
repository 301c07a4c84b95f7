"""Which library computes a network by default, and which ONNX files it accepts."""

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
from hdrcnn.predict.film import FILM_CURVES
from hdrcnn.predict.runtime import DeviceError
from hdrcnn.tiles import onnx_graph

pytest.importorskip("onnxruntime")
NAMES = (backend.VARIABLE, "KERAS_BACKEND")


@pytest.fixture
def unnamed(monkeypatch):
    """Environment in which no backend is named; the choice is undone after the test."""
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("unnamed")
def test_without_an_onnx_file_onnxruntime_is_not_chosen(tmp_path):
    alone = tmp_path / "curves.npz"
    shutil.copy(FILM_CURVES, alone)
    backend.prefer_onnx(alone)
    assert backend.current() == "tensorflow"


@pytest.mark.usefixtures("unnamed")
def test_onnxruntime_is_preferred_if_its_file_exists(tmp_path):
    for ending in (".npz", ".onnx"):
        shutil.copy(FILM_CURVES.with_suffix(ending), tmp_path / f"curves{ending}")
    backend.prefer_onnx(tmp_path / "curves.npz")
    assert backend.current() == "onnx"


@pytest.mark.usefixtures("unnamed")
def test_an_onnx_file_of_other_weights_is_not_chosen(tmp_path):
    shutil.copy(FILM_CURVES.with_suffix(".onnx"), tmp_path / "curves.onnx")
    (tmp_path / "curves.npz").write_bytes(b"other weights")
    backend.prefer_onnx(tmp_path / "curves.npz")
    assert backend.current() == "tensorflow"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("unnamed")
def test_the_choice_of_the_user_is_kept(name, monkeypatch):
    monkeypatch.setenv(name, "tensorflow")
    backend.prefer_onnx(FILM_CURVES)
    assert backend.current() == "tensorflow"


def test_onnxruntime_refuses_unknown_precisions_and_devices(monkeypatch):
    monkeypatch.setenv(backend.VARIABLE, "onnx")
    with pytest.raises(ValueError, match="precision 'half'"):
        hdrcnn.load(precision="half")
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        hdrcnn.load(device="tpu")


STACK = FILM_CURVES.with_name("exposure_stack.npz")


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
def test_the_error_of_a_changed_onnx_file_names_the_remedy(tmp_path, change):
    path = _forged(tmp_path, change)
    with pytest.raises(WeightsError, match=r"forged\.onnx: .*export .*forged\.npz --overwrite"):
        backend.exported(path, "float32")


def test_an_unchanged_onnx_file_is_used_and_one_of_other_weights_refused(tmp_path):
    path = _forged(tmp_path, lambda facts: None)
    assert backend.exported(path, "float32") == path.with_suffix(".onnx")
    shutil.copy(FILM_CURVES, path)
    with pytest.raises(WeightsError, match=r"not written from .*--overwrite"):
        backend.exported(path, "float32")
    path.with_suffix(".onnx").write_bytes(path.with_suffix(".onnx").read_bytes()[:1000])
    with pytest.raises(WeightsError, match="damaged"):
        backend.exported(path, "float32")


def test_int8_needs_calibration_and_a_network_that_supports_it(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match="--precision int8 --calibration"):
        backend.exported(tmp_path / "w.npz", "int8")
    monkeypatch.setenv(backend.VARIABLE, "onnx")
    with pytest.raises(backend.BackendError, match="int8: the network exposure_stack"):
        backend.network(STACK, *weights.load(STACK), precision="int8")
