"""Turn one photograph into several exposures, and optionally into an HDR image.

hdrcnn stack photos --out_dir out --format exr

photos/               out/
  lamp.jpg      ->      lamp_0.png ... lamp_4.png   at -4, -2, 0, +2 and +4 stops, darkest first
                        lamp.exr                    the light, 1.0 = clipping of the photograph

Exif data give the exposure of each, so that enfuse, Lightroom, Photomatix and `hdrcnn fuse`
recognise a bracket. Clipped highlights are predicted by the network of `hdrcnn predict`, noise and
banding in the shadows are removed by another; all exposures are rendered from the resulting light.
A run that is stopped and started again continues where it was.
"""

import argparse

from hdrcnn.cli import arguments as shared
from hdrcnn.cli.parser import Parser, UsageError, nonempty, number
from hdrcnn.console import interrupt_delayed
from hdrcnn.writers import select_writers

COMMON = (
    "paths", "out_dir", "stops", "format", "method", "overwrite",
)  # fmt: skip
STOPS = "-4,-2,0,2,4"


def stops(text: str) -> list[float]:
    """Parse numbers separated by commas. Raises ArgumentTypeError."""
    parsed = number(float)
    return [parsed(part.strip()) for part in text.split(",")]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of `hdrcnn stack`."""
    parser.common = COMMON
    shared.input_and_output(parser)
    group = parser.add_argument_group("Exposures")
    group.add_argument(
        "--stops", metavar="NUMBER,...", type=stops, default=STOPS,
        help="2 to 9 exposures relative to the photograph, in stops, increasing",
    )  # fmt: skip
    group.add_argument(
        "--bits", type=int, choices=(8, 16), default=8, help="bits per sample of the exposures"
    )
    group.add_argument(
        "--method", choices=("reconstruct", "gan", "formula"), default="reconstruct",
        help="reconstruct: networks restore highlights and shadows before all exposures are "
        "rendered; gan: the published network, five exposures; formula: no network",
    )  # fmt: skip
    group.add_argument(
        "--camera_curve", metavar="NAME", default="auto",
        choices=("auto", "estimated", "square", "srgb", "mean_curve"),
        help="how codes become light and light becomes codes: srgb, mean_curve, square, or "
        "estimated from each picture; auto: srgb, or the curve stored with --params",
    )  # fmt: skip
    group.add_argument(
        "--params", metavar="FILE", type=nonempty, default="auto",
        help="weights file for the highlights; auto: by the kind of picture",
    )  # fmt: skip
    group.add_argument(
        "--resolution", choices=("auto", "native", "working"), default="auto",
        help="size at which the network of `hdrcnn predict` sees the picture",
    )  # fmt: skip
    group.add_argument(
        "--gain_map", choices=("use", "ignore"), default="use",
        help="what to do with the gain map of a photograph. use: keep its light; ignore: convert "
        "the photograph as if it had none",
    )  # fmt: skip
    parser.switch(
        group, "--panorama", "left and right side of every picture meet (default: if XMP says so)"
    )
    formats = shared.formats(parser, default="")
    parser.switch(
        formats, "--primaries", "keep the primaries of the photograph in exr and hdr, not Rec. 709"
    )
    look = parser.add_argument_group("Look at results")
    parser.switch(look, "--report", "also write report.html, to look at all results")
    shared.many_files(parser)
    shared.hardware(parser)


def _check_used(arguments: argparse.Namespace) -> None:
    """Raise UsageError if a flag was given that would have no effect."""
    shared.check_used(arguments)
    method = arguments.method
    if method == "gan":
        shared.refuse(arguments, ["stops"], "--method=gan has its own; leave one of them out")
    if method != "reconstruct":
        names = ("params", "resolution", "gain_map")
        shared.refuse(arguments, names, "it is for --method=reconstruct; leave one of them out")
    if method == "formula":
        # A network may still estimate the curve, always in float32 and in one piece.
        estimates = arguments.camera_curve == "estimated"
        unused = ("precision", "tile_pixels") if estimates else shared.HARDWARE
        shared.refuse(arguments, unused, "--method=formula uses no network; leave one of them out")
        if not arguments.format:
            why = "the exposures of --method=formula are the same; name a --format that stores it"
            shared.refuse(arguments, ["panorama"], why)


def main(arguments: argparse.Namespace) -> int:
    """Convert the photographs, and print a line for each. Returns the exit status.

    Raises UserError, ValueError, OSError.
    """
    paths = shared.paths(arguments)
    select_writers(arguments.format)
    options = shared.options(arguments)
    _check_used(arguments)
    workers_config, shard = shared.workers_config(arguments), shared.shard(arguments)
    with (
        interrupt_delayed()
    ):  # Some libraries turn Ctrl-C into another error while they are imported.
        from hdrcnn.batch.stack import StackSettings
        from hdrcnn.cli import pictures
        from hdrcnn.files import WeightsError
        from hdrcnn.predict.exposure_stack import FILES, check_stops, stops_of
    try:
        check_stops(arguments.stops)
    except ValueError as error:
        raise UsageError(f"--{error}".replace(" ", "=", 1)) from error
    method = arguments.method
    if method in FILES and not FILES[method].is_file():
        raise WeightsError(
            f"{FILES[method]}: no such weights file; give another --method: formula needs none"
        )
    given = stops_of() if method == "gan" else tuple(arguments.stops)
    settings = StackSettings(
        formats=tuple(dict.fromkeys(arguments.format)),
        options=options,
        method=method,
        stops=given,
        bits=arguments.bits,
        camera_curve=None if arguments.camera_curve == "auto" else arguments.camera_curve,
        resolution=arguments.resolution,
        gain_map=arguments.gain_map if method == "reconstruct" else "ignore",
        panorama=arguments.panorama,
        precision=arguments.precision,
        primaries=arguments.primaries,
        max_megapixels=arguments.max_megapixels,
        overwrite=arguments.overwrite,
    )
    return pictures.convert(paths, arguments, options, workers_config, shard, settings)
