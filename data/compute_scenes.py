"""Compute HDR scenes with Mitsuba 3 and photograph them.

    pip install .[scenes]
    python data/compute_scenes.py --out_dir runs/scenes

writes  runs/scenes/NAME.png        the 8-bit picture taken by the project's virtual camera
        runs/scenes/truth/NAME.exr  the light that reached its sensor, linear Rec. 709, half
                                    float; 1.0 = the clipping level of the picture

    python data/compute_scenes.py --scale 6.25 --samples 64 --out_dir runs/large

computes larger ones, for benchmarks. The same settings give the same files. The pictures committed
in this folder are older; the README.md here names the commit that made them.
"""

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from absl import flags

from hdrcnn.colour.transfer import MEAN_CURVE_N, MEAN_CURVE_S
from hdrcnn.files import ImageError
from hdrcnn.readers.metadata import Band
from hdrcnn.writers.display import write_png
from hdrcnn.writers.exr import write_exr
from hdrcnn.writers.metadata import panorama_xmp
from training_code.camera import develop, expose, sense
from training_code.console import run

NOISE_SD = 0.002
"""Standard deviation of the sensor noise, in units of the clipping level."""
PASSES = 8
"""Number of independent renderings; for each sample the brightest is discarded."""
# fmt: off
SIDES = np.array([[[0, 0, -1], [1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
                  [[0, 0, 1], [-1, 0, 0], [0, 1, 0]], [[-1, 0, 0], [0, 0, -1], [0, 1, 0]],
                  [[0, 1, 0], [1, 0, 0], [0, 0, 1]], [[0, -1, 0], [1, 0, 0], [0, 0, -1]]])
# fmt: on
"""Forward, right and up vectors of the cube sides: forward, right, back, left, up, down."""


@dataclasses.dataclass(frozen=True)
class Shot:
    """How a scene of `data/scenes.py` is photographed."""

    size: tuple[int, int]
    """Height and width at a scale of 1, pixels."""
    unclipped: float
    """Share of the samples below the clipping level."""
    is_panorama: bool = False


SHOTS = {
    "sun_and_spheres": Shot((427, 640), 0.87),
    "white_court": Shot((400, 533), 0.87),
    "desk_by_window": Shot((375, 500), 0.87),
    "night_market": Shot((400, 600), 0.93),
    "room_panorama": Shot((256, 512), 0.93, is_panorama=True),
}

FLAGS = flags.FLAGS
flags.DEFINE_float("scale", 1.0, "Factor of width and height; 6.25: 11 megapixels.", 0.01)
flags.DEFINE_integer("samples", 1024, "Paths per pixel, in eight passes.", PASSES)
flags.DEFINE_multi_enum("scene", list(SHOTS), list(SHOTS), "Scene; may be given several times.")
flags.DEFINE_string("out_dir", "runs/scenes", "Folder of the pictures; truths go to its truth/.")


def render(scene: dict[str, Any], size: tuple[int, int], samples: int, seed: int) -> np.ndarray:
    """Render a scene of `data/scenes.py`: [H, W, 3] float32, linear Rec. 709, cd/m2."""
    import mitsuba

    look = scene["look"]
    integrator = {"type": "path", "max_depth": 8}
    things = {name: thing for name, thing in scene.items() if name != "look"}
    # Optimisation may reorder the lamps, so that they would be sampled by other random numbers.
    whole = mitsuba.load_dict({"type": "scene", "integrator": integrator, **things}, optimize=False)

    def shoot(ahead: np.ndarray, up: np.ndarray, degrees: float, size: tuple[int, int]) -> Any:
        target = np.add(look["origin"], ahead).tolist()
        place = mitsuba.ScalarTransform4f().look_at(list(look["origin"]), target, up.tolist())
        # Only with a box filter does an image not depend on the order in which its blocks finish.
        film = {"type": "hdrfilm", "height": size[0], "width": size[1], "rfilter": {"type": "box"}}
        sampler = {"type": "multijitter", "sample_count": samples}
        sensor = {"type": "perspective", "fov": degrees, "to_world": place}
        view = mitsuba.load_dict({**sensor, "film": film, "sampler": sampler})
        return np.array(mitsuba.render(whole, sensor=view, seed=seed), np.float32)

    if look["degrees"] == 360:
        side = size[1] // 2, size[1] // 2
        return _panorama(lambda *way: shoot(way[0], way[1], way[2], side), size)
    ahead = np.subtract(look["target"], look["origin"])
    return shoot(ahead, np.array([0.0, 1.0, 0.0]), look["degrees"], size)


def _panorama(side: Callable[..., np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Stitch an equirectangular panorama, [H, W, 3] with -z in the middle, from six cube sides.

    side: renders a view from its forward and up vectors and its angle of view in degrees, which is
    a little more than 90.
    """
    widen = 1.05
    row, column = np.indices(size) + 0.5
    latitude, longitude = (0.5 - row / size[0]) * np.pi, (2.0 * column / size[1] - 1.0) * np.pi
    level = np.cos(latitude)
    towards = np.stack(
        [level * np.sin(longitude), np.sin(latitude), -level * np.cos(longitude)], axis=-1
    )
    nearest = np.argmax(towards @ SIDES[:, 0].T, axis=-1)
    panorama = np.empty((*size, 3), np.float32)
    for number, (ahead, right, up) in enumerate(SIDES):
        face = side(ahead, up, float(np.degrees(2.0 * np.arctan(widen))))
        at = nearest == number
        x, y = (towards[at] @ axis / (towards[at] @ ahead) for axis in (right, up))
        place = [(1.0 + v / widen) * len(face) / 2.0 - 0.5 for v in (-y, x)]
        for channel in range(3):
            panorama[at, channel] = map_coordinates(
                face[..., channel], place, order=1, mode="nearest"
            )
    return panorama


def light(name: str, scale: float, samples: int, progress: Callable[[float], None]) -> np.ndarray:
    """Compute the light on the sensor: [H, W, 3] float32, linear Rec. 709, 1.0 = clipping level.

    It is the mean of the passes without the brightest value of each sample, because a path that
    hits a lamp by chance, as for caustics of a mirror, is in one pass only. The noise level is
    estimated from the difference between two halves of the passes, and the noise is removed by
    non-local means of logarithms, so that lamps do not bleed. progress: called with the share that
    is done. Raises ImageError if Mitsuba or scikit-image is missing.
    """
    try:
        from skimage.restoration import denoise_nl_means

        from data import scenes
    except ModuleNotFoundError as error:
        raise ImageError(f"{name}: {error.name} is missing: pip install .[scenes]") from error
    height, width = (max(1, round(side * scale)) for side in SHOTS[name].size)
    scene = getattr(scenes, name)()
    halves = np.zeros((2, height, width, 3), np.float32)
    brightest = np.zeros((height, width, 3), np.float32)
    for number in range(PASSES):
        one = render(scene, (height, width), samples // PASSES, number)
        halves[number % 2] += one
        np.maximum(brightest, one, out=brightest)
        progress((number + 1) / PASSES)
    mean = np.maximum(halves.sum(axis=0) - brightest, 0.0) / np.float32(PASSES - 1)
    floor = np.float32(1e-3 * np.median(mean) + 1e-12)
    first, second = np.log(2.0 / PASSES * halves + floor)
    sd = float(np.median(np.abs(first - second)) / 2.0 / 0.6745)
    options = {"patch_size": 5, "patch_distance": 7, "channel_axis": -1, "fast_mode": True}
    clean = denoise_nl_means(np.log(mean + floor), h=0.8 * sd, sigma=sd, **options)
    return expose(np.maximum(np.exp(clean) - floor, 0.0), SHOTS[name].unclipped)


def compute(name: str, out_dir: Path, scale: float, samples: int) -> None:
    """Compute one scene and write its two files. Raises ImageError if they cannot be written."""

    def progress(share: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{name}: {share:4.0%}", end="", file=sys.stderr)

    start = time.monotonic()
    exposed = light(name, scale, samples, progress)
    size = exposed.shape[:2]
    sensed = sense(exposed, NOISE_SD, np.random.default_rng(0))
    write_exr(out_dir / "truth" / f"{name}.exr", exposed)
    codes = develop(sensed, MEAN_CURVE_N, MEAN_CURVE_S)
    xmp = panorama_xmp(Band().xmp(*size)) if SHOTS[name].is_panorama else ""
    write_png(out_dir / f"{name}.png", codes, xmp=xmp)
    print(f"\r{name}: {size[1]} x {size[0]}, peak {exposed.max():.5g}, ", end="")
    print(f"{np.mean(exposed >= 1.0):.1%} clipped, {time.monotonic() - start:.0f} s")


def main() -> int:
    """Compute the scenes that the flags name. Returns the exit status."""
    truth = Path(FLAGS.out_dir) / "truth"
    try:
        truth.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{FLAGS.out_dir}: cannot be made: {error.strerror}") from error
    for name in FLAGS.scene:
        compute(name, Path(FLAGS.out_dir), FLAGS.scale, FLAGS.samples)
    return 0


if __name__ == "__main__":
    run(main, ImageError, ValueError)
