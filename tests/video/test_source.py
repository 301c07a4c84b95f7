"""What is known about a film before it is decoded, and what is refused."""

from fractions import Fraction

import imageio.v3 as imageio
import numpy as np
import pytest

from hdrcnn.colour.primaries import REC709, REC2020
from hdrcnn.files import ImageError
from hdrcnn.video import folder, source
from hdrcnn.video.colours import Tags, resolve_tags

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.video.clips import copied, moving_images, write_film


def test_a_film_is_described_by_its_packets(tmp_path):
    path = write_film(
        tmp_path / "a.mp4", moving_images(30), rate=Fraction(24000, 1001), aspect=Fraction(4, 3)
    )
    found = source.probe(path)
    assert (found.width, found.height) == (64, 48)
    assert found.rate == Fraction(24000, 1001)
    assert found.aspect == Fraction(4, 3)
    assert len(found.times) == 30
    assert np.isin(found.keys, found.times).all()
    assert len(found.keys) >= 3
    assert found.duration == pytest.approx(30 * 1001 / 24000)
    assert found.colours.primaries == REC709
    assert not found.colours.full
    assert found.notes == ()


def test_variable_frame_times_are_kept_and_reported(tmp_path):
    times = list(np.cumsum([0, 3000, 4500, 3000, 9000, 3003, 100, 8000]))
    path = write_film(
        tmp_path / "a.mp4",
        moving_images(8),
        times=times,
        time_base=Fraction(1, 90000),
        rate=Fraction(25),
    )
    found = source.probe(path)
    assert list((found.times - found.times[0]) * found.time_base * 90000) == times
    assert any("variable" in note for note in found.notes)


def test_the_rate_is_that_of_the_frames(tmp_path):
    """The stream may only state the unit of its clock, as in Matroska."""
    times = list(range(0, 400, 40))
    path = write_film(
        tmp_path / "a.mp4", moving_images(10), times=times, time_base=Fraction(1, 1000)
    )
    path = copied(path, tmp_path / "a.mkv")
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 1000
    assert source.probe(path).rate == 25


def test_full_range_and_the_matrix_of_a_film_are_those_of_its_tags(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving_images(2), tags=(6, 2, 6, 6))
    found = source.probe(path)
    assert found.colours.full
    assert found.colours.luma == (0.299, 0.114)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("size", "luma", "name"),
    [((1280, 720), (0.2126, 0.0722), "BT.709"), ((720, 576), (0.299, 0.114), "BT.601")],
)
def test_without_tags_the_size_decides_and_it_is_reported(size, luma, name):
    colours, notes = resolve_tags(Tags(), size[0], size[1], rgb=False)
    assert colours.luma == luma
    assert not colours.full
    assert any(name in note for note in notes)


def test_a_matrix_other_than_ycbcr_is_refused(tmp_path):
    """No YCbCr matrix converts these codes to R'G'B': as BT.601 all colours would be wrong."""
    path = write_film(tmp_path / "a.mp4", moving_images(2), tags=(8, 1, 1, 1))
    with pytest.raises(ImageError, match=r"a\.mp4.*YCgCo"):
        source.probe(path)


@pytest.mark.parametrize(
    ("transfer", "told"),
    [(1, None), (6, None), (14, None), (13, "sRGB"), (8, "linear"), (9, "logarithmic")],
)
def test_a_transfer_that_is_taken_for_bt1886_is_reported(tmp_path, transfer, told):
    found = source.probe(write_film(tmp_path / "a.mp4", moving_images(2), tags=(1, 1, 1, transfer)))
    notes = [note for note in found.notes if "BT.1886" in note]
    assert len(notes) == (told is not None)
    assert all(str(told) in note for note in notes)


def test_ignored_alpha_is_reported(tmp_path):
    for kind, count in (("yuv444p10le", 0), ("yuva444p10le", 1)):
        path = write_film(tmp_path / f"{kind}.mov", moving_images(2), codec="prores_ks", kind=kind)
        notes = [note for note in source.probe(path).notes if "alpha" in note]
        assert len(notes) == count


def test_sdr_of_bt2020_keeps_its_primaries():
    colours, notes = resolve_tags(Tags(9, 1, 9, 14), 1920, 1080, rgb=False)
    assert colours.primaries == REC2020
    assert notes == []


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_a_film_that_is_hdr_is_refused(tmp_path, transfer, name):
    path = write_film(
        tmp_path / "a.mp4", moving_images(4), kind="yuv420p10le", codec="libx265",
        options={"preset": "ultrafast", "x265-params": "log-level=none"}, tags=(9, 1, 9, transfer),
    )  # fmt: skip
    with pytest.raises(ImageError, match=rf"a\.mp4.*{name}"):
        source.probe(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_hlg_of_broadcasts_is_refused(tmp_path, name):
    """Tagged as SDR of BT.2020, with HLG as the alternative transfer of its frames."""
    params = "log-level=none:atc-sei=18:colorprim=9:transfer=14:colormatrix=9:repeat-headers=1"
    path = write_film(
        tmp_path / name, moving_images(4), kind="yuv420p10le", codec="libx265",
        options={"preset": "ultrafast", "x265-params": params}, tags=(9, 1, 9, 14),
    )  # fmt: skip
    with pytest.raises(ImageError, match=rf"{name}.*HLG"):
        source.probe(path)
    assert source.probe(path, hdr=True).hdr == "HLG"


def test_a_truncated_film_is_refused(tmp_path):
    path = write_film(
        tmp_path / "a.mkv",
        moving_images(96, size=(128, 96)),
        options={"crf": "10", "g": "12"},
        sound=False,
    )
    data = path.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"cut\.mkv.*truncated"):
        source.probe(tmp_path / "cut.mkv")


def test_a_file_that_is_not_a_film_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film" * 100)
    with pytest.raises(ImageError, match=r"a\.mp4"):
        source.probe(tmp_path / "a.mp4")
    with pytest.raises(ImageError, match="no such file"):
        source.probe(tmp_path / "b.mp4")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp"])
def test_a_picture_is_refused(tmp_path, suffix):
    imageio.imwrite(tmp_path / f"a.{suffix}", moving_images(1)[0])
    with pytest.raises(ImageError, match=rf"a\.{suffix}.*picture"):
        source.probe(tmp_path / f"a.{suffix}")


def test_sound_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.m4a"), "w") as container:
        heard = container.add_stream("aac", rate=48000, layout="mono")
        for index in range(20):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = 48000, 1024 * index
            container.mux(heard.encode(samples))
        container.mux(heard.encode(None))
    with pytest.raises(ImageError, match="no video"):
        source.probe(tmp_path / "a.m4a")


def test_another_file_of_the_same_name_has_another_identity(tmp_path):
    first = source.probe(write_film(tmp_path / "a.mp4", moving_images(4))).identity()
    assert source.probe(tmp_path / "a.mp4").identity() == first
    assert (
        source.probe(write_film(tmp_path / "a.mp4", moving_images(4, hue=1.0))).identity() != first
    )


def test_a_copy_that_is_damaged_in_the_middle_has_another_identity(tmp_path, monkeypatch):
    """Its size, beginning and end equal those of the good file."""
    monkeypatch.setattr(source, "ENDS", 200)
    path = write_film(tmp_path / "a.mkv", moving_images(12), options={"g": "1"})
    good = source.probe(path).identity()
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(byte ^ 0x55 for byte in data[middle : middle + 8])
    path.write_bytes(data)
    damaged = source.probe(path).identity()
    assert {name for name in good if good[name] != damaged[name]} == {"content"}


def test_a_folder_without_frames_is_named(tmp_path):
    with pytest.raises(ImageError, match="no frames"):
        folder.probe(tmp_path, None)
