"""Photograph two computed scenes as exposure brackets: data/brackets/.

    python data/make_brackets.py --out_dir runs/brackets

reads   data/truth/desk_by_window.exr, night_market.exr   light, computed by this project
writes  desk_by_window/1.jpg, 2.jpg, 3.jpg                 from a tripod
        night_market/1.jpg, 2.jpg, 3.jpg                   hand-held, with an object moving through

including the Exif data by which `hdrcnn fuse` finds brackets. The files are the same each time.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
from absl import flags
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from hdrcnn.files import ImageError, finished_whole, prepare_folder
from hdrcnn.readers.hdr import read_hdr
from training_code.camera.brackets import Bracket, Mover, plain, take
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_string("out_dir", None, "Folder for the brackets.", required=True)

STOPS = (-3.0, 0.0, 3.0)
SECONDS = 1 / 60
"""Exposure time of the frame at 0 stops, seconds."""
EXIF_IFD = 0x8769
CAMERA, TIME_TAKEN, EXPOSURE_TIME, F_NUMBER, ISO, BIAS = (
    0x0110, 0x9003, 0x829A, 0x829D, 0x8827, 0x9204,
)  # fmt: skip


def held_by_hand(shake: float, seed: int) -> tuple[tuple[float, ...], ...]:
    """Homographies of the frames: small rotations and shifts; the identity for the middle frame.

    shake: largest rotation in radians, and largest shift as a share of the shorter side.
    """
    rng = np.random.default_rng(seed)
    found = []
    for index in range(len(STOPS)):
        angle, x, y = shake * rng.uniform(-1.0, 1.0, 3) * (index != len(STOPS) // 2)
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        found.append((cos, -sin, float(x), sin, cos, float(y), 0.0, 0.0, 1.0))
    return tuple(found)


def brackets() -> dict[str, Bracket]:
    """Return the brackets by the names of their scenes."""
    camera = dataclasses.replace(plain(STOPS), noise_sd=0.002, photons=3e4, noise_seed=1)
    moving = Mover((0.62, 0.25), (0.02, 0.18), (0.12, 0.06), 2.0)
    shaken = dataclasses.replace(camera, homographies=held_by_hand(0.012, 4), mover=moving)
    return {"desk_by_window": camera, "night_market": shaken}


def exif(index: int) -> Image.Exif:
    """Exif data of frame number `index`, as written by a camera."""
    found = Image.Exif()
    found[CAMERA] = "hdrcnn computed scene"
    found.get_ifd(EXIF_IFD).update({
        TIME_TAKEN: f"2026:01:01 12:00:{index:02d}",
        EXPOSURE_TIME: SECONDS * 2.0 ** STOPS[index],
        F_NUMBER: 8.0,
        ISO: 100,
        BIAS: STOPS[index],
    })  # fmt: skip
    return found


def main() -> int:
    """Write all brackets. Returns the exit status."""
    for name, bracket in brackets().items():
        light = np.asarray(read_hdr(HERE / "truth" / f"{name}.exr"), np.float32)
        folder = Path(FLAGS.out_dir) / name
        prepare_folder(folder)
        for index, codes in enumerate(take(light, bracket, light[:, ::-1])):
            with finished_whole(folder / f"{index + 1}.jpg") as temporary:
                options = {"quality": 95, "subsampling": 0, "exif": exif(index)}
                Image.fromarray(codes).save(temporary, "JPEG", **options)
    return 0


if __name__ == "__main__":
    run(main, ImageError, OSError)
