"""Measure the directions in which curve parameters of different grades differ, to pool shots.

    python training_code/film_directions.py --scenes HDR --without LIST --params FILE --save FILE

A view of one scene from each of up to `--looks` families is graded to SDR in every way of
`--grades`, with the same grade parameters for all scenes and every second result compressed by x264
at CRF 18, and passed to the curves network. The directions are the linear discriminants of the
grades (Fisher 1936; Rao 1948). The script prints, for each direction, the variance between grades
divided by that of the estimation errors, and the median difference between the evidence of two
scenes in the same grade, by which frames of one shot are recognised. `--save` writes the weights
with these results. `hdrcnn film` uses them to pool the shots of a film
(`hdrcnn/predict/film_grade.py`); without them, each shot is converted by itself. Run this after
training the curves network.
"""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg
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

GRADES = "reinhard,moebius,bt2446a,bt2446c,camera,camera"
GRADES += 4 * ",mixed" + 12 * ",sigmoid" + 6 * ",clipped"
SIZE, FRAMES, CRF = 192, 3, 18

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("scenes", [], "Folder with HDR scenes; may be given several times.")
flags.DEFINE_multi_string("without", [], "Text files of families to leave out.")
flags.DEFINE_string("params", None, "Weights of the curves network. Default: those shipped.")
flags.DEFINE_string("save", None, "File for the weights with the results; may be that of --params.")
flags.DEFINE_list("grades", GRADES, "Grades of the SDR; a repeated name is drawn as often.")
flags.DEFINE_integer("looks", 70, "Largest number of families, of one scene each.", 2)
flags.DEFINE_integer("seed", 3, "Seed of scenes, views and grades.")

DIRECTIONS = 3
"""Number of directions kept; along further ones, grades differ hardly more than estimates of one
grade do."""
LOADED = 0.1
"""Share of each error variance that is added to it, so that no direction appears more reliable than
so few scenes can show."""


def discriminants(parameters: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Linear discriminants of grades.

    parameters: [grades, scenes, P], the estimates. Returns the `count` directions, [count, P], in
    which grades differ most relative to the estimation errors, and for each the variance between
    grades divided by that of the errors, [count], largest first.

    The directions are scaled so that the projected difference between two estimates for one grade
    has a mean squared length of 1. Raises ValueError if a parameter is the same for all scenes.
    """
    grades, scenes, numbers = parameters.shape
    means = parameters.mean(axis=1)
    errors = (parameters - means[:, None]).reshape(-1, numbers)
    within = errors.T @ errors / (grades * (scenes - 1))
    if not np.diag(within).all():
        raise ValueError("a parameter of the guesses is the same for all scenes")
    between = np.cov(means.T) - within / scenes
    within = within + LOADED * np.diag(np.diag(within))
    ratios, directions = scipy.linalg.eigh(between, within)
    return directions.T[::-1][:count] / np.sqrt(2.0 * count), ratios[::-1][:count]


def pick_scenes(scenes: "list[Scene]", rng: np.random.Generator) -> "list[Scene]":
    """One scene from each of up to `--looks` families, in random order."""
    by_family: dict[str, Scene] = {}
    for index in rng.permutation(len(scenes)):
        by_family.setdefault(scenes[index].family, scenes[index])
    return list(by_family.values())[: FLAGS.looks]


def measure_evidence(
    scene: "Scene", number: int, grades: "list[Grade]", curves: "Curves"
) -> np.ndarray:
    """Evidence of one view of a scene in each grade, [grades, E]. Raises ValueError if all views
    that are tried are too black.
    """
    from hdrcnn.predict.film_curves import reduced
    from training_code.camera import clips

    def draw(attempt: int) -> "tuple[Scene, clips.Take]":
        rng = np.random.default_rng((FLAGS.seed, number, attempt))
        return scene, clips.draw_take(rng, FRAMES)

    _, light = clips.filmed(draw, SIZE, SIZE * 16 // 9 // 32 * 32)
    frames = [
        clips.graded(light, grade, CRF if (number + place) % 2 else None)[FRAMES // 2]
        for place, grade in enumerate(grades)
    ]
    return np.stack([curves.frame_parameters(reduced(frame)) for frame in frames])


def main() -> int:
    """Measure the directions, print and save them. Returns the exit status."""
    from hdrcnn.colour.primaries import REC709
    from hdrcnn.predict import film
    from training_code.camera import grades
    from training_code.scenes.split import scenes_of_folders

    if not FLAGS.scenes:
        raise ImageError("--scenes: name at least one folder with HDR scenes")
    grades.check_names(FLAGS.grades)
    if len(FLAGS.grades) < 2:
        raise ImageError("--grades: at least two are needed")
    rng = np.random.default_rng(FLAGS.seed)
    scenes = pick_scenes(scenes_of_folders(FLAGS.scenes, FLAGS.without, without=True), rng)
    if len(scenes) < 2:
        raise ImageError("--scenes: scenes of at least two families are needed")
    params = Path(FLAGS.params) if FLAGS.params else film.FILM_CURVES
    curves = film.Curves(REC709, film.WHITE, 1000.0, params, "auto")
    drawn = [grades.draw_grade((name,), rng) for name in FLAGS.grades]
    looks = [measure_evidence(scene, number, drawn, curves) for number, scene in enumerate(scenes)]
    guesses = np.stack([curves.decode(look) for look in looks], axis=1)
    directions, ratios = discriminants(guesses, DIRECTIONS)
    differences = [curves.differences(look, look) for look in np.stack(looks, axis=1)]
    others = ~np.eye(len(scenes), dtype=bool)
    apart = float(np.median([difference[others] for difference in differences]))
    if FLAGS.save:
        arrays, record = weights.load(params)
        kept = weights.expect_kind(arrays, record, FilmCurves, str(params))
        rounded = tuple(tuple(float(f"{v:.4g}") for v in direction) for direction in directions)
        prepare_folder(Path(FLAGS.save).parent)
        weights.save(
            Path(FLAGS.save),
            arrays,
            dataclasses.replace(kept, directions=rounded, apart=float(f"{apart:.4g}")),
        )
    print(f"{len(drawn)} grades of {len(scenes)} scenes, {params.name}")
    print(f"median difference between two scenes in one grade: {apart:.3g}")
    print(f"variance between grades / of errors: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    return 0


if __name__ == "__main__":
    run(main, WeightsError, ImageError, OSError, ValueError)
