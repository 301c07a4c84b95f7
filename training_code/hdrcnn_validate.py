r"""Evaluate weights on three kinds of images: ordinary photographs, HDR photographs, panoramas.

    python training_code/hdrcnn_validate.py --scenes $HDR_SCENES --photographs $PHOTOGRAPHS \
        --params weights/hdrcnn.npz --out_dir out/validation

reads   $HDR_SCENES       HDR scenes; those of --families are used, by default the families held out
        $PHOTOGRAPHS      sharp photographs that no training has seen; all of them are used
writes  out/validation/table.md, per_view.csv, left_out.txt

Each is exposed until 2, 5 and 10 % of it clip, through three kinds of camera curve, as PNG; and at
5 % also as JPEG of quality 80 and 95 and with whites that end at code 240. See
`evaluation/kinds.py`.
"""

import csv
import dataclasses
import fnmatch
import functools
import io
import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.colour.transfer import DEFAULT_CURVE, ESTIMATED, LINEARISATIONS
from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError, finished_whole
from hdrcnn.weights import SHIPPED, WeightsError
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("scenes", [], "Folder with HDR scenes; may be given several times.")
flags.DEFINE_multi_string(
    "photographs", [], "Folder of sharp photographs no training has seen; may be given repeatedly."
)
flags.DEFINE_multi_string(
    "params",
    [],
    "Weights file, or NAME=FILE; may be given several times. Default: the weights shipped.",
)
flags.DEFINE_multi_enum(
    "camera_curve",
    [],
    [*LINEARISATIONS, ESTIMATED],
    "Camera curves; the weights get a row for each. Default: srgb.",
)
flags.DEFINE_multi_enum(
    "quality",
    ["fast"],
    ["fast", "best"],
    "The weights get a row for each; best: the mean with the mirrored prediction.",
)
flags.DEFINE_string("families", None, "Text file with scene families. Default: those held out.")
flags.DEFINE_list(
    "only", ["*"], "Conditions, by name or pattern, such as clip05_png_srgb or clip05_*."
)
flags.DEFINE_integer("every", 1, "Use every n-th view of each kind.", lower_bound=1)
flags.DEFINE_string("out_dir", None, "Folder for the results.", required=True)


def load_validation_scenes() -> list:
    """Load the scenes that the flags name. Raises ImageError, ValueError."""
    from training_code.evaluation.protocol import Protocol
    from training_code.evaluation.request import VALIDATION
    from training_code.scenes.collection import load_scenes
    from training_code.scenes.families import read_list
    from training_code.scenes.photographs import load_photographs

    families = read_list(Path(FLAGS.families) if FLAGS.families else VALIDATION)
    found = [
        load_scenes(Path(folder), families, smallest=64, views=Protocol().views)
        for folder in FLAGS.scenes
    ]
    found += [load_photographs(Path(folder), without=True) for folder in FLAGS.photographs]
    if not found:
        raise ValueError("nothing to evaluate on; give --scenes, --photographs, or both")
    for collection in found:
        print(f"{collection.rejected_lines()}{collection.summary()}", flush=True)
    return [scene for collection in found for scene in collection.scenes]


def main() -> int:
    """Evaluate all conditions and write the tables. Returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # File names may not be encodable.
    from training_code.evaluation import kinds
    from training_code.evaluation.files import write_text
    from training_code.evaluation.methods import DO_NOTHING, PERFECT, check_names, parse_named
    from training_code.evaluation.protocol import Protocol
    from training_code.scenes.families import some
    from training_code.scenes.seen import seen_lines

    conditions = [
        condition
        for condition in kinds.CONDITIONS
        if any(fnmatch.fnmatchcase(condition.name, pattern) for pattern in FLAGS.only)
    ]
    if not conditions:
        names = ", ".join(condition.name for condition in kinds.CONDITIONS)
        raise ValueError(f"--only {','.join(FLAGS.only)}: no such condition; known: {names}")
    scenes = load_validation_scenes()
    with stderr_discarded():
        from hdrcnn.predict import single_image
    methods: dict[str, kinds.Reconstruct] = {}
    for named in [parse_named(text, "ours") for text in FLAGS.params or [str(SHIPPED)]]:
        network = single_image.load(named.path)
        for curve in FLAGS.camera_curve or [DEFAULT_CURVE]:
            for quality in FLAGS.quality:
                asked = [curve] * bool(FLAGS.camera_curve) + [quality] * (len(FLAGS.quality) > 1)
                name = " ".join([named.name, *asked])
                check_names([*DO_NOTHING, PERFECT, *methods, name])
                methods[name] = functools.partial(
                    network.reconstruct, camera_curve=curve, resolution="native", quality=quality
                )

    files = [parse_named(text, "ours").path for text in FLAGS.params or [str(SHIPPED)]]
    for line in seen_lines(files, [scene.name for scene in scenes]):
        print(line, flush=True)
    out_dir = Path(FLAGS.out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    rows: list[kinds.Row] = []
    reasons: list[str] = []
    lines: list[dict] = []
    for condition in conditions:
        left: list[str] = []
        taken = list(kinds.shots(scenes, condition, Protocol(), FLAGS.every, left.append))
        if left:
            reasons += [f"{condition.name}: {line}\n" for line in left]
            write_text(out_dir / "left_out.txt", "".join(reasons))
            names = some([line.partition(":")[0] for line in left])
            print(f"left out of {condition.name}: {names}; see left_out.txt", flush=True)
        if not taken:
            print(f"{condition.name}: no view can be judged", flush=True)
            continue
        for index in range(len(kinds.NAMES))[::-1]:
            own = [shot for shot in taken if shot.kind == index]
            if not own:
                continue
            scores, best = kinds.score(own, methods)
            made = kinds.summarise(kinds.NAMES[index], condition.name, scores, best)
            rows += made
            lines += [{"condition": condition.name, **dataclasses.asdict(s)} for s in scores]
            print(kinds.table(made), flush=True)
        write_text(out_dir / "table.md", f"{kinds.table(rows)}\n{kinds.NOTE}\n")
        with (
            finished_whole(out_dir / "per_view.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
    if not rows:
        raise ValueError("no view can be judged; give other --scenes or --photographs")
    print(f"{kinds.NOTE}\nwrote table.md and per_view.csv in {out_dir}")
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
