"""`hdrcnn stack` from files to files: names, Exif data, errors, resuming, light, fusion of the
results.
"""

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import hdrcnn
from hdrcnn import weights
from hdrcnn.batch.stack import BITS, StackSettings
from hdrcnn.cli import stack as command
from hdrcnn.cli.main import main, parser_of
from hdrcnn.cli.parser import UsageError
from hdrcnn.colour.icc import matrix_profile
from hdrcnn.colour.primaries import DISPLAY_P3, linear_to_rec709
from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.export import onnx
from hdrcnn.files import WeightsError
from hdrcnn.models.metadata import ExposureGan, ExposureStack
from hdrcnn.predict.exposure_stack import FILES, METHODS, STOPS
from hdrcnn.predict.radiance import merge
from hdrcnn.readers.brackets import camera_of
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_photograph
from hdrcnn.writers.exr import write_exr
from tests.conftest import ONNX
from tests.predict.brackets import exposed, texture

EXPOSURES = [2.0**stops for stops in STOPS]


def save(path: Path, codes: np.ndarray, **tags: object) -> None:
    """Save an image; with tags, its Exif data also name the camera."""
    exif = Image.Exif()
    if tags:
        exif[0x0110] = "Model"
        exif.get_ifd(0x8769).update({int(name[1:], 16): value for name, value in tags.items()})
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(codes).save(path, exif=exif)


def photograph(seed: int = 0) -> np.ndarray:
    """[120, 160, 3] uint8 with a dark part and a clipped disc."""
    codes = exposed(texture(120, 160, seed), 0.0, seed=seed)
    rows, columns = np.mgrid[0:120, 0:160]
    codes[:, :60] //= 6
    codes[np.hypot(rows - 60, columns - 110) < 15] = 255
    return codes


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Small networks, with their ONNX files."""
    pytest.importorskip("onnxruntime")
    folder, found = tmp_path_factory.mktemp("stacks"), {}
    keras.utils.set_random_seed(2)
    for name, record in (("reconstruct", ExposureStack(4)), ("gan", ExposureGan(4))):
        arrays = weights.collect(record.build())
        if name == "reconstruct":
            kernel = arrays["correction/kernel"]
            arrays["correction/kernel"] = np.random.default_rng(2).normal(0.0, 0.1, kernel.shape)
        found[name] = folder / f"{name}.npz"
        weights.save(found[name], arrays, record)
        onnx.write(found[name], found[name].with_suffix(".onnx"))
    return found


@pytest.fixture(autouse=True)
def by_onnx(small, monkeypatch):
    """Replace the shipped networks by the small ones, computed by onnxruntime, which needs no
    compilation for each image size.
    """
    monkeypatch.setenv(*next(iter(ONNX.items())))
    for name, path in small.items():
        monkeypatch.setitem(FILES, name, path)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "in"
    save(place / "a.png", photograph(1), x829A=0.01, x9204=0.5, x9003="2024:01:01 10:00:00")
    save(place / "sub" / "b.png", photograph(2))
    return place


def stack(*arguments: object) -> int:
    return main(["stack", *map(str, arguments)])


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def frames_of(out: Path, stem: str, count: int = 5) -> list[np.ndarray]:
    found = []
    for index in range(count):
        picture = read_photograph(out / f"{stem}_{index}.png")
        top, kind = (255, np.uint8) if picture.bits == 8 else (65535, np.uint16)
        found.append(np.round(picture.code * top).astype(kind))
    return found


def test_five_exposures_with_their_exif_data_and_a_second_run_keeps_them(folder, tmp_path, capfd):
    out, log = tmp_path / "out", tmp_path / "log.json"
    arguments = (folder, "--out_dir", out, "--method", "formula", "--log", log)
    assert stack(*arguments) == 0
    assert names(out) == [f"{stem}_{i}.png" for stem in ("a", "sub/b") for i in range(5)]
    assert "-4 to +4 EV" in capfd.readouterr().out
    for index, stops in enumerate(STOPS):
        with Image.open(out / f"a_{index}.png") as picture:
            inner = picture.getexif().get_ifd(0x8769)
            assert (picture.mode, picture.size) == ("RGB", (160, 120))
            assert float(inner[0x9204]) == 0.5 + stops
            assert float(inner[0x829A]) == pytest.approx(0.01 * 2.0**stops, rel=1e-3)
            assert "icc_profile" in picture.info
        with Image.open(out / "sub" / f"b_{index}.png") as picture:
            inner = picture.getexif().get_ifd(0x8769)
            assert float(inner[0x9204]) == stops
            assert 0x829A not in inner
    frames = frames_of(out, "a")
    np.testing.assert_array_equal(frames[2], photograph(1))
    assert stack(*arguments) == 0
    assert "kept" in capfd.readouterr().out
    save(folder / "a.png", photograph(3))
    assert stack(*arguments) == 0
    (out / "sub" / "b_3.png").write_bytes((out / "sub" / "b_3.png").read_bytes()[:-30])
    assert stack(*arguments) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in lines] == ["done", "done", "kept", "kept", "done", "kept",
                                                  "kept", "done"]  # fmt: skip
    assert lines[0]["files"]["-4 EV"].endswith("a_0.png")
    assert lines[0]["figures"]["saturated"] > 0.01


@pytest.mark.parametrize(
    "other",
    [("--stops=-2,0,2",), ("--bits=16",), ("--method=formula",), ("--camera_curve=square",)],
)
def test_other_settings_recompute_the_result(folder, tmp_path, capfd, other):
    out = tmp_path / "out"
    for arguments, word in (((), "EV"), (other, "EV"), (other, "kept")):
        assert stack(folder / "a.png", "--out_dir", out, *arguments) == 0
        assert word in capfd.readouterr().out


def test_fewer_exposures_leave_none_of_an_earlier_run(folder, tmp_path):
    out = tmp_path / "out"
    flags = ("--out_dir", out, "--method", "formula")
    assert stack(folder / "a.png", *flags) == 0
    save(out / "a_7.png", photograph(5))
    assert stack(folder / "a.png", *flags, "--stops", "-2,2") == 0
    assert names(out) == ["a_0.png", "a_1.png", "a_7.png"]


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.03), (16, 1e-3)])
def test_the_exposures_merge_to_the_light(folder, tmp_path, tiny_exported, bits, tolerance):
    out = tmp_path / "out"
    flags = ("--format", "exr,hdr", "--exr_float", "--bits", bits, "--params", tiny_exported)
    assert stack(folder, "--out_dir", out, "--camera_curve", "srgb", *flags) == 0
    light, frames = read_exr(out / "a.exr"), frames_of(out, "a")
    assert all((after >= before).all() for before, after in pairwise(frames))
    merged = merge(frames, EXPOSURES, "srgb", None)
    told = (light > 2.0**-9) & (light < 15.0)
    assert told.mean() > 0.8
    np.testing.assert_allclose(merged[told], light[told], rtol=tolerance)
    codes = photograph(1)
    kept = (codes > 0.3 * 255) & (codes < 0.95 * 255)
    assert kept.any()
    exact = codes.astype(np.uint16) * np.uint16(257) if bits == 16 else codes
    assert np.abs(frames[2][kept].astype(int) - exact[kept]).max() <= (bits == 16)
    assert (frames[4] != frames_of_formula(folder, tmp_path, bits)[4])[codes < 40].mean() > 0.3


def frames_of_formula(folder: Path, tmp_path: Path, bits: int) -> list[np.ndarray]:
    out = tmp_path / "plain"
    assert stack(folder / "a.png", "--out_dir", out, "--method", "formula", "--bits", bits) == 0
    return frames_of(out, "a")


def test_the_published_network_gives_five_and_their_merge(folder, tmp_path):
    out = tmp_path / "out"
    arguments = (folder, "--out_dir", out, "--method", "gan", "--format", "exr", "--exr_float")
    assert stack(*arguments) == 0
    frames = frames_of(out, "a")
    merged = merge(frames, EXPOSURES, "srgb", None)
    np.testing.assert_allclose(read_exr(out / "a.exr"), merged, rtol=1e-6)
    assert stack(*arguments) == 0


def test_fuse_accepts_the_exposures_as_brackets_and_predict_skips_them(
    folder, tmp_path, capfd, tiny_exported
):
    pytest.importorskip("cv2")
    out = tmp_path / "out"
    assert stack(folder, "--out_dir", out, "--format", "exr") == 0
    fused = tmp_path / "fused"
    assert main(["fuse", str(out), "--out_dir", str(fused)]) == 0
    assert names(fused) == ["a_0_fused.tif", "sub/b_0_fused.tif"]
    assert capfd.readouterr().out.count("5 frames") == 2
    predict = ["predict", "--out_dir", str(tmp_path / "p"), "--params", str(tiny_exported)]
    shutil.copytree(folder, out, dirs_exist_ok=True)
    assert main([*predict, str(out)]) == 0
    assert names(tmp_path / "p") == ["a.exr", "sub/b.exr"]


@pytest.mark.skipif(shutil.which("enfuse") is None, reason="needs enfuse")
def test_enfuse_accepts_the_exposures(folder, tmp_path):
    out = tmp_path / "out"
    assert stack(folder / "a.png", "--out_dir", out) == 0
    frames = [str(out / f"a_{index}.png") for index in range(5)]
    enfuse = str(shutil.which("enfuse"))
    subprocess.run([enfuse, "-o", str(tmp_path / "e.tif"), *frames], check=True)
    with Image.open(tmp_path / "e.tif") as picture:
        assert picture.size == (160, 120)
        assert np.ptp(np.asarray(picture.convert("RGB"))) > 100


def test_names_collide_neither_with_photographs_nor_with_each_other(folder, tmp_path, capfd):
    save(folder / "a_0.png", photograph(4))
    before = (folder / "a_0.png").read_bytes()
    assert stack(folder, "--out_dir", folder, "--method", "formula") == 1
    said = capfd.readouterr()
    assert "a_0.png" in said.err
    assert "overwrite" in said.err
    assert (folder / "a_0.png").read_bytes() == before
    assert (folder / "a_0_4.png").is_file()
    save(folder / "c" / "d.png", photograph(5))
    save(folder / "c" / "d.jpg", photograph(6))
    out = tmp_path / "out"
    assert stack(folder / "c", "--out_dir", out, "--method", "formula", "--stops=-1,1") == 0
    assert names(out) == ["d.jpg_0.png", "d.jpg_1.png", "d.png_0.png", "d.png_1.png"]
    (out / "d.png_1.png").write_bytes(before)
    assert stack(folder / "c", "--out_dir", out, "--method", "formula", "--stops=-1,1") == 1
    assert "d.png_1.png" in capfd.readouterr().err
    assert (out / "d.png_1.png").read_bytes() == before


def test_a_file_that_is_not_a_photograph_is_one_line_and_the_others_are_done(
    folder, tmp_path, capfd
):
    write_exr(folder / "c.exr", np.ones((40, 50, 3), np.float32))
    (folder / "d.png").write_bytes((folder / "a.png").read_bytes()[:2000])
    out = tmp_path / "out"
    assert stack(folder, folder / "c.exr", "--out_dir", out, "--method", "formula") == 1
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "c.exr" in line and "HDR" in line]
    assert [line for line in said if "d.png" in line and "damaged" in line]
    assert len(names(out)) == 10


@pytest.mark.parametrize(
    ("arguments", "word"),
    [([], "PATH"), (["x", "--stops", "0,-1"], "stops"), (["x", "--stops", "0"], "stops"),
     (["x", "--stops", "a,b"], "stops"), (["x", "--stops", "0,nan"], "stops"),
     (["x", "--stops", "0,1,2,3,4,5,6,7,8,9"], "stops"), (["x", "--bits", "12"], "bits"),
     (["x", "--method", "best"], "method"), (["x", "--method=gan", "--stops=0,1"], "stops"),
     (["x", "--method=formula", "--resolution=native"], "resolution"),
     (["x", "--method=formula", "--precision=float32"], "precision"),
     (["x", "--method=formula", "--tile_pixels=0"], "tile_pixels"),
     (["x", "--method=formula", "--panorama"], "panorama"), (["x", "--nits=100"], "nits"),
     (["x", "--nits=100", "--format=ultrahdr"], "nits"),
     (["x", "--primaries"], "format"), (["x", "--exr_float"], "exr"), (["x", "--mask"], "mask")],
)  # fmt: skip
def test_invalid_arguments_are_refused(arguments, word):
    with pytest.raises(UsageError, match=word):
        stack(*arguments)


def test_exposure_times_that_exif_cannot_hold_are_recorded_as_compensation_only(tmp_path, capfd):
    out, exif = tmp_path / "out", Image.Exif()
    exif[0x0110] = "Model"
    exif.get_ifd(0x8769)[0x829A] = 1 / 8000
    path = tmp_path / "p.png"
    Image.fromarray(exposed(texture(40, 60), 1.0)).save(path, exif=exif)
    assert stack(path, "--out_dir", out, "--method", "formula", "--stops=-20,-19,0") == 0
    told = [camera_of(out / f"p_{index}.png") for index in range(3)]
    assert [each["ExposureBiasValue"] for each in told] == [-20, -19, 0]
    for each, stops in zip(told, (-20, -19, 0), strict=True):
        seconds = 2.0**stops / 8000
        assert each.get("ExposureTime", seconds) == pytest.approx(seconds, rel=1e-3)
    assert ["ExposureTime" in each for each in told] == [False, True, True]


def test_missing_weights_are_reported_in_one_line(folder, tmp_path, monkeypatch):
    for method in ("reconstruct", "gan"):
        monkeypatch.setitem(FILES, method, tmp_path / f"{method}.npz")
        with pytest.raises(WeightsError, match=f"{method}.npz.*formula"):
            stack(folder, "--out_dir", tmp_path / "out", "--method", method)
    assert not (tmp_path / "out").exists()
    assert stack(folder, "--out_dir", tmp_path / "out", "--method", "formula") == 0


def test_a_report_shards_and_primaries(folder, tmp_path):
    out = tmp_path / "r"
    assert stack(folder, "--out_dir", out, "--report", "--format", "exr,ultrahdr") == 0
    page = (out / "report.html").read_text()
    assert "a_0.png" in page
    assert stack(folder, "--out_dir", tmp_path / "s", "--shard", "2/2", "--method", "formula") == 0
    assert names(tmp_path / "s") == [f"sub/b_{index}.png" for index in range(5)]


def test_exposures_are_in_the_primaries_of_the_photograph_and_light_in_rec709(tmp_path):
    codes, place, out = photograph(7), tmp_path / "wide.png", tmp_path / "out"
    Image.fromarray(codes).save(place, icc_profile=matrix_profile(DISPLAY_P3))
    flags = ("--method", "formula", "--format", "exr", "--exr_float")
    assert stack(place, "--out_dir", out, *flags) == 0
    np.testing.assert_array_equal(frames_of(out, "wide")[2], codes)
    frame = read_photograph(out / "wide_2.png")
    np.testing.assert_allclose(frame.chromaticities, DISPLAY_P3, atol=1e-3)
    expected = linear_to_rec709(srgb_decode(codes / np.float32(255.0)), frame.chromaticities)
    np.testing.assert_allclose(read_exr(out / "wide.exr"), expected, atol=1e-3)


def test_defaults_and_choices_are_those_of_the_settings():
    """Repeated in the parser, because the modules that define them take long to import."""
    parser = parser_of(command, "hdrcnn stack")
    arguments = parser.parse(["a"])
    default = StackSettings()
    for name in ("method", "bits", "resolution", "gain_map", "precision", "max_megapixels"):
        assert getattr(arguments, name) == getattr(default, name)
    assert tuple(arguments.stops) == default.stops
    choices = {action.dest: action.choices for action in parser._actions}
    assert (choices["method"], choices["bits"]) == (METHODS, BITS)
    assert parser.parse(["a", "--stops", "-1,0.5"]).stops == [-1.0, 0.5]


@pytest.mark.parametrize(
    "wrong", [{"method": "best"}, {"bits": 12}, {"stops": (1.0, 0.0)}, {"formats": ("bmp",)}]
)
def test_invalid_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=str(*wrong)):
        StackSettings(**wrong)


def test_light_of_a_gain_map_is_kept_as_by_predict(folder, tmp_path, tiny_exported):
    light = np.float32(2.0) * photograph(1).astype(np.float32) / 255.0 + np.float32(0.01)
    place = tmp_path / "mapped.jpg"
    hdrcnn.write(tmp_path / "m_hdr.jpg", light)
    shutil.move(tmp_path / "m_hdr.jpg", place)
    flags = ("--format", "exr", "--params", tiny_exported, "--out_dir")
    assert stack(place, *flags, tmp_path / "s") == 0
    assert main(["predict", str(place), *map(str, flags), str(tmp_path / "p")]) == 0
    found = read_exr(tmp_path / "s" / "mapped.exr")
    np.testing.assert_array_equal(found, read_exr(tmp_path / "p" / "mapped.exr"))
    assert found.max() > 1.5
    frames = frames_of(tmp_path / "s", "mapped")
    merged = merge(frames, EXPOSURES, "srgb", None)
    np.testing.assert_allclose(merged, found, rtol=0.05, atol=2e-3)
