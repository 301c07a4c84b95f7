"""A film from file to file: tags, times, brightness, sound, segments, cuts; whatever is killed."""

import dataclasses
import json
from fractions import Fraction

import keras
import numpy as np
import pytest
import tifffile

from hdrcnn import weights
from hdrcnn.batch import film as batch
from hdrcnn.batch.machines import Shard
from hdrcnn.colour.hlg import hlg_codes
from hdrcnn.colour.pq import pq_decode, pq_encode, to_rec2020
from hdrcnn.colour.ycbcr import REC2020_LUMA, full_size, to_rgb
from hdrcnn.files import ImageError
from hdrcnn.models.metadata import FilmCurves
from hdrcnn.predict.film_curves import PARAMETERS
from hdrcnn.readers.hdr import read_exr
from hdrcnn.video import decode, segments
from hdrcnn.video.colours import Tags
from hdrcnn.video.encode import Encoding
from hdrcnn.video.join import read_back

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.video.clips import film, packets, shot, shown_at

FAST = {"hevc": "ultrafast", "av1": "12"}


def asked(method="bt2446c", codec="hevc", seconds=0.5, params=None, **encoding):
    made = Encoding(codec, preset=FAST[codec], **encoding)
    return batch.Conversion(method, made, 203.0, params, "cpu", seconds=seconds)


def converted(path, result, conversion, shard=Shard()):  # noqa: B008
    notes: list[str] = []
    progress: list[batch.Progress] = []
    found = batch.to_file(
        batch.opened(path), result, conversion, shard, progress.append, notes.append
    )
    return found, progress, notes


def codes_of(path):
    """R'G'B' of the frames of a result, [H, W, 3]."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            planes = [
                np.frombuffer(p, np.uint16).reshape(p.height, p.line_size // 2)[:, : p.width]
                for p in frame.planes
            ]
            shape, rows = planes[0].shape, slice(0, frame.height)
            blue, red = (full_size(plane, shape, rows) for plane in planes[1:])
            found.append(to_rgb(planes[0], blue, red, REC2020_LUMA, False, 10))
    return found


@pytest.fixture(scope="module")
def bent(tmp_path_factory):
    """Weights of curves that differ from frame to frame."""
    keras.utils.set_random_seed(3)
    record = FilmCurves(parameters=PARAMETERS, width=4)
    model = record.build()
    last = model.get_layer("bent")
    kernel, bias = last.get_weights()
    last.set_weights([np.random.default_rng(3).normal(0, 0.02, kernel.shape), bias])
    path = tmp_path_factory.mktemp("weights") / "curves.npz"
    weights.save(path, weights.collect(model), record)
    return path


@pytest.mark.parametrize("codec", ["hevc", "av1"])
@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_every_tag_reads_back(tmp_path, codec, ending, transfer):
    path = film(tmp_path / "a.mp4", shot(30, size=(96, 64)))
    result = tmp_path / f"b{ending}"
    if (codec, ending) == ("av1", ".mov"):
        with pytest.raises(ImageError, match=r"b\.mov.*AV1"):
            converted(path, result, asked(codec=codec))
        return
    converted(path, result, asked(codec=codec, transfer=transfer, peak=600.0))
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
    """The brightest frame lies in a middle segment."""
    dim = [np.round(0.4 * picture).astype(np.uint8) for picture in shot(36, size=(96, 64))]
    bright = shot(12, size=(96, 64))
    path = film(tmp_path / "a.mp4", [*dim[:12], *bright, *dim[12:]])
    result = tmp_path / "b.mp4"
    found, progress, _ = converted(path, result, asked(codec=codec, crf=2.0))
    assert progress[-1].of >= 3
    light = [pq_decode(codes).max(axis=-1) for codes in codes_of(result)]
    assert found.max_cll == pytest.approx(max(frame.max() for frame in light), rel=0.03)
    assert found.max_fall == pytest.approx(max(frame.mean() for frame in light), rel=0.03)
    with av.open(str(result)) as container:  # Every key frame says so, not only the first.
        kind = av.sidedata.sidedata.Type.CONTENT_LIGHT_LEVEL
        told = {bytes(f.side_data.get(kind)) for f in container.decode(video=0) if f.key_frame}
    assert len(told) == 1


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_the_file_is_the_frames_written_as_exr(tmp_path, codec):
    """Of a film without the steps of 8 bits, which an encoder smooths."""
    path = tmp_path / "a"
    path.mkdir()
    columns, rows = np.meshgrid(np.linspace(0, 1, 128), np.linspace(0, 1, 96))
    for index in range(12):
        planes = [0.5 + 0.2 * np.sin(2.5 * columns + rows + index / 40 + p) for p in (0, 0.5, 1)]
        codes = np.round(65535 * np.stack(planes, axis=-1)).astype(np.uint16)
        tifffile.imwrite(path / f"{index}.tif", codes, photometric="rgb")
    conversion = asked("bt2446c", codec, crf=2.0)
    converted(path, tmp_path / "b.mp4", conversion)
    batch.to_frames(
        batch.opened(path), tmp_path / "frames", conversion, "exr", Shard(), False, lambda _: None
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
    assert np.abs(errors).mean() < 0.001  # 10 bits of 4:2:0 alone make half of it.
    assert np.abs(errors.mean(axis=(0, 1, 2))).max() < 0.001


def test_hlg_shows_the_light_of_pq(tmp_path):
    path = film(tmp_path / "a.mp4", shot(6, size=(96, 64)))
    converted(path, tmp_path / "pq.mp4", asked(crf=1.0))
    converted(path, tmp_path / "hlg.mp4", asked(crf=1.0, transfer="hlg"))
    for pq, hlg in zip(codes_of(tmp_path / "pq.mp4"), codes_of(tmp_path / "hlg.mp4"), strict=True):
        assert np.abs(hlg_codes(pq_decode(pq)) - hlg).mean() < 0.004


def test_sound_chapters_and_metadata_are_copied(tmp_path):
    path = film(
        tmp_path / "a.mp4", shot(30), sound=True, chapters=True, title="A film", rotation=90.0
    )
    result = tmp_path / "b.mp4"
    converted(path, result, asked())
    assert packets(result, "audio") == packets(path, "audio")
    with av.open(str(path)) as before, av.open(str(result)) as after:
        assert after.metadata["title"] == "A film"
        assert after.chapters() == before.chapters()
        assert after.streams.audio[0].metadata["language"] == "deu"
        first, second = (next(c.decode(video=0)) for c in (before, after))
        assert first.rotation == second.rotation != 0


def test_subtitles_are_copied(tmp_path):
    (tmp_path / "s.srt").write_text("1\n00:00:00,200 --> 00:00:00,900\nHello\n")
    path = film(tmp_path / "a.mkv", shot(30))
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
    converted(joined, tmp_path / "b.mkv", asked())
    assert packets(tmp_path / "b.mkv", "subtitle") == packets(joined, "subtitle") == [b"Hello"]
    with pytest.raises(ImageError, match=r"with\.mkv.*subtitle.*\.mkv"):
        converted(joined, tmp_path / "b.mp4", asked())


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_times_that_vary_are_kept(tmp_path, codec):
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.integers(1500, 9000, 40)).tolist()
    path = film(
        tmp_path / "a.mp4", shot(40, size=(64, 64)), times=times, rate=Fraction(18),
        time_base=Fraction(1, 90000), options={"bf": "2", "preset": "medium"},
        aspect=Fraction(4, 3),
    )  # fmt: skip
    conversion = asked(codec=codec)
    slow = dataclasses.replace(conversion.encoding, preset="medium" if codec == "hevc" else "10")
    _, progress, _ = converted(
        path, tmp_path / "b.mp4", dataclasses.replace(conversion, encoding=slow)
    )
    assert progress[-1].of > 1
    assert shown_at(tmp_path / "b.mp4") == shown_at(path)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (65, 48)])
def test_odd_sizes_get_one_row_or_column_more(tmp_path, size):
    path = film(tmp_path / "a.mkv", shot(4, size=size), kind="yuv444p")
    found, _, _ = converted(path, tmp_path / "b.mp4", asked())
    assert found.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    codes = codes_of(tmp_path / "b.mp4")[0]
    assert np.abs(codes[:, -1] - codes[:, -2]).mean() < 0.02


class KilledError(Exception):
    """What a killed process would not even raise."""


def test_a_run_that_is_killed_goes_on_at_its_segment(tmp_path):
    path = film(tmp_path / "a.mp4", shot(60), sound=True)
    whole, seen, _ = converted(path, tmp_path / "whole.mp4", asked())
    assert seen[-1].of >= 4

    def dying(progress):
        if progress.segment.number == 3 and not progress.whole:
            raise KilledError

    result = tmp_path / "b.mp4"
    with pytest.raises(KilledError):
        batch.to_file(batch.opened(path), result, asked(), Shard(), dying, lambda _: None)
    assert not result.exists()
    left = sorted(p.name for p in (tmp_path / "b.mp4.segments").iterdir())
    assert left == ["00001.json", "00001.nut", "00002.json", "00002.nut", "film.json"]
    found, progress, notes = converted(path, result, asked())
    assert [step.kept for step in progress if step.whole][:3] == [True, True, False]
    assert notes == []
    assert result.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert found == whole
    assert not (tmp_path / "b.mp4.segments").exists()


@pytest.mark.parametrize("change", ["film", "settings"])
def test_segments_of_something_else_are_made_again(tmp_path, change):
    path = film(tmp_path / "a.mp4", shot(30))
    result = tmp_path / "b.mp4"
    converted(path, result, asked(), Shard(1, 2))
    assert (tmp_path / "b.mp4.segments" / "00001.json").exists()
    if change == "film":
        film(path, shot(30, hue=1.0))
    method = "bt2446a" if change == "settings" else "bt2446c"
    _, progress, notes = converted(path, result, asked(method))
    assert not any(step.kept for step in progress)
    assert len(notes) == 1
    assert "b.mp4.segments" in notes[0]


def test_the_last_share_joins_them(tmp_path):
    path = film(tmp_path / "a.mp4", shot(60))
    converted(path, tmp_path / "whole.mp4", asked())
    result = tmp_path / "b.mp4"
    assert converted(path, result, asked(), Shard(2, 3))[0] is None
    assert converted(path, result, asked(), Shard(1, 3))[0] is None
    assert converted(path, result, asked(), Shard(3, 3))[0] is not None
    assert result.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def parameters_of(path, conversion):
    """Of every frame, and where the cuts are; segment by segment."""
    opened = batch.opened(path)
    used = conversion.loaded(opened)
    found, cuts = [], []
    for segment in segments.planned(opened, conversion.seconds):
        for frame, parameters, cut in batch.with_parameters(opened, segment, used):
            found.append(parameters)
            cuts += [int(np.searchsorted(opened.times, frame.time))] if cut else []
    return np.asarray(found), cuts


def test_where_a_film_is_divided_changes_no_frame(tmp_path, bent):
    path = film(tmp_path / "a.mp4", shot(30) + shot(34, hue=1.5))
    many, cuts = parameters_of(path, asked("curves", seconds=0.5, params=bent))
    one, _ = parameters_of(path, asked("curves", seconds=60.0, params=bent))
    assert len(many) == 64
    assert cuts == [30]
    assert np.array_equal(many, one)


def test_parameters_are_smooth_within_a_shot_and_a_cut_never_smears(tmp_path, bent):
    rng = np.random.default_rng(2)
    flickering = [
        np.clip(picture * rng.uniform(0.9, 1.0), 0, 255).astype(np.uint8) for picture in shot(30)
    ]
    other = shot(30, hue=1.5)
    conversion = asked("curves", seconds=60.0, params=bent)
    path = film(tmp_path / "a.mp4", flickering + other)
    found, cuts = parameters_of(path, conversion)
    alone, _ = parameters_of(film(tmp_path / "b.mp4", flickering), conversion)
    assert cuts == [30]
    assert np.abs(found[:30] - alone).max() < 1e-4  # The frames beyond the cut change nothing.
    opened = batch.opened(path)
    used = conversion.loaded(opened)
    raw = np.array([used.measured(frame.reduced(batch.REDUCED)) for frame in decode.frames(opened)])
    steps, smoothed = (np.abs(np.diff(p[:30], axis=0)).mean() for p in (raw, found))
    assert smoothed < 0.25 * steps


def test_curves_convert_a_film(tmp_path, bent):
    path = film(tmp_path / "a.mp4", shot(24, size=(96, 64)))
    found, _, _ = converted(path, tmp_path / "b.mp4", asked("curves", params=bent, peak=600.0))
    assert 60 < found.max_cll <= 600


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_frames_are_written_once(tmp_path, kind):
    path = film(tmp_path / "a.mp4", shot(8))
    folder = tmp_path / "frames"
    arguments = (batch.opened(path), folder, asked(), kind, Shard())
    assert batch.to_frames(*arguments, False, lambda _: None) == 8
    assert batch.to_frames(*arguments, False, lambda _: None) == 0
    lost = next(folder.glob("a_000005.*"))
    lost.unlink()
    assert batch.to_frames(*arguments, False, lambda _: None) == 8
    others = dataclasses.replace(asked(), method="bt2446a")
    with pytest.raises(ImageError, match="other frames"):
        batch.to_frames(arguments[0], folder, others, kind, Shard(), False, lambda _: None)
    assert json.loads((folder / "film.json").read_text())["method"] == "bt2446c"


def test_shares_write_the_frames_of_one_folder(tmp_path):
    """The second begins when the first has told what it does and written a frame."""
    path = film(tmp_path / "a.mp4", shot(60))
    opened, folder = batch.opened(path), tmp_path / "frames"

    def share(shard, tell=lambda _: None):
        return batch.to_frames(opened, folder, asked(), "png", shard, False, tell)

    counts: list[int] = []

    def other_begins(progress):
        if not counts:
            counts.append(share(Shard(2, 2)))

    counts.append(share(Shard(1, 2), other_begins))
    assert min(counts) > 0
    assert sum(counts) == 60
    assert len(list(folder.glob("a_*.png"))) == 60
    assert share(Shard()) == 0
    with pytest.raises(ImageError, match="shares"):
        batch.to_frames(opened, folder, asked("bt2446a"), "png", Shard(1, 2), True, lambda _: None)


def test_frames_of_other_settings_are_never_kept(tmp_path):
    """Not even by a run that was killed after it had told what it does."""
    path = film(tmp_path / "a.mp4", shot(30))
    folder = tmp_path / "frames"

    def run(method, tell=lambda _: None):
        return batch.to_frames(
            batch.opened(path), folder, asked(method), "png", Shard(), True, tell
        )

    def dying(progress):
        raise KilledError

    run("bt2446c")
    before = (folder / "a_000030.png").read_bytes()
    with pytest.raises(KilledError):
        run("bt2446a", dying)
    assert run("bt2446a") == 30
    assert (folder / "a_000030.png").read_bytes() != before


def test_shares_that_begin_at_once_share_a_folder_of_segments(tmp_path):
    place = segments.Folder(tmp_path / "b.mp4")
    place.path.mkdir()
    (place.path / ".0123456789abcdef.host-1.tmp.json").write_text("{")  # Another's `film.json`.
    assert not place.prepare({"a": 1}, shared=True)
    assert not place.prepare({"a": 1}, shared=True)
    with pytest.raises(ImageError, match="shares"):
        place.prepare({"a": 2}, shared=True)
    assert place.prepare({"a": 2})


def test_frames_of_a_folder_of_frames_become_a_film(tmp_path):
    path = film(tmp_path / "a.mp4", shot(6))
    folder = tmp_path / "frames"
    folder.mkdir()
    import imageio.v3 as iio

    for index, picture in enumerate(shot(6)):
        iio.imwrite(folder / f"{index}.png", picture)
    opened = batch.opened(folder, Fraction(24))
    found = batch.to_file(
        opened, tmp_path / "f.mp4", asked(crf=1.0), Shard(), lambda _: None, lambda _: None
    )
    assert found is not None
    converted(path, tmp_path / "b.mp4", asked(crf=1.0))
    pairs = zip(codes_of(tmp_path / "f.mp4"), codes_of(tmp_path / "b.mp4"), strict=True)
    assert max(np.abs(one - two).mean() for one, two in pairs) < 0.01
    assert shown_at(tmp_path / "f.mp4") == [Fraction(index, 24) for index in range(6)]
