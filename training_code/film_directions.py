"""In which directions curves' guesses for different grades lie apart: shots are pooled by them.

    python training_code/film_directions.py --scenes HDR --without LIST --params FILE --save FILE

One look at each of `--looks` families is graded in every way of `--grades` and shown to the curves'
network; the numbers of a grade are the same for all scenes, every second look is compressed by x264
at 18. The directions are the linear discriminants of the grades (Fisher 1936; Rao 1948). Printed
are for each the variance between grades over that of the errors of a guess, and how differently
looks at two scenes in one grade speak, by which frames of one shot are known. `--save` writes the
weights with them, and `hdrcnn film` pools the shots of a film by them
(`hdrcnn/predict/film_grade.py`); without, each shot is converted by itself. Measure them after a
training of the curves.
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
flags.DEFINE_multi_string("without", [], "Text files of families that are left out.")
flags.DEFINE_string("params", None, "Weights of curves. Default: those that are shipped.")
flags.DEFINE_string("save", None, "The weights with what was measured; may be the same file.")
flags.DEFINE_list("grades", GRADES, "Of the SDR; a name counts as often as it is given.")
flags.DEFINE_integer("looks", 70, "Families of scenes, at most.", 2)
flags.DEFINE_integer("seed", 3, "Of scenes, looks and grades.")

DIRECTIONS = 3
"""How many are kept: in further ones grades hardly differ by more than guesses do."""
LOADED = 0.1
"""Of each variance of the errors, added to it: no direction is surer than so few scenes tell."""


def discriminants(parameters: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of parameters [grades, scenes, P]: the `count` directions, [count, P], in which grades lie
    apart most for the errors of their guesses, and the variances between grades over those of the
    errors, [count], largest first.

    The squared length of the difference of two guesses for one grade is 1 in the mean along all of
    them together. Raises ValueError if a parameter is the same for all scenes.
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


def picked(scenes: "list[Scene]", rng: np.random.Generator) -> "list[Scene]":
    """A scene each of `--looks` families, in random order."""
    by_family: dict[str, Scene] = {}
    for index in rng.permutation(len(scenes)):
        by_family.setdefault(scenes[index].family, scenes[index])
    return list(by_family.values())[: FLAGS.looks]


def measured(scene: "Scene", number: int, grades: "list[Grade]", curves: "Curves") -> np.ndarray:
    """The evidence of a look at a scene in each grade, [grades, E]. Raises ValueError if all
    looks are too black.
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
    return np.stack([curves.measured(reduced(frame)) for frame in frames])


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
    if len(FLAGS.grades) < 2:
        raise ImageError("--grades: two at least are needed")
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
    guesses = np.stack([curves.decode(look) for look in looks], axis=1)
    directions, ratios = discriminants(guesses, DIRECTIONS)
    differences = [curves.differences(look, look) for look in np.stack(looks, axis=1)]
    others = ~np.eye(len(scenes), dtype=bool)
    apart = float(np.median([difference[others] for difference in differences]))
    if FLAGS.save:
        arrays, record = weights.load(params)
        kept = weights.checked(arrays, record, FilmCurves, str(params))
        rounded = tuple(tuple(float(f"{v:.4g}") for v in direction) for direction in directions)
        prepare_folder(Path(FLAGS.save).parent)
        weights.save(
            Path(FLAGS.save),
            arrays,
            dataclasses.replace(kept, directions=rounded, apart=float(f"{apart:.4g}")),
        )
    print(f"{len(drawn)} grades of {len(scenes)} scenes, {params.name}")
    print(f"two scenes in one grade speak differently by {apart:.3g}")
    print(f"between grades over errors: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    return 0


if __name__ == "__main__":
    run(main, WeightsError, ImageError, OSError, ValueError)
