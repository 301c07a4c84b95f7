"""How far the parameters of one grade lie apart from scene to scene, by which shots are pooled.

    python training_code/film_spread.py --scenes HDR --without LIST --params FILE --save FILE

One look at each of `--looks` families is graded in every way of `--grades` and shown to the curves'
network; the numbers of a grade are the same for all scenes, every second look is compressed by x264
at 18. Printed are the standard deviations of the parameters within a grade, root mean square over
the grades, and over the means of the grades. Shots are pooled by the first
(`hdrcnn/predict/film_grade.py`): measure it after a training of the curves. `--save` writes the
weights with it; without, weights are pooled by what was measured of the shipped ones.
"""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn import weights
from hdrcnn.files import ImageError, prepare_folder
from hdrcnn.models.metadata import FilmCurves
from hdrcnn.weights import WeightsError
from training_code.console import run

if TYPE_CHECKING:
    from hdrcnn.predict.film import Curves
    from training_code.camera.grades import Grade
    from training_code.scenes.collection import Scene

GRADES = (
    "reinhard,moebius,bt2446a,bt2446c,camera,camera,mixed,mixed,mixed,"
    "sigmoid,sigmoid,sigmoid,sigmoid,sigmoid,sigmoid,clipped,clipped,clipped"
)
SIZE, FRAMES, CRF = 192, 3, 18

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("scenes", [], "Folder with HDR scenes; may be given several times.")
flags.DEFINE_multi_string("without", [], "Text files of families that are left out.")
flags.DEFINE_string("params", None, "Weights of curves. Default: those that are shipped.")
flags.DEFINE_string("save", None, "The weights with what was measured; may be the same file.")
flags.DEFINE_list("grades", GRADES, "Of the SDR; a name counts as often as it is given.")
flags.DEFINE_integer("looks", 32, "Families of scenes, at most.", 2)
flags.DEFINE_integer("seed", 3, "Of scenes, looks and grades.")


def within_and_between(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations over scenes and over grades of parameters [grades, scenes, P], P each.

    within: over the scenes of a grade, root mean square over grades; between: over the means of the
    grades. Both of n - 1.
    """
    within = np.sqrt(parameters.var(axis=1, ddof=1).mean(axis=0))
    return within, parameters.mean(axis=1).std(axis=0, ddof=1)


def picked(scenes: "list[Scene]", rng: np.random.Generator) -> "list[Scene]":
    """A scene each of `--looks` families, in random order."""
    by_family: dict[str, Scene] = {}
    for index in rng.permutation(len(scenes)):
        by_family.setdefault(scenes[index].family, scenes[index])
    return list(by_family.values())[: FLAGS.looks]


def measured(scene: "Scene", number: int, grades: "list[Grade]", curves: "Curves") -> np.ndarray:
    """Parameters of a look at a scene in each grade, [grades, P]. Raises ValueError if all looks
    are too black.
    """
    from hdrcnn.predict import film_curves
    from training_code.camera import clips

    def draw(attempt: int) -> "tuple[Scene, clips.Take]":
        rng = np.random.default_rng((FLAGS.seed, number, attempt))
        return scene, clips.draw_take(rng, FRAMES)

    _, light = clips.filmed(draw, SIZE, SIZE * 16 // 9 // 32 * 32)
    frames = [
        clips.graded(light, grade, CRF if (number + place) % 2 else None)[FRAMES // 2]
        for place, grade in enumerate(grades)
    ]
    found = np.stack([curves.measured(film_curves.reduced(frame)) for frame in frames])
    return found[:, : film_curves.PARAMETERS]


def main() -> int:
    """Flags to numbers. Returns the exit status."""
    from hdrcnn.colour.primaries import REC709
    from hdrcnn.predict import film
    from training_code.camera import grades
    from training_code.scenes.collection import load_scenes
    from training_code.scenes.families import read_list

    if not FLAGS.scenes:
        raise ImageError("--scenes: name at least one folder with HDR scenes")
    for name in FLAGS.grades:
        if name not in grades.NAMES:
            raise ImageError(f"--grades {name}: not one of {', '.join(grades.NAMES)}")
    held_out = frozenset().union(*(read_list(Path(path)) for path in FLAGS.without))
    rng = np.random.default_rng(FLAGS.seed)
    found = [
        scene
        for folder in FLAGS.scenes
        for scene in load_scenes(Path(folder), held_out, without=True).scenes
    ]
    scenes = picked(found, rng)
    if len(scenes) < 2:
        raise ImageError("--scenes: scenes of two families at least are needed")
    params = Path(FLAGS.params) if FLAGS.params else film.CURVES
    curves = film.Curves(REC709, film.WHITE, 1000.0, params, "auto")
    drawn = [grades.draw_grade((name,), rng) for name in FLAGS.grades]
    looks = [measured(scene, number, drawn, curves) for number, scene in enumerate(scenes)]
    within, between = within_and_between(np.stack(looks, axis=1))
    if FLAGS.save:
        arrays, record = weights.load(params)
        kept = weights.checked(arrays, record, FilmCurves, str(params))
        spread = tuple(float(f"{value:.4g}") for value in within)
        prepare_folder(Path(FLAGS.save).parent)
        weights.save(Path(FLAGS.save), arrays, dataclasses.replace(kept, spread=spread))
    print(f"{len(drawn)} grades of {len(scenes)} scenes, {params.name}")
    for name, deviations in (("within a grade", within), ("between grades", between)):
        print(f"{name}: {', '.join(f'{value:.3f}' for value in deviations)}")
    return 0


if __name__ == "__main__":
    run(main, WeightsError, ImageError, OSError, ValueError)
