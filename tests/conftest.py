"""Fixtures shared by several test files: tiny weights, small photographs, small scenes."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from hdrcnn import weights
from hdrcnn.models.hdrcnn import build
from hdrcnn.models.metadata import Hdrcnn
from hdrcnn.readers.photograph import read_photograph
from hdrcnn.writers.exr import write_exr

WIDTH = 4
ONNX = {"HDRCNN_BACKEND": "onnx"}
"""Environment of subprocesses for tests that do not depend on the backend."""
XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""Flags of subprocesses that choose a backend: XLA would compile for longer than they run."""
ROOT = Path(__file__).resolve().parents[1]
settings.register_profile("untimed", deadline=None)  # The speed of the machine is not under test.
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _reset_keras():
    """Reset what a test may leave to the next one in its process: the random seed, the dtype policy
    that training sets, and the backend that commands store in the environment for subprocesses.
    """
    keras.utils.set_random_seed(1)
    told = {name: os.environ.get(name) for name in ("HDRCNN_BACKEND", "KERAS_BACKEND")}
    yield
    keras.config.set_dtype_policy("float32")
    for name, value in told.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights file of width 4 with random initial weights and batch-norm statistics of noise."""
    keras.utils.set_random_seed(5)
    model = build(WIDTH, norm_momentum=0.0)
    noise = np.random.default_rng(5).random((2, 64, 64, 3), np.float32)
    model(noise, training=True)
    path = tmp_path_factory.mktemp("weights") / "tiny.npz"
    metadata = Hdrcnn(width=WIDTH, linearisation="mean_curve", blend="channel")
    weights.save(path, weights.collect(model), metadata)
    return path


@pytest.fixture(scope="session")
def tiny_exported(tiny_weights: Path) -> Path:
    """`tiny_weights` with an ONNX file beside it. A subprocess with `ONNX` in its environment
    starts in a tenth of the time.
    """
    pytest.importorskip("onnxruntime")
    from hdrcnn.export import onnx

    onnx.write(tiny_weights, tiny_weights.with_suffix(".onnx"))
    return tiny_weights


@pytest.fixture
def picture() -> np.ndarray:
    """[45, 70, 3] uint8: a horizontal ramp with a saturated disc, no side a multiple of 32."""
    rows, columns = np.mgrid[0:45, 0:70]
    base = columns / 69.0 * 200
    rgb = np.stack([base, 0.8 * base, 0.6 * base + 20], axis=-1)
    rgb[np.hypot(rows - 20, columns - 50) < 9] = 255
    return rgb.astype(np.uint8)


@pytest.fixture(scope="session")
def scene_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small HDR scenes with bright spots: two panoramas, two photographs, three families."""
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(11)
    lines = ["file,family"]
    for index, (name, family, rows, columns) in enumerate(
        [
            ("a.exr", "one", 48, 96),
            ("b.exr", "one", 48, 96),
            ("c.exr", "two", 80, 100),
            ("d.exr", "three", 70, 90),
        ]
    ):
        y, x = np.mgrid[0:rows, 0:columns]
        spot = np.exp(-((x - 20 - 9 * index) ** 2 + (y - 20) ** 2) / 30.0)
        grain = rng.random((rows, columns, 3)) * 0.02
        image = 0.1 + 0.2 * (y / rows)[..., None] * [0.9, 1.0, 1.1] + 12.0 * spot[..., None] + grain
        write_exr(folder / name, image.astype(np.float32))
        lines.append(f"{name},{family}")
    (folder / "MANIFEST.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def read(tmp_path):
    """Return a function that reads bytes as a photograph, from a file without an extension."""

    def reader(data, **settings):
        (tmp_path / "picture").write_bytes(data)
        return read_photograph(tmp_path / "picture", **settings)

    return reader


@pytest.fixture
def six_photos(tmp_path, monkeypatch):
    """Current folder with six small images of noise in `in`."""
    rng = np.random.default_rng(9)
    (tmp_path / "in").mkdir()
    for number in range(6):
        codes = rng.integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(codes).save(tmp_path / "in" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """List file that holds one family of `scene_folder` out of training."""
    path = tmp_path_factory.mktemp("held_out") / "validation.txt"
    path.write_text("two\n")
    return path


@pytest.fixture
def run_python():
    """Return a function that runs Python in a subprocess in which the project can be imported from
    any folder, and checks its exit status.
    """

    def run(
        *arguments: str | Path, cwd: Path, status: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        xla = {"XLA_FLAGS": XLA_FLAGS} if "KERAS_BACKEND" in environment else {}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **xla, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run
