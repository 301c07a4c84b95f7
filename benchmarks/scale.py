"""Measure throughput with and without Dask workers, and extrapolate to a million photographs.

    python benchmarks/scale.py
    python benchmarks/scale.py --megapixels 12 --files 16 --workers 1 --workers 2

prints Markdown tables:

    measured    files per second on this machine: one process, then Dask workers with an equal
                share of its cores each; every process has loaded its network already
    cost        per file in one process: seconds to read, reconstruct and write it, bytes read and
                written; per task: seconds of the scheduler for a task that does nothing
    on paper    a million such files on several machines like this one, estimated from the costs:
                time, bytes, required storage bandwidth, and the bottleneck

The model uses the best rate measured for a machine, the reciprocal of the seconds per task for the
scheduler, and --storage for the storage; the slowest of the three is the bottleneck. The pictures
are smooth JPEG files with discs that saturate 5 % of them; run this on an idle machine.
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import hdrcnn
from hdrcnn.batch import dask_engine
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.job import Outcome, SequenceStates, Settings
from hdrcnn.batch.machines import WorkersConfig, WorkersError
from hdrcnn.batch.plan import Job, plan
from hdrcnn.batch.run import convert_all
from hdrcnn.batch.workers import connect
from hdrcnn.console import stderr_discarded
from training_code.console import run

if TYPE_CHECKING:
    from hdrcnn.predict.single_image import Predictor

FLAGS = flags.FLAGS
flags.DEFINE_float("megapixels", 12.0, "Size of the pictures.", 0.01)
flags.DEFINE_integer("files", 12, "Pictures for each figure.", 2)
flags.DEFINE_multi_integer("workers", [1, 2], "Dask workers on this machine; may be repeated.", 1)
flags.DEFINE_multi_integer("machines", [1, 16, 256], "Machines on paper; may be repeated.", 1)
flags.DEFINE_integer("photographs", 1_000_000, "Photographs on paper.", 1)
flags.DEFINE_float("storage", 1.0, "GB/s of the shared storage, read and written together.")
flags.register_validator("storage", lambda rate: rate > 0.0, "it must be above 0")
TASKS = 500
STEPS = ("read", "network", "write")


def pictures(folder: Path) -> Sequence[Job]:
    """Write JPEG files, each slightly different; return their jobs."""
    rows = max(16, round((FLAGS.megapixels * 1e6 / 1.5) ** 0.5))
    columns = round(1.5 * rows)
    y, x = np.ogrid[0:rows, 0:columns]
    rng, radius = np.random.default_rng(0), (0.05 * rows * columns / 12 / np.pi) ** 0.5
    (folder / "in").mkdir()
    for number in range(FLAGS.files):
        grey = 90 + 60 * np.sin(y / 97.0) * np.sin(x / 131.0 + number)
        for _ in range(12):
            distance = np.hypot(y - rng.uniform(0, rows), x - rng.uniform(0, columns))
            grey = np.maximum(grey, np.clip(255 - 12 * (distance - radius), 0, 255))
        code = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
        Image.fromarray(code).save(folder / "in" / f"{number}.jpg", quality=92)
    return plan([folder / "in"], folder / "out").jobs


def load(path: Path) -> "Predictor":
    with stderr_discarded():
        return hdrcnn.load(path, precision="auto")


def local_rate(jobs: Sequence[Job], networks: Networks, settings: Settings) -> float:
    """Files per second of this process, which has loaded its network already."""
    begun = time.perf_counter()
    for outcome in convert_all(jobs, networks, settings):
        checked(outcome)
    return len(jobs) / (time.perf_counter() - begun)


def farm_rate(
    jobs: Sequence[Job], workers: int, request: dask_engine.Request
) -> tuple[float, float]:
    """Files per second of workers that have loaded their network, and seconds per empty task."""
    with connect(WorkersConfig(workers)) as client:
        addresses = list(client.nthreads())
        first = [
            client.submit(dask_engine.convert, jobs[0], None, request, workers=[at], pure=False)
            for at in addresses
        ]
        for future in first:
            checked(future.result())
        begun = time.perf_counter()
        for outcome in dask_engine.outcomes(client, jobs, SequenceStates(), request):
            checked(outcome)
        rate = len(jobs) / (time.perf_counter() - begun)
        begun = time.perf_counter()
        client.gather([client.submit(os.getpid, pure=False) for _ in range(TASKS)])
        return rate, (time.perf_counter() - begun) / TASKS


def checked(outcome: Outcome) -> None:
    if outcome.error is not None:
        sys.exit(outcome.error)


def costs(jobs: Sequence[Job], networks: Networks, settings: Settings) -> dict[str, float]:
    """Mean cost of a file: seconds to read, reconstruct and write it, bytes in and out."""
    seconds = {"read": 0.0, "network": 0.0, "write": 0.0}
    for job in jobs:
        conversion = Conversion(job, networks, settings, SequenceStates())
        for name, step in (
            ("read", conversion.read),
            ("network", conversion.reconstruct),
            ("write", conversion.write),
        ):
            begun = time.perf_counter()
            step()
            seconds[name] += time.perf_counter() - begun
    found = {name: value / len(jobs) for name, value in seconds.items()}
    found["in"] = sum(job.source.stat().st_size for job in jobs) / len(jobs)
    found["out"] = sum(job.output(".exr").stat().st_size for job in jobs) / len(jobs)
    return found


def span(seconds: float) -> str:
    """Format a duration for reading."""
    return f"{seconds / 3600:.1f} h" if seconds < 100 * 3600 else f"{seconds / 86400:.1f} days"


def on_paper(rate: float, cost: dict[str, float], task: float) -> None:
    """Print the table of the model, a row for each number of machines."""
    count, size = FLAGS.photographs, cost["in"] + cost["out"]
    print(f"\n| machines | time | read | written | GB/s of storage, {FLAGS.storage:g} at most |"
          " files/s | bottleneck |\n" + "| ---: " * 6 + "| --- |")  # fmt: skip
    for machines in FLAGS.machines:
        limits = {
            "network" if cost["network"] * 2 > sum(cost[name] for name in STEPS) else "files": (
                rate * machines
            ),
            "scheduler": 1 / task,
            "storage": FLAGS.storage * 1e9 / size,
        }
        slowest = min(limits, key=lambda name: limits[name])
        files = limits[slowest]
        print(
            f"| {machines} | {span(count / files)} | {count * cost['in'] / 1e12:.1f} TB | "
            f"{count * cost['out'] / 1e12:.1f} TB | {files * size / 1e9:.2f} | {files:.1f} | "
            f"{slowest} |"
        )


def main() -> int:
    """Measure, then print all tables. Returns the exit status."""
    settings = Settings(overwrite=True)
    with tempfile.TemporaryDirectory() as folder:
        jobs = pictures(Path(folder))
        (Path(folder) / "out").mkdir()
        print(f"{len(jobs)} pictures of {FLAGS.megapixels:g} megapixels, {os.cpu_count()} cores, "
              f"{platform.machine()}")  # fmt: skip
        request, rates = dask_engine.ask(settings), {}
        for workers in FLAGS.workers:
            rates[f"Dask, {workers} workers"], task = farm_rate(jobs, workers, request)
        networks = Networks(load)
        local_rate(jobs[:1], networks, settings)
        rates = {"one process": local_rate(jobs, networks, settings), **rates}
        cost = costs(jobs, networks, settings)
    print("\n| measured | files/s | against one process |\n| --- | ---: | ---: |")
    for name, rate in rates.items():
        print(f"| {name} | {rate:.3f} | {rate / rates['one process']:.2f} |")
    print("\n| of a file | seconds |\n| --- | ---: |")
    for name in STEPS:
        print(f"| {name} | {cost[name]:.3f} |")
    print(f"| scheduler | {task:.5f} |")
    print(f"\n{cost['in'] / 1e6:.2f} MB read, {cost['out'] / 1e6:.2f} MB written for each file.")
    on_paper(max(rates.values()), cost, task)
    return 0


if __name__ == "__main__":
    run(main, WorkersError, OSError, ValueError)
