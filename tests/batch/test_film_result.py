"""Contents of a converted film: tags, brightness, codes, sound, times."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import tifffile

from hdrcnn.batch import film as batch
from hdrcnn.batch.film_segment import opened
from hdrcnn.batch.machines import Shard
from hdrcnn.colour.hlg import hlg_codes
from hdrcnn.colour.pq import pq_decode, pq_encode, to_rec2020
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.video import decode
from hdrcnn.video.colours import Tags
from hdrcnn.video.tags import read_back

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.batch.films import codes_of, conversion_of, convert
from tests.conftest import ROOT
from tests.video.clips import copied, moving_images, packets, shown_at, write_film


@pytest.mark.parametrize("codec", ["hevc", "av1"])
@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_every_tag_reads_back(tmp_path, codec, ending, transfer):
    path = write_film(tmp_path / "a.mp4", moving_images(30, size=(96, 64)))
    result = tmp_path / f"b{ending}"
    if (codec, ending) == ("av1", ".mov"):
        with pytest.raises(ImageError, match=r"b\.mov.*AV1"):
            convert(path, result, conversion_of(codec=codec))
        return
    convert(path, result, conversion_of(codec=codec, transfer=transfer, peak=600.0))
    found = read_back(result)
    assert found.codec == codec
    assert found.pixel_format == "yuv420p10le"
    assert found.tags == Tags(9, 1, 9, 18 if transfer == "hlg" else 16)
    with av.open(str(result)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.color_primaries, context.colorspace, context.color_range) == (9, 9, 1)
        assert context.color_trc == (18 if transfer == "hlg" else 16)
        if ending != ".mkv":
            assert stream.codec_tag == {"hevc": "hvc1", "av1": "av01"}[codec]
    if transfer == "pq":
        assert found.peak == pytest.approx(600.0, rel=1e-3)
    else:
        assert found.max_cll is None


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_maxcll_and_maxfall_are_those_of_the_frames_of_all_segments(tmp_path, codec):
    """The brightest frame is in a middle segment."""
    dim = [np.round(0.4 * picture).astype(np.uint8) for picture in moving_images(36, size=(96, 64))]
    bright = moving_images(12, size=(96, 64))
    path = write_film(tmp_path / "a.mp4", [*dim[:12], *bright, *dim[12:]])
    result = tmp_path / "b.mp4"
    found, progress, _ = convert(path, result, conversion_of(codec=codec, crf=2.0))
    assert progress[-1].of >= 3
    light = [pq_decode(codes).max(axis=-1) for codes in codes_of(result)]
    assert found.max_cll == pytest.approx(max(frame.max() for frame in light), rel=0.03)
    assert found.max_fall == pytest.approx(max(frame.mean() for frame in light), rel=0.03)
    with av.open(str(result)) as container:  # Every key frame has the levels, not only the first.
        kind = av.sidedata.sidedata.Type.CONTENT_LIGHT_LEVEL
        told = {bytes(f.side_data.get(kind)) for f in container.decode(video=0) if f.key_frame}
    assert len(told) == 1


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_the_file_matches_the_frames_written_as_exr(tmp_path, codec):
    """The film has no steps of 8-bit codes, which an encoder would smooth."""
    path = tmp_path / "a"
    path.mkdir()
    columns, rows = np.meshgrid(np.linspace(0, 1, 128), np.linspace(0, 1, 96))
    for index in range(12):
        planes = [0.5 + 0.2 * np.sin(2.5 * columns + rows + index / 40 + p) for p in (0, 0.5, 1)]
        codes = np.round(65535 * np.stack(planes, axis=-1)).astype(np.uint16)
        tifffile.imwrite(path / f"{index}.tif", codes, photometric="rgb")
    settings = conversion_of("bt2446c", codec, crf=2.0)
    convert(path, tmp_path / "b.mp4", settings)
    batch.to_frames(
        opened(path), tmp_path / "frames", settings, "exr", Shard(), False, lambda _: None
    )
    names = sorted((tmp_path / "frames").glob("*.exr"))
    assert [name.name for name in names[:2]] == ["a_000001.exr", "a_000002.exr"]
    encoded = codes_of(tmp_path / "b.mp4")
    assert len(names) == len(encoded) == 12
    errors = np.array(
        [
            codes - pq_encode(203.0 * to_rec2020(read_exr(name)))
            for codes, name in zip(encoded, names, strict=True)
        ]
    )
    assert np.abs(errors).mean() < 0.001  # 10 bits with 4:2:0 alone cause half of it.
    assert np.abs(errors.mean(axis=(0, 1, 2))).max() < 0.001


@pytest.mark.parametrize(("crf", "most"), [(0.0, 0.001), (None, 0.006)])
def test_a_film_of_photographs_is_close_to_its_frames(tmp_path, crf, most):
    """Lossless encoding leaves the error of 10 bits and 4:2:0; the default loses more than that, as
    docs/film.md says.
    """
    path = ROOT / "data" / "three_shots.mp4"
    settings = conversion_of("bt2446c", crf=crf)
    convert(path, tmp_path / "b.mp4", settings)
    film = opened(path)
    used = settings.load_method(film)
    frames = [used.converter(np.empty(0))(frame.codes()) for frame in decode.frames(film)]
    pairs = zip(codes_of(tmp_path / "b.mp4"), frames, strict=True)
    assert np.mean([np.abs(codes - frame).mean() for codes, frame in pairs]) < most


def test_hlg_and_pq_encode_the_same_light(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving_images(6, size=(96, 64)))
    convert(path, tmp_path / "pq.mp4", conversion_of(crf=1.0))
    convert(path, tmp_path / "hlg.mp4", conversion_of(crf=1.0, transfer="hlg"))
    for pq, hlg in zip(codes_of(tmp_path / "pq.mp4"), codes_of(tmp_path / "hlg.mp4"), strict=True):
        assert np.abs(hlg_codes(pq_decode(pq)) - hlg).mean() < 0.004


def test_sound_chapters_and_metadata_are_copied(tmp_path):
    path = write_film(
        tmp_path / "a.mp4",
        moving_images(30),
        sound=True,
        chapters=True,
        title="A film",
        rotation=90.0,
    )
    result = tmp_path / "b.mp4"
    convert(path, result, conversion_of())
    assert packets(result, "audio") == packets(path, "audio")
    with av.open(str(path)) as before, av.open(str(result)) as after:
        assert after.metadata["title"] == "A film"
        assert after.chapters() == before.chapters()
        assert after.streams.audio[0].metadata["language"] == "deu"
        first, second = (next(c.decode(video=0)) for c in (before, after))
        assert first.rotation == second.rotation != 0


def test_subtitles_are_copied(tmp_path):
    (tmp_path / "s.srt").write_text("1\n00:00:00,200 --> 00:00:00,900\nHello\n")
    path = write_film(tmp_path / "a.mkv", moving_images(30))
    joined = tmp_path / "with.mkv"
    with (
        av.open(str(path)) as first,
        av.open(str(tmp_path / "s.srt")) as second,
        av.open(str(joined), "w") as out,
    ):
        made = [out.add_stream_from_template(source.streams[0]) for source in (first, second)]
        for source, stream in zip((first, second), made, strict=True):
            for packet in source.demux(source.streams[0]):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    convert(joined, tmp_path / "b.mkv", conversion_of())
    assert packets(tmp_path / "b.mkv", "subtitle") == packets(joined, "subtitle") == [b"Hello"]
    with pytest.raises(ImageError, match=r"with\.mkv.*subtitle.*\.mkv"):
        convert(joined, tmp_path / "b.mp4", conversion_of())


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_variable_frame_times_are_kept(tmp_path, codec):
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.integers(1500, 9000, 40)).tolist()
    path = write_film(
        tmp_path / "a.mp4", moving_images(40, size=(64, 64)), times=times, rate=Fraction(18),
        time_base=Fraction(1, 90000), options={"bf": "2", "preset": "medium"},
        aspect=Fraction(4, 3),
    )  # fmt: skip
    settings = conversion_of(codec=codec)
    slow = dataclasses.replace(settings.encoding, preset="medium" if codec == "hevc" else "10")
    _, progress, _ = convert(path, tmp_path / "b.mp4", dataclasses.replace(settings, encoding=slow))
    assert progress[-1].of > 1
    assert shown_at(tmp_path / "b.mp4") == shown_at(path)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("still", [1, 60])
def test_a_film_whose_times_vary_is_as_long_as_before(tmp_path, ending, still):
    """The last frame but one stays for up to 2.5 s, the last one as long as its packet says."""
    times = [*range(0, 12 * 10, 10), 120 + 10 * still]
    path = write_film(
        tmp_path / "a.mp4", moving_images(13, size=(96, 64)),
        times=times, time_base=Fraction(1, 240), options={"bf": "0"},
    )  # fmt: skip
    result = tmp_path / f"b{ending}"
    convert(path, result, conversion_of())
    assert shown_at(result) == pytest.approx([Fraction(time, 240) for time in times], abs=1e-3)
    with av.open(str(path)) as source, av.open(str(result)) as made:
        assert made.duration == pytest.approx(source.duration, abs=1500)


@pytest.mark.parametrize(
    ("name", "ending", "last", "options"),
    [
        ("b.mp4", ".mp4", 0.45, {"bf": "0"}),
        ("b.mp4", ".mkv", 3.0, {"bf": "2", "preset": "medium"}),
        ("b.mkv", ".mp4", 2.0, {"bf": "2", "preset": "medium"}),
    ],
)
def test_the_last_frame_keeps_its_duration(tmp_path, name, ending, last, options):
    """The other frames are shown for 40 ms."""
    path = write_film(tmp_path / "a.mp4", moving_images(30), rate=Fraction(25), options=options)
    path, result = copied(path, tmp_path / name, last), tmp_path / f"c{ending}"
    assert opened(path).rate == 25
    convert(path, result, conversion_of())
    assert shown_at(result) == pytest.approx([Fraction(i, 25) for i in range(30)], abs=1e-3)
    with av.open(str(result)) as made:
        assert made.duration / 1e6 == pytest.approx(29 / 25 + last, abs=2e-3)


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (65, 48)])
def test_odd_sizes_get_one_row_or_column_more(tmp_path, size):
    path = write_film(tmp_path / "a.mkv", moving_images(4, size=size), kind="yuv444p")
    found, _, _ = convert(path, tmp_path / "b.mp4", conversion_of())
    assert found.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    codes = codes_of(tmp_path / "b.mp4")[0]
    assert np.abs(codes[:, -1] - codes[:, -2]).mean() < 0.02
