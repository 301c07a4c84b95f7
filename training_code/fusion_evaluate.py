"""Exposure fusion on simulated brackets of held-out scenes: our networks beside other methods.

    python training_code/fusion_evaluate.py --scenes HDR --photographs SHARP --params ours=FILE

For each number of frames two tables: brackets that were held still, and hand-held ones in which
something moves. Of those all methods are given the frames that align_image_stack aligned, if it is
installed, and are compared with the bracket that a tripod would have given of what the reference
frame shows, without a twentieth of the picture at each border. Writes `fusion.md`, `fusion.csv`,
and of each table the bracket with our worst result as a picture: darkest, brightest, then each
method.
"""

import csv
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError, prepare_folder
from hdrcnn.weights import WeightsError
from training_code.console import run

if TYPE_CHECKING:
    from training_code.camera.brackets import Bracket

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("scenes", [], "Folder with HDR scenes; may be given several times.")
flags.DEFINE_multi_string(
    "photographs", [], "Folder with sharp LDR photographs, linearised; may be given several times."
)
flags.DEFINE_multi_string(
    "validation",
    [],
    "Text files of families; only these are taken, but of folders of photographs of which they "
    "name none, such as one that is held out whole, all. Default: all.",
)
flags.DEFINE_multi_string("params", [], "NAME=FILE: a weights file; may be given several times.")
flags.DEFINE_list("frames", ["2", "5"], "Numbers of frames, one table of each kind for each.")
flags.DEFINE_integer("brackets", 40, "In each table.", 1)
flags.DEFINE_integer("size", 320, "Side of the pictures, pixels.", 64)
flags.DEFINE_integer("seed", 7, "Of all brackets.")
flags.DEFINE_bool("moving", True, "Also hand-held brackets in which something moves.")
flags.DEFINE_string("out_dir", None, "Folder for tables and pictures.", required=True)


def still(lights: tuple[np.ndarray, ...], bracket: "Bracket") -> np.ndarray:
    """The frames that a tripod would have given, [K, H, W, 3] uint8. lights: of scene and mover."""
    from training_code.camera.brackets import take

    light, *other = lights
    return take(light, bracket.held_still(), *other)


def main() -> int:
    """Flags to tables. Returns the exit status."""
    from training_code.camera.brackets import Brackets
    from training_code.evaluation import fusion_methods as methods
    from training_code.evaluation.fusion_metrics import mef_ssim, order_reversal
    from training_code.scenes.collection import load_scenes
    from training_code.scenes.families import read_list
    from training_code.scenes.photographs import load_photographs
    from training_code.scenes.views import Views
    from training_code.tasks.fusion_brackets import BracketBatches
    from training_code.tasks.fusion_settings import Fusion

    named = dict(text.partition("=")[::2] for text in FLAGS.params)
    if not all(named.values()):
        raise ValueError("--params: NAME=FILE is needed")
    others, notes = methods.classical()
    rows = {name: methods.of_weights(Path(path)) for name, path in named.items()} | others
    can_align = shutil.which("align_image_stack") is not None
    if FLAGS.moving and not can_align:
        notes.append("nothing is aligned: install hugin-tools")
    print("\n".join(notes), end="\n" if notes else "")
    families = frozenset[str]().union(*(read_list(Path(p)) for p in FLAGS.validation))
    scenes = []
    for folder in FLAGS.scenes:
        scenes += load_scenes(Path(folder), families, without=not FLAGS.validation).scenes
    for folder in FLAGS.photographs:
        found = load_photographs(Path(folder), without=True, smallest=FLAGS.size).scenes
        chosen = [scene for scene in found if scene.family in families]
        scenes += chosen or found
    scenes = [scene for scene in scenes if min(scene.shape) >= FLAGS.size]
    if not scenes:
        raise ValueError(f"no scenes of {FLAGS.size} pixels; give --scenes or --photographs")
    out = Path(FLAGS.out_dir)
    prepare_folder(out)
    lines, records = [], []
    for count in map(int, FLAGS.frames):
        for moving in (False, True)[: 1 + FLAGS.moving]:
            share = float(moving)
            brackets = Brackets(frames=(count, count), shaken_share=share, moving_share=share)
            views = Views(fov=(60.0, 100.0), crop=(0.4, 1.0))
            config = Fusion(
                batch=1, size=FLAGS.size, seed=FLAGS.seed, views=views, brackets=brackets
            )
            taken = BracketBatches(scenes, config, steps=FLAGS.brackets)
            scores: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
            worst: tuple[float, np.ndarray | None] = (2.0, None)
            for index in range(FLAGS.brackets):
                frames = taken.item(index, 0)["frames"]
                bracket, wanted = taken.bracket(index, 0), frames
                border = 0
                if moving:
                    border = FLAGS.size // 20
                    wanted = still(taken.lights(index, 0, bracket), bracket)
                    if can_align:
                        frames = methods.align(frames, bracket.reference)
                inner = slice(border, FLAGS.size - border)
                wanted = wanted[:, inner, inner]
                fused = {name: row(frames)[inner, inner] for name, row in rows.items()}
                for name, picture in fused.items():
                    both = mef_ssim(wanted, picture), order_reversal(wanted, picture)
                    scores[name].append(both)
                    records.append((count, moving, index, name, *both))
                first = scores[next(iter(rows))][-1][0]
                if first < worst[0]:
                    cells = [wanted[0], wanted[-1], *fused.values()]
                    worst = first, np.concatenate(cells, axis=1)
            kind = "hand-held, something moves" if moving else "still"
            lines += ["", f"{count} frames, {kind}, {FLAGS.brackets} brackets", ""]
            lines += ["| method | MEF-SSIM mean | worst | order reversal [codes] |"]
            lines += ["| --- | --- | --- | --- |"]
            for name, pairs in scores.items():
                values = np.array(pairs)
                lines.append(
                    f"| {name} | {values[:, 0].mean():.4f} | {values[:, 0].min():.4f} "
                    f"| {values[:, 1].mean():.3f} |"
                )
            print("\n".join(lines[-len(rows) - 4 :]), flush=True)
            if worst[1] is not None:
                from hdrcnn.writers.display import write_png

                write_png(out / f"worst_{count}_{'moving' if moving else 'still'}.png", worst[1])
    (out / "fusion.md").write_text("\n".join(lines).strip() + "\n")
    with (out / "fusion.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["frames", "moving", "bracket", "method", "mef_ssim", "order_reversal"])
        table.writerows(records)
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
