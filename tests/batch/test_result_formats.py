"""Results in formats other than OpenEXR: written, kept, shown in the report."""

import functools
import json
import os
import re
import warnings

import numpy as np
import pytest
from PIL import Image

import hdrcnn
from hdrcnn.batch import plan, recipe
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.job import Settings
from hdrcnn.batch.run import convert_all
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_exr, read_radiance
from hdrcnn.review.page import Collected, bytes_for
from hdrcnn.writers import WRITERS, Options, notes
from tests.readers.pictures import by_pillow, chunk, png

LOAD = functools.cache(hdrcnn.load)
PLAIN = ("exr", "hdr", "ultrahdr", "png")
"""Formats that need no optional package."""


@pytest.fixture
def photos(tmp_path, picture):
    """A folder with one JPEG, an hour old."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(picture).save(folder / "a.jpg", quality=95)
    os.utime(folder / "a.jpg", (1_600_000_000, 1_600_000_000))
    return folder


def run(photos, tiny_weights, out=None, **settings):
    """The outcomes of a whole run."""
    wanted = Settings(**settings)
    planned = plan.plan([photos], out or photos.parent / "out", wanted.endings, recipe.is_result)
    return list(convert_all(planned.jobs, Networks(LOAD, tiny_weights), wanted))


def statuses(*arguments, **settings):
    return [outcome.status for outcome in run(*arguments, **settings)]


def test_all_requested_files_exist_and_record_the_same_settings(photos, tiny_weights):
    assert statuses(photos, tiny_weights, formats=PLAIN, previews=True) == ["done"]
    out = photos.parent / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "a.exr", "a.hdr", "a_hdr.jpg", "a_hdr.png", "a_in.png", "a_out.png", "a_strip.png",
    ]  # fmt: skip
    provenances = [recipe.provenance_of(out / f"a{WRITERS[name].ending}") for name in PLAIN]
    assert None not in provenances
    assert len({provenance.weights for provenance in provenances if provenance}) == 1
    told = notes.read(out / "a_hdr.jpg") or {}
    assert json.loads(told["figures"])["curve"] == "mean_curve"
    light = read_exr(out / "a.exr")
    shared = read_radiance(out / "a.hdr")
    assert (np.abs(light - shared) <= light.max(axis=-1, keepdims=True) / 255).all()
    with Image.open(out / "a_hdr.jpg") as base, Image.open(photos / "a.jpg") as own:
        np.testing.assert_array_equal(np.asarray(base), np.asarray(own))
    assert statuses(photos, tiny_weights, formats=PLAIN, previews=True) == ["kept"]
    assert statuses(photos, tiny_weights, formats=("hdr",)) == ["kept"]


@pytest.mark.parametrize(
    ("name", "package"), [("jxl", "imagecodecs"), ("avif", "imagecodecs")], ids=["jxl", "avif"]
)
def test_optional_formats_record_their_settings_too(photos, tiny_weights, name, package):
    pytest.importorskip(package, minversion="2025.11.11")
    assert statuses(photos, tiny_weights, formats=(name,)) == ["done"]
    assert statuses(photos, tiny_weights, formats=(name,)) == ["kept"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_format_alone_is_kept_by_its_own_notes(photos, tiny_weights, name):
    assert statuses(photos, tiny_weights, formats=(name,)) == ["done"]
    assert statuses(photos, tiny_weights, formats=(name,)) == ["kept"]
    other = Options(nits=100.0)
    assert statuses(photos, tiny_weights, formats=(name,), options=other) == ["done"]


def test_files_of_two_runs_are_not_taken_for_one_result(photos, tiny_weights):
    both = ("exr", "hdr")
    run(photos, tiny_weights, formats=both)
    # As left by a run with other settings that was killed between its files.
    run(photos, tiny_weights, formats=("hdr",), gamma=1.3)
    assert statuses(photos, tiny_weights, formats=both) == ["done"]
    assert statuses(photos, tiny_weights, formats=both) == ["kept"]


def test_previews_of_a_run_that_was_killed_before_its_light_are_recomputed(photos, tiny_weights):
    settings = {"previews": True, "gamma": 1.0}
    run(photos, tiny_weights, **settings)
    light = (photos.parent / "out" / "a.exr").read_bytes()
    run(photos, tiny_weights, **{**settings, "gamma": 1.5})
    (photos.parent / "out" / "a.exr").write_bytes(light)
    assert statuses(photos, tiny_weights, gamma=1.0) == ["kept"]  # No previews are requested.
    assert statuses(photos, tiny_weights, **settings) == ["done"]
    os.utime(photos / "a.jpg")  # A new modification time alone makes no new photograph.
    assert statuses(photos, tiny_weights, **settings) == ["kept"]


@pytest.mark.parametrize("side", [10000, 20000])
def test_large_previews_are_distinguished_from_foreign_files(tmp_path, side):
    """Of sizes at which Pillow warns, and which it refuses."""
    text = chunk(b"tEXt", b"Software\0hdrcnn 0.1.0 0123")
    for name, chunks in (("own.png", (text,)), ("other.png", ())):
        (tmp_path / name).write_bytes(png(side, side, 8, 2, b"", *chunks))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert recipe.made_here(tmp_path / "own.png")
        assert not recipe.made_here(tmp_path / "other.png")
    (tmp_path / "other.png").write_bytes(by_pillow("GIF", Image.new("L", (3, 3))))
    assert not recipe.made_here(tmp_path / "other.png")


def test_results_beside_their_photographs_are_not_converted(photos, tiny_weights):
    everything = {"formats": PLAIN, "previews": True}
    assert statuses(photos, tiny_weights, photos, **everything) == ["done"]
    assert statuses(photos, tiny_weights, photos, **everything) == ["kept"]
    Image.new("RGB", (40, 30)).save(photos / "holiday_hdr.jpg")  # A photograph with a similar name.
    assert statuses(photos, tiny_weights, photos, **everything) == ["kept", "done"]


def test_exr_float_keeps_32_bits(photos, tiny_weights):
    run(photos, tiny_weights, options=Options(exr_float=True))
    light = read_exr(photos.parent / "out" / "a.exr")
    assert (light != light.astype(np.float16).astype(np.float32)).any()


def test_the_report_shows_new_and_kept_results_alike(photos, tiny_weights, picture):
    Image.fromarray(picture[:, ::-1]).save(photos / "b.png")
    out = photos.parent / "out"
    pages = []
    for status in ("done", "kept"):
        outcomes = run(photos, tiny_weights, formats=("exr", "hdr"), report_bytes=bytes_for(2))
        assert [outcome.status for outcome in outcomes] == [status, status]
        collected = Collected(out, len(outcomes))
        for outcome in outcomes:
            collected.add(outcome.entry, outcome.job.stem.parent)
        assert collected.write() == str(out / "report.html")
        pages.append((out / "report.html").read_text())
    for page in pages:
        assert re.findall(r'data-name="([^"]*)"', page) == ["a.jpg", "b.png"]
        assert re.findall(r'href="([^":]*)"', page) == ["a.exr", "a.hdr", "b.exr", "b.hdr"]
    new, kept = (re.findall(r'data-(?:stops|share)="([^"]*)"', page) for page in pages)
    np.testing.assert_allclose(np.array(new, float), np.array(kept, float), atol=2e-3)


def test_a_report_recomputes_results_without_openexr(photos, tiny_weights):
    wanted = {"formats": ("hdr",), "report_bytes": bytes_for(1)}
    assert statuses(photos, tiny_weights, **wanted) == ["done"]
    assert statuses(photos, tiny_weights, **wanted) == ["done"]


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="formats"):
        Settings(formats=("gif",))
    with pytest.raises(ValueError, match="formats"):
        Settings(formats=())


def test_a_foreign_report_is_left_alone(tmp_path):
    page = tmp_path / "report.html"
    collected = Collected(tmp_path, 1)
    collected.check_place()
    collected.write()
    collected.check_place()
    page.write_text("<!doctype html><title>mine</title>")
    with pytest.raises(ImageError, match=r"report\.html: .*--overwrite"):
        collected.check_place()
    page.unlink()
    page.mkdir()
    with pytest.raises(ImageError, match=r"report\.html: .*--overwrite"):
        collected.check_place()
