"""The command line, run as a user runs it."""

import imageio.v3 as iio
import numpy as np
import pytest

from hdrcnn.hdr_io import read_exr
from hdrcnn.transfer import inverse_camera_curve
from tests.conftest import ROOT
from tests.published import plain_tensorflow, published_arrays, save_published

COMMAND = ROOT / "hdrcnn_predict.py"


def test_help_names_every_flag_without_loading_tensorflow(tmp_path, run_python):
    script = (
        "import runpy, sys; sys.argv = ['hdrcnn_predict.py', '--help']\n"
        f"try: runpy.run_path({str(COMMAND)!r}, run_name='__main__')\n"
        "finally: assert not {'tensorflow', 'keras', 'jax'} & sys.modules.keys()"
    )
    text = run_python("-c", script, cwd=tmp_path).stdout
    for flag in ("im_dir", "out_dir", "params", "gamma", "scaling", "camera_curve", "exposure"):
        assert f"--{flag}" in text or f"--[no]{flag}" in text


def test_a_folder_with_the_shipped_weights_from_any_place(tmp_path, run_python, picture):
    (tmp_path / "in").mkdir()
    iio.imwrite(tmp_path / "in" / "good.png", picture)
    (tmp_path / "in" / "bad.png").write_text("no picture")
    done = run_python(COMMAND, "--im_dir=in", "--previews", cwd=tmp_path, status=1)
    assert "bad.png" in done.stderr
    assert "1 of 2 not converted" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert "[2/2] out/good.exr  70x45  saturated" in done.stdout.replace("\\", "/")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "good.exr",
        "good_in.png",
        "good_out.png",
    ]
    hdr = read_exr(tmp_path / "out" / "good.exr").astype(np.float32)
    kept = picture.max(axis=-1) <= 0.95 * 255
    linear = inverse_camera_curve(picture.astype(np.float32) / 255)
    np.testing.assert_allclose(hdr[kept], linear[kept], rtol=2**-11, atol=2**-25)
    assert hdr.max() > 1.0


def test_published_parameters_give_the_published_picture(tmp_path, run_python):
    """A random file in the published layout against plain TensorFlow, half floats included."""
    arrays = published_arrays(64, seed=3)
    save_published(tmp_path / "hdrcnn_params.npz", arrays)
    codes = np.random.default_rng(2).integers(170, 256, (64, 96, 3), np.uint8)
    iio.imwrite(tmp_path / "p.png", codes)
    run_python(COMMAND, "--im_dir=p.png", "--params=hdrcnn_params.npz", cwd=tmp_path)
    expected = plain_tensorflow(arrays, codes[None].astype(np.float32) / 255)[0]
    np.testing.assert_allclose(read_exr(tmp_path / "out" / "p.exr"), expected, rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--im_dir=nowhere"], "nowhere: no such file or folder"),
        (["--params=none.npz", "--im_dir=p.png"], "none.npz: no such weights file"),
        (["--gamma=0"], "gamma"),
        (["--camera_curve=kodachrome"], "camera_curve"),
        (["--no_such_flag"], "no_such_flag"),
        (["data"], "what is 'data'"),
        (["--im_dir=p.png", "--out_dir=p.png/out"], "p.png"),
    ],
)
def test_mistakes_get_one_line_and_a_status(tmp_path, run_python, picture, arguments, reason):
    iio.imwrite(tmp_path / "p.png", picture)
    done = run_python(COMMAND, *arguments, cwd=tmp_path, status=1)
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
