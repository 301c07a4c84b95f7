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
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from absl import flags

from hdrcnn.batch import farm
from hdrcnn.batch.choose import PRECISION, Networks
from hdrcnn.batch.log import Journal, fault, record
from hdrcnn.batch.plan import Job, plan
from hdrcnn.batch.recipe import is_result
from hdrcnn.batch.run import Outcome, Settings, convert_all, settle
from hdrcnn.batch.sequence import Films
from hdrcnn.batch.shards import Shard
from hdrcnn.cli import checks as command_checks
from hdrcnn.cli.console import run
from hdrcnn.colour.clipping_level import AUTO
from hdrcnn.colour.transfer import DEFAULT_CURVE, ESTIMATED, LINEARISATIONS
from hdrcnn.files import (
    ImageError,
    NoRoomError,
    OutputFolder,
    missing_files,
    prepare_folder,
    remove_temporaries,
)
from hdrcnn.predict.precision import PRECISIONS
from hdrcnn.predict.runtime import DEVICES, DeviceError
from hdrcnn.printed import say
from hdrcnn.readers.gain_map import CHOICES
from hdrcnn.readers.photograph import MAX_MEGAPIXELS
from hdrcnn.review.collected import NAME, Collected
from hdrcnn.weights import CURVES, JPEG, SHIPPED, VIDEO, WeightsError
from hdrcnn.writers import WRITERS, Options, chosen

FLAGS = flags.FLAGS
LONGEST_SIDE = 1_000_000
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
flags.DEFINE_string(
    "scaling",
    AUTO,
    "A number: the codes are multiplied by it and clipped. auto: each channel so that 1.0 is where "
    "the picture is found to clip, which changes nothing where that is its largest code.",
)
flags.DEFINE_enum(
    "camera_curve",
    "auto",
    ["auto", ESTIMATED, *LINEARISATIONS],
    "How codes become light. estimated: by the curve of each picture, estimated from it; auto: "
    f"{DEFAULT_CURVE} with --params=auto, else as stored with the weights.",
)
flags.DEFINE_integer(
    "width", None, "Width of the result. Default: the picture's own.", 1, LONGEST_SIDE
)
flags.DEFINE_integer(
    "height", None, "Height of the result. Default: the picture's own.", 1, LONGEST_SIDE
)
flags.DEFINE_bool(
    "primaries", False, "Keep the primaries of a photograph's profile. Without: Rec. 709."
)
flags.DEFINE_bool("mask", False, "Add channels mask.R, .G, .B: how much of each is predicted.")
flags.DEFINE_float(
    "max_stops", None, "Scale pixels down to so many stops above the clipping level."
)
flags.DEFINE_list(
    "format",
    ["exr"],
    "What is written, separated by commas: "
    + "; ".join(f"{name}, {w.label} {w.about}" for name, w in WRITERS.items())
    + ".",
)
_KINDS = {bool: flags.DEFINE_bool, int: flags.DEFINE_integer, str: flags.DEFINE_string}
for _field in dataclasses.fields(Options):
    _about = _field.metadata["about"]
    if _field.metadata["choices"]:
        flags.DEFINE_enum(_field.name, _field.default, _field.metadata["choices"], _about)
    else:
        _define = _KINDS.get(type(_field.default), flags.DEFINE_float)
        _define(_field.name, _field.default, _about)
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
flags.DEFINE_enum(
    "gain_map",
    "use",
    list(CHOICES),
    "Of photographs with a gain map. use: its light is kept, and only what is clipped there is "
    "reconstructed; only: its light as it is, without any network; ignore: as if there were none.",
)
flags.DEFINE_bool(
    "panorama", False, "The left side of every picture meets its right. Without: as its XMP says."
)
flags.DEFINE_enum(
    "precision",
    PRECISION,
    list(PRECISIONS),
    "Of the convolutions. auto: bfloat16 on processors that have it, but float32 for an originally "
    "published file.",
)
flags.DEFINE_enum("device", "auto", list(DEVICES), "Where the network runs.")
flags.DEFINE_integer(
    "tile_pixels", None, "Pixels the network works on at once; 0: all. Default: by the memory.",
    0, 1 << 40,
)  # fmt: skip
flags.DEFINE_string("shard", "1/1", "3/16: of the sorted list the third of sixteen equal shares.")
flags.DEFINE_enum(
    "engine", "local", ["local", "dask"], "What converts: this process, or workers of Dask."
)
flags.DEFINE_integer("workers", None, "Processes of --engine=dask. Default: one for 4 cores.")
flags.DEFINE_float("worker_gigabytes", None, "Memory of each. Default: an equal share.")
flags.DEFINE_string(
    "scheduler", None, "Address of a Dask scheduler with workers of its own: tls://host:8786."
)
flags.DEFINE_string("tls_ca_file", None, "Of a tls:// scheduler: PEM file of its authority.")
flags.DEFINE_string("tls_cert", None, "Of a tls:// scheduler: PEM file of your certificate.")
flags.DEFINE_string("tls_key", None, "Its key, unless --tls_cert holds it too.")
for _name, _least, _most in (("gamma", 0.1, 10.0), ("max_stops", 0.0, 15.0),
                             ("exposure", -40.0, 40.0), ("max_megapixels", 1e-6, 1e6)):  # fmt: skip
    flags.register_validator(
        _name,
        lambda value, least=_least, most=_most: value is None or least <= value <= most,
        f"must be within {_least:g}..{_most:g}",
    )
for _name in ("im_dir", "out_dir", "params", "log"):
    # An empty variable of a script would otherwise mean the current folder.
    flags.register_validator(
        _name,
        lambda value: value is None or all([value] if isinstance(value, str) else value),
        "is empty; give it a name",
    )
flags.register_validator(
    "scaling", command_checks.is_scaling, f"must be {AUTO}, or a number within 0.1..10"
)
OF_SETTINGS = ("gamma", "gain_map", "width", "height", "resolution", "panorama", "precision",
               "primaries", "mask", "max_stops", "previews", "exposure", "max_megapixels",
               "overwrite", "sequence")  # fmt: skip


def _say(place: str, outcome: Outcome, ending: str) -> None:
    """A picture's line."""
    failed = outcome.error is not None
    if outcome.note:
        say(outcome.note, sys.stderr)
    if failed or not FLAGS.quiet:
        say(f"{place} {outcome.line(ending)}", sys.stderr if failed else sys.stdout)


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


def _still_there(outcome: Outcome, folder: OutputFolder) -> Outcome:
    """The outcome, unless the folder of the results is gone: what workers wrote may lie on
    another disk.
    """
    try:
        folder.check()
    except NoRoomError as error:
        return Outcome(outcome.job, str(error), no_room=True, seconds=outcome.seconds)
    return outcome


def main() -> int:
    """Flags to jobs; a line for each picture. Returns the exit status."""
    settings = Settings(
        formats=tuple(chosen(FLAGS.format)),
        options=Options(**{f.name: getattr(FLAGS, f.name) for f in dataclasses.fields(Options)}),
        scaling=AUTO if FLAGS.scaling == AUTO else float(FLAGS.scaling),
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
    networks = Networks.on(
        FLAGS.device,
        params,
        settings.sequence,
        precision=settings.precision,
        tile_pixels=FLAGS.tile_pixels,
        estimating_on=device,
    )
    folder = prepare_folder(out_dir)
    jobs = [dataclasses.replace(job, folder=folder) for job in jobs]
    if collected and not FLAGS.overwrite:
        collected.check_place()
    remove_temporaries(out_dir)
    touched = [
        path for job in planned.jobs for path in (job.source, *map(job.output, settings.endings))
    ]
    touched += [out_dir / NAME, SHIPPED, JPEG, VIDEO, CURVES, *([params] if params else [])]
    journal = Journal(None if FLAGS.log is None else Path(FLAGS.log), touched)
    for reason in faults:
        say(reason, sys.stderr)
        journal.add(fault(reason))
    missing, written, stopped = len(jobs) + len(faults), list[Path](), False
    # All shards of a film have to agree on its first frame.
    films = settle(planned.jobs, networks, settings) if shard != Shard() else None
    with contextlib.closing(_outcomes(jobs, networks, settings, place, films)) as outcomes:
        for number, outcome in enumerate(outcomes, 1):
            outcome = _still_there(outcome, folder)
            _say(f"[{number}/{len(jobs)}]", outcome, settings.endings[0])
            if stopped := outcome.no_room:
                journal.add_last(record(outcome, settings), out_dir)
                break
            journal.add(record(outcome, settings))
            missing -= outcome.error is None
            written += [] if outcome.error else map(outcome.job.output, settings.endings)
            if collected and outcome.entry is not None:
                collected.add(outcome.entry, outcome.job.stem.parent)
    if place is not None:
        remove_temporaries(out_dir)  # Of workers that died.
    if collected and not stopped:
        path = collected.write()
        if not FLAGS.quiet:
            say(path, sys.stdout)
    lost = missing_files(written)
    if lost:
        say(f"{lost[0]}: written, and no longer there, one of {len(lost)}; run again", sys.stderr)
    if missing:
        say(f"{missing} of {len(jobs) + len(faults)} not converted", sys.stderr)
    return 1 if missing or lost else 0


def entry() -> None:
    """The command."""
    run(main, ImageError, WeightsError, DeviceError, farm.FarmError, OSError, ValueError)
