"""`hdrcnn export`, and conversions by its files where no TensorFlow, Keras or JAX is."""

import shutil

import imageio.v3 as iio
import numpy as np
import pytest

import hdrcnn
from hdrcnn.readers.hdr import read_exr

pytest.importorskip("onnxruntime")

BARE = """
import sys
for name in ("tensorflow", "keras", "jax"):
    sys.modules[name] = None
from hdrcnn.cli.main import main
from hdrcnn.files import UserError
try:
    sys.exit(main(sys.argv[1:]))
except UserError as error:
    sys.exit(str(error))
"""
"""The command where nothing else computes networks."""


def test_a_picture_is_converted_without_tensorflow(tiny_weights, picture, tmp_path, run_python):
    params = tmp_path / "tiny.npz"
    shutil.copy(tiny_weights, params)
    iio.imwrite(tmp_path / "p.png", np.tile(picture, (8, 8, 1)))
    command = ("predict", "p.png", "--params", params, "--out_dir", "hdr", "--backend", "onnx")
    refused = run_python("-c", BARE, *command, cwd=tmp_path, status=1)
    assert "hdrcnn export" in refused.stderr
    run_python("-m", "hdrcnn", "export", params, cwd=tmp_path)
    again = run_python("-m", "hdrcnn", "export", params, cwd=tmp_path, status=1)
    assert "--overwrite" in again.stderr
    small = ("--tile_pixels", "200000", "--resolution", "native")  # So that it is done in tiles.
    run_python("-c", BARE, *command, *small, cwd=tmp_path)
    expected = hdrcnn.reconstruct(tmp_path / "p.png", params, precision="float32")
    found = read_exr(tmp_path / "hdr" / "p.exr")
    assert found.max() > 1.0
    stops = np.log2(np.maximum(found, 1e-3)) - np.log2(np.maximum(expected, 1e-3))
    assert np.abs(stops).max() < 0.01


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--backend", "tensorflow"), "tensorflow"),
        (("--backend", "onnx", "--precision", "bfloat16"), "bfloat16"),
        (("--backend", "onnx", "--device", "gpu"), "gpu"),
    ],
)
def test_what_a_backend_cannot_do_is_one_line(picture, tmp_path, run_python, flags, word):
    iio.imwrite(tmp_path / "p.png", picture)
    finder = "import importlib.util as u, sys\n"
    finder += "found = u.find_spec\nu.find_spec = lambda n: None if n == 'tensorflow' else found(n)"
    done = run_python("-c", finder + BARE, "predict", "p.png", *flags, cwd=tmp_path, status=1)
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_eight_bits_need_pictures(run_python, tmp_path):
    done = run_python(
        "-m", "hdrcnn", "export", "w.npz", "--precision", "int8", cwd=tmp_path, status=1
    )
    assert "--calibration" in done.stderr
