"""A run on several devices or in several processes has the same losses as on one device."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hdrcnn.writers.exr import write_exr
from tests.conftest import ROOT, XLA_FLAGS
from training_code.camera import Camera, Development, Exposure, Sensor
from training_code.camera.batches import Pairs
from training_code.camera.on_device.batches import ShotBatches
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views

NORMS_RTOL = 1e-3
"""Tolerance with fresh norms: TensorFlow sums a column of an image on a CPU term by term, and if
devices share a norm it computes the variance as E(x^2) - E(x)^2, which rounds more than the mean of
squared differences."""

RUN = """
import dataclasses, json, os, shutil, sys
from pathlib import Path
tests = json.loads(sys.argv[1])
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
else:
    sys.modules["tensorflow"] = None
from training_code.run import checkpoints, fit as training
from training_code.run.checkpoints import Position
from training_code.run.config import TrainingError
from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running

checkpoints.KEPT = 99
for name, config, running, how in tests:
    running = Running(workers=2, validation_crops=1, **running)
    config = Config(width=4, size=32, batch=4, epochs=3, steps=2, average=0.9, **config)
    if how == "differing":
        config = dataclasses.replace(config, seed=running.process)
    if how == "leaves all checkpoints":
        running = dataclasses.replace(running, minutes=1e-9)
    elif how.startswith("goes on from"):
        Path(name).mkdir(exist_ok=True)
        shutil.copy(Path(how.split()[-1], Position(0, 1).file), name)
    try:
        training.train(config, Path("scenes"), Path(name), Path("held_out.txt"), running)
    except TrainingError as error:
        print(f"{name}: {error}", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_weights) -> Path:
    """A folder with four HDR scenes, a list that holds out one of them, and start weights."""
    folder = tmp_path_factory.mktemp("distribution")
    (folder / "scenes").mkdir()
    rng = np.random.default_rng(3)
    for index, name in enumerate(("a", "b", "c", "d")):
        y, x = np.mgrid[0:60, 0:90]
        spot = np.exp(-((x - 30 - 9 * index) ** 2 + (y - 25) ** 2) / 40.0)
        grain = rng.random((60, 90, 3)) * 0.02
        image = 0.1 + 0.2 * (y / 60)[..., None] * [0.9, 1.0, 1.1] + 9.0 * spot[..., None] + grain
        write_exr(folder / "scenes" / f"{name}.exr", image.astype(np.float32))
    (folder / "held_out.txt").write_text("c\n")
    (folder / "start.npz").write_bytes(tiny_weights.read_bytes())
    return folder


def start(place: Path, trainings: list, backend: str, **environment: str) -> subprocess.Popen:
    """Start a process that runs `trainings`: (folder, settings, running options, how)."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, json.dumps(trainings)],
        cwd=place,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "KERAS_BACKEND": backend,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> tuple[str, str]:
    """Standard output and error of a process, which must succeed."""
    out, err = process.communicate(timeout=600)  # Processes that wait for each other hang.
    assert process.returncode == 0, out + err
    return out, err


def history(folder: Path) -> dict[str, list[float]]:
    """Figures of the epochs, by name."""
    metadata = json.loads(str(np.load(folder / "weights.npz")["metadata"]))
    records = metadata["training"]["history"]
    names = ("loss", "highlight_rmse", "val_highlight_rmse")
    return {name: [record[name] for record in records] for name in names}


def assert_same(folder: Path, other: Path, rtol: float) -> None:
    """Check that all epochs have the same figures, also with averaged weights. Weights are not
    compared: biases before a norm have no gradient but rounding, which Adam scales to full steps.
    """
    found, expected = history(folder), history(other)
    assert len(expected["loss"]) == 3
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=rtol, atol=1.1e-6)


@pytest.mark.slow
def test_two_devices_under_tensorflow_have_the_losses_of_one(place):
    """Fresh norms agree up to rounding. With frozen norms and clipped gradients the agreement is
    much closer, even if a run on two devices resumes one on one device within the first epoch.
    """
    kept = {"start": "start.npz", "freeze": True, "clip_norm": 0.01}
    two = {"devices": 2}
    finish(
        start(
            place,
            [
                ("one", {}, {}, ""),
                ("two", {}, two, ""),
                ("one_kept", kept, {}, "leaves all checkpoints"),
                ("two_kept", kept, two, "goes on from one_kept"),
            ],
            "tensorflow",
        )
    )
    assert_same(place / "two", place / "one", NORMS_RTOL)
    assert_same(place / "two_kept", place / "one_kept", 1e-4)


@pytest.fixture(scope="module")
def one(place) -> Path:
    """Folder of a JAX run on one device; the run on two devices is next to it."""
    trainings: list[tuple] = [
        ("jax_one", {}, {}, ""),
        ("jax_two", {}, {"devices": 2}, ""),
    ]
    flags = f"{XLA_FLAGS} --xla_force_host_platform_device_count=2"
    finish(start(place, trainings, "jax", XLA_FLAGS=flags))
    return place / "jax_one"


@pytest.mark.slow
def test_two_devices_under_jax_have_the_losses_of_one(place, one):
    assert_same(place / "jax_two", one, 1e-4)


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(place, one):
    """Only the first process writes and prints, and both refuse different settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    processes = []
    for process in range(2):
        way = {"process": process, "processes": 2, "coordinator": coordinator}
        trainings: list[tuple] = [
            ("both", {}, way, ""),
            ("no", {}, way, "differing"),
        ]
        processes.append(start(place, trainings, "jax", XLA_FLAGS=XLA_FLAGS))
    (out, first), (silence, second) = map(finish, processes)
    assert_same(place / "both", one, 1e-4)
    assert "wrote" in out
    assert "wrote" not in silence
    assert "epoch" not in silence
    assert "no: the processes do not have the same settings" in first
    assert "no: the processes do not have the same settings" in second
    assert not (place / "no" / "weights.npz").exists()


@pytest.mark.parametrize("kind", [Pairs, ShotBatches])
def test_the_parts_of_the_processes_make_up_the_batch(kind):
    rng = np.random.default_rng(1)
    scenes = [Scene("a", "a", rng.lognormal(-1, 1, (60, 90, 3)).astype(np.float16))]
    camera = Camera(Exposure(), Sensor(), Development())
    settings = {"size": 32, "batch": 6, "steps": 4, "seed": 1, "epoch": 2, "first": 1}
    whole = kind(scenes, camera, Views(), **settings)[2]
    parts = [kind(scenes, camera, Views(), share=(i, 3), **settings)[2] for i in range(3)]
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)
    with pytest.raises(ValueError, match=r"4 .*parts"):
        kind(scenes, camera, Views(), share=(0, 4), **settings)


def test_missing_devices_are_reported_in_one_line(place, run_python):
    done = run_python(
        ROOT / "training_code" / "hdrcnn_train.py", "--scenes=scenes", "--out_dir=none",
        "--devices=99", cwd=place, status=1, CUDA_VISIBLE_DEVICES="-1",
    )  # fmt: skip
    assert "--devices 99: there are 1 CPU devices" in done.stderr
    assert "Traceback" not in done.stderr
