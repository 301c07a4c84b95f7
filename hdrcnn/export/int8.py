"""The single-image network in 8 bits: static quantisation by onnxruntime, calibrated on images.

Activations are unsigned, weights signed and scaled per channel, with pairs of QuantizeLinear and
DequantizeLinear around the 3x3 convolutions. The convolutions of the first block, whose rounding
alone costs up to 0.2 stops, the fusions and everything from `rgb_conv` on stay float32.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn import weights
from hdrcnn.console import stderr_discarded
from hdrcnn.export.onnx import ExportError, write as write_float
from hdrcnn.files import finished_whole, prepare_folder
from hdrcnn.models.metadata import Hdrcnn
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.tiles.geometry import pad_to_multiple
from hdrcnn.tiles.onnx_graph import KEY

SIDE = 512
"""Side, in pixels, of the crops of images used for the calibration."""
MAX_CROPS = 24
"""Number of crops, each of another image if there are enough. For each of them, every value of
every activation is evaluated."""


def _squares(paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Crops, [1, h, w, 3] float32 in [0, 1], of the image files and of those in the folders.

    Of more than `MAX_CROPS` files, an evenly spaced subset is read. One image is in memory at a
    time.
    """
    files = [
        file
        for path in paths
        for file in (sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path])
        if file.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
    ]
    if not files:
        raise ExportError(f"{', '.join(map(str, paths))}: no pictures to calibrate on")
    if len(files) > MAX_CROPS:
        files = [files[place] for place in np.linspace(0, len(files) - 1, MAX_CROPS).astype(int)]
    for place in range(MAX_CROPS):
        picture = read_ldr(files[place % len(files)])
        rng = np.random.default_rng(place)
        top, left = (int(rng.integers(0, max(1, side - SIDE + 1))) for side in picture.shape[:2])
        yield pad_to_multiple(picture[top : top + SIDE, left : left + SIDE], Hdrcnn.stride)[None]


class _Reader:
    """Supplies the crops through the interface of onnxruntime's `CalibrationDataReader`."""

    def __init__(self, squares: Iterator[np.ndarray]) -> None:
        self._squares = squares

    def get_next(self) -> dict[str, np.ndarray] | None:
        square = next(self._squares, None)
        return None if square is None else {"image": square}


def _quantised(graph: Any) -> list[str]:
    """Names of the convolutions to compute in 8 bits."""
    names = []
    sizes = {constant.name: tuple(constant.dims) for constant in graph.initializer}
    cast = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    for node in graph.node:
        if node.op_type == "Conv":
            size = sizes[cast.get(node.input[1], node.input[1])]
            if size[2:] == (3, 3):
                names.append(node.name)
    return names[2:]


def write(path: Path, out: Path, calibration: Sequence[Path]) -> None:
    """Export the network of a weights file in 8 bits as an ONNX file.

    calibration: display-encoded images, or folders of them. Raises WeightsError, ExportError,
    ImageError.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    weights.expect_kind(*weights.load(path), Hdrcnn, str(path))
    prepare_folder(out.parent)
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "float32.onnx"
        write_float(path, full, half=False)
        model = onnx.load(str(full))
        made = Path(folder) / "int8.onnx"
        with stderr_discarded():
            quantize_static(
                str(full),
                str(made),
                _Reader(_squares(calibration)),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv"],
                nodes_to_quantize=_quantised(model.graph),
            )
        model = onnx.load(str(made))
    properties = {entry.key: entry.value for entry in model.metadata_props}
    facts = json.loads(properties[KEY])
    facts["precision"] = "int8"
    onnx.helper.set_model_props(model, {**properties, KEY: json.dumps(facts)})
    onnx.checker.check_model(model, full_check=True)
    with finished_whole(out) as part:
        part.write_bytes(model.SerializeToString())
