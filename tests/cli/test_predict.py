"""The command line, run as a user runs it."""

import json
import os
import shutil
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

import hdrcnn
from hdrcnn.colour.transfer import linearise
from hdrcnn.predict import camera_curve
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from tests.conftest import ONNX, ROOT
from tests.weights.published import plain_tensorflow, published_arrays, save_published

COMMAND = ROOT / "hdrcnn_predict.py"


def test_help_names_every_flag_without_loading_tensorflow(tmp_path, run_python):
    script = (
        "import runpy, sys; sys.argv = ['hdrcnn_predict.py', '--help']\n"
        f"try: runpy.run_path({str(COMMAND)!r}, run_name='__main__')\n"
        "finally: assert not {'tensorflow', 'keras', 'jax'} & sys.modules.keys()"
    )
    text = run_python("-c", script, cwd=tmp_path).stdout
    for flag in ("im_dir", "out_dir", "params", "gamma", "scaling", "camera_curve", "exposure",
                 "log", "quiet", "sequence", "overwrite", "mask", "max_stops"):  # fmt: skip
        assert f"--{flag}" in text or f"--[no]{flag}" in text


def test_a_folder_with_the_shipped_weights_from_any_working_directory(
    tmp_path, run_python, picture
):
    (tmp_path / "in").mkdir()
    iio.imwrite(tmp_path / "in" / "good.png", picture)
    (tmp_path / "in" / "bad.png").write_text("no picture")
    done = run_python(COMMAND, "--im_dir=in", "--previews", cwd=tmp_path, status=1, **ONNX)
    assert "bad.png" in done.stderr
    assert "1 of 2 not converted" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert "[2/2] out/good.exr  70x45  saturated" in done.stdout.replace("\\", "/")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "good.exr",
        "good_in.png",
        "good_out.png",
        "good_strip.png",
    ]
    hdr = read_exr(tmp_path / "out" / "good.exr").astype(np.float32)
    kept = picture.max(axis=-1) <= 0.95 * 255
    linear = linearise(picture / np.float32(255), hdrcnn.load().curve(picture))
    np.testing.assert_allclose(hdr[kept], linear[kept], rtol=2e-3, atol=1e-6)
    assert hdr.max() > 1.0


def test_an_estimated_curve_replaces_the_mean_curve(tmp_path, run_python, tiny_exported, picture):
    iio.imwrite(tmp_path / "p.png", picture)
    run_python(
        COMMAND, "--im_dir=p.png", "--camera_curve=estimated", f"--params={tiny_exported}",
        cwd=tmp_path, **ONNX,
    )  # fmt: skip
    hdr = read_exr(tmp_path / "out" / "p.exr").astype(np.float32)
    kept = picture.max(axis=-1) <= 0.95 * 255
    expected = linearise(picture / np.float32(255), camera_curve.load().estimate(picture))
    np.testing.assert_allclose(hdr[kept], expected[kept], rtol=2e-3, atol=1e-6)


def test_the_curve_of_a_film_is_estimated_on_the_requested_device(tmp_path, run_python, picture):
    """In a shard without frames of its own, which only estimates the camera curve."""
    iio.imwrite(tmp_path / "p.png", picture)
    command = [COMMAND, "--im_dir=p.png", "--sequence", "--shard=2/2", "--device=gpu"]
    command.append("--camera_curve=estimated")
    done = run_python(*command, cwd=tmp_path, status=1, **ONNX)
    (line,) = done.stderr.splitlines()
    assert "--device=gpu: the backend onnx" in line


LOADS_IN_A_THREAD = """
import os, sys, threading
from hdrcnn.console import stderr_discarded, say
quiet, go_on = threading.Event(), threading.Event()
def load():
    with stderr_discarded():
        quiet.set()
        go_on.wait()
        os.write(2, b"note of a library")
threading.Thread(target=load).start()
quiet.wait()
threading.Timer(0.2, go_on.set).start()
with stderr_discarded():
    os.write(2, b"note of another")
say("a fault", sys.stderr)
"""


def test_messages_are_not_lost_while_another_thread_loads(tmp_path, run_python):
    assert run_python("-c", LOADS_IN_A_THREAD, cwd=tmp_path).stderr == "a fault\n"


def test_published_parameters_give_the_published_result(tmp_path, run_python):
    """Random weights in the published layout, compared with plain TensorFlow, half floats
    included.
    """
    arrays = published_arrays(64, seed=3)
    save_published(tmp_path / "hdrcnn_params.npz", arrays)
    codes = np.random.default_rng(2).integers(170, 256, (64, 96, 3), np.uint8)
    iio.imwrite(tmp_path / "p.png", codes)
    arguments = ["--im_dir=p.png", "--params=hdrcnn_params.npz", "--precision=float32"]
    run_python(COMMAND, *arguments, cwd=tmp_path)
    expected = plain_tensorflow(arrays, codes[None].astype(np.float32) / 255)[0]
    np.testing.assert_allclose(read_exr(tmp_path / "out" / "p.exr"), expected, rtol=5e-3, atol=1e-4)


def test_files_folders_and_patterns_in_one_run_with_a_log(
    tmp_path, run_python, tiny_exported, picture
):
    """A second run keeps the results; a third, with --quiet, prints only the errors."""
    for name in ("a/2.png", "a/10.png", "b/deep/x.bmp", "c.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        iio.imwrite(path, picture)
    (tmp_path / "in" / "a" / "3.png").write_bytes(b"")
    places = ["--im_dir=in/a", "--im_dir=in/b/**/*.bmp", "--im_dir=in/c.png", "--im_dir=gone"]
    command = [COMMAND, *places, f"--params={tiny_exported}", "--log=log.jsonl"]
    first = run_python(*command, cwd=tmp_path, status=1, **ONNX)
    assert first.stderr.splitlines() == [
        "gone: no such file or folder",
        f"[2/5] {Path('in/a/3.png')}: not a picture, the file is empty; copy it again from its "
        "source",
        "2 of 6 not converted",
    ]
    names = [line.split()[1].replace("\\", "/") for line in first.stdout.splitlines()]
    tree = ["a/2.exr", "a/10.exr", "b/deep/x.exr", "c.exr"]
    assert names == [f"out/in/{name}" for name in tree]
    again = run_python(*command, cwd=tmp_path, status=1, **ONNX)
    assert [line.split()[2:] for line in again.stdout.splitlines()] == [["kept"]] * 4
    quiet = run_python(*command, "--quiet", cwd=tmp_path, status=1, **ONNX)
    assert (quiet.stdout, quiet.stderr) == ("", first.stderr)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    statuses = [line["status"] for line in lines]
    assert statuses[:6] == ["failed", "done", "failed", "done", "done", "done"]
    assert statuses[6:] == ["failed", "kept", "failed", "kept", "kept", "kept"] * 2
    assert lines[1]["figures"]["width"] == 70
    assert lines[1]["figures"] == lines[7]["figures"]


def test_a_name_that_is_not_valid_text_does_not_crash(tmp_path, run_python, tiny_exported, picture):
    odd = os.fsencode(tmp_path / "in") + b"/\xff\xe9.png"
    (tmp_path / "in").mkdir()
    iio.imwrite(tmp_path / "in" / "z.png", picture)
    try:
        shutil.copy(tmp_path / "in" / "z.png", odd)
    except OSError:
        pytest.skip("this file system takes no such names")
    command = [COMMAND, "--im_dir=in", f"--params={tiny_exported}", "--log=log"]
    done = run_python(*command, cwd=tmp_path, status=1, **ONNX)
    assert "UTF-8" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "z.exr").is_file()


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(os.name == "nt", reason="no such limit")
def test_a_file_that_the_system_refuses_to_write_gives_one_line(
    tmp_path, run_python, tiny_exported
):
    """Noise, so that the results are larger than the limit."""
    for name in "ab":
        noise = np.random.default_rng(1).integers(0, 256, (60, 60, 3), np.uint8)
        iio.imwrite(tmp_path / f"{name}.bmp", noise)
    command = ["-c", LIMITED, COMMAND, "--im_dir=*.bmp", f"--params={tiny_exported}"]
    done = run_python(*command, cwd=tmp_path, status=1, **ONNX)
    assert len(done.stderr.splitlines()) == 3
    assert "[1/2] out/a.exr: " in done.stderr
    assert "too large" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unwritable_folder_is_reported_before_anything_is_done(tmp_path, run_python, picture):
    iio.imwrite(tmp_path / "p.png", picture)
    (tmp_path / "closed").mkdir(mode=0o555)
    places = ["--out_dir=p.png/out"]
    if os.name != "nt" and os.geteuid() != 0:  # Root writes where it likes.
        places.append("--out_dir=closed")
    if sys.platform == "linux":
        places.append("--out_dir=/proc/out")
    for place in places:
        done = run_python(COMMAND, "--im_dir=p.png", place, cwd=tmp_path, status=1)
        assert len(done.stderr.splitlines()) == 1
        assert place.removeprefix("--out_dir=") in done.stderr.replace("\\", "/")
        assert "--out_dir" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--im_dir=nowhere"], "nowhere"),
        (["--params=none.npz", "--im_dir=p.png"], "none.npz"),
        (["--gamma=0"], "gamma"),
        (["--camera_curve=kodachrome"], "camera_curve"),
        (["--no_such_flag"], "no_such_flag"),
        (["data"], "'data'"),
        (["--im_dir=p.png", "--out_dir=p.png/out"], "p.png"),
        (["--im_dir=p.png", "--log=p.png"], "--log"),
        (["--im_dir=p.png", "--max_stops=-1"], "max_stops"),
        (["--im_dir=p.png", "--max_stops=nan"], "max_stops"),
        (["--im_dir=p.png", "--gamma=200"], "gamma"),
        (["--im_dir=p.png", "--format=hdr,png", "--mask"], "--mask"),
        (["--im_dir=p.png", "--exr_level=45"], "--exr_compression"),
        (["--im_dir=p.png", "--exposure=0"], "--previews"),
        (["--im_dir=p.png", "--workers=2"], "--engine"),
        (["--im_dir=p.png", "--gain_map=only", "--quality=best"], "--quality"),
    ],
)
def test_mistakes_get_one_line_and_a_status(tmp_path, run_python, picture, arguments, reason):
    iio.imwrite(tmp_path / "p.png", picture)
    done = run_python(COMMAND, *arguments, cwd=tmp_path, status=1)
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["p.png"]
    assert read_ldr(tmp_path / "p.png").shape == (45, 70, 3)
