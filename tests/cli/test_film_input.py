"""Films as users have them, through the whole command: every frame appears once, at its time, with
its sound; or the error is one line, and there is no result.
"""

import os
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hdrcnn.cli.main import main
from hdrcnn.files import ImageError
from hdrcnn.video.segments import Folder
from hdrcnn.video.tags import read_back

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.video.clips import moving_images, packets, shown_at, write_film

FLAGS = ("--method", "bt2446c", "--preset", "ultrafast", "--segment_seconds", "0.5")
GOP = {"preset": "medium", "bf": "2", "g": "12"}
SIDE, BITS = 12, 7


def counted(count, size=(96, 64)):
    """Frames that show their number in binary, one block per digit."""
    made = moving_images(count, size)
    for number, picture in enumerate(made):
        for bit in range(BITS):
            picture[:SIDE, SIDE * bit : SIDE * (bit + 1)] = 235 if number >> bit & 1 else 20
    return made


def numbers(path):
    """Read the frame numbers of a film of `counted` from the brightness in the middle of each
    block.
    """
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            kind = np.uint16 if plane.line_size >= 2 * plane.width else np.uint8
            luma = np.frombuffer(plane, kind).reshape(plane.height, -1)
            blocks = luma[SIDE // 2, SIDE // 2 : SIDE * BITS : SIDE].astype(int)
            middle = 128 if kind == np.uint8 else 450
            found.append(sum(int(block > middle) << bit for bit, block in enumerate(blocks)))
    return found


def begins(path):
    """Times of the first video and the first sound packet of a film, in seconds."""
    first: dict[str, Fraction] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                kind, at = packet.stream.type, packet.pts * packet.time_base
                first[kind] = min(first.get(kind, at), at)
    return first


def run(path, result, *flags):
    assert main(["film", str(path), "--out", str(result), *FLAGS, *flags]) == 0
    return result


def refused(path, result, word):
    """Check that a film is refused and there is no result; return the error, which is one line."""
    with pytest.raises(ImageError, match=word) as caught:
        main(["film", str(path), "--out", str(result), *FLAGS])
    line = str(caught.value)
    assert path.name in line
    assert "\n" not in line
    assert not result.exists()
    return line


@pytest.mark.skipif(os.name == "nt", reason="no name has a colon there")
def test_names_with_a_colon_are_not_taken_for_protocols(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("12:30")
    folder.mkdir()
    path = write_film(tmp_path / "Trip: Rome.mp4", counted(14), options=GOP).relative_to(tmp_path)
    assert numbers(tmp_path / run(path, folder / "data:x.mp4")) == list(range(14))


def recorded(path, picture, sound, count=40):
    """A film whose video and sound begin at the given times in seconds."""
    rate = Fraction(24)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"crf": "4", **GOP})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        video.codec_context.time_base = 1 / rate
        heard = container.add_stream("aac", rate=48000, layout="mono")
        for index, made in enumerate(counted(count)):
            frame = av.VideoFrame.from_ndarray(made, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index + round(picture * rate), 1 / rate
            container.mux(video.encode(frame))
            tone = np.sin(np.arange(2000 * index, 2000 * (index + 1)) / 20.0).astype(np.float32)
            samples = av.AudioFrame.from_ndarray(tone[None], "fltp", "mono")
            samples.sample_rate, samples.pts = 48000, 2000 * index + round(48000 * sound)
            container.mux(heard.encode(samples))
        container.mux(video.encode(None))
        container.mux(heard.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("out", ["b.mp4", "b.mkv"])
@pytest.mark.parametrize(
    ("picture", "sound"),
    [(0.0, 0.3), (0.3, 0.0), (5.0, 5.0), (3600.0, 3599.8)],
    ids=["sound later", "sound first", "both later", "a broadcast"],
)
def test_the_offset_of_sound_and_video_is_kept(tmp_path, name, out, picture, sound):
    path = recorded(tmp_path / name, picture, sound)
    result = run(path, tmp_path / out)
    assert numbers(result) == list(range(40))
    before, after = begins(path), begins(result)
    apart = [found["video"] - found["audio"] for found in (before, after)]
    assert abs(apart[0] - apart[1]) < 0.0015  # Matroska rounds both to milliseconds.
    header = 7 if name.endswith(".ts") else 0  # ADTS header of a transport stream's packets.
    assert packets(result, "audio") == [data[header:] for data in packets(path, "audio")]
    assert -0.1 < min(after.values()) < 0.1  # Whenever the recording began.


def test_a_transport_stream_whose_clock_wraps_is_complete(tmp_path):
    """The clock of 33 bits at 90 kHz wraps after 26.5 hours."""
    path = recorded(tmp_path / "a.ts", 2**33 / 90000 - 1.2, 2**33 / 90000 - 1.2, count=60)
    result = run(path, tmp_path / "b.mp4")
    assert numbers(result) == list(range(60))
    assert shown_at(result) == pytest.approx([index / 24 for index in range(60)], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("open.mp4", "libx264", {"x264-params": "open-gop=1:scenecut=0:bframes=3", **GOP}),
        ("open.ts", "libx264", {"x264-params": "open-gop=1:scenecut=0:bframes=3", **GOP}),
        (
            "open.mkv",
            "libx265",
            {"preset": "fast", "x265-params": "open-gop=1:scenecut=0:keyint=12:log-level=none"},
        ),
        ("dvd.mpg", "mpeg2video", {"bf": "2", "g": "12", "b": "4M"}),
        ("broadcast.ts", "mpeg2video", {"bf": "2", "g": "12", "b": "4M"}),
        ("old.avi", "mpeg4", {"bf": "2", "g": "12", "b": "4M"}),
        ("raw.h264", "libx264", {"crf": "4", **GOP}),
    ],
)
def test_every_frame_appears_once_across_segment_boundaries(tmp_path, name, codec, options):
    """Frames that depend on those of the previous segment, or to which seeking is impossible."""
    path = write_film(tmp_path / name, counted(72), codec=codec, rate=Fraction(25), options=options)
    result = run(path, tmp_path / "b.mp4", "--crf", "4")
    assert numbers(result) == list(range(72))
    assert shown_at(result) == pytest.approx([index / 25 for index in range(72)], abs=1e-3)


@pytest.mark.parametrize("codec", ["hevc", "av1"])
@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_a_film_of_one_frame_stays_one(tmp_path, name, codec):
    path = write_film(tmp_path / name, counted(1))
    preset = "12" if codec == "av1" else "ultrafast"
    result = run(path, tmp_path / "b.mp4", "--codec", codec, "--preset", preset)
    assert numbers(result) == [0]


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
def test_variable_frame_times_are_kept_to_the_unit_of_the_container(tmp_path, name):
    times = np.cumsum(np.random.default_rng(5).integers(1500, 9000, 40)).tolist()
    path = write_film(
        tmp_path / name, counted(40), times=times, rate=Fraction(18),
        time_base=Fraction(1, 90000), options=GOP,
    )  # fmt: skip
    result = run(path, tmp_path / f"b{path.suffix.replace('ts', 'mp4')}")
    assert numbers(result) == list(range(40))
    assert shown_at(result) == shown_at(path)


def stored(path, kind, size, count=3):
    """A losslessly encoded film in the given pixel format."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=24)
        (video.width, video.height), video.pix_fmt = size, kind
        for index, picture in enumerate(moving_images(count, size)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=kind)
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize(
    "kind", ["yuv420p", "yuv422p", "yuv411p", "yuv440p", "gray", "gray10le", "yuva420p", "bgr0",
             "yuv420p10le", "yuv422p12le"],
)  # fmt: skip
def test_odd_sizes_in_any_pixel_format(tmp_path, kind, capsys):
    path = stored(tmp_path / "a.mkv", kind, (97, 65))
    found = read_back(run(path, tmp_path / "b.mp4"))
    assert found.size == (98, 66)
    assert "column and row is added" in capsys.readouterr().err


def test_ten_bits_without_tags_are_taken_as_sdr(tmp_path, capsys):
    path = write_film(
        tmp_path / "a.mp4", counted(14), kind="yuv420p10le", tags=None, options={"crf": "4"}
    )
    result = run(path, tmp_path / "b.mp4")
    assert numbers(result) == list(range(14))
    said = capsys.readouterr().err
    assert "no range tag: limited" in said
    assert "BT.601 by its size" in said


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
def test_interlaced_film_is_deinterlaced_frame_for_frame(tmp_path, name, capsys):
    path = write_film(
        tmp_path / name, counted(40), rate=Fraction(25),
        options={"x264-params": "interlaced=1:tff=1", "crf": "4", **GOP},
    )  # fmt: skip
    result = run(path, tmp_path / "b.mp4")
    assert numbers(result) == list(range(40))
    assert "deinterlaced" in capsys.readouterr().err
    with av.open(str(result)) as container:
        assert not any(frame.interlaced_frame for frame in container.decode(video=0))


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
def test_a_film_of_a_phone_stays_upright(tmp_path, ending):
    path = write_film(tmp_path / "a.mp4", counted(14), rotation=90.0, sound=True)
    result = run(path, tmp_path / f"b{ending}")
    assert read_back(result).size == (96, 64)
    turned = []
    for name in (path, result):
        with av.open(str(name)) as container:
            turned.append(next(container.decode(video=0)).rotation)
    assert turned[0] == turned[1] != 0


def attached(path, out, chapters=True):
    """A film with a font, a cover picture and chapters, in Matroska."""
    with av.open(str(path)) as source, av.open(str(out), "w") as container:
        video = container.add_stream_from_template(source.streams.video[0])
        container.add_attachment("font.ttf", "font/ttf", b"a font")
        unit = Fraction(1, 1000)
        container.set_chapters(
            [{"id": 1, "start": 100, "end": 900, "time_base": unit, "metadata": {"title": "one"}}]
        )
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux(packet)
    return out


def test_attachments_of_matroska_are_copied_or_named(tmp_path, capsys):
    path = attached(write_film(tmp_path / "a.mkv", counted(20)), tmp_path / "with.mkv")
    run(path, tmp_path / "b.mkv")
    with av.open(str(path)) as before, av.open(str(tmp_path / "b.mkv")) as after:
        for container in (before, after):
            (found,) = container.streams.attachments
            assert (found.name, found.mimetype, found.data) == ("font.ttf", "font/ttf", b"a font")
        assert [c["metadata"] for c in after.chapters()] == [{"title": "one"}]
    capsys.readouterr()
    run(path, tmp_path / "b.mp4")
    assert "attachment stream 1" in capsys.readouterr().err


def test_a_film_without_video_is_reported_in_one_line(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w") as container:
        heard = container.add_stream("aac", rate=48000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        samples.sample_rate = 48000
        container.mux(heard.encode(samples))
        container.mux(heard.encode(None))
    refused(path, tmp_path / "b.mp4", "no video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    refused(tmp_path / "empty.mp4", tmp_path / "b.mp4", "truncated")


@pytest.mark.parametrize("front", [False, True])
def test_a_truncated_film_is_reported_in_one_line(tmp_path, front):
    """Its index is at the front, or at the end, which is missing."""
    path = write_film(tmp_path / "a.mp4", moving_images(96, size=(128, 96)), options={"crf": "10"})
    if front:
        path = _rewritten(path, tmp_path / "front.mp4", movflags="faststart")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    line = refused(cut, tmp_path / "b.mp4", "truncated")
    assert not front or re.search(r"0:02\.\d of 0:04", line)


def _rewritten(path: Path, out: Path, **options: str) -> Path:
    with av.open(str(path)) as source, av.open(str(out), "w", options=options) as container:
        video = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux(packet)
    return out


def test_a_truncated_recording_is_converted_to_its_end(tmp_path):
    """A transport stream does not state its length."""
    path = write_film(tmp_path / "a.ts", counted(72), options={"crf": "10"})
    cut = tmp_path / "cut.ts"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    found = numbers(run(cut, tmp_path / "b.mp4"))
    assert found[:-2] == list(range(len(found) - 2))  # The decoder conceals what is cut off.
    assert 36 < len(found) < 60


def left(result):
    """Names of the files in the segment folder of a result."""
    return sorted(path.name for path in Folder(result).path.iterdir())


def test_damage_keeps_the_segments_before_it(tmp_path):
    made = write_film(tmp_path / "a.mp4", moving_images(96, size=(128, 96)), options={"crf": "10"})
    path = _rewritten(made, tmp_path / "front.mp4", movflags="faststart")
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 3000] = bytes((7 * value + 13) % 256 for value in data[half : half + 3000])
    path.write_bytes(data)
    line = refused(path, tmp_path / "b.mp4", "damaged at 0:0[12]")
    assert "cut that place out" in line
    assert "00001.json" in left(tmp_path / "b.mp4")


def test_a_change_of_size_keeps_the_segments_before_it(tmp_path):
    first = write_film(tmp_path / "a.ts", moving_images(36))
    second = write_film(tmp_path / "b.ts", moving_images(24, size=(96, 64)))
    path = tmp_path / "c.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    refused(path, tmp_path / "d.mp4", r"size changes from 64x48 to 96x64")
    assert "00001.json" in left(tmp_path / "d.mp4")
