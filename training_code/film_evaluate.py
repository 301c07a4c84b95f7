"""Compare weights and formulas that convert SDR film to HDR, on clips of scenes or existing pairs.

    python training_code/film_evaluate.py --scenes HDR --validation LIST --params curves=FILE
    python training_code/film_evaluate.py --videos FOLDER --params curves=FILE

Clips of held-out scenes, each a pan with a zoom and an exposure ramp, together form a film. It is
graded to SDR in every way of --grades and compressed by x264 at every --crf; finally the grade is
drawn anew for every clip, as in a compilation. With --trims, the grade of every clip gets a trim of
its own, as colourists grade shot by shot. Pairs are films in SDR and HDR (--videos) or
pictures (--pairs: the test part of the published layout, or PNG and TIFF files with the same names
in sdr/ and hdr/; all pictures of a folder count as one film, as for `hdrcnn film`), reduced to
--size.

The script measures PQ-PSNR, colour difference (ICtCp, BT.2124) and PU21-PSNR of the middle frame,
as it is and after one gain, and over all frames the excess change of the mean and of the brightest
hundredth relative to the truth. It writes `film.md`, `film.csv`, and the clip with the worst result
of the last method as an image of PQ codes: SDR, truth, each method.
"""

import dataclasses
import itertools
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError, prepare_folder
from hdrcnn.weights import WeightsError
from training_code.console import run
from training_code.evaluation.film_report import (
    AS_GIVEN,
    COMPILATION,
    Row,
    figures,
    grade_name,
    write,
)
from training_code.evaluation.pictures import eight_bits, grid

if TYPE_CHECKING:
    from training_code.camera.grades import Grade
    from training_code.evaluation.film_methods import Method
    from training_code.scenes.collection import Scene

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("scenes", [], "Folder with HDR scenes; may be given several times.")
flags.DEFINE_multi_string(
    "validation", [], "Text files of the families to use. Default: all families."
)
flags.DEFINE_multi_string(
    "pairs", [], "Folder of picture pairs: the test part of the published layout, or sdr/ and hdr/."
)
flags.DEFINE_multi_string(
    "videos", [], "Folder of film pairs: films with the same names in sdr/ and hdr/."
)
flags.DEFINE_multi_string("params", [], "NAME=FILE: a weights file; may be given several times.")
flags.DEFINE_bool("formulas", True, "Measure the formulas too; they do not depend on weights.")
flags.DEFINE_list(
    "grades",
    ["reinhard", "moebius", "bt2446a", "bt2446c", "camera", "hable", "srgb"],
    "Grades of the SDR.",
)
flags.DEFINE_bool("compilation", True, "Also measure a film whose clips have different grades.")
flags.DEFINE_float(
    "trims",
    0.0,
    "Standard deviation, in stops, of the exposure by which each clip's grade differs from that of "
    "its film; contrast, saturation and white balance vary in proportion. 0: none.",
    0.0,
    4.0,
)
flags.DEFINE_list("unseen", ["hable", "srgb"], "Grades that no weights were trained on.")
flags.DEFINE_list("crf", ["18", "35"], "CRFs of x264; the main tables show the first.")
flags.DEFINE_integer("clips", 12, "Number of clips of scenes.", 1)
flags.DEFINE_integer("films", 1, "How often all clips are graded, each time with new numbers.", 1)
flags.DEFINE_integer("frames", 6, "Frames of a clip.", 2)
flags.DEFINE_integer("size", 192, "Rows of the frames, a multiple of 32.", 64)
flags.DEFINE_integer("seed", 7, "Seed of clips and grades.")
flags.DEFINE_string("out_dir", None, "Folder for tables and pictures.", required=True)

CELLS = 3
"""Number of cells in a row of a picture."""
MOST = 256
"""Largest number of pairs measured of a film, spread evenly over it."""


class Clip(NamedTuple):
    """Consecutive frames in SDR and HDR."""

    name: str
    sdr: np.ndarray
    """[T, H, W, 3] uint8, codes of Rec. 709."""
    hdr: np.ndarray
    """[T, H, W, 3] uint16, PQ codes of BT.2020."""


class Film(NamedTuple):
    """Clips that are converted as one film."""

    name: str
    """Name of their grade with its trims, or of the film or folder."""
    crf: int
    clips: list[Clip]


def render_clip(scenes: "list[Scene]", index: int) -> tuple[str, np.ndarray]:
    """Film clip number `index`, of the scenes in turn: the name of its scene, and its light in
    cd/m^2, BT.2020, [T, H, W, 3].
    """
    from training_code.camera import clips

    def draw(attempt: int) -> "tuple[Scene, clips.Take]":
        rng = np.random.default_rng((FLAGS.seed, index, attempt))
        return scenes[index % len(scenes)], clips.draw_take(rng, FLAGS.frames)

    scene, light = clips.filmed(draw, FLAGS.size, columns())
    return scene.name, light


def all_methods() -> "dict[str, Method]":
    """Load the formulas, then the weights of --params. Raises ValueError, WeightsError."""
    from training_code.evaluation import film_methods as methods
    from training_code.evaluation.methods import check_names, named_weights

    found = methods.formulas() if FLAGS.formulas else {}
    for named in named_weights(FLAGS.params):
        more = methods.load_methods(named.name, named.path)
        check_names([*found, *more])
        found |= more
    if not found:
        raise ValueError("nothing to measure with --noformulas; give --params")
    return found


def load_scenes() -> "list[Scene]":
    """Load the scenes, ordered so that every family comes once before any comes again. Raises
    ImageError.
    """
    from training_code.scenes.split import scenes_of_folders

    scenes = scenes_of_folders(FLAGS.scenes, FLAGS.validation)
    scenes.sort(key=lambda scene: (scene.family, scene.name))
    turn = {id(s): [t.family for t in scenes[:i]].count(s.family) for i, s in enumerate(scenes)}
    scenes.sort(key=lambda scene: turn[id(scene)])
    return scenes


def with_trims(of_clips: "Sequence[Grade]", *key: int) -> "list[Grade]":
    """The grade of each clip with a trim of its own, as by --trims. key: of the film; with another
    --trims, the same trims are stronger or weaker.
    """
    from training_code.camera.grades import draw_trim

    # From 1 on, because a generator's key with a 0 at its end is the same as without.
    rngs = (np.random.default_rng((*key, 1 + index)) for index in range(len(of_clips)))
    return [
        dataclasses.replace(grade, trim=draw_trim(FLAGS.trims, rng))
        for grade, rng in zip(of_clips, rngs, strict=True)
    ]


def graded_films(scenes: "list[Scene]") -> Iterator[Film]:
    """Yield a film of the scenes' clips for each grade and CRF."""
    from training_code.camera import clips, grades

    names, lights = zip(*(render_clip(scenes, index) for index in range(FLAGS.clips)), strict=True)
    truths = [clips.hdr_pq_codes(own) for own in lights]
    asked = [*FLAGS.grades, *[COMPILATION] * FLAGS.compilation]
    for number, name in itertools.product(range(FLAGS.films), asked):
        key = (FLAGS.seed, number, zlib.crc32(name.encode()))
        rng = np.random.default_rng(key)
        own = [grades.draw_grade((name,), rng)] * len(lights)
        if name == COMPILATION:
            own = [grades.draw_grade(FLAGS.grades, rng) for _ in lights]
        own = with_trims(own, *key)
        for crf in map(int, FLAGS.crf):
            sdr = [clips.graded(light, g, crf) for light, g in zip(lights, own, strict=True)]
            clips_of_film = list(map(Clip, names, sdr, truths))
            yield Film(grade_name(name, FLAGS.trims), crf, clips_of_film)


def given_films() -> Iterator[Film]:
    """Yield the films of --pairs and --videos. Raises ImageError."""
    from training_code.scenes.film_pairs import folder_pairs, video_pairs

    shape = FLAGS.size, columns()
    several = len(FLAGS.pairs) + len(FLAGS.videos) > 1
    for folder in map(Path, FLAGS.pairs):
        pairs = enumerate(folder_pairs(folder, "test", shape))
        yield Film(
            str(folder) if several else folder.name,
            AS_GIVEN,
            [Clip(str(n), *frames) for n, frames in pairs],
        )
    for folder in map(Path, FLAGS.videos):
        films = itertools.groupby(video_pairs(folder, shape), key=lambda found: found[0])
        for name, pairs_of in films:
            yield Film(
                f"{folder}/{name}" if several else name,
                AS_GIVEN,
                thinned(Clip(name, *frames) for _, frames in pairs_of),
            )


def thinned(clips: Iterator[Clip]) -> list[Clip]:
    """Keep at most `MOST` clips, evenly spaced, and name them by their numbers."""
    kept: list[Clip] = []
    step = 1
    for number, clip in enumerate(clips):
        if number % step == 0:
            kept.append(clip._replace(name=str(number)))
        if len(kept) > MOST:
            kept, step = kept[::2], 2 * step
    return kept


def columns() -> int:
    """Columns of a frame, for an aspect of about 16:9; a multiple of 32."""
    return int(FLAGS.size * 16 // 9 // 32 * 32)


def measure(film: Film, methods: "dict[str, Method]") -> "tuple[list[Row], int, np.ndarray]":
    """Measure a film; return its rows, the index of the worst clip of the last method (by
    PU21-PSNR), and a picture of that clip.
    """
    rows, shown = [], []
    for name, method in methods.items():
        found = method([clip.sdr for clip in film.clips])
        rows += [
            Row(clip.name, film.name, film.crf, name, figures(own, clip.hdr / np.float32(65535.0)))
            for clip, own in zip(film.clips, found, strict=True)
        ]
        shown.append([eight_bits(own[0]) for own in found])
    worst = int(np.argmin([row.figures[4] for row in rows[-len(film.clips) :]]))
    clip = film.clips[worst]
    cells = [clip.sdr[0], eight_bits(clip.hdr[0] / 65535.0), *(own[worst] for own in shown)]
    return rows, worst, grid(cells, CELLS)


def main() -> int:
    """Measure all films, and write tables and the worst clip. Returns the exit status."""
    from hdrcnn.writers.display import write_png
    from training_code.camera import grades
    from training_code.evaluation.methods import named_weights
    from training_code.scenes.seen import seen_lines

    if FLAGS.size % 32:
        raise ValueError(f"--size {FLAGS.size}: must be a multiple of 32")
    grades.check_names(FLAGS.grades)
    if not FLAGS.crf or not all(text in map(str, range(52)) for text in FLAGS.crf):
        raise ValueError(f"--crf {','.join(FLAGS.crf)}: whole numbers from 0 to 51 are needed")
    methods = all_methods()
    scenes = load_scenes()
    files = [named.path for named in named_weights(FLAGS.params)]
    for line in seen_lines(files, [scene.name for scene in scenes]):
        print(line, flush=True)
    if FLAGS.trims and not scenes:
        raise ValueError("--trims: only clips of scenes are graded; give --scenes")
    if not (scenes or FLAGS.pairs or FLAGS.videos):
        raise ValueError("no scenes; give --scenes, or --pairs or --videos")
    out = Path(FLAGS.out_dir)
    prepare_folder(out)
    rows: list[Row] = []
    worst, text = np.inf, ""
    for film in itertools.chain(graded_films(scenes) if scenes else (), given_films()):
        found, place, picture = measure(film, methods)
        rows += found
        figure = found[place - len(film.clips)].figures[4]
        if figure < worst:
            worst = figure
            write_png(out / "worst.png", picture)
        text = write(out, rows, FLAGS.unseen)
        print(
            f"{film.name} done" + ("" if film.crf == AS_GIVEN else f", CRF {film.crf}"), flush=True
        )
    print(text)
    print(f"worst.png: {list(methods)[-1]}, {worst:.2f} dB")
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
