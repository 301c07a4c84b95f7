"""Conversion of a film to a file or to frames: resumed, split into shards, with other settings."""

import dataclasses
import itertools
import json
from fractions import Fraction

import numpy as np
import pytest
import tifffile

from hdrcnn.batch import film as batch, film_samples
from hdrcnn.batch.film_segment import opened
from hdrcnn.batch.machines import Shard
from hdrcnn.files import ImageError
from hdrcnn.video import decode, segments

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.batch.films import codes_of, conversion_of, convert
from tests.video.clips import moving_images, shown_at, write_film


class KilledError(Exception):
    """Stands in for the end of a killed process, which would not even raise."""


def test_a_killed_run_resumes_at_its_segment(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving_images(60), sound=True)
    whole, seen, _ = convert(path, tmp_path / "whole.mp4", conversion_of())
    assert seen[-1].of >= 4

    def dying(progress):
        if progress.segment.number == 3 and not progress.segment_done:
            raise KilledError

    result = tmp_path / "b.mp4"
    with pytest.raises(KilledError):
        batch.to_file(opened(path), result, conversion_of(), Shard(), dying, lambda _: None)
    assert not result.exists()
    left = sorted(p.name for p in (tmp_path / "b.mp4.segments").iterdir())
    assert left == ["00001.json", "00001.nut", "00002.json", "00002.nut", "film.json"]
    found, progress, notes = convert(path, result, conversion_of())
    assert [step.kept for step in progress if step.segment_done][:3] == [True, True, False]
    assert notes == []
    assert result.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert found == whole
    assert not (tmp_path / "b.mp4.segments").exists()


@pytest.mark.parametrize("change", ["film", "settings"])
def test_segments_of_another_film_or_other_settings_are_recomputed(tmp_path, change):
    path = write_film(tmp_path / "a.mp4", moving_images(30))
    result = tmp_path / "b.mp4"
    convert(path, result, conversion_of(), Shard(1, 2))
    assert (tmp_path / "b.mp4.segments" / "00001.json").exists()
    if change == "film":
        write_film(path, moving_images(30, hue=1.0))
    method = "bt2446a" if change == "settings" else "bt2446c"
    _, progress, notes = convert(path, result, conversion_of(method))
    assert not any(step.kept for step in progress)
    assert len(notes) == 1
    assert "b.mp4.segments" in notes[0]


def test_the_last_shard_joins_the_segments(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving_images(60))
    convert(path, tmp_path / "whole.mp4", conversion_of())
    result = tmp_path / "b.mp4"
    assert convert(path, result, conversion_of(), Shard(2, 3))[0] is None
    assert convert(path, result, conversion_of(), Shard(1, 3))[0] is None
    assert convert(path, result, conversion_of(), Shard(3, 3))[0] is not None
    assert result.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_frames_are_written_once(tmp_path, kind):
    path = write_film(tmp_path / "a.mp4", moving_images(8))
    folder = tmp_path / "frames"
    arguments = (opened(path), folder, conversion_of(), kind, Shard())
    assert batch.to_frames(*arguments, False, lambda _: None) == 8
    assert batch.to_frames(*arguments, False, lambda _: None) == 0
    lost = next(folder.glob("a_000005.*"))
    lost.unlink()
    assert batch.to_frames(*arguments, False, lambda _: None) == 8
    others = dataclasses.replace(conversion_of(), method="bt2446a")
    with pytest.raises(ImageError, match="other frames"):
        batch.to_frames(arguments[0], folder, others, kind, Shard(), False, lambda _: None)
    assert json.loads((folder / "film.json").read_text())["method"] == "bt2446c"


@pytest.mark.parametrize("seconds", [0.4, 2.0])
def test_frames_that_cannot_be_decoded_are_left_out_and_counted(tmp_path, seconds):
    """A recording that begins in the middle of a group of pictures, with shorter and longer
    segments.
    """
    path = write_film(tmp_path / "a.ts", moving_images(60), options={"g": "30"})
    with av.open(str(path)) as whole, av.open(str(tmp_path / "b.ts"), "w") as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        for packet in [packet for packet in whole.demux(video=0) if packet.size][5:]:
            packet.stream = stream
            cut.mux(packet)
    source, folder, notes = opened(tmp_path / "b.ts"), tmp_path / "frames", list[str]()
    for made in (30, 0):
        done = batch.to_frames(
            source, folder, conversion_of(seconds=seconds), "png", Shard(), False, lambda _: None,
            note=notes.append,
        )  # fmt: skip
        assert done == made
    names = sorted(file.name for file in folder.glob("*.png"))
    assert names == [f"b_{number:06}.png" for number in range(26, 56)]
    _, _, said = convert(tmp_path / "b.ts", tmp_path / "c.mkv", conversion_of(seconds=seconds))
    assert len(codes_of(tmp_path / "c.mkv")) == 30
    assert [note for note in said if "decoded" in note] * 2 == notes
    assert "25 of 55 frames" in notes[0]


def test_frames_are_oriented_as_players_show_them(tmp_path):
    pictures = moving_images(2, size=(96, 64))
    upright = write_film(tmp_path / "a.mp4", pictures)
    path = write_film(tmp_path / "b.mp4", pictures, rotation=90.0, aspect=Fraction(4, 3))
    for source in (upright, path):
        notes: list[str] = []
        batch.to_frames(
            opened(source), tmp_path / source.stem, conversion_of(), "tiff", Shard(), False,
            lambda _: None, note=notes.append,
        )  # fmt: skip
    assert len(notes) == 1
    assert "4/3" in notes[0]
    with av.open(str(path)) as container:
        turns = round(next(container.decode(video=0)).rotation / 90)
    assert turns % 2
    plain, turned = (tifffile.imread(tmp_path / f"{n}/{n}_000002.tif") for n in "ab")
    assert turned.shape == (96, 64, 3)
    assert np.array_equal(turned, np.rot90(plain, turns))


def recording(path, whole, first):
    """A film from that packet of its pictures on."""
    with av.open(str(whole)) as source, av.open(str(path), "w") as container:
        video = container.add_stream_from_template(source.streams.video[0])
        coming = (packet for packet in source.demux(video=0) if packet.size)
        for packet in itertools.islice(coming, first, None):
            packet.stream = video
            container.mux(packet)
    return path


def test_frames_of_a_recording_that_begins_anywhere_are_numbered_as_in_the_film(tmp_path):
    """48 frames, of which the 24th is the first that can be decoded; a segment is shorter than
    that.
    """
    options = {"g": "24", "bf": "2", "b": "4M"}
    whole = write_film(tmp_path / "w.ts", moving_images(48), codec="mpeg2video", options=options)
    path, folder = recording(tmp_path / "a.ts", whole, 3), tmp_path / "frames"
    source = opened(path)
    kept = sum(frame.time >= source.keys[0] for frame in decode.frames(source))
    assert 0 < kept < len(source.times)
    notes: list[str] = []
    arguments = (source, folder, conversion_of(seconds=0.4), "png", Shard(), False, lambda _: None)
    assert batch.to_frames(*arguments, note=notes.append) == kept
    numbers = [int(file.stem[-6:]) for file in sorted(folder.glob("*.png"))]
    assert numbers == list(range(len(source.times) + 1 - kept, len(source.times) + 1))
    assert batch.to_frames(*arguments, note=notes.append) == 0
    assert len(notes) == 2
    assert all(f"{len(source.times) - kept} of {len(source.times)}" in note for note in notes)
    next(folder.glob(f"a_{numbers[2]:06}.png")).unlink()
    assert 0 < batch.to_frames(*arguments) < kept
    _, _, told = convert(path, tmp_path / "b.mp4", conversion_of(seconds=0.4))
    assert told == notes[:1]
    # Another film in its place has no undecodable frames, so there is no further note.
    write_film(path, moving_images(24))
    again = (opened(path), *arguments[1:5], True, lambda _: None)
    assert batch.to_frames(*again, note=notes.append) == 24
    assert len(notes) == 2


def test_shards_write_the_frames_of_one_folder(tmp_path):
    """The second begins when the first has written its settings and one frame."""
    path = write_film(tmp_path / "a.mp4", moving_images(60))
    source, folder = opened(path), tmp_path / "frames"

    def share(shard, tell=lambda _: None):
        return batch.to_frames(source, folder, conversion_of(), "png", shard, False, tell)

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
        batch.to_frames(
            source, folder, conversion_of("bt2446a"), "png", Shard(1, 2), True, lambda _: None
        )


def test_frames_of_other_settings_are_never_kept(tmp_path):
    """Not even after a run with the new settings was killed once it had recorded them."""
    path = write_film(tmp_path / "a.mp4", moving_images(30))
    folder = tmp_path / "frames"

    def run(method, tell=lambda _: None):
        return batch.to_frames(
            opened(path), folder, conversion_of(method), "png", Shard(), True, tell
        )

    def dying(progress):
        raise KilledError

    run("bt2446c")
    before = (folder / "a_000030.png").read_bytes()
    with pytest.raises(KilledError):
        run("bt2446a", dying)
    assert run("bt2446a") == 30
    assert (folder / "a_000030.png").read_bytes() != before


def test_shards_that_start_together_share_a_folder_of_segments(tmp_path):
    place = segments.Folder(tmp_path / "b.mp4")

    def recipe(number):
        return {"version": "1", "film": {"size": number}, "method": "bt2446c"}

    place.path.mkdir()
    (place.path / ".0123456789abcdef.host-1.tmp.json").write_text(
        "{"
    )  # `film.json` as another process is writing it.
    assert not place.prepare(recipe(1), shared=True)
    assert not place.prepare(recipe(1), shared=True)
    with pytest.raises(ImageError, match="shares"):
        place.prepare(recipe(2), shared=True)
    place.file(segments.Segment(1, 0, None)).write_bytes(b"frames")
    assert place.prepare(recipe(2))
    assert not place.prepare(recipe(3)), "a run that ended before its first segment left none"


def test_a_folder_of_frames_becomes_a_film(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving_images(6))
    folder = tmp_path / "frames"
    folder.mkdir()
    import imageio.v3 as iio

    for index, picture in enumerate(moving_images(6)):
        iio.imwrite(folder / f"{index}.png", picture)
    source = opened(folder, Fraction(24))
    found = batch.to_file(
        source, tmp_path / "f.mp4", conversion_of(crf=1.0), Shard(), lambda _: None, lambda _: None
    )
    assert found is not None
    convert(path, tmp_path / "b.mp4", conversion_of(crf=1.0))
    pairs = zip(codes_of(tmp_path / "f.mp4"), codes_of(tmp_path / "b.mp4"), strict=True)
    assert max(np.abs(one - two).mean() for one, two in pairs) < 0.01
    assert shown_at(tmp_path / "f.mp4") == [Fraction(index, 24) for index in range(6)]


@pytest.mark.parametrize("text", ['{"mine": 1}', "[1]", "\xff"])
def test_a_foreign_file_is_never_overwritten(tmp_path, text):
    """Not even with `--overwrite`."""
    path = write_film(tmp_path / "a.mp4", moving_images(3))
    for folder in (tmp_path / "frames", tmp_path / "b.mp4.segments"):
        folder.mkdir()
        (folder / "film.json").write_text(text, encoding="latin-1")
    arguments = (opened(path), tmp_path / "frames", conversion_of(), "png", Shard(), True)
    with pytest.raises(ImageError, match=r"film\.json.*move"):
        batch.to_frames(*arguments, lambda _: None)
    with pytest.raises(ImageError, match=r"film\.json.*move"):
        convert(path, tmp_path / "b.mp4", conversion_of())
    for folder in (tmp_path / "frames", tmp_path / "b.mp4.segments"):
        assert [file.name for file in folder.iterdir()] == ["film.json"]
        assert (folder / "film.json").read_text(encoding="latin-1") == text


def test_other_files_among_the_segments_stay(tmp_path):
    path, result = write_film(tmp_path / "a.mp4", moving_images(30)), tmp_path / "b.mp4"
    convert(path, result, conversion_of(), Shard(1, 2))
    folder = tmp_path / "b.mp4.segments"
    (folder / "notes.txt").write_text("mine")
    convert(path, result, conversion_of("bt2446a"))
    assert result.is_file()
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]


def frames_of(path, folder, kind="png", overwrite=True, shard=Shard()):  # noqa: B008
    source = opened(path, Fraction(24))
    return batch.to_frames(source, folder, conversion_of(), kind, shard, overwrite, lambda _: None)


def test_new_frames_replace_all_those_of_the_run_before_and_no_others(tmp_path):
    """Those of a longer film, of another name and of another format; the recipe names them."""
    folder = tmp_path / "out"
    assert frames_of(write_film(tmp_path / "a.mp4", moving_images(6)), folder, overwrite=False) == 6
    foreign = ["a_000007.png", "a_1.png", "b_000001.tif", "a_0000001.png", "notes.txt"]
    for name in foreign:
        (folder / name).write_text("of the user")
    for path, kind, made in (
        (
            write_film(tmp_path / "a.mp4", moving_images(3)),
            "png",
            ["a_000001.png", "a_000002.png", "a_000003.png"],
        ),
        (write_film(tmp_path / "c.mp4", moving_images(2)), "png", ["c_000001.png", "c_000002.png"]),
        (tmp_path / "c.mp4", "exr", ["c_000001.exr", "c_000002.exr"]),
    ):
        before = sorted(file.name for file in folder.iterdir())
        for shard, overwrite in ((Shard(), False), (Shard(1, 2), True)):
            with pytest.raises(ImageError, match="other frames"):
                frames_of(path, folder, kind, overwrite, shard)
        assert sorted(file.name for file in folder.iterdir()) == before
        assert frames_of(path, folder, kind) == len(made)
        assert sorted(file.name for file in folder.iterdir()) == sorted(
            [*foreign, *made, "film.json"]
        )
    assert all((folder / name).read_text() == "of the user" for name in foreign)


@pytest.mark.parametrize("name", ["../a", 3, None])
def test_a_recipe_names_no_files_outside_its_folder(tmp_path, name):
    folder, outside = tmp_path / "out", tmp_path / "a_000001.png"
    assert frames_of(write_film(tmp_path / "b.mp4", moving_images(2)), folder) == 2
    outside.write_text("of the user")
    recipe = json.loads((folder / "film.json").read_text())
    (folder / "film.json").write_text(json.dumps({**recipe, "name": name}))
    assert frames_of(tmp_path / "b.mp4", folder) == 2
    assert outside.read_text() == "of the user"


def test_the_grades_of_a_film_are_looked_for_once_by_all_shares(tmp_path, bent, monkeypatch):
    path, settings = (
        write_film(tmp_path / "a.mp4", moving_images(24)),
        conversion_of("curves", params=bent),
    )
    convert(path, tmp_path / "whole.mp4", settings)
    batch.to_frames(
        opened(path), tmp_path / "whole", settings, "tiff", Shard(), False, lambda _: None
    )
    looked = []
    sampled = film_samples._sampled

    def counted(source, used):
        looked.append(source)
        return sampled(source, used)

    monkeypatch.setattr(film_samples, "_sampled", counted)
    for shard in (Shard(1, 2), Shard(2, 2)):
        convert(path, tmp_path / "b.mp4", settings, shard)
        batch.to_frames(
            opened(path), tmp_path / "b", settings, "tiff", shard, False, lambda _: None
        )
        assert len(looked) == 2  # One for each kind of result.
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    whole, shared = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
        for name in ("whole", "b")
    )
    assert shared == whole
    assert len(whole) == 25
    assert not (tmp_path / "b.mp4.segments").exists()


def test_what_was_found_of_another_film_is_not_taken(tmp_path):
    kept = film_samples.EvidenceFile(
        tmp_path / "grades.json", {"film": {"size": 1}, "weights": "a"}
    )
    assert kept.read() is None
    found = {5: np.array([0.1, 1e-9], np.float32), 2: np.array([1 / 3, 2e9], np.float32)}
    kept.write(found)
    np.testing.assert_equal(kept.read(), found)
    for change in ({"film": {"size": 2}}, {"weights": "b"}):
        assert dataclasses.replace(kept, recipe=kept.recipe | change).read() is None
    for damaged in ("", "[]", "{}", kept.path.read_text().replace("]]", "], []]")):
        kept.path.write_text(damaged)
        assert kept.read() is None
