"""Each weights file that ships has its ONNX file beside it, made of the very same weights."""

import pytest

from hdrcnn.files import digest
from hdrcnn.tiles import onnx_graph
from hdrcnn.weights import FOLDER

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.npz")), ids=lambda path: path.name)
def test_it_was_written_from_these_weights(path):
    found = onnx_graph.facts(path.with_suffix(".onnx"))
    assert found["sha256"] == digest(path), "run: hdrcnn export weights/*.npz --overwrite"


def test_no_file_is_left_of_weights_that_are_gone():
    assert {path.stem for path in FOLDER.glob("*.onnx")} == {p.stem for p in FOLDER.glob("*.npz")}
