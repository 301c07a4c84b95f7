"""Reconstruct the lost highlights of photographs, as OpenEXR and other HDR files.

hdrcnn predict data --previews

data/                      out/
  lamp.jpg           ->      lamp.exr       linear, half float, 1.0 = clipping level
                             lamp_in.png    the photograph at --exposure stops
                             lamp_out.png   the result at --exposure stops
                             lamp_strip.png both at falling exposures, and the stops gained
  2019/sun.heic      ->      2019/sun.exr   the tree is mirrored

A run that is stopped and started again continues where it was: a result made from the same
photograph, byte for byte, with the same version, weights and settings is kept; any other is
recomputed.
"""

import argparse
import sys
from pathlib import Path

from hdrcnn.cli import arguments as shared
from hdrcnn.cli.main import parser_of, run
from hdrcnn.cli.parser import Parser, nonempty, number
from hdrcnn.console import interrupt_delayed
from hdrcnn.writers import select_writers

COMMON = (
    "paths", "out_dir", "format", "report", "previews", "quality", "params", "gamma", "max_stops",
    "overwrite",
)  # fmt: skip
LONGEST_SIDE = 1_000_000


def add_arguments(parser: Parser) -> None:
    """Add the arguments of `hdrcnn predict`."""
    parser.common = COMMON
    shared.input_and_output(parser)
    _reconstruction(parser)
    formats = shared.formats(parser)
    parser.switch(
        formats, "--primaries", "keep the primaries of the photograph in exr and hdr, not Rec. 709"
    )
    parser.switch(formats, "--mask", "add channels mask.R, .G, .B: how much is predicted")
    look = parser.add_argument_group("Look at results")
    parser.switch(look, "--report", "also write report.html, to look at all results")
    parser.switch(look, "--previews", "also write _in.png, _out.png and _strip.png")
    look.add_argument(
        "--exposure", metavar="STOPS", type=number(float, -40.0, 40.0), default=-3.0,
        help="exposure of _in.png and _out.png; 0 shows 1.0 as white",
    )  # fmt: skip
    many = shared.many_files(parser)
    parser.switch(many, "--sequence", "a folder is a film: same size, weights and curve for all")
    shared.hardware(parser)


def _reconstruction(parser: Parser) -> None:
    group = parser.add_argument_group("Reconstruction")
    group.add_argument(
        "--params", metavar="FILE", type=nonempty, default="auto",
        help="weights file; auto: by kind of picture",
    )  # fmt: skip
    group.add_argument(
        "--camera_curve", metavar="NAME", default="auto",
        choices=("auto", "estimated", "square", "srgb", "mean_curve"),
        help="how codes become light: srgb, mean_curve, square, or estimated from each picture; "
        "auto: srgb, or the curve stored with --params",
    )  # fmt: skip
    group.add_argument(
        "--gamma", metavar="NUMBER", type=number(float, 0.1, 10.0), default=1.0,
        help="1.1 to 1.3 raises highlights if too low",
    )  # fmt: skip
    group.add_argument(
        "--scaling", metavar="NUMBER", type=number(float, 0.1, 10.0, "auto"), default="auto",
        help="factor for the codes, which are then clipped to 1.0; auto: for each channel, the "
        "factor that brings the level at which the picture is found to clip to 1.0",
    )  # fmt: skip
    group.add_argument(
        "--resolution", choices=("auto", "native", "working"), default="auto",
        help="size at which the network sees the picture. native: its own; working: reduced to "
        "about 1024 pixels; auto: native at the rims of highlights, smaller further inside",
    )  # fmt: skip
    group.add_argument(
        "--quality", choices=("fast", "best"), default="fast",
        help="best: average the results of the picture and its mirror image, in twice the time",
    )  # fmt: skip
    group.add_argument(
        "--gain_map", choices=("use", "ignore", "only"), default="use",
        help="what to do with the gain map of a photograph. use: keep its light, and reconstruct "
        "only what is clipped there; only: take its light as it is, without a network; ignore: "
        "convert the photograph as if it had none",
    )  # fmt: skip
    parser.switch(
        group, "--panorama", "left and right side of every picture meet (default: if XMP says so)"
    )
    for side in ("width", "height"):
        group.add_argument(
            f"--{side}", metavar="PIXELS", type=number(int, 1, LONGEST_SIDE),
            help=f"{side} of the result (default: the picture's own)",
        )  # fmt: skip
    group.add_argument(
        "--max_stops", metavar="STOPS", type=number(float, 0.0, 15.0),
        help="limit of the result, in stops above the clipping level",
    )  # fmt: skip


def _check_network_used(arguments: argparse.Namespace) -> None:
    """Raise UsageError for flags of the network if no network is used."""
    names = ("params", "quality", "resolution", "camera_curve", "gamma", "scaling")
    if arguments.gain_map == "only":
        why = "--gain_map=only uses no network; leave one of them out"
        shared.refuse(arguments, (*names, *shared.HARDWARE), why)


def main(arguments: argparse.Namespace) -> int:
    """Convert the photographs, and print a line for each. Returns the exit status.

    Raises UserError, ValueError, OSError.
    """
    paths = shared.paths(arguments)
    select_writers(arguments.format)
    options = shared.options(arguments)
    shared.check_used(arguments)
    _check_network_used(arguments)
    workers_config, shard = shared.workers_config(arguments), shared.shard(arguments)
    with (
        interrupt_delayed()
    ):  # Some libraries turn Ctrl-C into another error while they are imported.
        from hdrcnn.cli import pictures
    return pictures.convert(paths, arguments, options, workers_config, shard)


def _published() -> int:
    parser = parser_of(sys.modules[__name__], Path(sys.argv[0]).name, paths=False)
    parser.common = ()
    parser.set_defaults(paths=[])
    arguments = parser.parse(sys.argv[1:])
    arguments.im_dir = arguments.im_dir or ["data"]
    return main(arguments)


def entry() -> None:
    """Entry point of the published command, which takes photographs by --im_dir only (default:
    `data`).
    """
    run(_published, OSError, ValueError)
