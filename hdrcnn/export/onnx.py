"""Export of a weights file as a single ONNX file, which any ONNX runtime can run.

The graph is plain ONNX with dynamic height and width. Networks that can be computed in strips are
converted stage by stage and joined. The outputs of the stages keep their names, which
`tiles.onnx_graph` uses to compute strips; other programs see one graph. Kernels are stored as
float16, as in the weights files, and cast when the file is loaded; all arithmetic is float32.
"""

import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn import weights
from hdrcnn._version import __version__
from hdrcnn.console import stderr_discarded
from hdrcnn.files import UserError, digest, finished_whole, prepare_folder
from hdrcnn.models.metadata import Metadata
from hdrcnn.tiles.onnx_graph import KEY, RESULT, as_stage

OPSET = 17
"""Version of the standard operator set."""
IR_VERSION = 8
"""Version of the file format; runtimes from 2022 on read it."""


class ExportError(UserError):
    """A network cannot be exported."""


NEEDS = ("keras", "onnx", "tensorflow", "tf2onnx")
"""Packages that have to be installed."""
QUANTISED = ("onnxruntime",)
"""Packages that 8 bits need besides."""


def prepare(quantised: bool = False) -> None:
    """Make Keras use TensorFlow, whatever the environment says. Call it before Keras is loaded.

    quantised: whether networks are to be exported in 8 bits. Raises ExportError if a package is
    missing.
    """
    needs = (*NEEDS, *QUANTISED) if quantised else NEEDS
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f"export needs {' and '.join(missing)} installed; "
            'pip install "hdrcnn[export]", or pip install ".[export]" in the folder of the toolkit'
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"


def _converted(model: Any, inputs: Sequence[str], outputs: Sequence[str], prefix: str) -> Any:
    """Convert a Keras model to ONNX with the given names of inputs and outputs.

    All other names start with `prefix`.
    """
    import onnx
    import tensorflow as tf
    import tf2onnx

    signature = [
        tf.TensorSpec(x.shape, x.dtype, name=f"in{place}") for place, x in enumerate(model.inputs)
    ]

    def call(*x: Any) -> list[Any]:
        found = model(x[0] if len(x) == 1 else list(x), training=False)
        return list(found) if isinstance(found, list | tuple) else [found]

    function = tf.function(call, input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    proto = onnx.compose.add_prefix(proto, prefix)
    names = {
        **{value.name: name for value, name in zip(proto.graph.input, inputs, strict=True)},
        **{value.name: name for value, name in zip(proto.graph.output, outputs, strict=True)},
    }
    for value in (*proto.graph.input, *proto.graph.output):
        value.name = names[value.name]
    for node in proto.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    del proto.graph.value_info[:]
    _simplify_upsampling(proto.graph)
    return proto


def _simplify_upsampling(graph: Any) -> None:
    """Let transposed convolutions with kernel 4 and stride 2 crop their borders themselves.

    TensorFlow passes them the size of their output, which is converted to a dozen operators that
    compute what to slice, although it is always one row and column on each side.
    """
    import onnx

    makers = {output: node for node in graph.node for output in node.output}
    for node in list(graph.node):
        source = makers.get(node.input[0]) if node.op_type == "Pad" else None
        while source is not None and source.op_type in ("Slice", "Identity"):
            source = makers.get(source.input[0])
        if source is None or source.op_type != "ConvTranspose":
            continue
        shapes = {attribute.name: list(attribute.ints) for attribute in source.attribute}
        if (shapes.get("kernel_shape"), shapes.get("strides")) != ([4, 4], [2, 2]):
            continue
        for attribute in list(source.attribute):
            if attribute.name in ("pads", "auto_pad", "output_shape"):
                source.attribute.remove(attribute)
        source.attribute.append(onnx.helper.make_attribute("pads", [1, 1, 1, 1]))
        for follower in graph.node:
            follower.input[:] = [
                source.output[0] if name == node.output[0] else name for name in follower.input
            ]
    _drop_unused(graph)


def _drop_unused(graph: Any) -> None:
    wanted = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):  # Nodes are in topological order.
        if wanted & set(node.output):
            kept.append(node)
            wanted.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    constants = [constant for constant in graph.initializer if constant.name in wanted]
    del graph.initializer[:]
    graph.initializer.extend(constants)


def _stored_as_half(graph: Any) -> None:
    """Store kernels as float16 followed by a cast, where that is lossless."""
    import onnx
    from onnx import numpy_helper

    casts = []
    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.ndim < 2:
            continue
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = constant.name
        constant.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _plain_input(model: Any) -> Any:
    """Replace the input layer of VGG16 by a 1x1 convolution.

    Runtimes in browsers have no operator that reverses channels.
    """
    import keras

    from hdrcnn.models.hdrcnn import IMAGENET_MEAN_BGR, VggInput

    replaced: list[Any] = []

    def clone(layer: Any) -> Any:
        if not isinstance(layer, VggInput):
            return layer.__class__.from_config(layer.get_config())
        replaced.append(keras.layers.Conv2D(3, 1, name=layer.name, dtype="float32"))
        return replaced[-1]

    copy = keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    for layer in replaced:
        kernel = 255.0 * np.eye(3, dtype=np.float32)[:, ::-1]
        layer.set_weights([kernel[None, None], -np.array(IMAGENET_MEAN_BGR, np.float32)])
    return copy


def _stages(model: Any, name: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """Facts to store about each stage of a model, and the graph of the stage.

    name: of the last stage's output. Raises ValueError for a model without stages.
    """
    import keras

    from hdrcnn.tiles.keras_graph import stage_tensors

    found = stage_tensors(model)
    names = {id(model.inputs[0]): "image"}
    places = {id(model.inputs[0]): -1}
    for place, (end, tensors, way) in enumerate(found):
        last = place == len(found) - 1
        places[id(end)], names[id(end)] = place, name if last else f"stage{place}"
        inputs = [names[id(tensor)] for tensor in tensors]
        facts = {
            "sources": [places[id(tensor)] for tensor in tensors],
            "inputs": inputs,
            "output": names[id(end)],
            "up": way.up,
            "down": way.down,
            "halo": way.halo,
        }
        graph = _converted(keras.Model(tensors, end), inputs, [names[id(end)]], f"s{place}_")
        yield facts, graph


def _joined(protos: Sequence[Any], outputs: Sequence[str]) -> Any:
    """Join graphs that refer to each other's outputs by name into one with these outputs."""
    from onnx import helper

    ends = {end.name: end for proto in protos for end in proto.graph.output}
    graph = helper.make_graph(
        [node for proto in protos for node in proto.graph.node],
        "network",
        list(protos[0].graph.input),
        [ends[name] for name in outputs],
        [constant for proto in protos for constant in proto.graph.initializer],
        value_info=[end for name, end in ends.items() if name not in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def proto(model: Any, metadata: Metadata, sha256: str, half: bool = True) -> Any:
    """Convert a Keras model with its weights to an `onnx.ModelProto`, and check it.

    metadata: of the network; sha256: of its weights file, hexadecimal; half: store kernels as
    float16 where that is lossless. Raises ExportError.
    """
    import keras
    import onnx

    from hdrcnn.tiles.keras_graph import total_stride
    from hdrcnn.tiles.stages import stride_and_halo

    if keras.config.backend() != "tensorflow":
        raise ExportError("tf2onnx converts graphs of TensorFlow; set KERAS_BACKEND=tensorflow")
    model = _plain_input(model)
    inner = [model.get_layer(name).output for name in metadata.inner]
    staged, rest = (metadata.inner[0], inner[0]) if inner else (RESULT, None)
    try:
        first = model if rest is None else keras.Model(model.input, rest)
        stages, graphs = map(list, zip(*_stages(first, staged), strict=True))
        stride, halo = stride_and_halo([as_stage(stage, lambda *_: None) for stage in stages])
        if rest is not None:
            graphs.append(_converted(keras.Model(rest, model.output), [staged], [RESULT], "rest_"))
    except ValueError:
        stages, stride, halo = [], total_stride(model), 0
        several = keras.Model(model.input, [model.output, *inner])
        graphs = [_converted(several, ["image"], [RESULT, *metadata.inner], "n_")]
    joined = _joined(graphs, [RESULT, *metadata.inner])
    if half:
        _stored_as_half(joined.graph)
    joined.ir_version = IR_VERSION
    joined.producer_name, joined.producer_version = "hdrcnn", __version__
    joined.doc_string = f"{metadata.takes} -> {metadata.gives}"
    facts = {
        "record": {**metadata.as_record(), "training": {}},
        "sha256": sha256,
        "precision": "float32",
        "stages": stages,
        "staged": staged,
        "stride": stride,
        "halo": halo,
    }
    onnx.helper.set_model_props(joined, {KEY: json.dumps(facts)})
    onnx.checker.check_model(joined, full_check=True)
    return joined


def write(path: Path, out: Path, half: bool = True) -> None:
    """Export the network of a weights file as an ONNX file; half: as for `proto`.

    Raises WeightsError, ExportError, ImageError.
    """
    from hdrcnn.predict.runtime import building_in

    arrays, metadata = weights.load(path)
    prepare_folder(out.parent)
    with stderr_discarded(), building_in("float32"):
        model = metadata.build()
        weights.assign(model, arrays, str(path))
        made = proto(model, metadata, digest(path), half)
    with finished_whole(out) as part:
        part.write_bytes(made.SerializeToString())
