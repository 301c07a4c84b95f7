"""A network in an ONNX file, computed by onnxruntime as a whole or in stages listed in the file.

The file is an ordinary graph for any runtime. Its metadata contain JSON under `KEY` that describes
the network and names the tensors at the ends of its stages, so that it can be computed in strips.
"""

import functools
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.cores import share
from hdrcnn.tiles.stages import Network, Reach, Stage, Tensor

KEY = "hdrcnn"
"""Key of the metadata entry."""
RESULT = "result"
"""Name of the network's output; further outputs are named after the layers they come from."""


def name_of(stem: str, precision: str) -> str:
    """File name for a precision: `hdrcnn.onnx`, `hdrcnn_int8.onnx`."""
    return f"{stem}_{precision}.onnx" if precision != "float32" else f"{stem}.onnx"


def _state(path: Path) -> tuple[int, int]:
    """Return a value that changes when the file is rewritten, as by `hdrcnn export` while another
    program uses it. Raises OSError.
    """
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _session(source: "Path | bytes") -> Any:
    # A file is cached, by its state; whoever has the bytes keeps the session.
    return _made(source) if isinstance(source, bytes) else _made_of_file(source, _state(source))


@functools.cache
def _made_of_file(path: Path, state: tuple[int, int]) -> Any:
    return _made(path)


def _made(source: "Path | bytes") -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # Log only errors, which are raised as well.
    # The default, 0, also counts cores that this process may not use.
    options.intra_op_num_threads = share() or 0
    # Waiting threads leave the cores to others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # It would be made anew for each image size.
    return onnxruntime.InferenceSession(
        source if isinstance(source, bytes) else str(source),
        options,
        providers=["CPUExecutionProvider"],
    )


def _fits(told: dict[str, Any], outputs: Collection[str]) -> bool:
    """Whether metadata are as `hdrcnn export` writes them, and fit a graph with these outputs.
    Raises LookupError, TypeError and the like for data of another structure.
    """
    fitting = [told["stride"] > 0, told["halo"] >= 0, isinstance(told["record"]["model"], str)]
    ends = ["image"]
    for place, stage in enumerate(told["stages"]):
        sources, inputs = stage["sources"], stage["inputs"]
        # Sources are the image or earlier stages.
        fitting += [bool(sources), all(-1 <= source < place for source in sources)]
        fitting += [inputs == [ends[source + 1] for source in sources]]
        fitting += [stage["up"] > 0, stage["down"] > 0, stage["halo"] >= 0]
        ends.append(stage["output"])
    if told["stages"]:
        fitting.append(ends[-1] == told["staged"])
    return all(fitting) and {RESULT, told["staged"]} <= set(outputs) and bool(told["sha256"])


def facts(path: Path) -> dict[str, Any]:
    """Return the metadata of a file under `KEY`; empty if the file is not from `hdrcnn export`,
    cannot be read, or has inconsistent metadata.
    """
    try:
        session = _session(path)
        found = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
        outputs = [end.name for end in session.get_outputs()]
        return found if _fits(found, outputs) else {}
    except Exception:  # noqa: BLE001 - onnxruntime raises many types of its own.
        return {}


def _part(path: Path, inputs: list[str], output: str) -> Callable[..., Tensor]:
    """Return a function that computes one tensor of a graph from others; its session is created by
    the first call.
    """

    @functools.cache
    def ready() -> Any:
        return _session(_extracted(path, tuple(inputs), output))

    return lambda *x: ready().run([output], dict(zip(inputs, x, strict=True)))[0]


@functools.cache
def _model(path: Path, state: tuple[int, int]) -> Any:
    import onnx

    return onnx.load(str(path))


def _extracted(path: Path, inputs: tuple[str, ...], output: str) -> bytes:
    from onnx.utils import Extractor

    part = Extractor(_model(path, _state(path))).extract_model(list(inputs), [output])
    return bytes(part.SerializeToString())


def as_stage(told: dict[str, Any], run: Callable[..., Tensor]) -> Stage:
    """Make a stage from its metadata."""
    return Stage(tuple(told["sources"]), Reach(told["up"], told["down"], told["halo"]), run)


def network(path: Path, output: str | None = None) -> Network:
    """Make a network from a file that has `facts`. output: name of one of its outputs; None for
    `RESULT`.
    """
    told = facts(path)
    name = output or RESULT
    stages = [
        as_stage(stage, _part(path, stage["inputs"], stage["output"])) for stage in told["stages"]
    ]

    def whole(pictures: np.ndarray) -> np.ndarray:
        session = _session(path)
        return np.asarray(session.run([name], {session.get_inputs()[0].name: pictures})[0])

    return Network(
        name=told["record"]["model"],
        whole=whole,
        stages=stages if stages and told["staged"] == name else None,
        stride=told["stride"],
        halo=told["halo"],
        prefers_whole=True,
        source=path,
    )
