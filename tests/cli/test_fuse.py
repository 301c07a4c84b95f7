"""`hdrcnn fuse` from files to files: names, errors, resuming, light."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hdrcnn.cli.main import main
from hdrcnn.cli.parser import UsageError
from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.predict.backend import BackendError
from hdrcnn.predict.runtime import DeviceError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_photograph
from tests.predict.brackets import exposed, texture

EVS = (-2.0, 0.0, 2.0)


def save(path: Path, codes: np.ndarray, ev: float | None = None, time: str = "10:00:00") -> None:
    exif = Image.Exif()
    if ev is not None:
        exif[0x0110] = "Model"
        inner = exif.get_ifd(0x8769)
        inner[0x829A], inner[0x9204] = 0.01 * 2.0**ev, ev
        inner[0x9003] = f"2024:01:01 {time}"
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(codes).save(path, exif=exif)


def save_bracket(folder: Path, name: str, time: str, seed: int = 0, exif: bool = True) -> None:
    light = texture(120, 160, seed)
    for index, ev in enumerate(EVS):
        codes = exposed(light, ev, seed=index)
        save(folder / f"{name}_{index}.png", codes, ev if exif else None, time)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "in"
    save_bracket(place, "a", "10:00:00", 1)
    save_bracket(place, "b", "10:00:30", 2)
    return place


def fuse(*arguments: object) -> int:
    return main(["fuse", *map(str, arguments)])


def test_brackets_become_pictures_and_a_second_run_keeps_them(folder, tmp_path, capfd):
    out = tmp_path / "out"
    log = tmp_path / "log.json"
    assert fuse(folder, "--out_dir", out, "--format", "tiff,sdr_png,jpeg", "--log", log) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == sorted(
        f"{stem}_0_fused.{kind}" for stem in "ab" for kind in ("tif", "png", "jpg")
    )
    fused = read_photograph(out / "a_0_fused.tif")
    assert (fused.bits, fused.code.shape) == (16, (120, 160, 3))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in lines] == ["done", "done"]
    assert fuse(folder, "--out_dir", out, "--format", "tiff,sdr_png,jpeg", "--log", log) == 0
    assert "kept" in capfd.readouterr().out
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in lines[2:]] == ["kept", "kept"]
    save(folder / "a_2.png", exposed(texture(120, 160, 1), 1.5), 1.5)
    assert fuse(folder, "--out_dir", out, "--format", "tiff,sdr_png,jpeg", "--log", log) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in lines[4:]] == ["done", "kept"]


def test_other_settings_fuse_again(folder, tmp_path, capfd):
    for method, expected in (("auto", " "), ("mertens", "mertens"), ("mertens", "kept")):
        assert fuse(folder, "--out_dir", tmp_path / "out", "--method", method) == 0
        assert expected in capfd.readouterr().out


def test_a_method_for_other_brackets_is_refused_in_one_line(folder, tmp_path, capfd):
    assert fuse(folder, "--out_dir", tmp_path / "out", "--method", "supervised") == 1
    said = capfd.readouterr().err
    assert "a_0.png: 3 frames, and --method=supervised takes 2" in said
    assert "report it" not in said


def test_merged_light_is_in_the_unit_of_the_reference_frame(folder, tmp_path):
    out = tmp_path / "out"
    assert fuse(folder, "--out_dir", out, "--merge", "--reference", 2, "--exr_float") == 0
    light = texture(120, 160, 1)
    merged = read_exr(out / "a_0.exr")
    told = (light > 0.02) & (light < 3.0)
    stops = np.log2(np.maximum(merged[told], 1e-6) / light[told])
    assert abs(np.median(stops)) < 0.1
    assert np.sqrt(np.mean(stops**2)) < 0.3
    assert (out / "a_0_fused.tif").is_file()


def test_per_overrides_exif_and_each_error_is_one_line(folder, tmp_path, capfd):
    save_bracket(folder / "c", "c", "10:00:00", 3, exif=False)
    save(folder / "d" / "1.png", exposed(texture(120, 160, 4), 0), 0.0)
    save(folder / "d" / "2.png", exposed(texture(90, 100, 4), 2), 2.0)
    save_bracket(folder / "e", "e", "10:00:00", 5)
    (folder / "e" / "e_1.png").write_bytes((folder / "e" / "e_1.png").read_bytes()[:3000])
    out = tmp_path / "out"
    assert fuse(folder, "--out_dir", out) == 1
    said = capfd.readouterr().err
    assert said.count("--per") >= 2
    for name, word in (("c_0.png", "Exif"), ("2.png", "size"), ("e_1.png", "damaged")):
        assert any(name in line and word in line for line in said.splitlines()), name
    assert (out / "a_0_fused.tif").is_file()
    assert not list(out.glob("[de]/*"))
    assert fuse(folder / "c", "--out_dir", tmp_path / "per", "--per", 3) == 0
    assert [path.name for path in (tmp_path / "per").iterdir()] == ["c_0_fused.tif"]


def test_duplicate_frames_and_different_scenes_are_refused(tmp_path, capfd):
    place = tmp_path / "in"
    codes = exposed(texture(120, 160), 0)
    save(place / "a" / "1.png", codes, 0.0)
    save(place / "a" / "2.png", codes, 2.0)
    save(place / "b" / "1.png", exposed(texture(200, 300, 8), 0), 0.0)
    save(place / "b" / "2.png", exposed(texture(200, 300, 9), 0), 2.0)
    assert fuse(place, "--out_dir", tmp_path / "out") == 1
    said = capfd.readouterr().err
    assert "same picture" in said
    assert "scene" in said


@pytest.mark.parametrize("least", [255, 100])
def test_lost_transparency_is_reported(least, folder, tmp_path, capfd):
    path = folder / "a_1.png"
    with Image.open(path) as image:
        alpha = np.full((120, 160), 255, np.uint8)
        alpha[:, :80] = least
        codes = np.dstack([np.asarray(image), alpha])
        image_exif = image.getexif()
    Image.fromarray(codes).save(path, exif=image_exif)
    assert fuse(folder, "--out_dir", tmp_path / "out") == 0
    said = [line for line in capfd.readouterr().err.splitlines() if "transparency" in line]
    assert len(said) == (least < 255)
    assert all("a_1.png" in line for line in said)


def test_without_exposure_times_nothing_is_merged(folder, tmp_path, capfd):
    save_bracket(folder / "c", "c", "10:00:00", 3, exif=False)
    out = tmp_path / "out"
    assert fuse(folder / "c", "--out_dir", out, "--per", 3, "--format", "exr") == 1
    said = capfd.readouterr().err
    assert "exposure" in said
    assert "leave out --merge" in said
    assert not list(out.glob("*.exr"))


def test_impossible_exposures_are_refused_for_light_but_not_for_fusion(tmp_path, capfd, recwarn):
    for index, ev in enumerate(EVS):
        exif = Image.Exif()
        exif[0x0110] = "Model"
        exif.get_ifd(0x8769)[0x9204] = 49.0 * ev
        path = tmp_path / "in" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(exposed(texture(40, 60), ev)).save(path, exif=exif)
    assert fuse(tmp_path / "in", "--out_dir", tmp_path / "out", "--format", "exr") == 1
    said = capfd.readouterr().err
    assert "0.png" in said
    assert "196 stops" in said
    assert "report it" not in said
    assert not [warning for warning in recwarn.list if warning.category is RuntimeWarning]
    assert fuse(tmp_path / "in", "--out_dir", tmp_path / "out") == 0


@pytest.mark.parametrize("curve", ["estimated", "srgb"])
def test_exposures_that_contradict_the_frames_are_reported_with_a_remedy(curve, tmp_path, capfd):
    for index, ev in enumerate(EVS):
        save(tmp_path / "in" / f"{index}.png", exposed(texture(), ev, index), -ev)
    arguments = ("--format", "exr", "--camera_curve", curve)
    assert fuse(tmp_path / "in", "--out_dir", tmp_path / "out", *arguments) == 0
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "badly" in line]
    assert "0.png" in line
    assert "-0.9" in line or "-1.0" in line
    assert "Exif" in line
    assert ("--camera_curve" in line) == (curve != "estimated")


def test_frames_without_common_samples_are_reported_in_words(tmp_path, capfd):
    for index, code in enumerate((3, 90, 255)):
        codes = np.full((40, 60, 3), code, np.uint8)
        save(tmp_path / "in" / f"{index}.png", codes, EVS[index])
    arguments = ("--merge", "--align", "off", "--deghost", "off")
    assert fuse(tmp_path / "in", "--out_dir", tmp_path / "out", *arguments) == 0
    said = capfd.readouterr().err
    assert "not checked" in said
    assert "inf" not in said.replace(str(tmp_path), "")


def test_a_report_and_shards(folder, tmp_path):
    assert fuse(folder, "--out_dir", tmp_path / "r", "--report", "--align", "off") == 0
    assert (tmp_path / "r" / "report.html").stat().st_size > 1000
    assert fuse(folder, "--out_dir", tmp_path / "s", "--shard", "2/2", "--deghost", "off") == 0
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["b_0_fused.tif"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["x", "--per", "1"], ["x", "--method", "best"], ["x", "--resolution", "native"],
     ["x", "--reference", "0"], ["x", "--mask"],
     ["x", "--format", "exr,hdr", "--method", "mertens"], ["x", "--nits", "100"],
     ["x", "--precision", "float32"], ["x", "--tile_pixels", "0"]],
)  # fmt: skip
def test_invalid_arguments_are_refused(arguments):
    with pytest.raises(UsageError):
        fuse(*arguments)


def test_the_fusion_network_runs_on_the_requested_device(folder, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("HDRCNN_BACKEND", "onnx")
    with pytest.raises(DeviceError, match="gpu"):
        fuse(folder, "--out_dir", tmp_path / "out", "--device", "gpu")


def test_without_opencv_one_line_says_what_to_install(folder, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(Exception, match="pip install opencv"):
        fuse(folder, "--out_dir", tmp_path / "out")


def test_raw_brackets_become_pictures_of_16_bits(tmp_path):
    """DNG files of a rendered scene, without exposure times."""
    pytest.importorskip("rawpy")
    from training_code.camera.dng import RawSensor, mosaic, write_dng

    place, sensor, light = tmp_path / "in", RawSensor(read_noise=2.0), texture(96, 128, 3)
    place.mkdir()
    for index, ev in enumerate(EVS):
        samples = mosaic(sensor.samples(0.25 * light * 2.0**ev, seed=index))
        write_dng(place / f"{index}.dng", samples, sensor)
    assert fuse(place, "--out_dir", tmp_path / "out", "--per", 3) == 0
    fused = read_photograph(tmp_path / "out" / "0_fused.tif")
    assert (fused.bits, fused.code.shape) == (16, (96, 128, 3))
    grey, truth = fused.code.mean(axis=-1), np.log2(light.mean(axis=-1))
    assert np.corrcoef(grey.ravel(), truth.ravel())[0, 1] > 0.8


def test_a_bracket_of_eighteen_stops_is_written_as_half_floats(tmp_path, capfd, recwarn):
    """1.0 is where the longest frame clips, so half floats end before the shortest one clips."""
    from hdrcnn.colour.primaries import DISPLAY_P3
    from tests.readers.pictures import profile

    (tmp_path / "in").mkdir()
    for index, seconds in enumerate((1.0 / 8000, 1.0 / 125, 30.0)):
        exif = Image.Exif()
        exif[0x0110] = "Model"
        exif.get_ifd(0x8769)[0x829A] = seconds
        codes = np.full((40, 60, 3), (250, 254, 255)[index], np.uint8)
        codes[:20] = (30, 60, 90)[index]
        codes[30:, :, ::2] = 0  # A green outside of Rec. 709.
        path = tmp_path / "in" / f"{index}.png"
        Image.fromarray(codes).save(path, exif=exif, icc_profile=profile(DISPLAY_P3))
    arguments = ("--format", "exr", "--reference", 3, "--camera_curve", "srgb", "--per", 3)
    plain = ("--align", "off", "--deghost", "off")
    assert fuse(tmp_path / "in", "--out_dir", tmp_path / "out", *arguments, *plain) == 0
    assert "report it" not in capfd.readouterr().err
    light = read_exr(tmp_path / "out" / "0.exr")
    np.testing.assert_array_equal(light[20:30], 65504.0)
    np.testing.assert_array_equal(light[30:, :, 1], 65504.0)
    assert light[30:, :, ::2].max() < 0.0
    assert np.isfinite(light).all()
    assert not [warning for warning in recwarn.list if warning.category is RuntimeWarning]


def test_what_the_backend_cannot_do_ends_the_run(folder, tmp_path, monkeypatch):
    """Such an error concerns every bracket, though only one that clips needs the network."""
    monkeypatch.setenv("HDRCNN_BACKEND", "tensorflow")
    for path in folder.iterdir():
        with Image.open(path) as image:
            codes, exif = np.array(image), image.getexif()
        codes[30:60, 30:60] = 255
        Image.fromarray(codes).save(path, exif=exif)
    arguments = ("--merge", "--method", "mertens", "--precision", "int8")
    with pytest.raises(BackendError, match="int8"):
        fuse(folder, "--out_dir", tmp_path / "out", *arguments)


@pytest.mark.parametrize("formats", ["tiff", "exr,jpeg"])
def test_a_report_of_finished_brackets_is_made_from_their_files(
    formats, folder, tmp_path, monkeypatch, capfd
):
    from hdrcnn.predict import fusion

    for path in folder.glob("b_*"):
        path.unlink()
    arguments = ("--out_dir", tmp_path / "out", "--format", formats, "--report")
    assert fuse(folder, *arguments) == 0
    page = tmp_path / "out" / "report.html"
    first = page.read_text(encoding="utf-8")
    page.unlink()
    capfd.readouterr()
    # Neither is a network loaded nor a frame compared.
    monkeypatch.setattr(fusion, "_of_network", None)
    monkeypatch.setattr("hdrcnn.batch.fusion.prepared", None)
    assert fuse(folder, *arguments) == 0
    assert "kept" in capfd.readouterr().out
    second = page.read_text(encoding="utf-8")
    if "jpeg" not in formats:  # Codes of 8 bits round the figures.
        assert second == first
    assert second.count("data:image/jpeg") == first.count("data:image/jpeg") > 0


def test_the_report_shows_the_colours_of_wide_primaries(tmp_path):
    """Without light, a fused image before and after is the same."""
    import re

    from hdrcnn.colour.primaries import DISPLAY_P3
    from tests.readers.pictures import profile

    (tmp_path / "in").mkdir()
    for index in range(2):
        codes = np.full((40, 60, 3), (20, 60 + 90 * index, 20), np.uint8)
        path = tmp_path / "in" / f"{index}.png"
        Image.fromarray(codes).save(path, icc_profile=profile(DISPLAY_P3))
    plain = ("--align", "off", "--deghost", "off", "--per", 2, "--report")
    assert fuse(tmp_path / "in", "--out_dir", tmp_path / "out", *plain) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    (stops,) = re.findall(r'data-stops="([^"]+)"', page)
    assert abs(float(stops)) < 0.005


def test_a_bracket_that_clips_below_the_largest_code_is_reported_and_predicted(tmp_path, capfd):
    for index, ev in enumerate(EVS):
        light = 2.0 * texture(120, 160, 1)
        light[40:70, 50:90] = 30.0
        codes = np.round(exposed(light, ev, seed=index) * (240 / 255)).astype(np.uint8)
        save(tmp_path / "in" / f"{index}.png", codes, ev)
    log, out = tmp_path / "log", tmp_path / "out"
    arguments = ("--format", "exr,sdr_png", "--reference", 2, "--log", log, "--camera_curve")
    assert fuse(tmp_path / "in", "--out_dir", out, *arguments, "srgb") == 0
    assert "clips at 240" in capfd.readouterr().out
    figures = json.loads(log.read_text())["figures"]
    assert figures["clipping_levels"] == pytest.approx([240 / 255] * 3)
    clipped = (0.25 * light > srgb_decode(np.float32(0.95))).any(axis=-1).mean()
    assert figures["saturated"] == pytest.approx(clipped, rel=0.1)
    assert read_exr(out / "0.exr")[45:65, 55:85].min() > 3.9  # The shortest frame clips at 4.
    assert read_photograph(out / "0_fused.png").code.max() <= 240.5 / 255
