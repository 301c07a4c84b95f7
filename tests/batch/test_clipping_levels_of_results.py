"""The clipping level of a photograph: it scales the result, is reported, recorded and compared, and
is shared by the frames of a film.
"""

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

import hdrcnn
from hdrcnn.batch import plan, recipe
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.job import SequenceStates
from hdrcnn.batch.run import Settings, convert_all, settle
from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.readers.hdr import read_exr
from hdrcnn.review.exposure_strip import measured
from hdrcnn.writers import WRITERS, Picture
from hdrcnn.writers.picture import shown

LOAD = functools.cache(hdrcnn.load)
FORMATS = ("exr", "hdr", "ultrahdr", "png")


@pytest.fixture
def lowered(picture):
    """The picture with its disc at 240."""
    return np.minimum(picture, 240)


def run(folder, weights, **asked):
    wanted = Settings(**asked)
    jobs = plan.plan([folder / "in"], folder / "out", wanted.endings).jobs
    networks = Networks(LOAD, weights, wanted.sequence)
    return list(convert_all(jobs, networks, wanted))


def save(folder, name, codes):
    (folder / "in").mkdir(exist_ok=True)
    Image.fromarray(codes).save(folder / "in" / name)


def test_the_result_is_that_of_the_codes_divided_by_the_level(tiny_weights, lowered):
    predictor = LOAD(tiny_weights)
    whole = np.minimum(lowered.astype(np.float32) * np.float32(1 / (240 / 255)) / 255, 1)
    expected = predictor.reconstruct(whole, scaling=1.0)
    np.testing.assert_allclose(predictor.reconstruct(lowered), expected, rtol=1e-5)
    per_channel = predictor.reconstruct(lowered, scaling=(255 / 240,) * 3)
    np.testing.assert_allclose(per_channel, expected, rtol=1e-5)
    plain = predictor.reconstruct(lowered, scaling=1.0)
    disc = lowered.max(axis=-1) == 240
    assert (plain[disc] < 1.0).all()
    assert (expected[disc] >= 1.0).all()


@pytest.mark.parametrize("scaling", ["often", (1.0, 2.0), (1.0, 0.0, 1.0), np.nan])
def test_an_invalid_scaling_is_refused(tiny_weights, picture, scaling):
    with pytest.raises(ValueError, match="scaling"):
        LOAD(tiny_weights).reconstruct(picture, scaling=scaling)


def test_transparent_pixels_do_not_count_in_library_and_command(tmp_path, tiny_weights, lowered):
    """Both give the same light. The transparent pixels are white."""
    alpha = np.full(lowered.shape[:2], 255, np.uint8)
    alpha[:8], lowered[:8] = 0, 255
    save(tmp_path, "a.png", np.dstack([lowered, alpha]))
    (outcome,) = run(tmp_path, tiny_weights)
    assert outcome.clipping_levels == [240 / 255] * 3
    photo = hdrcnn.read_photograph(tmp_path / "in" / "a.png")
    hdr = LOAD(tiny_weights).reconstruct(photo.code, alpha=photo.alpha)
    assert photo.alpha is not None
    associated = hdr * photo.alpha[..., None]
    np.testing.assert_allclose(read_exr(tmp_path / "out" / "a.exr"), associated, rtol=1e-3)
    with pytest.raises(ValueError, match="alpha"):
        LOAD(tiny_weights).reconstruct(photo.code, alpha=photo.alpha[1:])


def test_the_level_is_reported_and_recorded_in_every_file(tmp_path, tiny_weights, lowered):
    save(tmp_path, "a.png", lowered)
    (outcome,) = run(tmp_path, tiny_weights, formats=FORMATS)
    assert "clips at 240" in outcome.line(".exr")
    assert outcome.saturated == pytest.approx((lowered.max(axis=-1) > 0.95 * 240).mean())
    assert outcome.peak_before == pytest.approx(1.0)
    for name in FORMATS:
        provenance = recipe.provenance_of(tmp_path / "out" / f"a{WRITERS[name].ending}")
        assert provenance is not None
        assert provenance.figures["clipping_levels"] == [240 / 255] * 3


def test_clipping_at_the_largest_code_is_not_reported(tmp_path, tiny_weights, picture):
    save(tmp_path, "a.png", picture)
    (outcome,) = run(tmp_path, tiny_weights)
    assert "clips at" not in outcome.line(".exr")
    provenance = recipe.provenance_of(tmp_path / "out" / "a.exr")
    assert provenance is not None
    assert provenance.figures["clipping_levels"] == [1.0] * 3


def test_a_number_replaces_the_estimate_and_recomputes_the_result(tmp_path, tiny_weights, lowered):
    save(tmp_path, "a.png", lowered)
    assert [one.status for one in run(tmp_path, tiny_weights)] == ["done"]
    assert [one.status for one in run(tmp_path, tiny_weights)] == ["kept"]
    (plain,) = run(tmp_path, tiny_weights, scaling=1.0)
    assert (plain.status, plain.saturated) == ("done", 0.0)
    assert plain.stops_gained == pytest.approx(0.0, abs=1e-3)  # Half floats are rounded.
    assert "clips at" not in plain.line(".exr")
    (scaled,) = run(tmp_path, tiny_weights, scaling=1.1)
    assert scaled.peak_before == pytest.approx(1.0)


@pytest.mark.parametrize("levels", [None, [0.5, 0.5], [1.0, "x", 1.0], [2.0, 1.0, 1.0]])
def test_records_without_levels_are_recomputed(tmp_path, tiny_weights, lowered, levels):
    """Such records stem from an earlier version, or from other programs."""
    save(tmp_path, "a.png", lowered)
    run(tmp_path, tiny_weights)
    path = tmp_path / "out" / "a.exr"
    with OpenEXR.File(str(path)) as file:
        header = dict(file.header())
        figures = json.loads(header["hdrcnn:figures"])
        del figures["clipping_levels"]
        if levels is not None:
            figures["clipping_levels"] = levels
        header["hdrcnn:figures"] = recipe.canonical(figures)
        pixels = {name: channel.pixels for name, channel in file.channels().items()}
        OpenEXR.File(header, pixels).write(str(path))
    (again,) = run(tmp_path, tiny_weights)
    assert (again.status, again.error) == ("done", None)
    assert again.clipping_levels == [240 / 255] * 3


def test_a_film_has_the_level_of_its_first_frame(tmp_path, tiny_weights, picture, lowered):
    """The first frame is read in this run, kept from an earlier one, or changed in between."""
    for name, codes in (("1.png", lowered), ("2.png", picture), ("3.png", picture // 2)):
        save(tmp_path, name, codes)
    for expected in ("done", "kept"):
        outcomes = run(tmp_path, tiny_weights, sequence=True)
        assert [one.status for one in outcomes] == [expected] * 3
        assert {tuple(one.clipping_levels) for one in outcomes} == {(240 / 255,) * 3}
    save(tmp_path, "4.png", picture)
    outcomes = run(tmp_path, tiny_weights, sequence=True)
    assert [one.status for one in outcomes] == ["kept"] * 3 + ["done"]
    assert tuple(outcomes[-1].clipping_levels) == (240 / 255,) * 3
    save(tmp_path, "1.png", np.minimum(picture, 250))
    outcomes = run(tmp_path, tiny_weights, sequence=True)
    assert [one.status for one in outcomes] == ["done"] * 4
    assert {tuple(one.clipping_levels) for one in outcomes} == {(250 / 255,) * 3}


def test_remote_workers_use_the_level_of_the_film(tmp_path, tiny_weights, picture, lowered):
    save(tmp_path, "1.png", lowered)
    save(tmp_path, "2.png", picture)
    wanted = Settings(sequence=True)
    jobs = plan.plan([tmp_path / "in"], tmp_path / "out", wanted.endings).jobs
    networks = Networks(LOAD, tiny_weights, film=True)
    film = settle(jobs, networks, wanted).state(jobs[1].source)
    assert film is not None
    assert film.levels == (240 / 255,) * 3
    sequences = SequenceStates()
    sequences.store(jobs[1].source, film)
    assert Conversion(jobs[1], networks, wanted, sequences).read().levels == film.levels


def test_display_files_show_the_photograph_below_the_level(lowered):
    """Its light comes from the scaled codes, but display files keep the codes of the photograph."""
    scaling = (255 / 240,) * 3
    code = lowered / np.float32(255)
    light = srgb_decode(np.minimum(code * np.float32(255 / 240), 1)).astype(np.float32)
    picture = Picture(light, codes=lowered, curve="srgb", scaling=scaling)
    rows = slice(None)
    np.testing.assert_allclose(shown(picture, rows, "photograph"), srgb_decode(code), atol=1e-5)
    assert measured(picture).peak_before == pytest.approx(1.0, abs=1e-4)
    assert measured(picture).saturated == pytest.approx((lowered.max(axis=-1) > 228).mean())


@pytest.mark.parametrize("text", ["sometimes", "0", "nan", "11"])
def test_the_command_names_an_invalid_scaling(tmp_path, text):
    command = [sys.executable, str(Path(__file__).resolve().parents[2] / "hdrcnn_predict.py")]
    result = subprocess.run(
        [*command, f"--scaling={text}", "--im_dir=none"], cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert "--scaling" in result.stderr
    assert len(result.stderr.splitlines()) == 1
