"""Existing files at the place of a result: kept, recomputed, or left alone."""

import dataclasses
import functools
import os
import shutil

import numpy as np
import OpenEXR
import pytest
from PIL import Image

import hdrcnn
from hdrcnn import weights
from hdrcnn.batch import (
    choose,
    convert,
    plan,
    recipe,
)
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.job import Settings
from hdrcnn.batch.run import convert_all
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.writers import notes
from hdrcnn.writers.display import write_png
from hdrcnn.writers.exr import write_exr

LOAD = functools.cache(hdrcnn.load)


@pytest.fixture
def photos(tmp_path, picture):
    """A folder with one photograph, an hour old."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(picture).save(folder / "a.png")
    age(folder / "a.png", 3600)
    return folder


def age(path, seconds):
    """Make a file older by `seconds`."""
    before = path.stat().st_mtime_ns
    os.utime(path, ns=(before, before - int(seconds * 1e9)))


def run(photos, tiny_weights, **settings):
    """The outcomes of a whole run."""
    wanted = Settings(**settings)
    jobs = plan.plan([photos], photos.parent / "out", wanted.endings).jobs
    return list(convert_all(jobs, Networks(LOAD, tiny_weights), wanted))


def statuses(*arguments, **settings):
    return [outcome.status for outcome in run(*arguments, **settings)]


def test_a_result_is_kept_and_its_figures_with_it(photos, tiny_weights):
    (first,) = run(photos, tiny_weights, previews=True)
    before = {path: path.read_bytes() for path in (photos.parent / "out").iterdir()}
    assert len(before) == 4
    (again,) = run(photos, tiny_weights, previews=True)
    assert (first.status, again.status) == ("done", "kept")
    for name in ("width", "height", "saturated", "peak_before", "peak_after", "weights"):
        assert getattr(again, name) == getattr(first, name)
    assert {path: path.read_bytes() for path in (photos.parent / "out").iterdir()} == before


def test_nothing_is_loaded_for_kept_results(photos, tiny_weights):
    run(photos, tiny_weights)

    def load(path):
        raise AssertionError("a network was loaded")

    jobs = plan.plan([photos], photos.parent / "out").jobs
    (outcome,) = convert_all(jobs, Networks(load, tiny_weights), Settings())
    assert outcome.status == "kept"


@pytest.mark.parametrize(
    "settings",
    [{"gamma": 1.2}, {"scaling": 1.1}, {"camera_curve": "srgb"}, {"width": 40}, {"mask": True},
     {"max_stops": 1.0}, {"primaries": True}, {"resolution": "native"}, {"panorama": True},
     {"precision": "float32"}, {"previews": True}, {"sequence": True}],
    ids=str,
)  # fmt: skip
def test_other_settings_recompute_the_result(photos, tiny_weights, settings):
    assert statuses(photos, tiny_weights) == ["done"]
    assert statuses(photos, tiny_weights, **settings) == ["done"]
    assert statuses(photos, tiny_weights, **settings) == ["kept"]


def test_unneeded_previews_and_settings_that_change_no_pixel_do_not_matter(photos, tiny_weights):
    run(photos, tiny_weights, previews=True, exposure=-2.0)
    assert statuses(photos, tiny_weights) == ["kept"]
    assert statuses(photos, tiny_weights, max_megapixels=9.0) == ["kept"]
    assert statuses(photos, tiny_weights, previews=True, exposure=-2.0) == ["kept"]
    assert statuses(photos, tiny_weights, previews=True, exposure=-1.0) == ["done"]
    (photos.parent / "out" / "a_in.png").unlink()
    assert statuses(photos, tiny_weights, previews=True, exposure=-1.0) == ["done"]


def test_other_weights_and_another_version_recompute_the_result(
    photos, tiny_weights, tmp_path, monkeypatch
):
    run(photos, tiny_weights)
    other = tmp_path / "other.npz"
    arrays, metadata = weights.load(tiny_weights)
    arrays["fuse0/bias"] = arrays["fuse0/bias"] + 0.1
    weights.save(other, arrays, metadata)
    assert statuses(photos, other) == ["done"]
    shutil.copy(other, tmp_path / "same.npz")  # Contents count, not names.
    assert statuses(photos, tmp_path / "same.npz") == ["kept"]
    monkeypatch.setattr("hdrcnn._version.__version__", "99.0")
    assert statuses(photos, other) == ["done"]


def test_a_photograph_that_changed_is_converted_again(photos, tiny_weights, picture):
    run(photos, tiny_weights)
    Image.fromarray(picture[::-1]).save(photos / "a.png")
    os.utime(photos / "a.png")
    assert statuses(photos, tiny_weights) == ["done"]
    # Another photograph in its place that is older than the result, as after copying.
    Image.fromarray(picture[:30]).save(photos / "a.png")
    age(photos / "a.png", 7200)
    assert statuses(photos, tiny_weights) == ["done"]
    assert read_exr(photos.parent / "out" / "a.exr").shape == (30, 70, 3)
    # Its contents decide, whatever the modification times are.
    age(photos.parent / "out" / "a.exr", 90000)
    assert statuses(photos, tiny_weights) == ["kept"]
    age(photos / "a.png", -90000)
    assert statuses(photos, tiny_weights) == ["kept"]


def test_another_photograph_of_the_same_name_and_size_is_converted(photos, tiny_weights, picture):
    """As from a camera that restarts its numbering, with uncompressed files of equal size."""
    photos = photos.with_name("tiffs")
    photos.mkdir()
    for pixels, hour in ((picture, 1), (picture[::-1], 1), (picture, 2)):
        Image.fromarray(pixels).save(photos / "a.tif")
        os.utime(photos / "a.tif", (3600 * hour, 3600 * hour))  # Some programs keep the time.
        assert statuses(photos, tiny_weights) == ["done"]
    assert statuses(photos, tiny_weights) == ["kept"]


def test_a_photograph_that_changes_while_it_is_read_is_converted_again(
    photos, tiny_weights, picture, monkeypatch
):
    read = convert.read_photograph

    def changed_after(path, *rest):
        found = read(path, *rest)
        Image.fromarray(picture[::-1]).save(path)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(convert, "read_photograph", changed_after)
        assert statuses(photos, tiny_weights) == ["done"]
    assert statuses(photos, tiny_weights) == ["done"]
    assert statuses(photos, tiny_weights) == ["kept"]


def test_overwrite_recomputes_everything(photos, tiny_weights):
    run(photos, tiny_weights)
    age(photos.parent / "out" / "a.exr", 60)
    before = (photos.parent / "out" / "a.exr").stat().st_mtime_ns
    assert statuses(photos, tiny_weights, overwrite=True) == ["done"]
    assert (photos.parent / "out" / "a.exr").stat().st_mtime_ns > before


def test_foreign_files_are_left_alone(photos, tiny_weights):
    out = photos.parent / "out"
    out.mkdir()
    write_exr(out / "a.exr", np.ones((2, 2, 3), np.float32))
    before = (out / "a.exr").read_bytes()
    (outcome,) = run(photos, tiny_weights)
    assert outcome.error.startswith(f"{out / 'a.exr'}: ")
    assert "--overwrite" in outcome.error
    assert (out / "a.exr").read_bytes() == before
    assert statuses(photos, tiny_weights, overwrite=True) == ["done"]
    write_png(out / "a_out.png", np.zeros((2, 2, 3), np.uint8))
    (outcome,) = run(photos, tiny_weights, previews=True)
    assert "a_out.png: not made by this tool" in str(outcome.error)
    assert statuses(photos, tiny_weights) == ["kept"]


def test_the_result_of_another_photograph_or_command_is_left_alone(photos, tiny_weights, picture):
    run(photos, tiny_weights)
    result = photos.parent / "out" / "a.exr"
    before = result.read_bytes()
    other = photos.parent / "other"
    other.mkdir()
    Image.fromarray(picture[::-1]).save(other / "a.png")
    Image.fromarray(picture[::-1]).save(photos / "a.bmp")
    own = recipe.provenance_of(result)
    assert own is not None
    provenance = dataclasses.replace(own, settings={"command": "fuse"})
    for place, said in ((other, "folder"), (photos / "a.bmp", "a.png")):
        (job,) = plan.plan([place], result.parent).jobs
        with pytest.raises(ImageError, match=rf"a\.exr.*{said}.*--overwrite"):
            recipe.check_place(job, Settings())
        recipe.check_place(job, Settings(overwrite=True))
    (job,) = plan.plan([photos / "a.png"], result.parent).jobs
    recipe.check_place(job, Settings())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recipe, "provenance_of", lambda path: provenance)
        with pytest.raises(ImageError, match=r"a\.exr.*fuse"):
            recipe.check_place(job, Settings())
    (photos / "a.bmp").unlink()
    (outcome,) = run(other, tiny_weights)
    assert outcome.status == "failed"
    assert result.read_bytes() == before
    # An edited photograph, and one that was moved, do not count as another.
    shutil.move(photos / "a.png", photos.parent / "moved.png")
    Image.fromarray(picture[::-1]).save(photos / "a.png")
    assert statuses(photos, tiny_weights) == ["done"]
    (other / "a.png").unlink()
    shutil.copy(photos / "a.png", other / "a.png")
    assert statuses(other, tiny_weights) == ["kept"]
    (photos / "a.png").rename(photos / "renamed.png")
    (job,) = plan.plan([photos / "renamed.png"], result.parent).jobs
    recipe.check_place(dataclasses.replace(job, stem=result.parent / "a"), Settings())


def test_overwrite_replaces_foreign_results_but_never_photographs(photos, tiny_weights, picture):
    out = photos.parent / "out"
    out.mkdir()
    Image.fromarray(picture[::-1]).save(out / "a_hdr.jpg")
    before = (out / "a_hdr.jpg").read_bytes()
    (outcome,) = run(photos, tiny_weights, formats=("ultrahdr",), overwrite=True)
    assert "a_hdr.jpg: without the mark" in str(outcome.error)
    assert (out / "a_hdr.jpg").read_bytes() == before
    write_exr(out / "a.exr", np.ones((2, 2, 3), np.float32))
    assert statuses(photos, tiny_weights, overwrite=True) == ["done"]


@pytest.mark.parametrize("ending", [".exr", "_in.png", "_hdr.jpg", ".hdr"])
def test_a_truncated_result_is_recomputed(photos, tiny_weights, ending):
    """One byte may be missing, or nearly all."""
    wanted = {"previews": True, "formats": ("exr", "ultrahdr", "hdr")}
    assert statuses(photos, tiny_weights, **wanted) == ["done"]
    path = photos.parent / "out" / f"a{ending}"
    whole = path.read_bytes()
    for length in (len(whole) - 1, 2000 if ending != "_in.png" else 100):
        path.write_bytes(whole[:length])
        assert statuses(photos, tiny_weights, **wanted) == ["done"]
        assert path.read_bytes() == whole
    assert statuses(photos, tiny_weights, **wanted) == ["kept"]


def test_a_result_that_the_report_cannot_read_is_recomputed(photos, tiny_weights):
    """Its end is intact, but there is damage before it."""
    assert statuses(photos, tiny_weights, report_bytes=50000) == ["done"]
    path = photos.parent / "out" / "a.exr"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3000] + bytes(1000) + whole[-2000:])
    assert statuses(photos, tiny_weights, report_bytes=50000) == ["done"]
    assert path.read_bytes() == whole


NOTES = {
    "weights": "0" * 64,
    "version": "1",
    "settings": '{"gamma":1.0}',
    "source": '{"bytes":1,"changed":0,"height":2,"lossy":false,"modified":0,"name":"a",'
    '"panorama":false,"sha256":"","width":3}',
    "figures": '{"curve":{"n":0.9,"s":0.6},"height":2,"peak_after":2.0,"peak_before":1.0,'
    '"saturated":0.5,"width":3}',
}


@pytest.mark.parametrize(
    ("part", "before", "after"),
    [
        ("figures", '"peak_before":1.0', '"peak_before":"x"'),
        ("figures", '"peak_before":1.0', '"peak_before":NaN'),
        ("figures", '"peak_before":1.0', '"peak_before":1e999'),
        ("figures", '"peak_before":1.0,', ""),
        ("figures", '"width":3', '"width":true'),
        ("figures", '"n":0.9', '"n":"0.9"'),
        ("figures", '"n":0.9', '"m":0.9'),
        ("figures", '{"n":0.9,"s":0.6}', '"kodachrome"'),
        ("figures", '{"n":0.9,"s":0.6}', "[1]"),
        ("source", '"width":3', '"width":"3"'),
        ("source", '"bytes":1', '"bytes":[]'),
        ("source", '"bytes":1,', ""),
        ("source", '"name":"a"', '"name":null'),
        ("settings", "1.0", "Infinity"),
        ("settings", '{"gamma":1.0}', "[" * 100000),
    ],
)
def test_a_file_with_invalid_notes_counts_as_foreign(tmp_path, part, before, after):
    path = tmp_path / "a_hdr.png"
    path.write_bytes(notes.line(NOTES))
    provenance = recipe.provenance_of(path)
    assert provenance is not None
    assert provenance.figures["peak_before"] == 1.0
    assert before in NOTES[part]
    path.write_bytes(notes.line(NOTES | {part: NOTES[part].replace(before, after)}))
    assert recipe.provenance_of(path) is None


@pytest.mark.parametrize("content", [b"no EXR at all", b"\x76\x2f\x31\x01\x02\0\0\0 cut off"])
def test_an_unreadable_file_counts_as_foreign(photos, tiny_weights, content):
    out = photos.parent / "out"
    out.mkdir()
    (out / "a.exr").write_bytes(content)
    assert statuses(photos, tiny_weights) == ["failed"]
    assert (out / "a.exr").read_bytes() == content


def test_an_empty_file_is_replaced_and_a_folder_is_not(photos, tiny_weights):
    out = photos.parent / "out"
    out.mkdir()
    (out / "a.exr").touch()
    assert statuses(photos, tiny_weights) == ["done"]
    (out / "a.exr").unlink()
    (out / "a.exr").mkdir()
    for overwrite in (False, True):
        (outcome,) = run(photos, tiny_weights, overwrite=overwrite)
        assert "a.exr: " in str(outcome.error)
    assert (out / "a.exr").is_dir()


def test_the_header_records_how_the_result_was_made(photos, tiny_weights):
    run(photos, tiny_weights, gamma=1.25)
    provenance = recipe.provenance_of(photos.parent / "out" / "a.exr")
    assert provenance is not None
    assert provenance.version == hdrcnn.__version__
    assert provenance.weights == choose.sha256(tiny_weights)
    assert provenance.settings == Settings(gamma=1.25).record()
    stat = (photos / "a.png").stat()
    source = provenance.source
    assert (source.name, source.bytes, source.modified) == ("a.png", stat.st_size, stat.st_mtime_ns)
    assert (source.width, source.height, source.lossy) == (70, 45, False)
    with OpenEXR.File(str(photos.parent / "out" / "a.exr"), header_only=True) as file:
        text = file.header()["hdrcnn:settings"]
    assert text.startswith('{"camera_curve":null,"gain_map":"use","gamma":1.25,')


def test_a_result_without_a_recorded_curve_is_recomputed(photos, tiny_weights, monkeypatch):
    write = recipe.Provenance.notes

    def without_curve(provenance):
        figures = {name: value for name, value in provenance.figures.items() if name != "curve"}
        return write(dataclasses.replace(provenance, figures=figures))

    monkeypatch.setattr(recipe.Provenance, "notes", without_curve)
    assert statuses(photos, tiny_weights) == ["done"]
    assert statuses(photos, tiny_weights) == ["done"]
