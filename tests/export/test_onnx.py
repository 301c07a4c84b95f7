"""Every network as an ONNX file computes what Keras computes, whole and in strips."""

import json
import shutil

import keras
import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.export import int8, onnx as export
from hdrcnn.files import digest
from hdrcnn.predict import backend
from hdrcnn.tiles import onnx_graph
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.keras_graph import network
from hdrcnn.tiles.tiling import Tiling
from tests.models.tiny import IMAGE_NETWORKS, TINY, random_input

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module", params=TINY)
def record(request):
    return TINY[request.param]


@pytest.fixture(scope="module")
def model(record):
    keras.utils.set_random_seed(11)
    model = record.build()
    model(
        random_input(record, 32), training=True
    )  # Updates the averages of batch norms, if there are any.
    return model


@pytest.fixture(scope="module")
def files(record, model, tmp_path_factory):
    """A weights file and its ONNX file."""
    path = tmp_path_factory.mktemp("onnx") / "w.npz"
    weights.save(path, weights.collect(model), record)
    weights.assign(model, weights.load(path)[0], "as it was stored")
    export.write(path, path.with_suffix(".onnx"))
    return path, path.with_suffix(".onnx")


@pytest.mark.parametrize("side", [64, 96])
def test_onnxruntime_computes_what_keras_does(record, model, files, side):
    session = onnxruntime.InferenceSession(str(files[1]), providers=["CPUExecutionProvider"])
    batch = random_input(record, side)
    expected = np.asarray(model(batch, training=False))
    found = session.run(None, {session.get_inputs()[0].name: batch})[0]
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1.0, np.abs(expected).max()))


def test_the_file_records_its_weights_and_network(record, files):
    proto = onnx.load(str(files[1]))
    onnx.checker.check_model(proto, full_check=True)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", export.OPSET)]
    facts = json.loads({p.key: p.value for p in proto.metadata_props}[onnx_graph.KEY])
    assert facts["sha256"] == digest(files[0])
    told = facts["record"]
    assert {**told, "training": {}} == {**record.as_record(), "training": {}}
    assert facts == onnx_graph.facts(files[1])


def test_inner_layers_are_outputs_too(record, model, files):
    for name in record.inner:
        batch = random_input(record)
        expected = keras.Model(model.input, model.get_layer(name).output)(batch, training=False)
        found = onnx_graph.network(files[1], name).whole(batch)
        np.testing.assert_allclose(found, np.asarray(expected), atol=1e-4)


@pytest.mark.parametrize(
    "record", [name for name, record in TINY.items() if record in IMAGE_NETWORKS], indirect=True
)
def test_strips_equal_the_whole_image(record, model, files):
    made, by_keras = onnx_graph.network(files[1]), network(model)
    assert (made.stride, made.halo) == (by_keras.stride, by_keras.halo)
    tiling = Tiling(made, 160 * 448)
    code = np.random.default_rng(7).random((160, 480, 3), np.float32)
    frame, whole = Frame(code, tiling.cell), made.whole(code[None])[0]
    everything = np.ones(tuple(side // tiling.cell for side in code.shape[:2]), bool)
    parts = list(tiling.predict(frame, everything))
    assert len(parts) > 1
    for part, values in parts:
        np.testing.assert_allclose(values, whole[part.within(frame.bounds)], atol=1e-4)


@pytest.fixture
def hdrcnn_file(tiny_exported, tmp_path):
    """A copy of the tiny weights with their ONNX file."""
    for ending in (".npz", ".onnx"):
        shutil.copy(tiny_exported.with_suffix(ending), tmp_path)
    return tmp_path / tiny_exported.name


def test_files_of_other_weights_are_refused(hdrcnn_file, tmp_path):
    with pytest.raises(weights.WeightsError, match="hdrcnn export"):
        backend.exported(hdrcnn_file, "int8")
    assert backend.exported(hdrcnn_file, "float32") == tmp_path / "tiny.onnx"
    arrays, record = weights.load(hdrcnn_file)
    arrays["rgb_conv/bias"] += 1.0
    weights.save(hdrcnn_file, arrays, record)
    with pytest.raises(weights.WeightsError, match=r"tiny\.onnx"):
        backend.exported(hdrcnn_file, "float32")


def test_int8_is_close_to_float32(hdrcnn_file, tmp_path, picture):
    """Each of the eleven 8-bit layers adds an error of 1/256 of its range."""
    from PIL import Image

    Image.fromarray(np.tile(picture, (3, 3, 1))).save(tmp_path / "p.png")
    int8.write(hdrcnn_file, tmp_path / "tiny_int8.onnx", [tmp_path / "p.png"])
    codes = np.tile(picture, (3, 3, 1))[None, :128, :192] / np.float32(255)
    full, small = (
        onnx_graph.network(backend.exported(hdrcnn_file, precision)).whole(codes)
        for precision in ("float32", "int8")
    )
    difference = np.abs(full - small)
    assert 0.0 < difference.mean() < 0.05 * full.std()
    assert (tmp_path / "tiny_int8.onnx").read_bytes().count(b"QuantizeLinear") >= 11


def test_calibration_needs_pictures(hdrcnn_file, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(export.ExportError, match="empty"):
        int8.write(hdrcnn_file, tmp_path / "x.onnx", [tmp_path / "empty"])


@pytest.mark.parametrize("count", [2, 100])
def test_no_more_pictures_are_read_than_are_calibrated_on(count, tmp_path, monkeypatch):
    read = []

    def reader(path):
        read.append(int(path.stem))
        return np.full((40, 50, 3), len(read) / 255, np.float32)

    monkeypatch.setattr(int8, "read_ldr", reader)
    for index in range(count):
        (tmp_path / f"{index:03}.png").touch()
    for number, crop in enumerate(int8._squares([tmp_path]), 1):
        assert len(read) == number  # None is read before it is needed.
        assert crop.shape == (1, 64, 64, 3)
        assert crop[0, 0, 0, 0] == np.float32(number / 255)
    expected = (
        [0, 1] * 12 if count == 2 else np.linspace(0, 99, int8.MAX_CROPS).astype(int).tolist()
    )
    assert read == expected
