"""Fuse each bracket, several exposures of one scene, into one picture.

hdrcnn fuse brackets --format tiff,exr

brackets/                       out/
  IMG_1.jpg  0 EV          ->     IMG_1_fused.tif   to look at, 16 bits
  IMG_2.jpg -2 EV                 IMG_1.exr         the light, 1.0 = clipping of the reference frame
  IMG_3.jpg +2 EV

Frames are grouped into brackets by their Exif data (camera, time, exposure), or by number with
--per. They are aligned, and moving objects are taken from one of them. For a format that stores
light (exr, hdr, jxl, ultrahdr, avif, png) they are also merged by their exposure times, and what
all of them clip is predicted by the network of `hdrcnn predict`. A run that is stopped and started
again continues where it was.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from hdrcnn.cli import arguments as shared
from hdrcnn.cli.parser import Parser, UsageError, number
from hdrcnn.console import interrupt_delayed
from hdrcnn.writers import ALL_WRITERS, WRITERS, select_writers

COMMON = (
    "paths", "out_dir", "format", "per", "method", "merge", "report", "overwrite",
)  # fmt: skip
MAX_FRAMES = 9


def add_arguments(parser: Parser) -> None:
    """Add the arguments of `hdrcnn fuse`."""
    parser.common = COMMON
    shared.input_and_output(parser)
    group = parser.add_argument_group("Fusion")
    group.add_argument(
        "--per", metavar="NUMBER", type=number(int, 2, MAX_FRAMES),
        help="number of frames in each bracket, in natural order (default: by Exif data)",
    )  # fmt: skip
    group.add_argument(
        "--method", choices=("auto", "unsupervised", "supervised", "mertens"), default="auto",
        help="what weights the frames; auto: the network, if its weights file exists",
    )  # fmt: skip
    for flag, text in (
        ("--align", "align hand-held frames"),
        ("--deghost", "take moving objects from one frame"),
    ):
        group.add_argument(flag, choices=("on", "off"), default="on", help=text)
    group.add_argument(
        "--reference", metavar="NUMBER", type=number(int, 1, MAX_FRAMES),
        help="frame that the others are aligned with and that moving objects are taken from, "
        "counted from 1 (default: the best exposed)",
    )  # fmt: skip
    parser.switch(group, "--merge", "also write merged light: adds exr to --format if none is HDR")
    group.add_argument(
        "--camera_curve", metavar="NAME", default="estimated",
        choices=("estimated", "square", "srgb", "mean_curve"),
        help="how codes become light: srgb, mean_curve, square, or estimated from each bracket",
    )  # fmt: skip
    group.add_argument(
        "--resolution", choices=("auto", "native", "working"), default="auto",
        help="size at which the network of `hdrcnn predict` sees the shortest exposure, to predict "
        "what all frames clip",
    )  # fmt: skip
    shared.formats(parser, ALL_WRITERS, "tiff")
    look = parser.add_argument_group("Look at results")
    parser.switch(look, "--report", "also write report.html, to look at all results")
    shared.many_files(parser)
    shared.hardware(parser)
    parser.set_defaults(params="auto")


def main(arguments: argparse.Namespace) -> int:
    """Fuse the brackets, and print a line for each. Returns the exit status.

    Raises UserError, ValueError, OSError.
    """
    paths = shared.paths(arguments, "folders of brackets, frames or patterns")
    select_writers(arguments.format, ALL_WRITERS)
    if arguments.merge and not set(arguments.format) & set(WRITERS):
        arguments.format.append("exr")
    options = shared.options(arguments)
    shared.check_used(arguments, ALL_WRITERS)
    merges = bool(set(arguments.format) & set(WRITERS))
    if not merges:
        names = ("camera_curve", "resolution", "precision", "tile_pixels")
        shared.refuse(arguments, names, "it is for --merge; give it too")
        if arguments.method == "mertens":
            why = "--method=mertens uses no network; give --merge too, or leave it out"
            shared.refuse(arguments, ("backend", "device"), why)
    shows = {
        name for name in arguments.format if name not in WRITERS or "look" in WRITERS[name].flags
    }
    if "method" in arguments.given and not shows and not arguments.report:
        raise UsageError(
            f"--method changes nothing of --format={','.join(arguments.format)}: it weighs the "
            "frames of a picture to look at; name tiff too, or leave it out"
        )
    workers_config, shard = shared.workers_config(arguments), shared.shard(arguments)
    with (
        interrupt_delayed()
    ):  # Some libraries turn Ctrl-C into another error while they are imported.
        from hdrcnn.batch.fusion import FusionSettings
        from hdrcnn.cli import pictures
        from hdrcnn.predict.opencv import opencv
        from hdrcnn.readers.brackets import brackets
    opencv()
    settings = FusionSettings(
        formats=tuple(dict.fromkeys(arguments.format)),
        options=options,
        method=arguments.method,
        align=arguments.align == "on",
        deghost=arguments.deghost == "on",
        reference=arguments.reference,
        camera_curve=arguments.camera_curve,
        resolution=arguments.resolution,
        precision=arguments.precision,
        max_megapixels=arguments.max_megapixels,
        overwrite=arguments.overwrite,
    )

    def group(files: Sequence[Path], faults: list[str]) -> list[tuple[Path, ...]]:
        return brackets(files, arguments.per, faults)

    return pictures.convert(paths, arguments, options, workers_config, shard, settings, group)
