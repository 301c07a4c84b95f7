"""Outcomes: what is reported about a file, and that its failure does not stop the others."""

import dataclasses
import importlib
import os
import re
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

import hdrcnn
from hdrcnn.batch import plan
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.fusion import FusionSettings
from hdrcnn.batch.job import Outcome, Settings, image_error
from hdrcnn.batch.run import convert, convert_all
from hdrcnn.batch.stack import StackSettings
from hdrcnn.cli.main import parser_of
from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.files import prepare_folder
from hdrcnn.readers.hdr import read_exr
from hdrcnn.tiles.tiling import TooLargeError


@pytest.fixture(scope="module")
def networks(tiny_weights):
    return Networks(hdrcnn.load, tiny_weights)


def convert_one(tmp_path, networks, picture, **settings) -> Outcome:
    iio.imwrite(tmp_path / "p.png", picture)
    wanted = Settings(**settings)
    (job,) = plan.plan([tmp_path / "p.png"], tmp_path / "out", wanted.endings).jobs
    return convert(job, networks, wanted)


def test_figures_of_an_outcome(tmp_path, networks, picture):
    outcome = convert_one(tmp_path, networks, picture)
    hdr = read_exr(tmp_path / "out" / "p.exr").astype(np.float64)
    luminance = hdr @ [0.2126, 0.7152, 0.0722]
    assert outcome.error is None
    assert outcome.status == "done"
    assert outcome.weights == "tiny.npz"
    assert (outcome.width, outcome.height) == (70, 45)
    assert outcome.saturated == pytest.approx((picture.max(axis=-1) > 0.95 * 255).mean())
    assert outcome.peak_before == pytest.approx(1.0)
    assert outcome.peak_after == pytest.approx(luminance.max(), rel=1e-3)
    assert outcome.stops_gained == pytest.approx(np.log2(luminance.max()), abs=2e-3)


def test_figures_are_of_all_strips(tmp_path, networks):
    """An image taller than a strip, whose only saturated pixels are in the last strip."""
    tall = np.full((600, 8, 3), 40, np.uint8)
    tall[590:] = 255
    outcome = convert_one(tmp_path, networks, tall)
    assert outcome.saturated == pytest.approx(10 / 600)
    assert outcome.peak_before == pytest.approx(1.0)


def test_a_black_picture_gains_nothing(tmp_path, networks, picture):
    outcome = convert_one(tmp_path, networks, np.zeros_like(picture))
    assert (outcome.stops_gained, outcome.saturated, outcome.peak_after) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("exposure", [-3.0, 0.0])
def test_previews_show_input_and_output_at_the_exposure(tmp_path, networks, picture, exposure):
    convert_one(tmp_path, networks, picture, previews=True, exposure=exposure)
    before, after = (iio.imread(tmp_path / "out" / f"p_{kind}.png") for kind in ("in", "out"))
    hdr = np.clip(read_exr(tmp_path / "out" / "p.exr").astype(float) * 2**exposure, 0, 1)
    np.testing.assert_allclose(srgb_decode(after / 255), hdr, atol=0.006)
    kept = picture.max(axis=-1) < 240
    np.testing.assert_allclose(before[kept].astype(int), after[kept], atol=1)
    assert before.max() == round(255 * (1.055 * (2**exposure) ** (1 / 2.4) - 0.055))


def test_requested_sizes(tmp_path, networks, picture):
    outcome = convert_one(tmp_path, networks, picture, width=50, height=40)
    assert (outcome.width, outcome.height) == (50, 40)
    assert read_exr(tmp_path / "out" / "p.exr").shape == (40, 50, 3)
    outcome = convert_one(tmp_path, networks, picture, width=140)
    assert (outcome.width, outcome.height) == (140, 90)


def test_one_bad_file_does_not_stop_the_others(tmp_path, networks, picture):
    iio.imwrite(tmp_path / "a.png", picture)
    (tmp_path / "b.png").write_bytes(b"")
    iio.imwrite(tmp_path / "c.png", picture)
    jobs = plan.plan([tmp_path], tmp_path / "out").jobs
    outcomes = list(convert_all(jobs, networks, Settings()))
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    assert "b.png" in str(outcomes[1].error)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.exr", "c.exr"]


@pytest.mark.parametrize(("said", "stops"), [("No space left on device", True), ("?", False)])
def test_a_full_disk_ends_the_run_and_another_fault_does_not(
    tmp_path, networks, picture, monkeypatch, said, stops
):
    """The text is OpenEXR's on a full device; it does not pass on the error number."""
    import OpenEXR

    for name in "abcd":
        iio.imwrite(tmp_path / f"{name}.png", picture)

    def full(self, path):
        raise RuntimeError(f'Failed to write pixel data to image file "{path}". {said}.')

    monkeypatch.setattr(OpenEXR.File, "write", full)
    jobs = plan.plan([tmp_path], tmp_path / "out").jobs
    outcomes = list(convert_all(jobs, networks, Settings()))
    assert len(outcomes) == (1 if stops else 4)
    assert outcomes[0].output_lost is stops
    assert re.search(f"a.exr: .*{said if stops else 'Failed'}", str(outcomes[0].error))
    assert "\n" not in str(outcomes[0].error)


def test_a_folder_that_vanishes_ends_the_run_and_is_not_recreated(tmp_path, networks, picture):
    for name in "abcd":
        (tmp_path / "in" / name).mkdir(parents=True)
        iio.imwrite(tmp_path / "in" / name / "p.png", picture)
    out = prepare_folder(tmp_path / "share" / "out")
    planned = plan.plan([tmp_path / "in"], out.path).jobs
    jobs = [dataclasses.replace(job, folder=out) for job in planned]
    outcomes = []
    for outcome in convert_all(jobs, networks, Settings()):
        outcomes.append(outcome)
        (tmp_path / "share").rename(tmp_path / "elsewhere") if len(outcomes) == 1 else None
    assert outcomes[0].status == "done"
    assert len(outcomes) < 4
    assert outcomes[-1].output_lost
    assert "out: " in str(outcomes[-1].error)
    assert not (tmp_path / "share").exists()


def test_an_excessive_size_is_refused(tmp_path, networks, picture):
    outcome = convert_one(tmp_path, networks, picture, width=900_000, height=900_000)
    assert "p.png: 900000x900000" in str(outcome.error)
    assert "--max_megapixels" in str(outcome.error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(5, "Input/output error", "p.png"), "p.png: .*read.*Input/output error"),
        (OSError("no number"), "p.png: .*read.*no number"),
        (OSError(13, "Permission denied", "o.exr"), "o.exr: .*written.*Permission denied"),
        (OSError(28, "No space left on device", "o.exr"), "o.exr: .*written.*No space"),
    ],
)
def test_file_errors_name_the_file_and_the_operation(error, said):
    assert re.match(said, str(image_error(Path("p.png"), error)))


def test_names_as_long_as_the_file_system_allows(tmp_path, networks, picture):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 200
    source = tmp_path / ("p" * (longest - 4) + ".png")
    iio.imwrite(source, picture)
    for settings, error in (
        (Settings(), None),
        (
            Settings(previews=True),
            "_in.png: .*File name too long",
        ),
    ):
        (job,) = plan.plan([source], tmp_path / "out", settings.endings).jobs
        said = convert(job, networks, settings).error
        assert said is None if error is None else re.search(error, str(said))


def test_an_unexpected_error_fails_only_one_file(tmp_path, picture, networks, monkeypatch):
    for name in ("a.png", "b.png"):
        iio.imwrite(tmp_path / name, picture)
    estimate = networks.curve

    def failing_curve(asked, stored):
        monkeypatch.setattr(networks, "curve", estimate)
        raise OverflowError("cannot convert\nInfinity")

    monkeypatch.setattr(networks, "curve", failing_curve)
    jobs = plan.plan([tmp_path], tmp_path / "out").jobs
    first, second = convert_all(jobs, networks, Settings())
    assert (first.status, second.status) == ("failed", "done")
    said = str(first.error)
    assert said.startswith(f"{tmp_path / 'a.png'}: ")
    assert "OverflowError: cannot convert Infinity (" in said
    assert "\n" not in said


@pytest.mark.parametrize("command", ["predict", "stack", "fuse"])
def test_remedies_name_only_flags_that_the_command_has(command):
    """The sizes of frames and exposures are those of their files."""
    parser = parser_of(importlib.import_module(f"hdrcnn.cli.{command}"), command)
    kind = {"predict": Settings, "stack": StackSettings, "fuse": FusionSettings}[command]
    known = {flag for action in parser._actions for flag in action.option_strings}
    for error in (MemoryError(), TooLargeError("too large; give --resolution=working")):
        said = str(image_error(Path("p.png"), error, kind.smaller))
        assert said.startswith("p.png: too large")
        assert "report it" not in said
        assert set(re.findall(r"--\w+", said)) <= known
    assert ("--width" in kind.smaller) == (command == "predict")
