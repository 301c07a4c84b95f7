"""Measure how bright each method of `hdrcnn film` renders white graphics: a subtitle and a logo.

    python benchmarks/graphics.py
    python benchmarks/graphics.py --film some.mp4 --at 12.5

A subtitle and a logo in pure white are drawn on a dark smooth scene, a dim one and a frame of a
film, which are then compressed by JPEG, as films are compressed too. The table has a row for each
method and a column for each scene: the median light of the subtitle, that of the logo, and the
level that 1 % of the rest exceeds, in cd/m^2.
"""

import io
import sys
from pathlib import Path

import cv2
import numpy as np
from absl import flags
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.colour.pq import pq_decode
from hdrcnn.colour.primaries import REC709
from hdrcnn.predict import film
from hdrcnn.predict.film_curves import reduced
from hdrcnn.video.library import pyav
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_list("methods", list(film.METHODS), "Methods.")
flags.DEFINE_string(
    "film",
    str(Path(__file__).resolve().parents[1] / "data" / "three_shots.mp4"),
    "Film whose frame is the last column.",
)
flags.DEFINE_float("at", 2.5, "Time of that frame, seconds.")
flags.DEFINE_integer("quality", 90, "JPEG quality; 100: no compression.")
flags.DEFINE_float("white", film.WHITE, "Diffuse white, cd/m^2.")
flags.DEFINE_float("peak", 1000.0, "Peak, cd/m^2.")

ROWS, COLUMNS = 720, 1280
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def smooth(brightest: float) -> np.ndarray:
    """Make a scene of smooth coloured waves up to `brightest`: [ROWS, COLUMNS, 3] float32 codes."""
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    wave = 0.5 + 0.5 * np.sin(columns / 180 + rows / 140)[..., None]
    return (brightest * (0.3 + 0.7 * wave * [1.0, 0.8, 0.6])).astype(np.float32)


def frame_of(path: Path, at: float) -> np.ndarray:
    """Decode the first frame from `at` seconds on: float32 codes, resized to [ROWS, COLUMNS, 3].

    Raises ValueError if the film is shorter.
    """
    with pyav().open(str(path)) as container:
        for frame in container.decode(video=0):
            if float(frame.time) >= at:
                codes = cv2.resize(frame.to_ndarray(format="rgb24"), (COLUMNS, ROWS))
                return np.asarray(codes, np.float32) / np.float32(255.0)
    raise ValueError(f"{path}: ends before {at} s; give a smaller --at")


def titled(scene: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw both graphics and compress; return the codes, and masks of the pure white of each."""
    masks = np.zeros((2, ROWS, COLUMNS), np.uint8)
    cv2.putText(
        masks[0], "A subtitle", (200, 660), cv2.FONT_HERSHEY_SIMPLEX, 4.4, 255, 12, cv2.LINE_AA
    )
    masks[1, 40:100, 1120:1240] = 255
    share = (masks.max(axis=0) / 255.0).astype(np.float32)[..., None]
    codes = np.rint(255.0 * (scene * (1.0 - share) + share)).astype(np.uint8)
    if FLAGS.quality < 100:
        file = io.BytesIO()
        Image.fromarray(codes).save(file, "JPEG", quality=FLAGS.quality)
        codes = np.asarray(Image.open(file))
    return codes.astype(np.float32) / np.float32(255.0), masks[0] == 255, masks[1] == 255


def displayed_light(used: film.Method, scene: np.ndarray) -> list[float]:
    """Light of the subtitle, of the logo, and of the brightest part of the rest, cd/m^2."""
    codes, subtitle, logo = titled(scene)
    measured = used.frame_parameters(reduced(codes))
    if used.parameters:
        measured = np.append(measured, film.graphics(codes @ LUMA))
    light = pq_decode(used.converter(measured)(codes)).max(axis=-1)
    near = cv2.dilate((subtitle | logo).astype(np.uint8), np.ones((24, 24), np.uint8))
    rest = np.quantile(light[near == 0], 0.99)
    return [float(np.median(light[subtitle])), float(np.median(light[logo])), float(rest)]


def main() -> int:
    """Print the table. Returns the exit status."""
    film_frame = frame_of(Path(FLAGS.film), FLAGS.at)
    scenes = {"dark scene": smooth(0.3), "dim scene": smooth(0.6), "frame of the film": film_frame}
    print("| method | " + " | ".join(scenes) + " |")
    print("| --- | " + " | ".join("---" for _ in scenes) + " |")
    for name in FLAGS.methods:
        used = film.method(name, REC709, FLAGS.white, FLAGS.peak)
        cells = [
            ", ".join(f"{v:.0f}" for v in displayed_light(used, scene)) for scene in scenes.values()
        ]
        print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    run(main)
