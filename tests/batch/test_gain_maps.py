"""Conversion of photographs with a gain map: measured light is kept, with and without a network."""

import json

import numpy as np
import pytest

from hdrcnn.colour.measured import Measured
from hdrcnn.colour.primaries import linear_to_rec709
from hdrcnn.colour.transfer import log_encode, srgb_decode
from hdrcnn.predict import blend
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_photograph
from tests.conftest import ONNX, ROOT
from tests.readers.gain_map_files import base, gains, iso_numbers, jpeg

COMMAND = ROOT / "hdrcnn_predict.py"


def clipped() -> tuple[np.ndarray, np.ndarray]:
    """A base and a gain map; a square of the base is white, and in half of it the map clips too."""
    codes, gain = base(96, 128), gains(96, 128)
    codes[32:64, 32:96] = 255
    gain[16:80, 64:112] = 255
    return codes, gain


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "in").mkdir()
    data = jpeg(*clipped(), iso=iso_numbers())
    (tmp_path / "in" / "a.jpg").write_bytes(data)
    return tmp_path


def measured(folder, name: str = "in/a.jpg") -> Measured:
    found = read_photograph(folder / name).measured
    assert found is not None
    return found


def test_gain_map_only_needs_no_network(photos, run_python):
    script = (
        "import runpy, sys\n"
        "sys.argv = ['hdrcnn_predict.py', '--im_dir=in', '--gain_map=only', '--mask',\n"
        "            '--format=exr,png,ultrahdr']\n"
        f"try: runpy.run_path({str(COMMAND)!r}, run_name='__main__')\n"
        "finally: assert not {'tensorflow', 'keras', 'jax'} & sys.modules.keys()"
    )
    run_python("-c", script, cwd=photos)
    light = measured(photos).light
    np.testing.assert_array_equal(read_exr(photos / "out" / "a.exr").astype(np.float16), light)
    assert (photos / "out" / "a_hdr.png").is_file()
    back = read_photograph(photos / "out" / "a_hdr.jpg")
    apart = np.log2(
        np.maximum(measured(photos, "out/a_hdr.jpg").light, 1e-4) / np.maximum(light, 1e-4)
    )
    assert np.median(np.abs(apart.astype(np.float64))) < 0.02
    # The base of the file is the photograph's own.
    np.testing.assert_array_equal(back.code, read_photograph(photos / "in" / "a.jpg").code)


def test_the_command_keeps_measured_light_and_existing_results(photos, tiny_exported, run_python):
    (photos / "in" / "b.jpg").write_bytes(jpeg(*clipped(), iso=b""))
    flags = ["--im_dir=in", "--mask", "--log=log"]
    named = f"--params={tiny_exported}"
    done = run_python(COMMAND, *flags, named, cwd=photos, **ONNX)
    assert "b.jpg" in done.stderr
    assert "metadata" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    hdr, known = read_exr(photos / "out" / "a.exr").astype(np.float32), measured(photos)
    kept = known.clipped == 0
    np.testing.assert_array_equal(hdr[kept].astype(np.float16), known.light[kept])
    assert (hdr >= known.light.astype(np.float32)).all()
    again = run_python(COMMAND, *flags, named, cwd=photos, **ONNX)
    assert "kept" in again.stdout
    assert again.stderr == done.stderr
    run_python(COMMAND, *flags, named, "--gain_map=ignore", cwd=photos, **ONNX)
    run_python(COMMAND, *flags, "--gain_map=only", cwd=photos, status=1)
    lines = [json.loads(line) for line in (photos / "log").read_text().splitlines()]
    assert [line["status"] for line in lines] == [
        "done", "done", "kept", "kept", "done", "done", "done", "failed",
    ]  # fmt: skip


@pytest.mark.parametrize("gamma", [1.0, 1.2])
@pytest.mark.parametrize("name", blend.BLENDS)
def test_the_prediction_counts_only_where_the_map_clips(name, gamma):
    codes = np.array([0.5, 1.0, 1.0, 1.0], np.float32)[:, None].repeat(3, axis=1)
    light = np.array([0.2, 4.0, 4.0, 4.0], np.float32)[:, None].repeat(3, axis=1)
    clipped = np.array([1.0, 0.0, 1.0, 1.0], np.float32)[:, None].repeat(3, axis=1)
    predicted = np.array([9.0, 9.0, 9.0, 2.0], np.float32)[:, None].repeat(3, axis=1)
    log_hdr = log_encode(predicted ** (1 / gamma))
    found = blend.blend_measured(codes, log_hdr, light, clipped, name, gamma)
    np.testing.assert_allclose(found[:, 0], [0.2, 4.0, 9.0, 4.0], rtol=1e-5)


def test_the_library_gives_what_the_command_gives(photos, tiny_exported, run_python):
    import hdrcnn

    flags = ("--im_dir=in", f"--params={tiny_exported}", "--exr_float")
    run_python(COMMAND, *flags, cwd=photos, **ONNX)
    photo = hdrcnn.read_photograph(photos / "in" / "a.jpg")
    hdr = hdrcnn.load(tiny_exported).reconstruct(photo.code, measured=photo.measured)
    np.testing.assert_allclose(
        linear_to_rec709(hdr, photo.chromaticities),
        read_exr(photos / "out" / "a.exr"),
        rtol=1e-3,
        atol=1e-4,
    )


def test_ultra_hdr_keeps_regions_that_the_map_darkens(photos, run_python):
    numbers = iso_numbers(low=(-2.0,), high=(2.0,))
    (photos / "in" / "a.jpg").write_bytes(jpeg(base(), gains(), iso=numbers))
    light = measured(photos).light.astype(np.float64)
    assert (light < 0.5 * srgb_decode(base() / 255.0)).any()
    run_python(COMMAND, "--im_dir=in", "--gain_map=only", "--format=ultrahdr", cwd=photos)
    back = measured(photos, "out/a_hdr.jpg").light.astype(np.float64)
    assert np.median(np.abs(np.log2(np.maximum(back, 1e-3) / np.maximum(light, 1e-3)))) < 0.02


def test_a_map_is_resized_with_its_photograph(photos, run_python):
    flags = ("--im_dir=in", "--gain_map=only", "--width=48", "--height=48")
    run_python(COMMAND, *flags, cwd=photos)
    light = measured(photos).light[:, 16:112].astype(np.float32)
    wanted = light.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    found = read_exr(photos / "out" / "a.exr")
    inner = np.abs(found - wanted) / (wanted + 0.1)
    assert found.shape == (48, 48, 3)
    assert np.median(inner) < 0.02
