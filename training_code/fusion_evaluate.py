"""Compare exposure fusion by our and other methods, on simulated brackets of held-out scenes.

    python training_code/fusion_evaluate.py --scenes HDR --photographs SHARP --params network=FILE

There are two tables for each number of frames: one of brackets taken from a tripod, one of
hand-held brackets in which something moves. `hdrcnn fuse` is the whole program, with its own
alignment and ghost removal. All other methods get hand-held frames aligned by align_image_stack, if
it is installed. Results of hand-held brackets are compared with the bracket that a tripod would
have given at the moment of the reference frame, without a twentieth of the picture at each border.
The reference frame, for all methods, is the best exposed one, as chosen by the program.

Brackets from a tripod also have a truth: the scene at the metered exposure, without noise and JPEG,
as the supervised network learns it. PSNR, SSIM and MS-SSIM to it measure how much a result looks
like one well-exposed photograph; detail that such a photograph clips, or leaves black, counts
against a method that shows it.

After each table the script writes `fusion.md`, `fusion.csv`, and the bracket with the worst result
of `hdrcnn fuse` as an image with four cells per row: darkest, brightest, then each method.
"""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError, prepare_folder
from hdrcnn.weights import WeightsError
from training_code.console import run

if TYPE_CHECKING:
    from training_code.evaluation.fusion_methods import Method
    from training_code.evaluation.fusion_metrics import Score
    from training_code.scenes.collection import Scene
    from training_code.tasks.fusion_brackets import BracketBatches

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("scenes", [], "Folder with HDR scenes; may be given several times.")
flags.DEFINE_multi_string(
    "photographs", [], "Folder with sharp LDR photographs, linearised; may be given several times."
)
flags.DEFINE_multi_string(
    "validation",
    [],
    "Text files of the families to use. If they name no photograph of a folder, as when all of it "
    "is held out, all its photographs are used. Default: all families.",
)
flags.DEFINE_multi_string("params", [], "NAME=FILE: a weights file; may be given several times.")
flags.DEFINE_list("frames", ["2", "5"], "Numbers of frames; there is a table per kind for each.")
flags.DEFINE_integer("brackets", 40, "Brackets in each table.", 1)
flags.DEFINE_integer("size", 640, "Side of the pictures, pixels.", 64)
flags.DEFINE_integer("seed", 7, "Seed of all brackets.")
flags.DEFINE_list("kinds", ["still", "moving"], "Kinds of brackets; moving ones are hand-held too.")
flags.DEFINE_bool("others", True, "Also measure other programs: enfuse, OpenCV, the mean.")
flags.DEFINE_string("out_dir", None, "Folder for tables and pictures.", required=True)

KINDS = {"still": "still", "moving": "hand-held, something moves"}
OURS = "hdrcnn fuse"
TO_TRUTH = (
    ("psnr", "PSNR [dB]", 2),
    ("ssim", "SSIM", 4),
    ("ms_ssim", "MS-SSIM", 4),
)
"""Fields of `Score` whose medians are in the tables, with their titles and digits."""
CELLS = 4
"""Number of cells in a row of a picture."""


class TakenBracket(NamedTuple):
    """A bracket as the methods see it; frames are [K, H, W, 3] uint8."""

    taken: np.ndarray
    aligned: np.ndarray | None
    """The frames aligned by align_image_stack; None if it failed or is not used."""
    wanted: np.ndarray
    """The frames that a tripod would have given."""
    truth: np.ndarray | None
    """One well-exposed photograph, [H, W, 3]; None for hand-held brackets."""

    @property
    def still(self) -> bool:
        return self.truth is not None


def load_held_out_scenes() -> "list[Scene]":
    """Load the scenes that the flags name. Raises ValueError if there are none."""
    from training_code.scenes.families import read_lists
    from training_code.scenes.photographs import load_photographs
    from training_code.scenes.split import scenes_of_folders

    families = read_lists(FLAGS.validation)
    scenes = scenes_of_folders(FLAGS.scenes, FLAGS.validation)
    for folder in FLAGS.photographs:
        found = load_photographs(Path(folder), without=True, smallest=FLAGS.size).scenes
        chosen = [scene for scene in found if scene.family in families]
        scenes += chosen or found
    scenes = [scene for scene in scenes if min(scene.shape) >= FLAGS.size]
    if not scenes:
        raise ValueError(f"no scenes of {FLAGS.size} pixels; give --scenes or --photographs")
    return scenes


def take_bracket(batches: "BracketBatches", index: int, can_align: bool) -> TakenBracket:
    """Take bracket number `index` of a table. can_align: whether to align by align_image_stack."""
    from hdrcnn.predict.bracket import choose_reference
    from training_code.camera.brackets import scene_codes, take
    from training_code.evaluation.fusion_methods import align

    bracket = batches.bracket(index, 0)
    light, *other = batches.lights(index, 0, bracket)
    frames = take(light, bracket, *other)
    if bracket.still:
        return TakenBracket(frames, frames, frames, scene_codes(light, bracket))
    reference = choose_reference(list(frames))
    wanted = take(light, bracket.held_still(reference), *other)
    aligned = align(frames, reference) if can_align else None
    return TakenBracket(frames, aligned, wanted, None)


def measure(
    batches: "BracketBatches", others: "dict[str, Method]", can_align: bool
) -> "tuple[dict[str, list[Score]], np.ndarray, list[str]]":
    """Measure all brackets of a table; return their scores by method, a picture of the worst, and
    notes.
    """
    from hdrcnn.predict.bracket import choose_reference
    from training_code.evaluation.fusion_methods import hdrcnn_fuse
    from training_code.evaluation.fusion_metrics import score
    from training_code.evaluation.pictures import grid

    scores: dict[str, list[Score]] = {name: [] for name in (OURS, *others)}
    worst, picture, lost, refused = 2.0, np.zeros((1, 1, 3), np.uint8), 0, 0
    for index in range(len(batches)):
        seen = take_bracket(batches, index, can_align)
        lost += can_align and seen.aligned is None
        frames = seen.taken if seen.aligned is None else seen.aligned
        ours = hdrcnn_fuse(seen.taken)
        refused += ours is None
        ours = seen.taken[choose_reference(list(seen.taken))] if ours is None else ours
        fused = {OURS: ours} | {name: method(frames) for name, method in others.items()}
        border = 0 if seen.still else FLAGS.size // 20
        inner = slice(border, FLAGS.size - border)
        wanted = seen.wanted[:, inner, inner]
        for name, result in fused.items():
            inside = result[inner, inner]
            scores[name].append(score(wanted, inside, seen.truth))
        if scores[OURS][-1].mef_ssim < worst:
            worst = scores[OURS][-1].mef_ssim
            cells = [wanted[0], wanted[-1], *(r[inner, inner] for r in fused.values())]
            picture = grid(cells, CELLS)
    notes = []
    if lost:
        notes.append(
            f"align_image_stack could not align {lost} of them; the other methods got "
            "these as they were taken."
        )
    if refused:
        notes.append(f"{OURS} refused {refused} of them; their reference frame was scored instead.")
    return scores, picture, notes


def table(title: str, scores: "dict[str, list[Score]]", notes: list[str]) -> str:
    """Format the scores of a table, and its notes, as Markdown."""
    figures = [
        (name, heading, digits)
        for name, heading, digits in TO_TRUTH
        if not np.isnan([getattr(s, name) for found in scores.values() for s in found]).any()
    ]
    heads = ["method", "MEF-SSIM mean", "worst", "order reversal [codes]"]
    heads += [heading for _, heading, _ in figures]
    lines = [title, "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for method, found in scores.items():
        quality, halo = np.array([(each.mef_ssim, each.order_reversal) for each in found]).T
        cells = [method, f"{quality.mean():.4f}", f"{quality.min():.4f}", f"{halo.mean():.3f}"]
        cells += [
            f"{np.median([getattr(each, name) for each in found]):.{digits}f}"
            for name, _, digits in figures
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *(line for note in notes for line in ("", note))])


def main() -> int:
    """Measure all tables and write them. Returns the exit status."""
    from hdrcnn.writers.display import write_png
    from training_code.camera.brackets import Brackets
    from training_code.evaluation import fusion_methods as methods
    from training_code.evaluation.files import write_csv, write_text
    from training_code.evaluation.fusion_metrics import Score
    from training_code.evaluation.methods import check_names, named_weights
    from training_code.scenes.seen import seen_lines
    from training_code.scenes.views import Views
    from training_code.tasks.fusion_brackets import BracketBatches
    from training_code.tasks.fusion_settings import FusionConfig

    params = named_weights(FLAGS.params)
    if not set(FLAGS.kinds) <= set(KINDS):
        raise ValueError(f"--kinds {','.join(FLAGS.kinds)}: known are {', '.join(KINDS)}")
    others, notes = methods.classical() if FLAGS.others else ({}, [])
    check_names([OURS, *others, *(named.name for named in params)])
    others = {named.name: methods.load_method(named.path) for named in params} | others
    can_align = bool(others) and shutil.which("align_image_stack") is not None
    if "moving" in FLAGS.kinds and others and not can_align:
        notes.append("the frames of other methods are not aligned: install hugin-tools")
    print("\n".join(notes), end="\n" if notes else "")
    scenes = load_held_out_scenes()
    for line in seen_lines([named.path for named in params], [scene.name for scene in scenes]):
        print(line, flush=True)
    out = Path(FLAGS.out_dir)
    prepare_folder(out)
    tables, records = [], []
    views = Views(fov=(60.0, 100.0), crop=(0.4, 1.0))
    for count in map(int, FLAGS.frames):
        for kind in FLAGS.kinds:
            share = float(kind == "moving")
            brackets = Brackets(frames=(count, count), shaken_share=share, moving_share=share)
            config = FusionConfig(
                batch=1, size=FLAGS.size, seed=FLAGS.seed, views=views, brackets=brackets
            )
            batches = BracketBatches(scenes, config, steps=FLAGS.brackets)
            scores, picture, notes = measure(batches, others, can_align)
            title = f"{count} frames, {KINDS[kind]}, {FLAGS.brackets} brackets"
            tables.append(table(title, scores, notes))
            print(tables[-1], end="\n\n", flush=True)
            records += [
                (count, kind, index, name, *each)
                for name, found in scores.items()
                for index, each in enumerate(found)
            ]
            write_png(out / f"worst_{count}_{kind}.png", picture)
            write_text(out / "fusion.md", "\n\n".join(tables) + "\n")
            head = ["frames", "kind", "bracket", "method", *Score._fields]
            write_csv(out / "fusion.csv", head, records)
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
