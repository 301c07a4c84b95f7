"""Which weights are chosen automatically for a photograph; all frames of a film share them."""

import functools
import shutil

import numpy as np
import OpenEXR
import pytest
from PIL import Image

import hdrcnn
from hdrcnn import WeightsError
from hdrcnn.batch import choose, plan, recipe
from hdrcnn.batch.choose import Networks, sha256
from hdrcnn.batch.job import Settings
from hdrcnn.batch.run import convert_all, settle
from hdrcnn.colour.transfer import DEFAULT_CURVE, ESTIMATED, CameraCurve
from hdrcnn.predict.camera_curve import CurveEstimator

LOAD = functools.cache(hdrcnn.load)


@pytest.fixture
def shipped(tmp_path, tiny_weights, monkeypatch):
    """Replace the shipped weights by three distinct files; return their folder, the list of names
    loaded so far, and a loader.
    """
    loaded = []
    for name in ("SHIPPED", "JPEG", "VIDEO"):
        path = tmp_path / f"{name.lower()}.npz"
        shutil.copy(tiny_weights, path)
        path.write_bytes(path.read_bytes() + bytes(len(name)))  # The zip file stays valid.
        monkeypatch.setattr(choose, name, path)

    def load(path):
        loaded.append(path.stem)
        return LOAD(tiny_weights)

    return tmp_path, loaded, load


def save(folder, name, picture, **options):
    folder.mkdir(exist_ok=True)
    Image.fromarray(picture).save(folder / name, **options)


class ByMean(CurveEstimator):
    """Stand-in for the estimator: different photographs get different curves."""

    def __init__(self):
        pass

    def estimate(self, picture, scaling=1.0):
        return CameraCurve(0.5 + float(np.mean(picture)) / 255, 0.6)


def run(folder, load, params=None, out=None, **settings):
    wanted = Settings(**settings)
    jobs = plan.plan([folder], out or folder.parent / "out", wanted.endings).jobs
    chosen = Networks(load, params, wanted.sequence, ByMean)
    return list(convert_all(jobs, chosen, wanted))


def test_lossy_photographs_get_the_jpeg_weights_and_others_the_clean_ones(shipped, picture):
    root, loaded, load = shipped
    for name in ("a.png", "b.jpg", "d.tif"):
        save(root / "in", name, picture)
    save(root / "in", "c.webp", picture, quality=80)
    save(root / "in", "e.webp", picture, lossless=True)
    outcomes = run(root / "in", load)
    assert [outcome.weights for outcome in outcomes] == [
        "shipped.npz", "jpeg.npz", "jpeg.npz", "shipped.npz", "shipped.npz",
    ]  # fmt: skip
    assert sorted(loaded) == ["jpeg", "shipped"]  # Each once.
    with OpenEXR.File(str(root / "out" / "b.exr"), header_only=True) as file:
        assert file.header()["hdrcnn:weights"] == sha256(root / "jpeg.npz")
    assert {outcome.status for outcome in run(root / "in", load)} == {"kept"}


def test_only_needed_weights_are_loaded(shipped, picture):
    root, loaded, load = shipped
    save(root / "in", "b.jpg", picture)
    run(root / "in", load)
    assert loaded == ["jpeg"]


def test_the_clean_weights_stand_in_until_the_others_exist(shipped, picture, monkeypatch):
    root, _, load = shipped
    monkeypatch.setattr(choose, "JPEG", root / "none.npz")
    monkeypatch.setattr(choose, "VIDEO", root / "none.npz")
    save(root / "in", "a.png", picture)
    save(root / "in", "b.jpg", picture)
    assert {outcome.weights for outcome in run(root / "in", load)} == {"shipped.npz"}
    # Once they exist, photographs that need them are recomputed; the rest is kept.
    monkeypatch.setattr(choose, "JPEG", root / "jpeg.npz")
    assert [outcome.status for outcome in run(root / "in", load)] == ["kept", "done"]


def test_weights_that_are_named_are_used_for_all(shipped, picture):
    root, _, load = shipped
    save(root / "in", "a.png", picture)
    save(root / "in", "b.jpg", picture)
    outcomes = run(root / "in", load, root / "video.npz")
    assert {outcome.weights for outcome in outcomes} == {"video.npz"}


def test_missing_weights_are_named_before_anything_is_done(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.npz: "):
        Networks(hdrcnn.load, tmp_path / "none.npz")


def test_frames_get_the_video_weights(shipped, picture):
    root, _, load = shipped
    for name in ("f_1.jpg", "f_2.png"):
        save(root / "in", name, picture)
    outcomes = run(root / "in", load, sequence=True)
    assert {outcome.weights for outcome in outcomes} == {"video.npz"}


@pytest.mark.parametrize(("first", "weights"), [("png", "shipped.npz"), ("jpg", "jpeg.npz")])
def test_without_video_weights_the_first_frame_decides(
    shipped, picture, monkeypatch, first, weights
):
    root, _, load = shipped
    monkeypatch.setattr(choose, "VIDEO", root / "none.npz")
    second = {"png": "jpg", "jpg": "png"}[first]
    save(root / "in", f"f_1.{first}", picture)
    save(root / "in", f"f_2.{second}", picture)
    for expected in ("done", "kept"):
        outcomes = run(root / "in", load, sequence=True)
        assert [outcome.weights for outcome in outcomes] == [weights] * 2
        assert [outcome.status for outcome in outcomes] == [expected] * 2


def test_a_frame_of_another_size_fails_and_numbers_stay(shipped, picture):
    """The size is that of the first frame, read in this run or kept from an earlier one."""
    root, _, load = shipped
    for number in (8, 9, 10, 12):
        save(root / "in", f"f_{number}.png", picture[: 30 if number == 9 else 45])
    (root / "in" / "f_10.png").write_bytes(b"")
    for expected in ("done", "kept"):
        outcomes = run(root / "in", load, sequence=True)
        statuses = [outcome.status for outcome in outcomes]
        assert statuses == [expected, "failed", "failed", expected]
        assert "f_9.png: 70x30 in a film of 70x45 (f_8.png)" in str(outcomes[1].error)
    names = sorted(path.name for path in (root / "out").iterdir())
    assert names == ["f_12.exr", "f_8.exr"]
    assert {outcome.error for outcome in run(root / "in", load)[:2]} == {None}


def test_every_folder_is_a_film_of_its_own(shipped, picture):
    root, _, load = shipped
    (root / "in").mkdir()
    save(root / "in" / "a", "1.png", picture)
    save(root / "in" / "b", "1.png", np.rot90(picture).copy())
    outcomes = run(root / "in", load, sequence=True)
    assert [(outcome.error, outcome.height) for outcome in outcomes] == [(None, 45), (None, 70)]


def curves(root):
    """Camera curves of all results, by the stems of their files."""
    found = {}
    for path in sorted((root / "out").glob("*.exr")):
        provenance = recipe.provenance_of(path)
        assert provenance is not None
        found[path.stem] = provenance.figures["curve"]
    return found


def test_the_default_curve_is_used_unless_weights_or_curve_are_named(shipped, picture):
    root, _, load = shipped
    save(root / "in", "a.png", picture)
    save(root / "in", "b.png", (255 * (picture / 255.0) ** 2).astype(np.uint8))
    run(root / "in", load, camera_curve="estimated")
    found = curves(root)
    assert found["a"] != found["b"]
    assert set(found["a"]) == {"n", "s"}
    run(root / "in", load)
    assert (curves(root) == found) == (DEFAULT_CURVE == ESTIMATED)
    run(root / "in", load, camera_curve="srgb")
    assert curves(root) == {"a": "srgb", "b": "srgb"}
    for name in ("jpeg.npz", "video.npz"):
        run(root / "in", load, root / name)
        assert curves(root) == {"a": "mean_curve", "b": "mean_curve"}


def test_a_film_has_the_curve_of_its_first_frame_in_a_later_run_too(shipped, picture):
    root, _, load = shipped
    save(root / "in", "f_1.png", picture)
    save(root / "in", "f_2.png", (255 * (picture / 255.0) ** 2).astype(np.uint8))
    run(root / "in", load, sequence=True, camera_curve="estimated")
    before = curves(root)
    assert before["f_1"] == before["f_2"]
    (root / "out" / "f_2.exr").unlink()
    outcomes = run(root / "in", load, sequence=True, camera_curve="estimated")
    assert [outcome.status for outcome in outcomes] == ["kept", "done"]
    assert curves(root) == before


def test_frames_with_other_curves_than_the_first_are_recomputed(shipped, picture):
    """Frames that were converted singly before, and all frames once a new first frame is added."""
    root, _, load = shipped
    for name, power in (("f_1.png", 1), ("f_2.png", 2)):
        save(root / "in", name, (255 * (picture / 255.0) ** power).astype(np.uint8))
    options = {"params": root / "video.npz", "camera_curve": "estimated"}
    run(root / "in", load, **options)
    assert len({str(curve) for curve in curves(root).values()}) == 2
    outcomes = run(root / "in", load, sequence=True, **options)
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert len({str(curve) for curve in curves(root).values()}) == 1
    save(root / "in", "f_0.png", (255 * (picture / 255.0) ** 3).astype(np.uint8))
    outcomes = run(root / "in", load, sequence=True, **options)
    assert [outcome.status for outcome in outcomes] == ["done"] * 3
    assert len({str(curve) for curve in curves(root).values()}) == 1


def test_photographs_that_were_frames_are_recomputed_with_their_own_curves(shipped, picture):
    root, _, load = shipped
    for name, power in (("f_1.png", 1), ("f_2.png", 2)):
        save(root / "in", name, (255 * (picture / 255.0) ** power).astype(np.uint8))
    options = {"params": root / "video.npz", "camera_curve": "estimated"}
    run(root / "in", load, sequence=True, **options)
    outcomes = run(root / "in", load, **options)
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert len({str(curve) for curve in curves(root).values()}) == 2


def test_other_weights_of_the_curve_estimator_recompute_estimated_results(
    shipped, picture, monkeypatch
):
    root, _, load = shipped
    save(root / "in", "a.png", picture)
    ways = [
        {"out": root / "estimated", "camera_curve": "estimated"},
        {"out": root / "srgb", "camera_curve": "srgb"},
    ]
    assert [run(root / "in", load, **way)[0].status for way in ways] == ["done", "done"]
    other = root / "camera_curve.npz"
    other.write_bytes(choose.CAMERA_CURVE.read_bytes() + bytes(1))
    monkeypatch.setattr(choose, "CAMERA_CURVE", other)
    assert [run(root / "in", load, **way)[0].status for way in ways] == ["done", "kept"]
    assert [run(root / "in", load, **way)[0].status for way in ways] == ["kept", "kept"]


def test_the_same_weights_with_another_curve_recompute_the_result(shipped, picture):
    """Named weights use the curve stored with them, automatically chosen ones the default curve."""
    root, _, load = shipped
    save(root / "in", "a.png", picture)
    for params in (root / "shipped.npz", None):
        for expected in ("done", "kept"):
            (outcome,) = run(root / "in", load, params)
            assert (outcome.status, outcome.weights) == (expected, "shipped.npz")


def test_shards_of_a_film_agree_on_its_curve(shipped, picture):
    root, _, load = shipped
    save(root / "in", "f_1.png", picture)
    save(root / "in", "f_2.png", (255 * (picture / 255.0) ** 2).astype(np.uint8))
    settings = Settings(sequence=True)
    jobs = plan.plan([root / "in"], root / "out", settings.endings).jobs
    for job in jobs[::-1]:
        chosen = Networks(load, None, True)
        sequences = settle(jobs, chosen, settings)
        assert [out.status for out in convert_all([job], chosen, settings, sequences)] == ["done"]
    found = curves(root)
    assert found["f_1"] == found["f_2"]
