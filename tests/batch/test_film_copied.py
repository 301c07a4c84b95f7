"""What a film contains beside its video is copied: sound, subtitles and metadata."""

import re
import struct
from fractions import Fraction

import numpy as np
import pytest

from hdrcnn.files import ImageError

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.batch.films import conversion_of, convert
from tests.video.clips import moving_images, packets, shown_at, write_film


def begins(path):
    """Presentation time of the first packet in seconds, by kind of stream."""
    found: dict[str, float] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                time = float(packet.pts * packet.time_base)
                found[packet.stream.type] = min(time, found.get(packet.stream.type, time))
    return found


def trimmed(path, units):
    """Let the edit list of an MP4 start its sound `units` later in the stored stream."""
    data = bytearray(path.read_bytes())
    place = data.rfind(b"elst")  # Version, count; duration, media time, rate.
    (before,) = struct.unpack_from(">i", data, place + 16)
    struct.pack_into(">i", data, place + 16, before + units)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_sound_that_an_edit_list_removes_stays_removed(tmp_path, ending):
    path = trimmed(write_film(tmp_path / "a.mp4", moving_images(48), sound=True), 48000)
    result = tmp_path / f"b{ending}"
    convert(path, result, conversion_of())
    with av.open(str(path)) as container:
        kept = sum(not packet.is_discard for packet in container.demux(audio=0) if packet.size)
    found = packets(result, "audio")
    assert found == packets(path, "audio")[-len(found) :]
    if ending == ".mkv":
        assert len(found) == kept + 1  # A decoder needs the packet before.
        apart = begins(result)["video"] - begins(result)["audio"]
        assert 0 < apart < 2 * 1024 / 48000 + 0.001
    with av.open(str(result)) as container:
        assert container.duration / 1e6 == pytest.approx(2.0, abs=0.06)


def heard(path):
    """Samples of a film's sound, channel by channel."""
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def with_sound(path, codec, layout="s16p"):
    """A film of one second with a losslessly encoded tone."""
    tone = np.round(9000 * np.sin(np.arange(48000) / 20.0)).astype(np.int16)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=48000, layout="stereo")
        for index, picture in enumerate(moving_images(24)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
            part = tone[2000 * index : 2000 * (index + 1)]
            part = np.stack([part] * 2) if layout == "s16p" else np.repeat(part, 2)[None]
            samples = av.AudioFrame.from_ndarray(part, layout, "stereo")
            samples.sample_rate, samples.pts = 48000, 2000 * index
            container.mux(sound.encode(samples))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_sound_whose_packets_have_no_duration_is_complete(tmp_path, ending):
    path = with_sound(tmp_path / "a.mkv", "alac")
    result = tmp_path / f"b{ending}"
    convert(path, result, conversion_of())
    assert packets(result, "audio") == packets(path, "audio")
    assert heard(path).shape[1] >= 48000
    assert np.array_equal(heard(result), heard(path))


@pytest.mark.parametrize(("codec", "ending"), [("pcm_s16le", ".mp4"), ("flac", ".mov")])
def test_sound_that_a_container_cannot_hold_is_refused_at_once(tmp_path, codec, ending):
    path = with_sound(tmp_path / "a.mkv", codec, "s16")
    with pytest.raises(ImageError, match=rf"a\.mkv.*{codec}.*b\.mkv"):
        convert(path, tmp_path / f"b{ending}", conversion_of())
    assert [file.name for file in tmp_path.iterdir()] == ["a.mkv"]
    convert(path, tmp_path / "b.mkv", conversion_of())
    assert packets(tmp_path / "b.mkv", "audio") == packets(path, "audio")


def test_the_container_that_the_error_names_works(tmp_path):
    """MP4 subtitles, which Matroska cannot hold."""
    path = tmp_path / "a.mp4"
    with (
        av.open(str(write_film(tmp_path / "p.mp4", moving_images(12)))) as source,
        av.open(str(path), "w") as out,
    ):
        video = out.add_stream_from_template(source.streams.video[0])
        text = out.add_stream("mov_text")
        text.codec_context.subtitle_header = b"[Script Info]\r\n"
        text.codec_context.time_base = Fraction(1, 1000)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        packet = av.Packet(struct.pack(">H", 5) + b"Hello")
        packet.pts = packet.dts = 100
        packet.duration, packet.time_base, packet.stream = 300, Fraction(1, 1000), text
        out.mux(packet)
    with pytest.raises(ImageError, match=r"a\.mp4.*mov_text.*b\.mp4"):
        convert(path, tmp_path / "b.mkv", conversion_of())
    convert(path, tmp_path / "b.mp4", conversion_of())
    assert b"\0\5Hello" in packets(tmp_path / "b.mp4", "subtitle")


def copied(path, out, metadata, **options):
    """Copy the video of a film, with other metadata."""
    with av.open(str(path)) as source, av.open(str(out), "w", options=options) as container:
        container.metadata.update(metadata)
        video = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux(packet)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_metadata_of_a_phone_is_copied(tmp_path, ending):
    told = {
        "com.apple.quicktime.location.ISO6709": "+48.1000+011.5000/",
        "com.apple.quicktime.make": "A make",
        "com.apple.quicktime.creationdate": "2020-01-02T03:04:05+0100",
    }
    path = tmp_path / "a.mov"
    copied(
        write_film(tmp_path / "p.mp4", moving_images(3)), path, told, movflags="use_metadata_tags"
    )
    _, _, notes = convert(path, tmp_path / f"b{ending}", conversion_of())
    assert notes == []
    with av.open(str(tmp_path / f"b{ending}")) as container:
        found = {key.lower(): text for key, text in container.metadata.items()}
    assert {key: found.get(key.lower()) for key in told} == told
    assert found.get("major_brand") != "qt" or ending != ".mp4"


def test_metadata_that_a_container_cannot_hold_is_named(tmp_path):
    path = tmp_path / "a.mkv"
    copied(
        write_film(tmp_path / "p.mkv", moving_images(3)),
        path,
        {"title": "A film", "shutter": "180"},
    )
    _, _, notes = convert(path, tmp_path / "b.mp4", conversion_of())
    assert len(notes) == 1
    assert "SHUTTER" in notes[0]


SOUND, PICTURE = 0xC0, 0xE0
"""Stream ids of PES packets, ISO/IEC 13818-1."""
ADTS = 7
"""Length of the header of each AAC packet of a transport stream, in bytes."""


def retimed(path, kind, number, ticks):
    """Delay the presentation time of one PES packet of a transport stream, in ticks of 90 kHz."""
    data = bytearray(path.read_bytes())
    place = [found.start() for found in re.finditer(b"\0\0\1" + bytes([kind]), data)][number] + 9
    told = data[place : place + 5]  # Three, eight, seven, eight, seven bits, between markers.
    time = (told[0] >> 1 & 7) << 30 | told[1] << 22 | told[2] >> 1 << 15 | told[3] << 7
    time = (time | told[4] >> 1) + ticks
    data[place] = told[0] & 0xF0 | time >> 29 & 14 | 1
    data[place + 1 : place + 3] = struct.pack(">H", time >> 14 & 0xFFFE | 1)
    data[place + 3 : place + 5] = struct.pack(">H", time << 1 & 0xFFFE | 1)
    path.write_bytes(data)
    return path


def test_sound_whose_times_decrease_is_left_out_and_counted(tmp_path):
    path = retimed(write_film(tmp_path / "a.ts", moving_images(60), sound=True), SOUND, 60, -27000)
    expected: list[bytes] = []
    latest, count = -1, 0
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            if packet.size and packet.dts >= latest:
                expected, latest = [*expected, bytes(packet)[ADTS:]], packet.dts
            count += bool(packet.size)
    assert 0 < len(expected) < count
    _, _, notes = convert(path, tmp_path / "b.mkv", conversion_of())
    assert packets(tmp_path / "b.mkv", "audio") == expected
    assert f"{count - len(expected)} of {count}" in notes[-1]


def test_sound_without_its_header_is_left_out_and_counted(tmp_path):
    path = write_film(tmp_path / "a.ts", moving_images(30), sound=True)
    before = packets(path, "audio")
    data = bytearray(path.read_bytes())
    place = data.find(before[20][:16])
    data[place : place + 2] = b"\xff\x00"
    path.write_bytes(data)
    _, _, notes = convert(path, tmp_path / "b.mp4", conversion_of())
    assert len(notes) == 1
    assert "audio stream 1" in notes[0]
    found = packets(tmp_path / "b.mp4", "audio")
    assert found[:19] == [packet[ADTS:] for packet in before[:19]]
    assert found[-20:] == [packet[ADTS:] for packet in before[-20:]]


def test_a_frame_whose_time_decreases_is_left_out(tmp_path):
    pictures = moving_images(40)
    path = retimed(
        write_film(tmp_path / "a.ts", pictures, options={"bf": "0"}), PICTURE, 22, -20000
    )
    whole = write_film(tmp_path / "whole.ts", pictures, options={"bf": "0"})
    _, _, notes = convert(path, tmp_path / "b.mp4", conversion_of())
    assert "1 of 40 frames" in notes[-1]
    expected = shown_at(whole)
    assert shown_at(tmp_path / "b.mp4") == pytest.approx([*expected[:22], *expected[23:]])


@pytest.mark.parametrize("kind", [SOUND, PICTURE])
def test_times_that_jump_far_back_are_refused(tmp_path, kind):
    path = write_film(tmp_path / "a.ts", moving_images(96), sound=True, options={"bf": "0"})
    many = path.read_bytes().count(b"\0\0\1" + bytes([kind]))
    retimed(path, kind, many - 1, -270000)
    with pytest.raises(ImageError, match=r"a\.ts.*back"):
        convert(path, tmp_path / "b.mp4", conversion_of())
    assert not (tmp_path / "b.mp4").exists()


def test_two_recordings_in_one_file_are_refused(tmp_path):
    """Their times are the same, so it would go unnoticed if one were missing."""
    path = write_film(tmp_path / "a.ts", moving_images(30), options={"bf": "0"})
    path.write_bytes(2 * path.read_bytes())
    with pytest.raises(ImageError, match=r"a\.ts.*back"):
        convert(path, tmp_path / "b.mp4", conversion_of())
