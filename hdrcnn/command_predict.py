"""Reconstruct the lost highlights of photographs and write OpenEXR and other HDR formats.

hdrcnn-predict --im_dir=data --out_dir=out --previews

data/                      out/
  lamp.jpg           ->      lamp.exr       linear, half float, 1.0 = clipping level
                             lamp_in.png    the photograph at --exposure stops
                             lamp_out.png   the result at --exposure stops
                             lamp_strip.png both ever darker, and what was gained
  2019/sun.heic      ->      2019/sun.exr   the tree is mirrored

Started again, it goes on where it was: a result of the very same photograph, byte for byte, made
with the same version, weights and settings is kept, another one made anew.
"""

import contextlib
import dataclasses
import io
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

import hdrcnn
from hdrcnn import command_checks, farm
from hdrcnn.absolute import REFERENCE_WHITE
from hdrcnn.batch import Outcome, Settings, convert_all, settle
from hdrcnn.command_line import quietly, run, say
from hdrcnn.devices import DEVICES, DeviceError
from hdrcnn.files import ImageError, prepare_folder, remove_temporaries
from hdrcnn.film import Films
from hdrcnn.folders import Job, plan
from hdrcnn.journal import Journal, fault, record
from hdrcnn.networks import Networks, load_estimator
from hdrcnn.outputs import WRITERS, Options, chosen
from hdrcnn.outputs.picture import COMPRESSIONS, LOOKS
from hdrcnn.photograph import MAX_MEGAPIXELS
from hdrcnn.precision import PRECISIONS
from hdrcnn.provenance import is_result
from hdrcnn.report.collected import Collected
from hdrcnn.shards import Shard
from hdrcnn.transfer import DEFAULT_CURVE, ESTIMATED, LINEARISATIONS
from hdrcnn.weights import WeightsError

if TYPE_CHECKING:
    from hdrcnn.curve_estimation import CurveEstimator
    from hdrcnn.predictor import Predictor

FLAGS = flags.FLAGS
flags.DEFINE_multi_string(
    "im_dir", ["data"], "A picture, a folder, or a pattern in quotes; may be given several times."
)
flags.DEFINE_string("out_dir", "out", "Folder for the results; made where it is missing.")
flags.DEFINE_string(
    "params", "auto", "Weights file. auto: of those shipped, the ones for the kind of picture."
)
flags.DEFINE_float(
    "gamma", 1.0, "Camera-curve control: 1.1 to 1.3 raises highlights that come out too low."
)
flags.DEFINE_float(
    "scaling", 1.0, "Multiply the codes and clip, against residue of JPEG at the rim of highlights."
)
flags.DEFINE_enum(
    "camera_curve",
    "auto",
    ["auto", ESTIMATED, *LINEARISATIONS],
    "How codes become light. estimated: by the curve of each picture, estimated from it; auto: "
    f"{DEFAULT_CURVE} with --params=auto, else as stored with the weights.",
)
flags.DEFINE_integer("width", None, "Width of the result. Default: the picture's own.", 1)
flags.DEFINE_integer("height", None, "Height of the result. Default: the picture's own.", 1)
flags.DEFINE_bool(
    "primaries", False, "Keep the primaries of a photograph's profile. Without: Rec. 709."
)
flags.DEFINE_bool("mask", False, "Add channels mask.R, .G, .B: how much of each is predicted.")
flags.DEFINE_float(
    "max_stops", None, "Scale pixels down to so many stops above the clipping level."
)
flags.DEFINE_list("format", ["exr"], f"What is written, separated by commas: {', '.join(WRITERS)}.")
flags.DEFINE_float("nits", REFERENCE_WHITE, "cd/m^2 of the clipping level, 1.0.")
flags.DEFINE_enum("look", "photograph", list(LOOKS),
                  "Of ultrahdr, avif and png below the clipping level: that of the photograph, or "
                  "the light behind it.")  # fmt: skip
flags.DEFINE_bool("exr_float", False, "OpenEXR and JPEG XL of 32 bits a sample. Without: 16.")
flags.DEFINE_enum("exr_compression", "zip", list(COMPRESSIONS), "Of OpenEXR.")
flags.DEFINE_float("exr_level", None, "Of dwaa and dwab: 45 as a rule, more is smaller and worse.")
flags.DEFINE_integer("jpeg_quality", 95, "Of ultrahdr: gain map, and base where encoded anew.")
flags.DEFINE_integer("avif_quality", 95, "Of avif; 100 keeps every code.")
flags.DEFINE_bool("report", False, "Also write report.html: all pictures, to be looked at.")
flags.DEFINE_bool("previews", False, "Also write _in.png, _out.png and _strip.png.")
flags.DEFINE_float(
    "exposure", -3.0, "Exposure of _in.png and _out.png in stops; 0 shows 1.0 as white."
)
flags.DEFINE_float("max_megapixels", MAX_MEGAPIXELS, "Larger pictures are refused.")
flags.DEFINE_bool("overwrite", False, "Make every result anew, and overwrite files of others.")
flags.DEFINE_bool(
    "sequence", False, "A folder is a film: one choice of weights and one size for all its frames."
)
flags.DEFINE_string("log", None, "File that a line of JSON is added to for every picture.")
flags.DEFINE_bool("quiet", False, "Say only what went wrong.")
flags.DEFINE_enum(
    "resolution",
    "auto",
    ["auto", "native", "working"],
    "At which size the network sees the picture. native: its own; working: reduced to about 1024 "
    "pixels; auto: native at the rims of highlights, ever smaller further inside.",
)
flags.DEFINE_bool(
    "panorama", False, "The left side of every picture meets its right. Without: as its XMP says."
)
flags.DEFINE_enum(
    "precision",
    "auto",
    list(PRECISIONS),
    "Of the convolutions. auto: bfloat16 on processors that have it.",
)
flags.DEFINE_enum("device", "auto", list(DEVICES), "Where the network runs.")
flags.DEFINE_integer(
    "tile_pixels", None, "Pixels the network works on at once; 0: all. Default: by the memory.", 0
)
flags.DEFINE_string("shard", "1/1", "3/16: of the sorted list the third of sixteen equal shares.")
flags.DEFINE_enum(
    "engine", "local", ["local", "dask"], "What converts: this process, or workers of Dask."
)
flags.DEFINE_integer("workers", None, "Processes of --engine=dask. Default: one for 4 cores.", 1)
flags.DEFINE_float("worker_gigabytes", None, "Memory of each. Default: an equal share.", 0.1)
flags.DEFINE_string(
    "scheduler", None, "Address of a Dask scheduler with workers of its own: tcp://host:8786."
)
for _name, _least, _most in (("gamma", 0.1, 10.0), ("scaling", 0.1, 10.0), ("max_stops", 0.0, 15.0),
                             ("exposure", -40.0, 40.0), ("max_megapixels", 1e-6, 1e6)):  # fmt: skip
    flags.register_validator(
        _name,
        lambda value, least=_least, most=_most: value is None or least <= value <= most,
        f"must be within {_least:g}..{_most:g}",
    )
OF_SETTINGS = ("gamma", "scaling", "width", "height", "resolution", "panorama", "precision",
               "primaries", "mask", "max_stops", "previews", "exposure", "max_megapixels",
               "overwrite", "sequence")  # fmt: skip
OF_OPTIONS = ("nits", "look", "exr_float", "exr_compression", "exr_level", "jpeg_quality",
              "avif_quality")  # fmt: skip


def _say(place: str, outcome: Outcome, ending: str) -> None:
    """A picture's line."""
    failed = outcome.error is not None
    if failed or not FLAGS.quiet:
        say(f"{place} {outcome.line(ending)}", sys.stderr if failed else sys.stdout)


def _load(path: Path) -> "Predictor":
    with quietly():
        return hdrcnn.load(
            path,
            precision=FLAGS.precision,
            device=FLAGS.device,
            tile_pixels=FLAGS.tile_pixels,
        )


def _load_estimator(device: str) -> "CurveEstimator":
    with quietly():
        return load_estimator(device)


def _outcomes(
    jobs: Sequence[Job],
    networks: Networks,
    settings: Settings,
    place: farm.Place | None,
    films: Films | None,
) -> Generator[Outcome, None, None]:
    """Of the jobs, by the engine that is asked for."""
    if place is None:
        yield from convert_all(jobs, networks, settings, films)
    else:
        params = None if FLAGS.params == "auto" else Path(FLAGS.params)
        request = farm.ask(settings, params, FLAGS.device, FLAGS.tile_pixels)
        yield from farm.convert_all(jobs, networks, request, place, films)


def main() -> int:
    """Flags to jobs; a line for each picture. Returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # Names need not be in its encoding.
    settings = Settings(
        formats=tuple(chosen(FLAGS.format)),
        options=Options(**{name: getattr(FLAGS, name) for name in OF_OPTIONS}),
        camera_curve=None if FLAGS.camera_curve == "auto" else FLAGS.camera_curve,
        **{name: getattr(FLAGS, name) for name in OF_SETTINGS},
    )
    command_checks.check_used(settings.formats)
    place, shard = command_checks.place(), command_checks.shard()
    out_dir = Path(FLAGS.out_dir)
    planned = plan(FLAGS.im_dir, out_dir, settings.endings, is_result)
    jobs, faults = shard.select(planned.jobs), shard.select(planned.faults)
    collected = Collected(out_dir, len(jobs)) if FLAGS.report else None
    settings = dataclasses.replace(settings, report_room=collected.room if collected else 0)
    params = None if FLAGS.params == "auto" else Path(FLAGS.params)
    # Where workers do the rest, only films are settled here: the GPUs are left to the workers.
    device = FLAGS.device if place is None else "cpu"
    networks = Networks(_load, params, settings.sequence, lambda: _load_estimator(device))
    prepare_folder(out_dir)
    if collected and not FLAGS.overwrite:
        collected.check_place()
    remove_temporaries(out_dir)
    touched = [
        path for job in planned.jobs for path in (job.source, *map(job.output, settings.endings))
    ]
    journal = Journal(None if FLAGS.log is None else Path(FLAGS.log), touched)
    for reason in faults:
        print(reason, file=sys.stderr, flush=True)
        journal.add(fault(reason))
    missing = len(jobs) + len(faults)
    # All shards of a film have to agree on its first frame.
    films = settle(planned.jobs, networks, settings) if shard != Shard() else None
    with contextlib.closing(_outcomes(jobs, networks, settings, place, films)) as outcomes:
        for number, outcome in enumerate(outcomes, 1):
            _say(f"[{number}/{len(jobs)}]", outcome, settings.endings[0])
            journal.add(record(outcome, settings))
            missing -= outcome.error is None
            if collected:
                collected.add(outcome)
    if place is not None:
        remove_temporaries(out_dir)  # Of workers that died.
    if collected:
        path = collected.write()
        if not FLAGS.quiet:
            print(path)
    if missing:
        print(f"{missing} of {len(jobs) + len(faults)} not converted", file=sys.stderr)
    return 1 if missing else 0


def entry() -> None:
    """The command."""
    run(main, ImageError, WeightsError, DeviceError, farm.FarmError, OSError, ValueError)
