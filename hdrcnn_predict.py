"""Reconstruct the lost highlights of 8-bit photographs and write OpenEXR.

python hdrcnn_predict.py --im_dir=data --out_dir=out --previews

data/                      out/
  lamp.jpg           ->      lamp.exr       linear, half float, 1.0 = clipping level
                             lamp_in.png    the photograph at --exposure stops
                             lamp_out.png   the result at --exposure stops
"""

import sys
from pathlib import Path

from absl import flags

from hdrcnn.command_line import quietly, run
from hdrcnn.image_io import ImageError
from hdrcnn.transfer import LINEARISATIONS
from hdrcnn.weights import WeightsError

FLAGS = flags.FLAGS
flags.DEFINE_string("im_dir", "data", "A picture, or a folder of pictures.")
flags.DEFINE_string("out_dir", "out", "Folder for the results; made where it is missing.")
flags.DEFINE_string("params", None, "Weights file. Default: the weights shipped with the tool.")
flags.DEFINE_float(
    "gamma", 1.0, "Camera-curve control: 1.1 to 1.3 raises highlights that come out too low."
)
flags.DEFINE_float(
    "scaling", 1.0, "Multiply the codes and clip, against residue of JPEG at the rim of highlights."
)
flags.DEFINE_enum(
    "camera_curve",
    "auto",
    ["auto", *LINEARISATIONS],
    "How codes become light. auto: as stored with the weights.",
)
flags.DEFINE_integer("width", None, "Width of the result. Default: the picture's own.", 1)
flags.DEFINE_integer("height", None, "Height of the result. Default: the picture's own.", 1)
flags.DEFINE_bool("previews", False, "Also write _in.png and _out.png.")
flags.DEFINE_float("exposure", -3.0, "Exposure of the previews in stops; 0 shows 1.0 as white.")
for _name in ("gamma", "scaling"):
    flags.register_validator(_name, lambda value: 0 < value < float("inf"), "must be above 0")


def main() -> int:
    """Flags to jobs; a line for each picture. Returns the exit status."""
    from hdrcnn import batch, load

    settings = batch.Settings(
        gamma=FLAGS.gamma,
        scaling=FLAGS.scaling,
        camera_curve=None if FLAGS.camera_curve == "auto" else FLAGS.camera_curve,
        width=FLAGS.width,
        height=FLAGS.height,
        previews=FLAGS.previews,
        exposure=FLAGS.exposure,
    )
    jobs = batch.plan(Path(FLAGS.im_dir), Path(FLAGS.out_dir), settings.previews)
    with quietly():
        predictor = load(FLAGS.params)
    failed = 0
    for number, outcome in enumerate(batch.convert_all(jobs, predictor, settings), 1):
        place = f"[{number}/{len(jobs)}]"
        if outcome.error:
            failed += 1
            print(f"{place} {outcome.error}", file=sys.stderr, flush=True)
            continue
        print(
            f"{place} {outcome.job.output('.exr')}  {outcome.width}x{outcome.height}  "
            f"saturated {outcome.saturated:.1%}  "
            f"peak {outcome.peak_before:.2f} -> {outcome.peak_after:.2f} "
            f"({outcome.stops_gained:+.1f} stops)  {outcome.seconds:.1f} s",
            flush=True,
        )
    if failed:
        print(f"{failed} of {len(jobs)} not converted", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, OSError)
