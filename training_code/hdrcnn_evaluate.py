r"""Compare weights, other tools, classical operators and doing nothing on HDR scenes.

    python training_code/hdrcnn_evaluate.py --scenes $HDR_SCENES --params weights/hdrcnn.npz \
        --out_dir out/evaluation

reads   $HDR_SCENES/**/*.exr, *.hdr ... families from its MANIFEST.csv if there is one
writes  out/evaluation/ldr/<condition>/<view>.png     the input of every method
                      /truth/<exposure>/<view>.exr    1.0 = clipping level
                      /table.md                       the tables, as printed
                      /per_image.csv                  a line for each photograph and method
                      /summary.json                   means, intervals, verdicts, settings
                      /report.html                    tables and images; opens offline
                      /scenes/*.npy                   scenes beyond half of the memory

To evaluate another tool, write the photographs with --write_only, run the tool on
ldr/<condition>/<view>.png to get DIR/<condition>/<view>.exr, then give --pred=NAME=DIR.
"""

import io
import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError
from hdrcnn.weights import CAMERA_CURVE, SHIPPED, WeightsError
from training_code.console import run, shown

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "scenes", None, "Folder with HDR scenes: OpenEXR, Radiance, float TIFF.", required=True
)
flags.DEFINE_multi_string(
    "params",
    [],
    "Weights file, or NAME=FILE; may be given several times. Default name: ours; default file: the "
    "weights shipped with the tool.",
)
flags.DEFINE_multi_string(
    "pred", [], "NAME=DIR: results of another tool, DIR/<condition>/<view>.exr; several times."
)
flags.DEFINE_string("out_dir", None, "Folder for the results; created if missing.", required=True)
flags.DEFINE_string(
    "families", None, "Text file with the scene families, one a line. Default: those held out."
)
flags.DEFINE_bool("all", False, "Evaluate on all families, including those trained on.")
flags.DEFINE_bool("full", False, "All 18 conditions, not only one factor varied at a time.")
flags.DEFINE_list("only", None, "Names of the conditions to evaluate, such as clip05_png_srgb.")
flags.DEFINE_bool("write_only", False, "Write photographs and truths, and stop.")
flags.DEFINE_bool(
    "estimated_curves",
    False,
    "Add rows of the input and of all weights with a camera curve estimated for each photograph.",
)
flags.DEFINE_bool("flicker", False, "Measure how small motions change the results of the weights.")
flags.DEFINE_bool("colorvideovdp", False, "Add ColorVideoVDP; needs the package cvvdp.")


def shown_command() -> str:
    """The command as stored with the results, quoted for a shell. The folder of --scenes is shown
    as a variable, and paths as by `console.placeless`.
    """
    parts = ["python training_code/hdrcnn_evaluate.py --scenes $HDR_SCENES"]
    for name in ("params", "pred"):
        parts += [f"--{name} {shown(text)}" for text in FLAGS[name].value]
    parts += [f"--families {shown(FLAGS.families)}"] if FLAGS.families else []
    switches = ("all", "full", "estimated_curves", "flicker", "colorvideovdp")
    parts += [f"--{name}" for name in switches if FLAGS[name].value]
    parts += [f"--only {','.join(FLAGS.only)}"] if FLAGS.only else []
    return " ".join([*parts, f"--out_dir {shown(FLAGS.out_dir)}"])


def main() -> int:
    """Build the request from the flags and run it. Returns the exit status."""
    from training_code.evaluation import protocol, run as evaluation
    from training_code.evaluation.methods import parse_named

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # File names may not be encodable.
    if FLAGS.all and FLAGS.families:
        raise ValueError("--all and --families: give one of them")
    if FLAGS.flicker and FLAGS.write_only:
        raise ValueError("--flicker and --write_only: give one of them")
    conditions = protocol.FULL if FLAGS.full or FLAGS.only else protocol.VARIED
    if FLAGS.only:
        known = {condition.name: condition for condition in conditions}
        for name in FLAGS.only:
            if name not in known:
                raise ValueError(f"--only {name}: no such condition; known: {', '.join(known)}")
        conditions = tuple(known[name] for name in dict.fromkeys(FLAGS.only))
    if FLAGS.colorvideovdp:
        import importlib.util

        if importlib.util.find_spec("pycvvdp") is None:
            raise ValueError("--colorvideovdp: not installed; pip install cvvdp, or leave it out")
    request = evaluation.Request(
        scenes=Path(FLAGS.scenes),
        out_dir=Path(FLAGS.out_dir),
        params=tuple(parse_named(text, "ours") for text in FLAGS.params or [str(SHIPPED)]),
        folders=tuple(parse_named(text) for text in FLAGS.pred),
        families=Path(FLAGS.families) if FLAGS.families else None,
        every_family=FLAGS.all,
        conditions=conditions,
        write_only=FLAGS.write_only,
        jod=FLAGS.colorvideovdp,
        curves=CAMERA_CURVE if FLAGS.estimated_curves else None,
        command=shown_command(),
    )
    evaluation.run(request)
    if FLAGS.flicker:
        from training_code.evaluation import flicker

        flicker.add_to_results(request.out_dir, request.conditions[0], request.params)
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
