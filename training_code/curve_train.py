"""Train the network that estimates the camera curve of a picture.

    python training_code/curve_train.py --scenes $HDR_SCENES --photographs $PHOTOGRAPHS \
        --out weights/camera_curve.npz

reads   $HDR_SCENES/**/*.exr, *.hdr ...    families from its MANIFEST.csv where there is one
        $PHOTOGRAPHS/**/*.jpg ...          sharp ordinary photographs, linearised by sRGB
writes  weights/camera_curve.npz           what `hdrcnn.predict.camera_curve` loads
        --rows out/rows.npz, if given      the pictures as rows of statistics; where the file is
                                           there already, it is read and no picture is taken;
                                           refused where other families were held out; several such
                                           files are joined

Prints the error on families held out in three parts, in stops, beside that of the mean curve, then
trains on all rows.
"""

import io
import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError, prepare_folder
from hdrcnn.printed import quietly
from hdrcnn.weights import CURVES, WeightsError
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_multi_string(
    "scenes", [], "Folder with HDR scenes: OpenEXR, Radiance, float TIFF; several times."
)
flags.DEFINE_multi_string(
    "photographs", [], "Folder with sharp photographs, linearised by sRGB; several times."
)
flags.DEFINE_string("out", str(CURVES), "Weights file to write.")
flags.DEFINE_multi_string(
    "rows", [], "File that keeps the rows of statistics; several, all there already, are joined."
)
flags.DEFINE_string("validation", None, "Text file with the families to keep out, one a line.")
flags.DEFINE_integer("views", 3000, "Views, each photographed four times.", lower_bound=1)
flags.DEFINE_integer("workers", 2, "Processes that take pictures.", lower_bound=1)
flags.DEFINE_integer("epochs", 30, "Passes over the rows.", lower_bound=1)
flags.DEFINE_integer("seed", 5, "Of the pictures.")
flags.DEFINE_bool("folds", True, "Measure the error on held-out families first.")


def ready(path: Path, flag: str) -> Path:
    """The path, in a folder that is there and can be written to. Raises ImageError."""
    try:
        prepare_folder(path.parent)
    except ImageError as error:
        raise ImageError(str(error).replace("--out_dir", flag)) from error
    if path.is_dir():
        raise ImageError(f"{path}: is a folder; give the name of a file to {flag}")
    return path


def main() -> int:
    """Flags to rows, errors, weights. Returns the exit status."""
    from training_code.scenes.files import Folders
    from training_code.tasks import curve_rows

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # Names need not be in its encoding.
    # Pictures and training take an hour: what cannot be written is said before.
    out = ready(Path(FLAGS.out), "--out")
    kept = [ready(Path(name), "--rows") for name in FLAGS.rows]
    missing = [file for file in kept if not file.is_file()]
    if len(kept) > 1 and missing:
        raise ImageError(f"{missing[0]}: no such file of rows; take its pictures first")
    request = curve_rows.Request(
        Folders(
            tuple(Path(folder) for folder in FLAGS.scenes),
            tuple(Path(folder) for folder in FLAGS.photographs),
        ),
        Path(FLAGS.validation) if FLAGS.validation else curve_rows.VALIDATION,
        FLAGS.views,
        FLAGS.seed,
        FLAGS.workers,
    )
    note = curve_rows.list_note(request)
    if note:
        print(note)
    if FLAGS.folds:
        curve_rows.check_folds(request)
    parts = [curve_rows.gather(request, file) for file in kept] or [curve_rows.gather(request)]
    rows, scenes = curve_rows.joined(parts)
    with quietly():
        import keras  # noqa: F401 - loaded here for its notes to be kept away
    from training_code.tasks import camera_curve as curve_training

    fitting = curve_training.Fitting(epochs=FLAGS.epochs)
    if FLAGS.folds:
        print(curve_training.cross_validate(rows, fitting), flush=True)
    model = curve_training.fit(rows, fitting)
    curve_training.save(model, rows, fitting, out, scenes)
    print(f"wrote {FLAGS.out}")
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
