"""The library makes the same choices, files and results as the command."""

import imagecodecs
import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

import hdrcnn
from hdrcnn import weights
from hdrcnn.batch import choose
from hdrcnn.cli.main import main
from hdrcnn.readers.hdr import read_exr, read_radiance
from hdrcnn.writers import WRITERS
from tests.conftest import ONNX, ROOT

MARKS = {
    "exr": b"\x76\x2f\x31\x01", "hdr": b"#?RADIANCE", "ultrahdr": b"\xff\xd8",
    "avif": b"ftypavif", "png": b"\x89PNG", "jxl": b"JXL ",
}  # fmt: skip
"""Bytes near the beginning of files of each format."""
SEVENTH = """
import json, sys
from pathlib import Path
import numpy as np
from hdrcnn import writers

def write(path, picture, options):
    notes = json.dumps(dict(picture.notes))
    with path.open("wb") as file:
        np.savez(file, hdr=picture.hdr, nits=options.nits, notes=notes)

def read(path):
    return json.loads(str(np.load(path)["notes"]))

writers.WRITERS["seventh"] = writers.Writer(
    ".light", write, "Seventh Kind", "for those who count", ("look",), notes=read
)
"""
"""A third-party format whose notes can be read back."""


@pytest.fixture
def jpeg(tmp_path, picture):
    """A photograph with lossy compression."""
    (tmp_path / "photos").mkdir()
    path = tmp_path / "photos" / "p.jpg"
    Image.fromarray(picture).save(path, quality=85)
    return path


@pytest.mark.parametrize(("kind", "backend"), [("jpg", {}), ("png", ONNX)])
def test_the_same_file_gives_the_same_light(tmp_path, run_python, monkeypatch, jpeg, kind, backend):
    """With the defaults, whatever weights, precision and curve they select."""
    for name, value in backend.items():
        monkeypatch.setenv(name, value)
    if kind == "png":
        Image.open(jpeg).save(jpeg.with_suffix(".png"))
        jpeg.unlink()
    source = jpeg.with_suffix(f".{kind}")
    run_python(ROOT / "hdrcnn_predict.py", "--im_dir=photos", "--out_dir=out", cwd=tmp_path)
    photo = hdrcnn.read_photograph(source)
    hdr = hdrcnn.reconstruct(photo)
    np.testing.assert_array_equal(hdr, hdrcnn.reconstruct(source))
    hdrcnn.write(tmp_path / "own.exr", hdr, photograph=photo)
    np.testing.assert_array_equal(read_exr(tmp_path / "own.exr"), read_exr(tmp_path / "out/p.exr"))
    other = hdrcnn.load(lossy=kind == "png").reconstruct(photo.code)
    assert np.abs(other - hdr).max() > 0.01, "the other weights give another result"


def test_weights_and_precision_are_chosen_by_what_the_command_uses(monkeypatch, jpeg):
    asked = []

    def loaded(path, **how):
        asked.append((path, how["precision"]))
        raise weights.WeightsError("enough")

    monkeypatch.setattr("hdrcnn.predict.single_image.load", loaded)
    for lossy, expected in ((True, weights.JPEG), (False, weights.SHIPPED)):
        networks = choose.Networks.on()
        for call in (
            lambda: hdrcnn.load(lossy=lossy),  # noqa: B023
            lambda: networks.predictor(networks.choose(lossy)),  # noqa: B023
        ):
            with pytest.raises(weights.WeightsError):
                call()
        assert asked[-2:] == [(expected, "auto")] * 2
    with pytest.raises(weights.WeightsError):
        hdrcnn.reconstruct(jpeg)
    assert asked[-1] == (weights.JPEG, "auto")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("known", [False, True])
def test_the_end_of_the_name_selects_the_format(tmp_path, jpeg, name, known):
    writer = WRITERS[name]
    if writer.package is not None:
        pytest.importorskip(writer.package, minversion="2025.11.11")
    photo = hdrcnn.read_photograph(jpeg) if known else None
    hdr = np.full((*hdrcnn.read(jpeg).shape[:2], 3), 0.5, np.float32)
    hdr[:9, :9] = 4.0
    hdrcnn.write(tmp_path / f"a{writer.ending}", hdr, photograph=photo, nits=100)
    assert MARKS[name] in (tmp_path / f"a{writer.ending}").read_bytes()[:16]
    if name == "hdr":
        np.testing.assert_allclose(read_radiance(tmp_path / "a.hdr"), hdr, rtol=0.01)


@pytest.mark.parametrize("curve", ["srgb", "square"])
def test_display_files_match_those_of_the_command(tmp_path, monkeypatch, picture, curve):
    """For a photograph that clips below its largest code, with sRGB's curve and another one."""
    monkeypatch.setenv(*next(iter(ONNX.items())))
    noise = np.random.default_rng(3).normal(0, 6, picture.shape)
    codes = np.minimum(np.where(picture == 255, 240, picture * 0.7 + noise), 240).clip(0)
    Image.fromarray(codes.astype(np.uint8)).save(tmp_path / "p.png")
    flags = ["--out_dir", str(tmp_path / "out"), "--format=png,ultrahdr", f"--camera_curve={curve}"]
    assert main(["predict", str(tmp_path / "p.png"), *flags]) == 0
    photo = hdrcnn.read_photograph(tmp_path / "p.png")
    hdr = hdrcnn.reconstruct(photo, camera_curve=curve)
    for ending in ("_hdr.png", "_hdr.jpg"):
        hdrcnn.write(tmp_path / f"own{ending}", hdr, photograph=photo, camera_curve=curve)
    by_library, by_command = (
        iio.imread(place.with_name(f"{place.name}_hdr.png")).astype(int)
        for place in (tmp_path / "own", tmp_path / "out" / "p")
    )
    assert np.abs(by_library - by_command).max() <= 40  # Of 65535; the command has half floats.
    stops = []
    for place in (tmp_path / "own_hdr.jpg", tmp_path / "out" / "p_hdr.jpg"):
        measured = hdrcnn.read_photograph(place).measured
        assert measured is not None
        stops.append(np.log2(measured.light.astype(np.float32) + 0.01))
    one, other = stops
    assert np.median(np.abs(one - other)) < 0.005  # The map is a JPEG.
    assert np.abs(one - other).max() < 0.2


def test_a_photograph_is_not_overwritten_and_unknown_endings_are_named(jpeg, tmp_path):
    before = jpeg.read_bytes()
    light = np.ones((4, 4, 3), np.float32)
    with pytest.raises(hdrcnn.ImageError, match=r"p\.jpg: .*_hdr\.jpg"):
        hdrcnn.write(jpeg, light)
    assert jpeg.read_bytes() == before
    hdrcnn.write(tmp_path / "new.jpg", light)
    with pytest.raises(hdrcnn.ImageError, match=r"a\.gif: .*\.exr"):
        hdrcnn.write(tmp_path / "a.gif", light)


@pytest.mark.parametrize("name", ["IMG_1_HDR.JPG", "a_hdr.png", "a_hdr.avif"])
def test_photographs_named_like_results_are_not_overwritten(tmp_path, jpeg, name):
    light = np.ones((8, 8, 3), np.float32)
    path = tmp_path / name
    path.write_bytes(jpeg.read_bytes())
    with pytest.raises(hdrcnn.ImageError, match=rf"{name}.*overwrite=True"):
        hdrcnn.write(path, light)
    assert path.read_bytes() == jpeg.read_bytes()
    hdrcnn.write(path, light, overwrite=True)
    assert path.read_bytes() != jpeg.read_bytes()


@pytest.mark.parametrize("scaling", [-1.0, "foo", np.nan, (1, 2)])
def test_scaling_of_a_display_file_is_checked(tmp_path, jpeg, scaling):
    photo = hdrcnn.read_photograph(jpeg)
    with pytest.raises(ValueError, match="scaling"):
        hdrcnn.write(tmp_path / "a_hdr.png", photo.code, photograph=photo, scaling=scaling)
    several = (1.0, 1.1, 1.2)
    hdrcnn.write(tmp_path / "a_hdr.png", photo.code, photograph=photo, scaling=several)
    with pytest.raises(ValueError, match="camera_curve"):
        hdrcnn.write(tmp_path / "a.exr", photo.code, photograph=photo, camera_curve="estimated")


@pytest.mark.parametrize("whole", [False, True])
def test_jpeg_xl_has_the_requested_bit_depth(tmp_path, whole):
    light = np.random.default_rng(2).random((9, 7, 3), np.float32)
    hdrcnn.write(tmp_path / "a.jxl", light, exr_float=whole)
    found = imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes())
    kept = light if whole else light.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(found.astype(np.float32), kept)
    light[0, 0, 0] = np.inf
    with pytest.raises(hdrcnn.ImageError, match=r"b\.jxl"):
        hdrcnn.write(tmp_path / "b.jxl", light, exr_float=whole)


def test_a_seventh_format_is_known_everywhere(tmp_path, run_python, jpeg):
    """Registering it once covers help, report, results of an earlier run, flags without effect, and
    library.
    """
    command = f"{SEVENTH}\nfrom hdrcnn.cli.predict import entry\nentry()"
    said = run_python("-c", command, "--help", cwd=tmp_path).stdout
    assert "seventh, Seventh Kind for those who count" in " ".join(said.split())
    asked = ("--im_dir=photos", "--out_dir=out", "--format=seventh,exr", "--report", "--nits=80")
    run_python("-c", command, *asked, cwd=tmp_path, **ONNX)
    written = np.load(tmp_path / "out" / "p.light")
    assert written["nits"] == 80
    np.testing.assert_array_equal(
        written["hdr"].astype(np.float32), read_exr(tmp_path / "out" / "p.exr")
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Seventh Kind" in page
    assert "p.light" in page
    again = run_python("-c", command, *asked[:3], "--nits=80", cwd=tmp_path, **ONNX).stdout
    assert "kept" in again
    useless = run_python(
        "-c", command, "--im_dir=photos", "--look=light", cwd=tmp_path, status=1
    ).stderr
    assert "seventh" in useless
    library = f"{SEVENTH}\nimport hdrcnn\nhdrcnn.write('b.light', np.ones((2, 2, 3)))"
    run_python("-c", library, cwd=tmp_path)
    assert np.load(tmp_path / "b.light")["hdr"].shape == (2, 2, 3)
