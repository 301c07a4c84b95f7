"""Each shipped weights file has an ONNX file beside it, made from exactly these weights."""

import pytest

from hdrcnn.files import digest
from hdrcnn.tiles import onnx_graph
from hdrcnn.weights import FOLDER

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.npz")), ids=lambda path: path.name)
def test_each_onnx_file_was_made_from_its_weights(path):
    found = onnx_graph.facts(path.with_suffix(".onnx"))
    assert found["sha256"] == digest(path), "run: hdrcnn export weights/*.npz --overwrite"


def test_every_onnx_file_has_its_weights():
    assert {path.stem for path in FOLDER.glob("*.onnx")} == {p.stem for p in FOLDER.glob("*.npz")}
