"""Write networks as ONNX files, which any ONNX runtime runs without TensorFlow.

hdrcnn export weights/hdrcnn.npz --out_dir out

weights/                    out/
  hdrcnn.npz          ->      hdrcnn.onnx        float32, multiples of 32 for height and width
                              hdrcnn_int8.onnx   with --precision=int8: 8 bits, calibrated on the
                                                 pictures of --calibration

`--backend=onnx` uses such a file if it lies beside its weights file. Its metadata entry `hdrcnn`
contains, as JSON, the network's input and output, blend, curve and the SHA-256 of the weights file.
"""

COMMON = ("paths", "to", "out_dir", "precision", "calibration", "overwrite")

import argparse
import sys
from pathlib import Path

from hdrcnn.cli.parser import Parser, UsageError, nonempty
from hdrcnn.console import interrupt_delayed, say
from hdrcnn.files import real_path


def add_arguments(parser: Parser) -> None:
    """Add the arguments of `hdrcnn export`."""
    parser.common = COMMON
    group = parser.add_argument_group("Input and output")
    group.add_argument(
        "paths", metavar="PATH", nargs="*", type=nonempty, help="weights file of this project"
    )
    group.add_argument("--to", choices=("onnx",), default="onnx", help="kind of file")
    group.add_argument(
        "--out_dir", metavar="FOLDER", type=nonempty,
        help="folder for the files (default: that of each weights file)",
    )  # fmt: skip
    group.add_argument(
        "--precision", choices=("float32", "int8"), default="float32",
        help="precision of the convolutions; int8: only for the single-image network",
    )  # fmt: skip
    group.add_argument(
        "--calibration", metavar="PATH", action="append", default=[], type=nonempty,
        help="picture or folder to measure the ranges for int8; may be given several times",
    )  # fmt: skip
    parser.switch(group, "--overwrite", "replace existing files")


def _outputs(arguments: argparse.Namespace) -> list[tuple[Path, Path]]:
    """Return pairs of weights file and ONNX file. Raises UsageError if an ONNX file would replace a
    weights file, another ONNX file of this run, or, without `--overwrite`, an existing file.
    """
    from hdrcnn.tiles.onnx_graph import name_of

    sources = [Path(text) for text in arguments.paths]
    weights, taken = {real_path(path) for path in sources}, dict[Path, Path]()
    found = []
    for path in sources:
        folder = path.parent if arguments.out_dir is None else Path(arguments.out_dir)
        out = folder / name_of(path.stem, arguments.precision)
        if real_path(out) in weights:
            raise UsageError(f"{out}: a weights file; give another --out_dir")
        other = taken.setdefault(real_path(out), path)
        if other != path:
            raise UsageError(f"{out}: would be that of both {other} and {path}; export one by one")
        if out.exists() and not arguments.overwrite:
            raise UsageError(f"{out}: exists; give --overwrite to replace it, or another folder")
        found.append((path, out))
    return list(dict.fromkeys(found))


def main(arguments: argparse.Namespace) -> int:
    """Write an ONNX file for each weights file, and print a line for each. Returns the exit status.

    Raises UserError, OSError.
    """
    if not arguments.paths:
        raise UsageError("no PATH given; name weights files, see --help")
    quantised = arguments.precision == "int8"
    if quantised != bool(arguments.calibration):
        raise UsageError("--precision=int8 and --calibration need each other; give both or neither")
    with interrupt_delayed():
        outputs = _outputs(arguments)
        from hdrcnn.export import int8, onnx
    onnx.prepare(quantised)
    for path, out in outputs:
        if quantised:
            int8.write(path, out, [Path(word) for word in arguments.calibration])
        else:
            onnx.write(path, out)
        say(f"{path} -> {out}, {out.stat().st_size / 1e6:.1f} MB", sys.stdout)
    return 0
