"""Compute the HDR scenes of this folder and photograph them.

    python data/compute_scenes.py

writes  data/NAME.png        the picture, 8 bit, as the project's virtual camera takes it;
                             of one scene also NAME_q92.jpg, the same as a JPEG file
        data/truth/NAME.exr  the light that fell on its sensor, linear Rec. 709, half float;
                             1.0 = the clipping level of the picture

    python data/compute_scenes.py --scale 6.25 --samples 16 --out_dir runs/large

makes larger ones, for benchmarks. The same settings give the same files.
"""

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from absl import flags

from data.scenes import indoors, night, outdoors
from data.scenes.denoise import denoise
from data.scenes.renderer import render
from data.scenes.scene import PanoramaCamera, Scene
from hdrcnn.colour.transfer import MEAN_CURVE_N, MEAN_CURVE_S
from hdrcnn.files import ImageError, finished_whole
from hdrcnn.writers.exr import write_exr
from hdrcnn.writers.metadata import panorama_xmp
from hdrcnn.writers.preview import write_png
from training_code.camera import develop, expose, sense
from training_code.console import run

NOISE_SD = 0.002
"""Of the sensor, in clipping levels."""


@dataclasses.dataclass(frozen=True)
class Shot:
    """A scene and how it is photographed."""

    scene: Callable[[], Scene]
    size: tuple[int, int]
    """Height and width at scale 1, pixels."""
    samples: int
    """Paths a pixel, in two halves."""
    unclipped: float
    """Share of the samples below the clipping level."""
    curve_n: float = MEAN_CURVE_N
    curve_s: float = MEAN_CURVE_S
    jpeg_quality: int = 0
    """Of a second file of the same picture; 0: none."""


SHOTS = {
    "sun_and_spheres": Shot(outdoors.sun_and_spheres, (427, 640), 256, 0.87),
    "white_court": Shot(outdoors.white_court, (400, 533), 256, 0.87),
    "desk_by_window": Shot(indoors.desk_by_window, (375, 500), 256, 0.87),
    "night_market": Shot(night.night_market, (400, 600), 256, 0.93, jpeg_quality=92),
    "room_panorama": Shot(indoors.room_panorama, (256, 512), 64, 0.93),
}

FLAGS = flags.FLAGS
flags.DEFINE_float("scale", 1.0, "Width and height, times this; 6.25: 11 megapixels.", 0.01)
flags.DEFINE_integer("samples", 0, "Paths a pixel, a power of two >= 2; 0: what each needs.", 0)
flags.DEFINE_multi_enum("scene", list(SHOTS), list(SHOTS), "Which; may be given more than once.")
flags.DEFINE_string("out_dir", str(HERE), "Folder of the pictures; truths lie in its truth/.")


def light(shot: Shot, scale: float, samples: int, progress: Callable[[float], None]) -> np.ndarray:
    """[H, W, 3] float32, linear Rec. 709, 1.0 = clipping level: what falls on the sensor."""
    height, width = (max(1, round(side * scale)) for side in shot.size)
    scene = shot.scene()
    halves = []
    for half in range(2):

        def both(share: float, done: int = half) -> None:
            progress((done + share) / 2.0)

        halves.append(render(scene, (height, width), samples // 2, seed=half, progress=both))
    return expose(denoise(halves[0], halves[1]), shot.unclipped)


def compute(name: str, out_dir: Path, scale: float, samples: int) -> None:
    """One scene to its two files. Raises ImageError where they cannot be written."""

    def progress(share: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{name}: {share:4.0%}", end="", file=sys.stderr)

    start, shot = time.monotonic(), SHOTS[name]
    exposed = light(shot, scale, samples or shot.samples, progress)
    size = exposed.shape[:2]
    sensed = sense(exposed, NOISE_SD, np.random.default_rng(0))
    write_exr(out_dir / "truth" / f"{name}.exr", exposed)
    codes = develop(sensed, shot.curve_n, shot.curve_s)
    is_panorama = isinstance(shot.scene().camera, PanoramaCamera)
    write_png(out_dir / f"{name}.png", codes, xmp=panorama_xmp(*size) if is_panorama else "")
    if shot.jpeg_quality:
        with finished_whole(out_dir / f"{name}_q{shot.jpeg_quality}.jpg") as temporary:
            Image.fromarray(codes).save(temporary, quality=shot.jpeg_quality)
    print(f"\r{name}: {size[1]} x {size[0]}, peak {exposed.max():.5g}, ", end="")
    print(f"{np.mean(exposed >= 1.0):.1%} clipped, {time.monotonic() - start:.0f} s")


def main() -> int:
    """Compute the scenes that the flags name. Returns the exit status."""
    out_dir = Path(FLAGS.out_dir)
    samples = FLAGS.samples
    if samples and (samples < 2 or samples & (samples - 1)):
        raise ValueError(f"--samples={samples}: must be a power of two, 2 at least")
    try:
        (out_dir / "truth").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{out_dir}: cannot be made: {error.strerror}") from error
    for name in FLAGS.scene:
        compute(name, out_dir, FLAGS.scale, samples)
    return 0


if __name__ == "__main__":
    run(main, ImageError, ValueError)
