"""Rows of pictures with known curves, and training on them."""

import dataclasses

import numpy as np
import pytest
import scipy.optimize
from PIL import Image

from hdrcnn import weights
from hdrcnn.colour.transfer import inverse_camera_curve, srgb_decode
from hdrcnn.files import ImageError
from hdrcnn.predict import camera_curve as curve_estimation
from hdrcnn.predict.curve_statistics import SIZE
from hdrcnn.writers.exr import write_exr
from training_code.camera import CURVES, Camera, curve_codes
from training_code.camera.shots import families, in_order
from training_code.scenes.collection import load_scenes
from training_code.scenes.files import Folders
from training_code.scenes.photographs import load_photographs
from training_code.tasks import camera_curve as curve_training, curve_pictures, curve_rows
from training_code.tasks.curve_rows import Request, Rows

CODES = curve_training.all_codes()


@pytest.fixture(scope="module")
def request_of(scene_folder, tmp_path_factory):
    held_out = tmp_path_factory.mktemp("families") / "held_out.txt"
    held_out.write_text("three\n")
    return Request(Folders((scene_folder,)), held_out, views=6, seed=3)


@pytest.fixture(scope="module")
def rows(request_of):
    return curve_rows.gather(request_of)[0]


def synthetic(count: int) -> Rows:
    """Rows whose statistics say what the curve is, but for noise."""
    rng = np.random.default_rng(count)
    n, s = rng.uniform(0.55, 1.1, (count, 1)), rng.uniform(0.4, 1.7, (count, 1))
    # The first two exactly; the others mixtures of both, the same whatever the count, and noise.
    mix = np.hstack([np.eye(2), np.random.default_rng(0).normal(size=(2, SIZE - 2))])
    statistics = (np.log(np.hstack([n, s])) @ mix).astype(np.float32)
    statistics[:, 2:] += rng.normal(0.0, 0.1, (count, SIZE - 2)).astype(np.float32)
    shares = rng.dirichlet(np.ones(256), count).astype(np.float32)
    curves = zip(n[:, 0], s[:, 0], strict=True)
    light = np.array([inverse_camera_curve(CODES, a, b) for a, b in curves], np.float32)
    index = np.arange(count)
    return Rows(statistics, light, shares, index % 7, index % 2, index % 3, index % 2 == 0)


@pytest.mark.parametrize("curve", range(len(CURVES)))
def test_true_light_is_behind_the_codes(curve):
    settings = dataclasses.replace(
        Camera().draw((1, 2, 3, 4, 5)), curve=curve, strength=0.6 if curve == 2 else 0.0
    )
    light = curve_pictures.true_light(settings)
    again = curve_codes(light, curve, settings.n, settings.s, settings.strength)
    np.testing.assert_array_equal(again, np.arange(256))
    assert (light[0], light[255]) == (0.0, 1.0)


def test_rows_depend_on_seed_and_view_alone(request_of, rows):
    scenes = in_order(
        load_scenes(request_of.folders.scenes[0], frozenset({"three"}), without=True).scenes
    )
    one = curve_pictures.pictures_of_view(
        scenes, families(scenes), curve_pictures.Pictures(), request_of.seed, 4
    )
    for item, row in enumerate(one):
        for field in dataclasses.fields(Rows):
            here = getattr(rows, field.name)[4 * len(one) + item]
            np.testing.assert_array_equal(getattr(row, field.name), here)


def test_rows_do_not_depend_on_the_number_of_processes(request_of, rows, monkeypatch):
    monkeypatch.setattr(curve_rows, "CHUNK", 2)
    again, _ = curve_rows.gather(dataclasses.replace(request_of, workers=2))
    for field in dataclasses.fields(Rows):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(rows, field.name))


def test_rows_are_of_all_kinds_and_of_training_families(rows):
    assert set(rows.family) <= {"one", "two"}
    assert np.isfinite(rows.statistics).all()
    assert len(set(rows.curve)) > 1
    assert 0 < rows.processed.mean() < 1
    np.testing.assert_allclose(rows.codes.sum(axis=1), 1.0, rtol=1e-5)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two ordinary photographs, one of them clipped in part, in a folder of their own."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(6)
    for name in ("sharp", "clipped"):
        codes = rng.integers(20, 230, (90, 700, 3)).astype(np.uint8)
        if name == "clipped":
            codes[:4, :500] = 255
        Image.fromarray(codes).save(folder / f"{name}.png")
    return folder


def test_photographs_are_scenes_beside_the_others(scene_folder, photographs):
    request = Request(
        Folders((scene_folder,), (photographs,)), curve_rows.VALIDATION, views=8, seed=4
    )
    found, scenes = curve_rows.gather(request)
    assert {"sharp.png", "clipped.png", "c.exr", "d.exr"} == set(scenes)
    assert set(found.kind) == {1, 2}
    assert len(set(found.family[found.kind == 2])) == 2


def test_a_native_view_holds_the_photograph_as_it_is(photographs):
    pictures = dataclasses.replace(curve_pictures.Pictures(), native=1.0, blur=0.0)
    (scene,) = (
        s for s in load_photographs(photographs, without=True).scenes if s.name == "sharp.png"
    )
    view = curve_pictures.view(scene, pictures, np.random.default_rng(1))
    assert view.shape == (90, pictures.longest, 3)
    stored = srgb_decode(np.asarray(Image.open(photographs / "sharp.png")) / 255)
    columns = range(stored.shape[1] - view.shape[1] + 1)
    ways = (view, view[:, ::-1])
    apart = min(
        np.abs(way[0] - stored[0, c : c + view.shape[1]]).max() for way in ways for c in columns
    )
    assert apart < 1e-3


def test_what_the_source_clipped_is_of_no_account_for_the_exposure(photographs):
    """Of the known pixels the share that is drawn clips; the others are clipped again."""
    (scene,) = (
        s for s in load_photographs(photographs, without=True).scenes if s.name == "clipped.png"
    )
    linear = scene.pixels.astype(np.float32)
    known = scene.known(linear)[..., 0]
    assert 0.02 < 1 - known.mean() < 0.05
    pictures = dataclasses.replace(curve_pictures.Pictures(), jpeg=0.0, resized=0.0, sharpened=0.0)
    for item in range(4):
        key = (7, 0, 0, item, 0)
        row = curve_pictures.take(linear, known, ("clipped", 2), pictures, key)
        clipped = row.codes[255]
        wanted = 1 - curve_pictures.CAMERA.draw(key).unclipped
        expected = known.mean() * wanted + (1 - known.mean())
        assert clipped == pytest.approx(expected, abs=0.06)


def test_rows_are_kept_in_a_file(request_of, rows, tmp_path):
    file = tmp_path / "rows.npz"
    few = dataclasses.replace(request_of, views=2)
    first, scenes = curve_rows.gather(few, file)
    # Read: the views asked for are of no account any more.
    again, same = curve_rows.gather(request_of, file)
    assert scenes == same == ["c.exr"]  # The others are too small.
    np.testing.assert_array_equal(again.statistics, first.statistics)
    np.testing.assert_array_equal(again.statistics, rows.statistics[: len(first.family)])
    (tmp_path / "list.txt").write_text("two\n")
    other = dataclasses.replace(request_of, held_out=tmp_path / "list.txt")
    with pytest.raises(ImageError, match=r"^[^\n]*rows\.npz: [^\n]*\(three, two\)[^\n]*$"):
        curve_rows.gather(other, file)
    np.savez(file, **dataclasses.asdict(first))
    with pytest.raises(ImageError, match=r"does not say which families were held out"):
        curve_rows.gather(request_of, file)
    file.write_bytes(b"no rows")
    with pytest.raises(ImageError, match="not a file of rows"):
        curve_rows.gather(request_of, file)


def test_parts_are_joined(rows):
    half = len(rows.family) // 2
    first, last = rows.at(np.arange(half)), rows.at(np.arange(half, 2 * half))
    whole, scenes = curve_rows.joined([(first, ["b", "a"]), (last, ["c", "a"])])
    assert scenes == ["a", "b", "c"]
    for field in dataclasses.fields(Rows):
        np.testing.assert_array_equal(getattr(whole, field.name), getattr(rows, field.name))


def test_files_left_out_are_said_and_are_no_scenes(tmp_path, capsys):
    light = np.random.default_rng(1).lognormal(0.0, 1.5, (70, 80, 3))
    for name in "ab":
        write_exr(tmp_path / f"{name}.exr", light)
    write_exr(tmp_path / "small.exr", light[:63])
    (tmp_path / "list.txt").write_text("none\n")
    _, scenes = curve_rows.gather(
        Request(Folders((tmp_path,)), tmp_path / "list.txt", views=1, seed=3)
    )
    assert scenes == ["a.exr", "b.exr"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1 files are left out:"
    assert "small.exr: 80x63 pixels where" in printed[1]
    assert len(printed) == 3


def test_panoramas_are_held_as_large_as_their_narrowest_view_needs(tmp_path, monkeypatch):
    """480 pixels in 35 degrees are 4938 of 360 degrees, 24 are 247. None is made smaller."""
    views = curve_pictures.Pictures().views
    factors = [views.spare(columns // 2, columns, 64) for columns in (1024, 8192, 16384)]
    assert factors == [1, 1, 3]
    monkeypatch.setattr(curve_rows, "Pictures", lambda: curve_pictures.Pictures(longest=24))
    rng = np.random.default_rng(2)
    for columns in (480, 512, 1024):
        light = rng.random((columns // 2, columns, 3))
        write_exr(tmp_path / f"{columns}.exr", light)
    write_exr(tmp_path / "photo.exr", light[:, :1000])
    (tmp_path / "list.txt").write_text("none\n")
    (found,) = curve_rows._collections(Folders((tmp_path,)), tmp_path / "list.txt")
    assert [scene.shape[1] for scene in found.scenes] == [256, 480, 256, 1000]


def test_error_is_zero_for_the_true_curve_and_free_of_exposure():
    light = inverse_camera_curve(CODES, 0.8, 0.7)[None]
    weight = np.full((1, 256), 1 / 256)
    true = np.array([[0.8, 0.7]])
    assert curve_training.curve_error(true, CODES, light, weight)[0] < 1e-3
    bright = CODES > 0.3  # Where the offset of log light hardly counts.
    only = weight * bright / (weight * bright).sum()
    scaled = curve_training.curve_error(true, CODES, 4.0 * light, only)
    assert scaled[0] < 0.06


def test_error_of_the_mean_curve_under_srgb():
    """Against a computation by hand: the standard deviation of the log ratio."""
    light = srgb_decode(CODES.astype(np.float64))
    apart = np.log2(inverse_camera_curve(CODES.astype(np.float64)) + 1 / 255)
    apart -= np.log2(light + 1 / 255)
    found = curve_training.curve_error(
        np.array([[0.9, 0.6]]), CODES, light[None], np.full((1, 256), 1 / 256)
    )
    assert found[0] == pytest.approx(apart.std(), abs=1e-3)


def test_loss_is_the_error_but_for_groups_and_softness():
    rows = synthetic(40)
    sure = np.array([0.2, 0.5, 0.3])
    curve = np.tile(np.array([[0.7, 1.0, *sure]], np.float32), (40, 1))
    loss = np.asarray(curve_training.loss(curve_training.targets(rows), curve))
    loss = loss + curve_training.OF_KIND * np.log(sure[rows.curve])  # The cross-entropy by hand.
    even = dataclasses.replace(rows, codes=0.7 * rows.codes + np.float32(0.3 / 256))
    error = curve_training.constant_errors(curve, even)
    np.testing.assert_allclose(loss, np.hypot(error, curve_training.SOFT), atol=0.02)


def test_the_best_curve_for_the_loss_is_the_true_one():
    rows = synthetic(1)
    target = curve_training.targets(rows)

    def of(log_curve: np.ndarray) -> float:
        curve = np.array([[*np.exp(log_curve), 1 / 3, 1 / 3, 1 / 3]], np.float32)
        return float(np.asarray(curve_training.loss(target, curve))[0])

    found = scipy.optimize.minimize(of, np.log([0.9, 0.6]), method="Nelder-Mead").x
    np.testing.assert_allclose(found, rows.statistics[0, :2], atol=0.03)


def test_training_finds_what_the_statistics_say_and_can_be_shipped(tmp_path):
    fitting = curve_training.Fitting(epochs=30, jitter=0.01, dropout=0.1)
    rows, others = synthetic(1500), synthetic(200)
    model = curve_training.fit(rows, fitting, members=4)
    mean = curve_training.constant_errors(np.array([[0.9, 0.6]]), others).mean()
    assert curve_training.errors(model, others).mean() < 0.5 * mean
    path = tmp_path / "curve.npz"
    curve_training.save(model, rows, fitting, path)
    loaded = curve_estimation.load(path).model
    np.testing.assert_allclose(
        np.asarray(loaded(others.statistics)), np.asarray(model(others.statistics)), rtol=0.02
    )
    assert weights.load(path)[1].training["pictures"] == 1500


def test_cross_validation_tells_of_every_curve():
    text = curve_training.cross_validate(synthetic(300), curve_training.Fitting(epochs=2))
    assert [line.split()[0] for line in text.splitlines()[1:]] == [
        name for name in CURVES for _ in range(2)
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_few_families_are_few_parts(count):
    """Whichever number they have: of some no picture may be taken."""
    rows = synthetic(60)
    rows = dataclasses.replace(rows, family=7 * (np.arange(60) % count))
    if count == 1:
        with pytest.raises(ValueError, match="pictures of one family"):
            curve_training.cross_validate(rows, curve_training.Fitting(epochs=1))
        return
    text = curve_training.cross_validate(rows, curve_training.Fitting(epochs=1))
    assert "nan" not in text


def test_family_mean_counts_families_alike():
    values, family = np.array([1.0, 1.0, 1.0, 3.0, 9.0]), np.array([0, 0, 0, 2, 1])
    chosen = np.array([True, True, True, True, False])
    assert curve_training.family_mean(values, family, chosen) == 2.0
