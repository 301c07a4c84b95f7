"""`hdrcnn export`, and conversions with its files without TensorFlow, Keras or JAX."""

import re
import shutil

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

import hdrcnn
from hdrcnn.cli.main import main
from hdrcnn.cli.parser import UsageError
from hdrcnn.files import ImageError, WeightsError
from hdrcnn.readers.hdr import read_exr

pytest.importorskip("onnxruntime")

BARE = """
import sys
for name in ("tensorflow", "keras", "jax", "scipy"):
    sys.modules[name] = None
from hdrcnn.cli.main import main
from hdrcnn.files import UserError
try:
    sys.exit(main(sys.argv[1:]))
except UserError as error:
    sys.exit(str(error))
"""
"""The command as installed by `.[onnx]`: without other backends, and without SciPy."""


def test_a_picture_is_converted_without_tensorflow(tiny_weights, picture, tmp_path, run_python):
    params = tmp_path / "tiny.npz"
    shutil.copy(tiny_weights, params)
    iio.imwrite(tmp_path / "p.png", np.tile(picture, (8, 8, 1)))
    command = ("predict", "p.png", "--params", params, "--out_dir", "hdr", "--backend", "onnx")
    refused = run_python("-c", BARE, *command, cwd=tmp_path, status=1)
    assert "hdrcnn export" in refused.stderr
    assert main(["export", str(params)]) == 0
    with pytest.raises(UsageError, match="--overwrite"):
        main(["export", str(params)])
    small = ("--tile_pixels", "200000", "--resolution", "native")  # Forces tiles.
    run_python("-c", BARE, *command, *small, cwd=tmp_path)
    expected = hdrcnn.reconstruct(tmp_path / "p.png", params, precision="float32")
    found = read_exr(tmp_path / "hdr" / "p.exr")
    assert found.max() > 1.0
    stops = np.log2(np.maximum(found, 1e-3)) - np.log2(np.maximum(expected, 1e-3))
    assert np.abs(stops).max() < 0.01


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (("predict", "p.png", "--format", "exr"), "p.exr"),
        (("predict", "p.png", "--camera_curve", "estimated", "--panorama"), "p.exr"),
        (("stack", "p.png", "--format", "exr"), "p_4.png"),
        (("stack", "p.png", "--method", "gan"), "p_4.png"),
        (("fuse", "p.png", "q.png", "--per", "2", "--align", "off"), "p_fused.tif"),
        (("fuse", "p.png", "q.png", "--merge"), "p.exr"),
    ],
)
def test_every_command_works_without_tensorflow_with_the_shipped_files(
    picture, tmp_path, run_python, monkeypatch, command, file
):
    monkeypatch.chdir(tmp_path)
    if command[0] == "fuse":
        pytest.importorskip("cv2")
    for name, factor in (("p", 1), ("q", 2)):
        exif = Image.Exif()
        exif[0x0110] = "Model"
        inner = exif.get_ifd(0x8769)
        inner[0x829A], inner[0x9003] = 0.02 / factor, "2024:01:01 10:00:00"
        codes = np.tile(picture, (2, 2, 1)) // factor
        Image.fromarray(codes).save(tmp_path / f"{name}.png", exif=exif)
    run_python("-c", BARE, *command, "--backend", "onnx", "--out_dir", "bare", cwd=tmp_path)
    # Fusion weights are always computed in float32.
    precision = [] if command[0] == "fuse" and "--merge" not in command else ["--precision=float32"]
    assert main([*command, *precision, "--out_dir", "by_keras"]) == 0
    bare, by_keras = (
        read_exr(tmp_path / where / file)
        if file.endswith("exr")
        else iio.imread(tmp_path / where / file).astype(np.float32)
        for where in ("bare", "by_keras")
    )
    step = 1.0 if file.endswith("png") else 0.01 * np.abs(by_keras).max()
    assert np.abs(bare - by_keras).max() <= step


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--backend", "tensorflow"), "tensorflow"),
        (("--backend", "onnx", "--precision", "bfloat16"), "bfloat16"),
        (("--backend", "onnx", "--device", "gpu"), "gpu"),
    ],
)
def test_unsupported_options_of_a_backend_are_reported_in_one_line(
    picture, tmp_path, run_python, flags, word
):
    iio.imwrite(tmp_path / "p.png", picture)
    finder = "import importlib.util as u, sys\n"
    finder += "found = u.find_spec\nu.find_spec = lambda n: None if n == 'tensorflow' else found(n)"
    done = run_python("-c", finder + BARE, "predict", "p.png", *flags, cwd=tmp_path, status=1)
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_int8_needs_calibration_photographs(run_python, tmp_path):
    done = run_python(
        "-m", "hdrcnn", "export", "w.npz", "--precision", "int8", cwd=tmp_path, status=1
    )
    assert "--calibration" in done.stderr


def test_export_overwrites_neither_weights_nor_its_own_files(tmp_path, tiny_weights):
    named, other = tmp_path / "w.onnx", tmp_path / "in" / "w.npz"
    other.parent.mkdir()
    for path in (named, other):
        shutil.copy(tiny_weights, path)
    with pytest.raises(UsageError, match=r"w\.onnx: a weights file"):
        main(["export", str(named), "--overwrite"])
    with pytest.raises(UsageError, match=r"w\.onnx: would be that of"):
        main(["export", str(named), str(other), "--out_dir", str(tmp_path / "out"), "--overwrite"])
    assert named.read_bytes() == tiny_weights.read_bytes()
    assert not (tmp_path / "out").exists()


def test_weights_that_cannot_be_read_leave_no_folder(tmp_path):
    (tmp_path / "text.npz").write_text("weights")
    for name in ("missing", "text"):
        with pytest.raises(WeightsError, match=name):
            main(["export", str(tmp_path / f"{name}.npz"), "--out_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_a_file_in_place_of_the_folder_is_reported_in_one_line(tmp_path, tiny_weights):
    (tmp_path / "out").touch()
    with pytest.raises(ImageError, match="--out_dir"):
        main(["export", str(tiny_weights), "--out_dir", str(tmp_path / "out")])


def test_export_works_whatever_backend_is_selected(tmp_path, tiny_weights, run_python):
    command = ("-m", "hdrcnn", "export", tiny_weights, "--out_dir", "out")
    run_python(*command, cwd=tmp_path, KERAS_BACKEND="jax", HDRCNN_BACKEND="jax")
    assert (tmp_path / "out" / tiny_weights.with_suffix(".onnx").name).is_file()


NOTHING = """
import importlib.util, sys
found = importlib.util.find_spec
absent = ("tensorflow", "keras", "jax", "onnxruntime")
importlib.util.find_spec = lambda name, *more: None if name in absent else found(name, *more)
for name in absent:
    sys.modules[name] = None
sys.argv[0] = "hdrcnn"
from hdrcnn.cli.main import entry
entry()
"""
"""The command without any backend."""


def test_without_any_backend_one_line_names_the_extras(picture, tmp_path, run_python):
    iio.imwrite(tmp_path / "p.png", picture)
    command = ("predict", "p.png", "--out_dir", "hdr")
    told = {
        "KERAS_BACKEND": "",
        "HDRCNN_BACKEND": "",
    }  # Earlier tests in this process may have set these.
    done = run_python("-c", NOTHING, *command, cwd=tmp_path, status=1, **told)
    (line,) = done.stderr.splitlines()
    for extra in ("tensorflow", "jax", "onnx"):
        assert f"hdrcnn[{extra}]" in line
    assert not (tmp_path / "hdr").exists()


def test_export_without_its_packages_is_reported_in_one_line(tmp_path, run_python):
    command = ("export", "w.npz", "--out_dir", "out")
    done = run_python("-c", NOTHING, *command, cwd=tmp_path, status=1)
    (line,) = done.stderr.splitlines()
    assert "hdrcnn[export]" in line
    assert not (tmp_path / "out").exists()


EAGER = """
import sys
import hdrcnn.cli.pictures
print(*{"scipy", "jinja2", "onnx", "onnxruntime", "keras", "tensorflow", "jax", "cv2", "xml",
        "imagecodecs", "tifffile", "distributed"} & sys.modules.keys())
"""


def test_slow_imports_are_deferred_until_they_are_needed(run_python, tmp_path):
    assert run_python("-c", EAGER, cwd=tmp_path).stdout.split() == []


@pytest.mark.parametrize("absent", [("onnxruntime",), ("tf2onnx",)])
def test_export_in_eight_bits_names_what_it_lacks(absent, tmp_path, run_python):
    command = ("export", "w.npz", "--precision", "int8", "--calibration", ".", "--out_dir", "out")
    program = re.sub(r"absent = \(.*\)", f"absent = {absent}", NOTHING)
    done = run_python("-c", program, *command, cwd=tmp_path, status=1)
    (line,) = done.stderr.splitlines()
    assert absent[0] in line
    assert "hdrcnn[export]" in line
