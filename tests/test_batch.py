"""Jobs and outcomes: what is found, where it goes, what is said of it."""

import imageio.v3 as iio
import numpy as np
import pytest

import hdrcnn
from hdrcnn import ImageError, batch
from hdrcnn.hdr_io import read_exr
from hdrcnn.transfer import srgb_decode


@pytest.fixture(scope="module")
def predictor(tiny_weights):
    return hdrcnn.load(tiny_weights)


def convert_one(tmp_path, predictor, picture, **settings) -> batch.Outcome:
    iio.imwrite(tmp_path / "p.png", picture)
    (job,) = batch.plan(tmp_path / "p.png", tmp_path / "out")
    return batch.convert(job, predictor, batch.Settings(**settings))


def test_a_folder_s_pictures_in_order_and_nothing_else(tmp_path, picture):
    for name in ("b.png", "a.JPG", "c.jpeg"):
        iio.imwrite(tmp_path / name, picture)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "d.png").mkdir()
    jobs = batch.plan(tmp_path, tmp_path / "out")
    assert [job.source.name for job in jobs] == ["a.JPG", "b.png", "c.jpeg"]
    assert [job.output(".exr").name for job in jobs] == ["a.exr", "b.exr", "c.exr"]


def test_sources_that_share_a_stem_keep_their_ending(tmp_path, picture):
    for name in ("a.jpg", "a.png", "b.v2.png"):
        iio.imwrite(tmp_path / name, picture)
    outputs = [job.output(".exr").name for job in batch.plan(tmp_path, tmp_path)]
    assert outputs == ["a.jpg.exr", "a.png.exr", "b.v2.exr"]


def test_a_preview_never_falls_on_a_source(tmp_path, picture):
    for name in ("a.png", "a_in.png"):
        iio.imwrite(tmp_path / name, picture)
    with pytest.raises(ImageError, match=r"a_in\.png: .*another --out_dir"):
        batch.plan(tmp_path, tmp_path, previews=True)
    assert len(batch.plan(tmp_path, tmp_path)) == 2
    assert len(batch.plan(tmp_path, tmp_path / "out", previews=True)) == 2


def test_nothing_to_do_is_said(tmp_path):
    with pytest.raises(ImageError, match="holds no pictures"):
        batch.plan(tmp_path, tmp_path)
    with pytest.raises(ImageError, match="no such file or folder"):
        batch.plan(tmp_path / "none", tmp_path)


def test_figures_of_an_outcome(tmp_path, predictor, picture):
    outcome = convert_one(tmp_path, predictor, picture)
    hdr = read_exr(tmp_path / "out" / "p.exr").astype(np.float64)
    luminance = hdr @ [0.212656, 0.715158, 0.072186]
    assert outcome.error is None
    assert (outcome.width, outcome.height) == (70, 45)
    assert outcome.saturated == pytest.approx((picture.max(axis=-1) > 0.95 * 255).mean())
    assert outcome.peak_before == pytest.approx(1.0)
    assert outcome.peak_after == pytest.approx(luminance.max(), rel=1e-3)
    assert outcome.stops_gained == pytest.approx(np.log2(luminance.max()), abs=2e-3)


def test_a_black_picture_gains_nothing(tmp_path, predictor, picture):
    outcome = convert_one(tmp_path, predictor, np.zeros_like(picture))
    assert (outcome.stops_gained, outcome.saturated, outcome.peak_after) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("exposure", [-3.0, 0.0])
def test_previews_show_input_and_output_at_the_exposure(tmp_path, predictor, picture, exposure):
    convert_one(tmp_path, predictor, picture, previews=True, exposure=exposure)
    before, after = (iio.imread(tmp_path / "out" / f"p_{kind}.png") for kind in ("in", "out"))
    hdr = np.clip(read_exr(tmp_path / "out" / "p.exr").astype(float) * 2**exposure, 0, 1)
    np.testing.assert_allclose(srgb_decode(after / 255), hdr, atol=0.006)
    kept = picture.max(axis=-1) < 240
    np.testing.assert_allclose(before[kept].astype(int), after[kept], atol=1)
    assert before.max() == round(255 * (1.055 * (2**exposure) ** (1 / 2.4) - 0.055))


def test_wanted_sizes(tmp_path, predictor, picture):
    outcome = convert_one(tmp_path, predictor, picture, width=50, height=40)
    assert (outcome.width, outcome.height) == (50, 40)
    assert read_exr(tmp_path / "out" / "p.exr").shape == (40, 50, 3)
    outcome = convert_one(tmp_path, predictor, picture, width=140)
    assert (outcome.width, outcome.height) == (140, 90)


def test_one_bad_file_does_not_stop_the_others(tmp_path, predictor, picture):
    iio.imwrite(tmp_path / "a.png", picture)
    (tmp_path / "b.png").write_bytes(b"")
    iio.imwrite(tmp_path / "c.png", picture)
    jobs = batch.plan(tmp_path, tmp_path / "out")
    outcomes = list(batch.convert_all(jobs, predictor, batch.Settings()))
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, False]
    assert "b.png" in str(outcomes[1].error)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.exr", "c.exr"]
