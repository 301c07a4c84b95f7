"""Measure the speed of the NumPy loader, and the time of each of its stages.

    python benchmarks/loader.py
    python benchmarks/loader.py --scenes $HDR_SCENES --workers 1 --workers 8

Prints the CPU time of each stage of a crop; crops per second of one core, computed from CPU time so
that other work on the machine matters little; and total crops per second by wall time, for each
number of threads. Both are measured with the published distributions, and with JPEG of quality 30
to 100 added. Without --scenes the crops are of synthetic panoramas.
"""

import collections
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError
from training_code.camera import Camera, Development, TooBlackError, develop, expose, jpeg, sense
from training_code.camera.camera import recolour
from training_code.camera.shots import look
from training_code.console import run
from training_code.scenes.collection import Scene, load_scenes
from training_code.scenes.views import Views

if TYPE_CHECKING:
    from training_code.camera.batches import Pairs

FLAGS = flags.FLAGS
flags.DEFINE_string("scenes", None, "Folder with HDR scenes. Default: synthetic panoramas.")
flags.DEFINE_integer("columns", 1024, "Columns of the synthetic panoramas.", lower_bound=64)
flags.DEFINE_integer("size", 256, "Side of the crops.", lower_bound=32)
flags.DEFINE_integer("crops", 200, "Crops for each figure.", lower_bound=8)
flags.DEFINE_multi_integer("workers", [1, os.cpu_count() or 1], "Threads; may be repeated.")

BATCH = 8
CAMERAS = {"published": Camera(), "with JPEG": Camera(development=Development(jpeg=(30, 100)))}


def synthetic_panoramas() -> list[Scene]:
    """Make four panoramas of sky and ground with different numbers of lamps, and grain."""
    rng, columns = np.random.default_rng(0), FLAGS.columns
    y, x = np.mgrid[0 : columns // 2, 0:columns] / columns
    scenes = []
    for index in range(4):
        light = np.where(y < 0.25, 1.0 - 2.0 * y, 0.2)
        for lamp in range(20):
            brightness, width = 10.0 ** rng.uniform(0.5, 3.5), 10.0 ** rng.uniform(-5.5, -3.5)
            distance = (x - rng.random()) ** 2 + (y - 0.5 * rng.random()) ** 2
            light += brightness * np.exp(-distance / width) * (lamp < 5 * (index + 1))
        grain = rng.uniform(0.5, 1.0, (columns // 2, columns, 3))
        pixels = (light[..., None] * grain).astype(np.float16)
        scenes.append(Scene(f"synthetic {index}", f"synthetic {index}", pixels))
    return scenes


class Clock:
    """Sums up the CPU time of this process by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = collections.defaultdict(float)

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - begun


def stages(pairs: "Pairs") -> tuple[dict[str, float], float]:
    """Milliseconds of CPU time per crop, by stage, and for the whole when made in batches."""
    clock, done = Clock(), 0
    while done < FLAGS.crops:
        index, item = divmod(done, BATCH)
        with clock("draw the shot"):
            shot = pairs.draw((pairs.seed, 0, index, item, 0))
        with clock("view"):
            linear = look(pairs.scenes[shot.scene], shot, FLAGS.size)
        done += 1
        with contextlib.suppress(TooBlackError):
            with clock("exposure"):
                exposed = expose(linear, shot.unclipped)
            with clock("noise"):
                rng = np.random.Generator(np.random.SFC64(shot.noise_seed))
                sensed = sense(exposed, shot.noise_sd, rng)
            with clock("colour"):
                target = recolour(sensed, shot)
            with clock("curve, 8 bits"):
                codes = develop(target, shot.n, shot.s, shot.curve, shot.strength)
            with clock("JPEG"):
                if shot.jpeg_quality:
                    jpeg.round_trip(codes, shot.jpeg_quality, shot.subsampled)
    with clock("whole"):
        for index in range(FLAGS.crops // BATCH):
            pairs[index]
    whole = clock.seconds.pop("whole") / (FLAGS.crops // BATCH * BATCH)
    return {name: 1e3 * seconds / done for name, seconds in clock.seconds.items()}, 1e3 * whole


def rate(pairs: "Pairs", workers: int) -> float:
    """Crops per second by wall time, made by threads in the way that Keras uses them."""
    batches = max(1, FLAGS.crops // BATCH)
    with ThreadPool(workers) as pool:
        pool.map(pairs.__getitem__, range(workers))
        begun = time.perf_counter()
        for _ in pool.imap(pairs.__getitem__, range(batches)):
            pass
        return batches * BATCH / (time.perf_counter() - begun)


def main() -> int:
    """Measure both cameras, one after the other. Returns the exit status."""
    with stderr_discarded():
        from training_code.camera.batches import Pairs

    views, size = Views(), FLAGS.size
    if FLAGS.scenes:
        found = load_scenes(Path(FLAGS.scenes), without=True, smallest=size, views=views)
        print(found.rejected_lines() + found.summary())
        scenes = found.scenes
    else:
        scenes = synthetic_panoramas()
        print(f"{len(scenes)} synthetic panoramas of {FLAGS.columns}x{FLAGS.columns // 2}")
    print(f"crops of {size}x{size}, batches of {BATCH}, {os.cpu_count()} cores")
    for name, camera in CAMERAS.items():
        pairs = Pairs(scenes, camera, views, size=size, batch=BATCH, steps=1 << 20, seed=1)
        pairs[0]
        parts, whole = stages(pairs)
        print(f"\n{name}\n  {'stage':20} {'ms a crop':>9}")
        for part, milliseconds in parts.items():
            print(f"  {part:20} {milliseconds:9.2f}")
        print(f"  {'whole, in batches':20} {whole:9.2f}")
        print(f"  {1e3 / whole:.0f} crops a second of one core")
        for workers in FLAGS.workers:
            print(f"  {rate(pairs, workers):.0f} crops a second in all, {workers} threads")
    return 0


if __name__ == "__main__":
    run(main, ImageError, ValueError)
