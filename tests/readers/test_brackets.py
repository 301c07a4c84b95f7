"""Which files form a bracket."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hdrcnn.readers.brackets import bias_of, brackets, camera_of, exif_exposure, exposure_of

BIASES = (0.0, -2.0, 2.0)


def frame(
    path: Path, bias=None, seconds=None, time="2024:05:01 10:00:00", model="M", seed=0
) -> Path:
    exif = Image.Exif()
    exif[0x0110] = model
    inner = exif.get_ifd(0x8769)
    if bias is not None:
        inner[0x9204] = bias
    if seconds is not None:
        inner[0x829A] = seconds
    if time is not None:
        inner[0x9003] = time
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed + hash(path.name) % 1000).integers(
        0, 255, (8, 9, 3), np.uint8
    )
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def series(folder: Path, first: int, time: str, **more) -> list[Path]:
    return [
        frame(folder / f"i{first + i}.jpg", bias, 0.01 * 2**bias, time, seed=i, **more)
        for i, bias in enumerate(BIASES)
    ]


def names(found):
    return [[path.name for path in frames] for frames in found]


def test_a_repeated_bias_begins_the_next_bracket_in_natural_order(tmp_path):
    files = series(tmp_path, 8, "2024:05:01 10:00:00") + series(tmp_path, 11, "2024:05:01 10:00:01")
    faults: list[str] = []
    found = brackets(files[::-1], None, faults)
    assert names(found) == [["i8.jpg", "i9.jpg", "i10.jpg"], ["i11.jpg", "i12.jpg", "i13.jpg"]]
    assert not faults


def test_times_far_apart_and_other_cameras_make_other_brackets(tmp_path):
    files = [
        frame(tmp_path / "1.jpg", seconds=0.01),
        frame(tmp_path / "2.jpg", seconds=0.04),
        frame(tmp_path / "3.jpg", seconds=0.16, time="2024:05:01 10:05:00"),
        frame(tmp_path / "4.jpg", seconds=0.01, time="2024:05:01 10:05:00"),
        frame(tmp_path / "5.jpg", seconds=0.02, time="2024:05:01 10:05:00", model="N"),
    ]
    faults: list[str] = []
    assert names(brackets(files, None, faults)) == [["1.jpg", "2.jpg"], ["3.jpg", "4.jpg"]]
    assert len(faults) == 1
    assert "5.jpg" in faults[0]
    assert "alone" in faults[0]


def test_folders_are_never_mixed(tmp_path):
    files = [frame(tmp_path / "a" / "1.jpg", 0.0), frame(tmp_path / "b" / "2.jpg", 2.0)]
    faults: list[str] = []
    assert brackets(files, None, faults) == []
    assert len(faults) == 2
    assert brackets(files, 2, faults) == []


def test_without_exif_the_error_suggests_per(tmp_path):
    files = [frame(tmp_path / f"{i}.png", time=None) for i in range(5)]
    faults: list[str] = []
    assert brackets(files, None, faults) == []
    assert len(faults) == 1
    assert "0.png" in faults[0]
    assert "4 more" in faults[0]
    assert "--per" in faults[0]
    faults.clear()
    assert names(brackets(files, 2, faults)) == [["0.png", "1.png"], ["2.png", "3.png"]]
    assert "4.png" in faults[0]


def test_the_same_file_twice_is_reported_and_the_others_are_grouped(tmp_path):
    first, second, _ = series(tmp_path, 0, "2024:05:01 10:00:00")
    copies = [tmp_path / name for name in ("a.jpg", "b.jpg")]
    for copy in copies:
        copy.write_bytes(first.read_bytes())
    faults: list[str] = []
    assert names(brackets([*copies, first, second], 2, faults)) == [["i0.jpg", "i1.jpg"]]
    (fault,) = faults
    assert "b.jpg" in fault
    assert "same" in fault


@pytest.mark.parametrize("per", [1, 10, 0])
def test_per_out_of_bounds_is_refused(per):
    with pytest.raises(ValueError, match="per"):
        brackets([], per, [])


def test_exposure_depends_on_time_sensitivity_and_aperture(tmp_path):
    one: dict[str, str | int | float] = {"ExposureTime": 0.01, "ISO": 100, "FNumber": 2.0}
    base = exposure_of(one)
    assert base is not None
    assert exposure_of(one | {"ISO": 400}) == pytest.approx(4 * base)
    assert exposure_of(one | {"FNumber": 4.0}) == pytest.approx(base / 4)
    assert exposure_of({"ISO": 100}) is None
    broken = tmp_path / "x.jpg"
    broken.write_bytes(b"\xff\xd8\xffnothing")
    assert camera_of(broken) == {}


def test_alternating_cameras_in_one_folder_are_kept_apart(tmp_path):
    for index, bias in enumerate(BIASES):
        for model in ("M", "N"):
            frame(tmp_path / f"{index}{model}.jpg", bias, 0.01 * 2**bias, model=model)
    faults: list[str] = []
    found = brackets(sorted(tmp_path.iterdir()), None, faults)
    assert names(found) == [["0M.jpg", "1M.jpg", "2M.jpg"], ["0N.jpg", "1N.jpg", "2N.jpg"]]
    assert not faults


def test_photographs_in_two_formats_form_a_bracket_of_each_format(tmp_path):
    files = series(tmp_path, 1, "2024:05:01 10:00:00") + series(tmp_path, 4, "2024:05:01 10:00:01")
    for path in files[:3]:
        with Image.open(path) as image:
            image.save(path.with_suffix(".PNG"), exif=image.getexif())
    twins = [path.with_suffix(".PNG") for path in files[:3]]
    faults: list[str] = []
    found = brackets([*files, *twins], None, faults)
    assert sorted(names(found)) == sorted(names([files[:3], files[3:], twins]))
    assert sorted(names(brackets([*files, *twins], 3, faults))) == sorted(names(found))
    assert not faults


def test_more_frames_than_can_be_fused_are_one_error_and_not_split(tmp_path):
    files = [frame(tmp_path / f"{i}.jpg", i / 2 - 2, 0.01 * 2 ** (i / 2)) for i in range(10)]
    faults: list[str] = []
    assert brackets(files, None, faults) == []
    assert len(faults) == 1
    assert "0.jpg: 10 frames" in faults[0]
    assert len(brackets(files[:9], None, faults)[0]) == 9


def test_files_without_a_valid_header_are_reported_as_such(tmp_path):
    files = series(tmp_path, 1, "2024:05:01 10:00:00")
    files[0].write_bytes(b"")
    files[1].write_bytes(b"no picture at all")
    bare = [frame(tmp_path / f"z{i}.jpg", time=None) for i in range(3)]
    faults: list[str] = []
    assert brackets([*files, *bare], None, faults) == []
    assert sorted(line.split(":")[0][-6:] for line in faults) == [
        "i1.jpg", "i2.jpg", "i3.jpg", "z0.jpg"
    ]  # fmt: skip
    by_name = {line.split(":")[0][-6:]: line for line in faults}
    assert "Exif" not in by_name["i1.jpg"] + by_name["i2.jpg"]
    assert "alone" in by_name["i3.jpg"]
    assert "2 more" in by_name["z0.jpg"]


@pytest.mark.parametrize("copied", [0, 2])
def test_a_copy_beside_a_bracket_is_reported_as_a_copy(copied, tmp_path):
    files = series(tmp_path, 1, "2024:05:01 10:00:00")
    copy = tmp_path / ("i0.jpg" if copied == 0 else "i9.jpg")
    copy.write_bytes(files[copied].read_bytes())
    faults: list[str] = []
    found = brackets([*files, copy], None, faults)
    assert [len(group) for group in found] == [3]
    assert len(faults) == 1
    assert "the same frame" in faults[0]
    assert copy.name in faults[0]


def test_heic_is_grouped_by_its_exif_data_whatever_its_name(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    files = series(tmp_path, 1, "2024:05:01 10:00:00")
    converted = []
    for path, ending in zip(files, (".heic", ".HEIC", ".jpg"), strict=True):
        with Image.open(path) as image:
            exif = image.getexif().tobytes()
            picture = image.resize((64, 64))
        converted.append(tmp_path / "heif" / path.with_suffix(ending).name)
        converted[-1].parent.mkdir(exist_ok=True)
        with converted[-1].open("wb") as file:
            pillow_heif.from_pillow(picture).save(file, exif=exif)
        assert camera_of(converted[-1]) == camera_of(path)
    faults: list[str] = []
    assert names(brackets(converted, None, faults)) == [[path.name for path in converted]]
    assert not faults


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("name", ["i9.jpg", "i9.dng"])
def test_a_pipe_is_reported_and_never_opened(name, tmp_path):
    files = series(tmp_path, 1, "2024:05:01 10:00:00")
    pipe = tmp_path / name
    os.mkfifo(pipe)
    # Whoever opens it for reading waits until somebody writes.
    writer = threading.Timer(5.0, pipe.write_bytes, [b"opened"])
    writer.start()
    faults: list[str] = []
    found = brackets([*files, pipe], None, faults)
    opened = not writer.is_alive()
    writer.cancel()
    assert not opened
    assert [len(group) for group in found] == [3]
    assert len(faults) == 1
    assert f"{name}: not a file" in faults[0]


def test_damaged_raw_files_cause_no_warnings(tmp_path, recwarn):
    path = tmp_path / "1.dng"
    path.write_bytes(b"II*\0" + bytes(1000))
    assert camera_of(path) == {}
    assert not recwarn.list


@pytest.mark.parametrize(
    ("camera", "exposure"),
    [
        ({"ExposureTime": 1e308, "ISO": 65535}, None),
        ({"ExposureTime": 1e-300, "FNumber": 1e200}, None),
        ({"ExposureTime": 0.5, "FNumber": 1e-200}, None),
        ({"ExposureTime": 0.5, "ISO": 200, "FNumber": 2.0}, 0.25),
    ],
)
def test_an_exposure_beyond_floating_point_is_none(camera, exposure):
    assert exposure_of(camera) == exposure
    assert exif_exposure(camera).known == (exposure is not None)


@pytest.mark.parametrize(("bias", "known"), [(-99.99, -99.99), (100.0, None), (2.0e6, None)])
def test_exposure_compensation_beyond_what_exif_allows_is_none(bias, known):
    assert bias_of({"ExposureBiasValue": bias}) == known
    assert exif_exposure({"ExposureBiasValue": bias}).bias == known
