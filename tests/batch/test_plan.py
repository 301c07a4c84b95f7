"""Which files are converted, in which order, to which names."""

import glob
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from hdrcnn.batch.plan import Job, _matches, name_outputs, plan
from hdrcnn.files import ImageError, natural_key
from hdrcnn.readers.folders import may_be_picture


@pytest.fixture
def photos(tmp_path):
    """Return a function that creates empty files in a folder `photos` and returns the folder."""
    root = tmp_path / "photos"
    root.mkdir()

    def make(*names):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return root

    return make


def pairs(places, out_dir, *endings):
    """Planned jobs as pairs: name of the source, path of the output below `out_dir`."""
    found = plan([places] if isinstance(places, Path) else places, out_dir, endings or (".exr",))
    assert found.faults == ()
    return [
        (job.source.name, job.output(".exr").relative_to(out_dir).as_posix()) for job in found.jobs
    ]


def test_natural_order():
    names = ["Frame_1.png", "frame_2.png", "frame_02b.png", "frame_10.png", "frame_100.png",
             "g.png", "é.png"]  # fmt: skip
    shuffled = names[:]
    random.Random(1).shuffle(shuffled)  # noqa: S311
    assert sorted(shuffled, key=natural_key) == names


@given(st.lists(st.text(), max_size=8), st.randoms(use_true_random=False))
def test_natural_order_is_total_and_the_same_every_time(names, chance):
    once = sorted(names, key=natural_key)
    chance.shuffle(names)
    assert once == sorted(names, key=natural_key)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_numbers_are_ordered_by_value(first, second):
    in_order = natural_key(f"a{first}.png") < natural_key(f"a{second}.png")
    assert in_order == (first < second)


def test_the_tree_is_mirrored_in_natural_order(photos, tmp_path):
    root = photos("2020/b10.jpg", "2020/b9.HEIC", "z.png", "a.tif", "2019/Ünï cødé 写真.webp")
    assert pairs(root, tmp_path / "out") == [
        ("a.tif", "a.exr"),
        ("z.png", "z.exr"),
        ("Ünï cødé 写真.webp", "2019/Ünï cødé 写真.exr"),
        ("b9.HEIC", "2020/b9.exr"),
        ("b10.jpg", "2020/b10.exr"),
    ]


def test_extensions_decide_what_is_skipped(photos, tmp_path):
    root = photos(
        "a.JPG", "b.PnG", "no_ending", "raw.CR2", "c.jxl", "notes.txt", "film.mp4", "done.exr",
        "side.xmp", "Thumbs.db", ".hidden.jpg", ".folder/a.jpg", "._a.jpg", "README", "Makefile",
        "_SUCCESS",
    )  # fmt: skip
    Image.new("RGB", (2, 2)).save(root / "no_ending", "PNG")
    (root / "README").write_text("Photographs of 2019")
    (root / "pipe").symlink_to("/dev/zero")
    found = [job.source.name for job in plan([root], tmp_path / "out").jobs]
    assert found == ["a.JPG", "b.PnG", "c.jxl", "no_ending", "raw.CR2"]
    assert may_be_picture(root / "a.b.JPEG")
    assert not may_be_picture(root / "a.jpg.txt")


def test_recycle_bins_and_thumbnail_folders_are_entered_only_if_named(photos, tmp_path):
    root = photos(
        "photo.jpg", "@eaDir/photo.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/old.jpg",
        "$RECYCLE.BIN/old2.jpg", "a/@Recycle/b.jpg", "a/lost+found/c.jpg", "#1/first.jpg",
    )  # fmt: skip
    wanted = [("photo.jpg", "photo.exr"), ("first.jpg", "#1/first.exr")]
    assert pairs(root, tmp_path / "out") == wanted
    assert pairs([f"{root}/**/*.jpg"], tmp_path / "out") == wanted[::-1]
    assert pairs([f"{root}/*/*.jpg"], tmp_path / "out") == wanted[1:]
    assert pairs([f"{root}/#*/*.jpg"], tmp_path / "out") == [
        ("first.jpg", "#1/first.exr"),
        ("old.jpg", "#recycle/old.exr"),
    ]
    assert pairs(root / "#recycle", tmp_path / "out") == [("old.jpg", "old.exr")]


def test_a_file_that_is_named_is_never_skipped(photos, tmp_path):
    root = photos("notes.txt", ".hidden.jpg")
    assert pairs([root / "notes.txt", root / ".hidden.jpg"], tmp_path / "out") == [
        ("notes.txt", "notes.exr"),
        (".hidden.jpg", ".hidden.exr"),
    ]


def test_sources_that_share_a_stem_keep_their_extensions(photos, tmp_path):
    root = photos("a.jpg", "a.png", "b.jpg", "other/a.jpg")
    assert pairs(root, tmp_path / "out") == [
        ("a.jpg", "a.jpg.exr"),
        ("a.png", "a.png.exr"),
        ("b.jpg", "b.exr"),
        ("a.jpg", "other/a.exr"),
    ]


def test_kept_extensions_do_not_collide_with_other_names(photos, tmp_path):
    root = photos("a.jpg", "a.png", "a.jpg.tif", "b.2024.01.jpg", "B.2024.01.png")
    assert pairs(root, tmp_path / "out") == [
        ("a.jpg", "a.jpg.exr"),
        ("a.jpg.tif", "a.jpg.tif.exr"),
        ("a.png", "a.png.exr"),
        ("b.2024.01.jpg", "b.2024.01.jpg.exr"),
        ("B.2024.01.png", "B.2024.01.png.exr"),
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.from_regex(r"[aAb](\.(jpg|png|exr))?(_in)?(\.(jpg|png|tif))", fullmatch=True),
        unique_by=str.casefold,
        max_size=9,
    ),
    st.sampled_from([(".exr",), (".exr", "_in.png", "_out.png")]),
)
def test_outputs_never_collide_even_if_case_is_ignored(names, endings):
    mirrored = [Path("out", name) for name in names]
    stems = name_outputs(mirrored, endings)
    outputs = [
        str(Job(source, stem).output(ending)).casefold()
        for source, stem in zip(mirrored, stems, strict=True)
        for ending in endings
    ]
    shared = {path.stem.casefold() for path in mirrored}
    if len(shared) == len(mirrored) and len(endings) == 1:
        assert [stem.name for stem in stems] == [path.stem for path in mirrored]
    assert len(set(outputs)) == len(outputs)
    assert name_outputs(mirrored[::-1], endings)[::-1] == stems


def test_several_places_are_mirrored_from_their_common_folder(photos, tmp_path):
    root = photos("a/1.jpg", "b/1.jpg", "b/deep/2.jpg")
    assert pairs([root / "a", root / "b"], tmp_path / "out") == [
        ("1.jpg", "a/1.exr"),
        ("1.jpg", "b/1.exr"),
        ("2.jpg", "b/deep/2.exr"),
    ]
    assert pairs([root / "b/1.jpg", root / "a/1.jpg"], tmp_path / "out") == [
        ("1.jpg", "b/1.exr"),
        ("1.jpg", "a/1.exr"),
    ]
    assert pairs([root / "b" / "1.jpg"], tmp_path / "out") == [("1.jpg", "1.exr")]


def test_patterns(photos, tmp_path):
    root = photos("a/10.jpg", "a/9.jpg", "b/1.jpg", "b/1.txt", "b/c/3.jpg", "odd[1].jpg")
    assert pairs([f"{root}/*/*.jpg"], tmp_path / "out") == [
        ("9.jpg", "a/9.exr"),
        ("10.jpg", "a/10.exr"),
        ("1.jpg", "b/1.exr"),
    ]
    assert len(pairs([f"{root}/**/*.jpg"], tmp_path / "out")) == 5
    assert pairs([f"{root}/b*"], tmp_path / "out") == [("1.jpg", "b/1.exr"), ("3.jpg", "b/c/3.exr")]
    assert pairs([f"{root}/odd[1].jpg"], tmp_path / "out") == [("odd[1].jpg", "odd[1].exr")]
    with pytest.raises(ImageError, match=r"\*\.gif: "):
        plan([f"{root}/*.gif"], tmp_path / "out")


def test_a_file_that_is_reached_twice_is_converted_once(photos, tmp_path):
    root = photos("a/1.jpg", "a/2.jpg")
    (root / "again").symlink_to(root / "a", target_is_directory=True)
    (root / "a" / "3.jpg").symlink_to(root / "a" / "1.jpg")
    places = [root, root / "a", root / "a" / "1.jpg", f"{root}/a/*.jpg", root / "a" / ".." / "a"]
    assert [name for name, _ in pairs(places, tmp_path / "out")] == ["1.jpg", "2.jpg"]


def test_cyclic_links_end(photos, tmp_path):
    root = photos("a/1.jpg", "a/b/2.jpg")
    (root / "a" / "b" / "up").symlink_to(root, target_is_directory=True)
    (root / "self").symlink_to(root / "self")
    (root / "round.jpg").symlink_to(root / "round.jpg")
    found = [job.source.name for job in plan([root], tmp_path / "out").jobs]
    assert found == ["round.jpg", "1.jpg", "2.jpg"]


def test_patterns_over_cyclic_links_end(photos, tmp_path):
    """The cycles lead to each file under as many as 2**40 names."""
    root = photos("a/1.jpg", "a/b/2.jpg", "3.jpg")
    for name in ("one", "two"):
        (root / "a" / name).symlink_to(root / "a", target_is_directory=True)
        (root / name).symlink_to(".", target_is_directory=True)
    wanted = [("3.jpg", "3.exr"), ("1.jpg", "a/1.exr"), ("2.jpg", "a/b/2.exr")]
    assert pairs([f"{root}/**/*.jpg"], tmp_path / "out") == wanted
    assert pairs([f"{root}/**/**/*.jpg"], tmp_path / "out") == wanted
    assert sorted(pairs([f"{root}/**"], tmp_path / "out")) == sorted(wanted)


@pytest.mark.parametrize(
    "pattern",
    ["*", "**", "**/*", "*/*.jpg", "**/*.jpg", "a/**/*.jpg", "**/b/*", "?/[!1].*", "**/b/**",
     "*/../*.jpg", ".*", "**/.h/*", "nothing/*"],
)  # fmt: skip
def test_patterns_match_as_in_python(photos, tmp_path, pattern):
    root = photos(
        "1.jpg", "a/2.jpg", "a/b/3.jpg", "a/b/c/4.jpg", "b/5.jpg", ".h/6.jpg", ".7.jpg", "a/.8.jpg"
    )
    meant = {Path(found) for found in glob.glob(f"{root}/{pattern}", recursive=True)}  # noqa: PTH207
    assert set(_matches(f"{root}/{pattern}", [])) == meant


def test_results_inside_the_sources_are_not_read_again(photos):
    root = photos("a.jpg", "out/a_in.png", "out/deep/b.png", "z/c.jpg")
    expected = [("a.jpg", "a.exr"), ("c.jpg", "z/c.exr")]
    assert pairs(root, root / "out") == expected
    assert pairs([f"{root}/**"], root / "out") == expected
    (root / "link").symlink_to(root / "out", target_is_directory=True)
    assert pairs(root, root / "out") == expected
    assert pairs(root, root / "link") == expected


def test_results_beside_the_sources_never_overwrite_them(photos):
    root = photos("a.jpg", "b.jpg", "b_in.png")
    found = plan([root], root, (".exr", "_in.png", "_out.png"))
    assert [job.source.name for job in found.jobs] == ["a.jpg", "b_in.png"]
    (fault,) = found.faults
    assert fault.startswith(f"{root / 'b_in.png'}: ")
    assert "--out_dir" in fault
    (root / "odd.exr").touch()
    with pytest.raises(ImageError, match="overwrite"):
        plan([root / "odd.exr"], root)


def test_missing_places_are_reported_and_the_rest_is_planned(photos, tmp_path):
    root = photos("a/1.jpg", "empty/notes.txt")
    found = plan([root / "gone", root / "a", f"{root}/*.webp", root / "empty"], tmp_path / "out")
    assert [job.source.name for job in found.jobs] == ["1.jpg"]
    places = [str(root / "gone"), f"{root}/*.webp", str(root / "empty")]
    assert [fault.split(": ")[0] for fault in found.faults] == places
    assert not any("\n" in fault for fault in found.faults)
    for places in ([], [root / "gone"], [root / "empty"]):
        with pytest.raises(ImageError):
            plan(places, tmp_path / "out")
    with pytest.raises(ImageError, match=r"gone: .*; .*lost: "):
        plan([root / "gone", root / "lost"], tmp_path / "out")


def test_a_folder_of_results_alone_is_reported_as_such(photos, tmp_path):
    root = photos("a_0.png", "a_1.png")
    with pytest.raises(ImageError, match="results") as raised:
        plan([root], tmp_path, is_result=lambda path: True)
    assert "no pictures" not in str(raised.value)
    assert str(root) in str(raised.value)
    with pytest.raises(ImageError, match="no pictures"):
        plan([photos("b/notes.txt") / "b"], tmp_path, is_result=lambda path: True)


def test_an_invalid_place_is_reported_and_the_rest_is_planned(photos, tmp_path):
    root = photos("a/1.jpg")
    found = plan([root / "a", root / ("long" * 100)], tmp_path / "out")
    assert [job.source.name for job in found.jobs] == ["1.jpg"]
    (fault,) = found.faults
    assert "File name too long" in fault


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root lists all")
def test_a_folder_that_cannot_be_listed_is_reported(photos, tmp_path):
    root = photos("a/1.jpg", "b/2.jpg")
    (root / "a").chmod(0)
    found = plan([root], tmp_path / "out")
    (root / "a").chmod(0o700)
    assert [job.source.name for job in found.jobs] == ["2.jpg"]
    assert "a: " in found.faults[0]


def test_a_file_takes_precedence_over_a_link_to_it(photos, tmp_path):
    root = photos("orig/z.png", "real/x.png")
    (root / "album").mkdir()
    (root / "album" / "best.png").symlink_to(root / "orig" / "z.png")
    (root / "aaa").symlink_to(root / "real")
    assert {output for _, output in pairs(root, tmp_path / "out")} == {"orig/z.exr", "real/x.exr"}
    alone = root / "album" / "best.png"
    assert pairs([str(alone)], tmp_path / "out") == [("best.png", "best.exr")]
