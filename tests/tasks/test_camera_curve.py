"""Rows of statistics of pictures with known curves, and training on them."""

import dataclasses

import numpy as np
import pytest
import scipy.optimize
from PIL import Image

from hdrcnn import weights
from hdrcnn.colour.transfer import inverse_camera_curve, srgb_decode
from hdrcnn.predict import camera_curve as curve_estimation
from hdrcnn.predict.curve_statistics import SIZE
from training_code.camera import CURVES, Camera, Development, Exposure, Sensor, curve_codes
from training_code.camera.shots import in_order
from training_code.run import config as configs
from training_code.run.fit import compiled
from training_code.scenes.collection import load_scenes
from training_code.scenes.photographs import load_photographs
from training_code.tasks import camera_curve, curve_pictures, curve_rows
from training_code.tasks.camera_curve import errors
from training_code.tasks.camera_curve_settings import Config
from training_code.tasks.curve_rows import Rows, gather
from training_code.tasks.task import BatchRange

CODES = camera_curve.CODES


CONFIG = Config(looks=6, seed=3)


@pytest.fixture(scope="module")
def scenes(scene_folder):
    found = load_scenes(scene_folder, frozenset({"three"}), without=True)
    return in_order(found.scenes)


@pytest.fixture(scope="module")
def rows(scenes, tmp_path_factory):
    return gather(CONFIG, scenes, 6, tmp_path_factory.mktemp("rows") / "rows.npz")


def synthetic(count: int) -> Rows:
    """Rows whose statistics determine the curve, apart from noise."""
    rng = np.random.default_rng(count)
    n, s = rng.uniform(0.55, 1.1, (count, 1)), rng.uniform(0.4, 1.7, (count, 1))
    # The first two are ln n and ln s; the others are mixtures, the same for any count, and noise.
    mix = np.hstack([np.eye(2), np.random.default_rng(0).normal(size=(2, SIZE - 2))])
    statistics = (np.log(np.hstack([n, s])) @ mix).astype(np.float32)
    statistics[:, 2:] += rng.normal(0.0, 0.1, (count, SIZE - 2)).astype(np.float32)
    shares = rng.dirichlet(np.ones(256), count).astype(np.float32)
    curves = zip(n[:, 0], s[:, 0], strict=True)
    light = np.array([inverse_camera_curve(CODES, a, b) for a, b in curves], np.float32)
    index = np.arange(count)
    return Rows(statistics, light, shares, index % 7, index % 2, index % 3, index % 2 == 0)


@pytest.mark.parametrize("curve", range(len(CURVES)))
def test_true_light_is_developed_to_its_codes(curve):
    settings = dataclasses.replace(
        Camera().draw((1, 2, 3, 4, 5)), curve=curve, strength=0.6 if curve == 2 else 0.0
    )
    light = curve_pictures.true_light(settings)
    again = curve_codes(light, curve, settings.n, settings.s, settings.strength)
    np.testing.assert_array_equal(again, np.arange(256))
    assert (light[0], light[255]) == (0.0, 1.0)


def test_rows_depend_on_seed_and_look_alone(scenes, rows):
    one = curve_pictures.pictures_of_view(scenes, CONFIG.pictures, CONFIG.seed, 4)
    for item, row in enumerate(one):
        for field in dataclasses.fields(Rows):
            here = getattr(rows, field.name)[4 * len(one) + item]
            np.testing.assert_array_equal(getattr(row, field.name), here)


def test_rows_do_not_depend_on_the_number_of_workers(scenes, rows, tmp_path):
    again = gather(CONFIG, scenes[::-1], 6, tmp_path / "rows.npz", workers=3)
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


def test_photographs_are_drawn_in_their_share(scenes, photographs, tmp_path):
    ordinary = load_photographs(photographs, without=True).scenes
    both = in_order([*scenes, *ordinary])
    for share, kinds in ((0.0, {1}), (0.5, {1, 2}), (1.0, {2})):
        config = Config(seed=4, pictures=dataclasses.replace(CONFIG.pictures, ordinary=share))
        found = gather(config, both, 6, tmp_path / f"{share}.npz")
        assert set(found.kind) == kinds
    assert set(gather(config, scenes, 1, tmp_path / "none.npz").kind) == {1}


def test_a_native_view_has_the_pixels_of_the_photograph(photographs):
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


def test_the_exposure_ignores_what_the_source_clipped(photographs):
    """The drawn share of the known pixels clips, and the others all clip again."""
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


def test_rows_are_cached_in_a_file(scenes, tmp_path, monkeypatch):
    file = tmp_path / "rows.npz"
    first = gather(CONFIG, scenes, 1, file)
    with monkeypatch.context() as patched:
        patched.setattr(curve_rows, "pictures_of_view", None)  # Fails if they are taken again.
        again = gather(CONFIG, scenes, 1, file)
    np.testing.assert_array_equal(again.statistics, first.statistics)
    for changed in (dataclasses.replace(CONFIG, seed=8), CONFIG):
        other = gather(changed, scenes, 1, file)
        assert (other.statistics == first.statistics).all() == (changed is CONFIG)
        file.write_bytes(file.read_bytes()[:5000])


def test_panoramas_are_kept_as_large_as_their_narrowest_view_needs():
    """480 pixels over 35 degrees are 4938 over 360, and 24 are 247: never reduced below that."""
    views, smallest = camera_curve.scene_views(CONFIG)
    assert [views.spare(n // 2, n, smallest) for n in (1024, 8192, 16384)] == [1, 1, 3]
    views = curve_pictures.Pictures(longest=24).views
    assert [views.spare(n // 2, n, smallest) for n in (480, 512, 1024)] == [1, 2, 4]
    assert views.spare(512, 1000, smallest) == 1


def test_error_is_0_for_the_true_curve_and_independent_of_exposure():
    light = inverse_camera_curve(CODES, 0.8, 0.7)[None]
    weight = np.full((1, 256), 1 / 256)
    true = np.array([[0.8, 0.7]])
    assert camera_curve.curve_error(true, CODES, light, weight)[0] < 1e-3
    bright = CODES > 0.3  # Where the offset of log light hardly counts.
    only = weight * bright / (weight * bright).sum()
    scaled = camera_curve.curve_error(true, CODES, 4.0 * light, only)
    assert scaled[0] < 0.06


def test_error_of_the_mean_curve_under_srgb():
    """Compared with a direct computation: the standard deviation of the log ratio."""
    light = srgb_decode(CODES.astype(np.float64))
    apart = np.log2(inverse_camera_curve(CODES.astype(np.float64)) + 1 / 255)
    apart -= np.log2(light + 1 / 255)
    found = camera_curve.curve_error(
        np.array([[0.9, 0.6]]), CODES, light[None], np.full((1, 256), 1 / 256)
    )
    assert found[0] == pytest.approx(apart.std(), abs=1e-3)


def test_loss_is_the_error_apart_from_groups_and_softening():
    rows = synthetic(40)
    sure = np.array([0.2, 0.5, 0.3])
    curve = np.tile(np.array([[0.7, 1.0, *sure]], np.float32), (40, 1))
    loss = np.asarray(camera_curve.loss(camera_curve.targets(rows), curve))
    loss = loss + camera_curve.OF_KIND * np.log(sure[rows.curve])  # The cross-entropy by hand.
    even = dataclasses.replace(rows, codes=0.7 * rows.codes + np.float32(0.3 / 256))
    error = errors(curve, even)
    np.testing.assert_allclose(loss, np.hypot(error, camera_curve.SOFT), atol=0.02)


def test_the_best_curve_for_the_loss_is_the_true_one():
    rows = synthetic(1)
    target = camera_curve.targets(rows)

    def of(log_curve: np.ndarray) -> float:
        curve = np.array([[*np.exp(log_curve), 1 / 3, 1 / 3, 1 / 3]], np.float32)
        return float(np.asarray(camera_curve.loss(target, curve))[0])

    found = scipy.optimize.minimize(of, np.log([0.9, 0.6]), method="Nelder-Mead").x
    np.testing.assert_allclose(found, rows.statistics[0, :2], atol=0.03)


@pytest.mark.slow
def test_training_learns_the_curve_and_its_network_can_be_exported(tmp_path, monkeypatch):
    rows, others = synthetic(1500), synthetic(200)
    config = Config(epochs=30, steps=6, jitter=0.01, dropout=0.1, learning_rate=4e-3)
    trainee = compiled(camera_curve, config, material=rows)
    trainee.fit(camera_curve.batches(config, rows, BatchRange()), epochs=30, verbose=0)
    mean = errors(np.array([[0.9, 0.6]]), others).mean()
    found = errors(trainee.network.predict_on_batch(others.statistics), others)
    assert found.mean() < 0.5 * mean
    weights.save(tmp_path / "curve.npz", *camera_curve.export(trainee.network, config))
    loaded = curve_estimation.load(tmp_path / "curve.npz").network
    expected = np.asarray(trainee.network(others.statistics, training=False))
    np.testing.assert_allclose(loaded.whole(others.statistics), expected, rtol=0.02)


def test_every_row_is_seen_once_per_pass_wherever_epochs_begin():
    rows = synthetic(30)
    config = Config(batch=4, steps=5, jitter=0.0)
    whole = [b["statistics"] for b in taken(camera_curve.batches(config, rows, BatchRange()), 3)]
    met = np.concatenate(whole)[:60]
    for turn in (met[:30], met[30:]):
        order = np.lexsort(turn.T), np.lexsort(rows.statistics.T)
        np.testing.assert_array_equal(turn[order[0]], rows.statistics[order[1]])
    later = camera_curve.batches(config, rows, BatchRange(epoch=1, first=2))
    np.testing.assert_array_equal(later[0]["statistics"], whole[7])
    halves = [camera_curve.batches(config, rows, BatchRange(share=(i, 2)))[3] for i in (0, 1)]
    joined = np.concatenate([half["statistics"] for half in halves])
    np.testing.assert_array_equal(joined, whole[3])


def taken(batches, epochs):
    """Yield the batches of `epochs` epochs as Keras takes them."""
    for _ in range(epochs):
        batches.on_epoch_begin()
        yield from (batches[index] for index in range(len(batches)))
        batches.on_epoch_end()


def test_family_mean_weighs_families_equally():
    values, family = np.array([1.0, 1.0, 1.0, 3.0, 9.0]), np.array([0, 0, 0, 2, 1])
    chosen = np.array([True, True, True, True, False])
    assert camera_curve.family_mean(values, family, chosen) == 2.0


def test_the_drawn_share_of_the_known_samples_clips(monkeypatch):
    """An eighth was clipped in the source; a tenth of the other samples clip in the picture."""
    plain = Development(curves=(0.0, 1.0, 0.0), white_balance_sd=0.0, hue_sd=0.0, saturation_sd=0.0)
    camera = Camera(Exposure((0.9, 0.9)), Sensor((0.0, 0.0)), plain)
    monkeypatch.setattr(curve_pictures, "CAMERA", camera)
    linear = np.random.default_rng(2).uniform(0.05, 0.6, (64, 80, 3)).astype(np.float32)
    linear[:8] = 1.0
    known = np.ones((64, 80), bool)
    known[:8] = False
    pictures = dataclasses.replace(curve_pictures.Pictures(), jpeg=0.0, resized=0.0, sharpened=0.0)
    for item in range(3):
        row = curve_pictures.take(linear, known, ("a", 2), pictures, (1, 0, 0, item, 0))
        assert row.codes[255] == pytest.approx(1 / 8 + 7 / 8 * 0.1, abs=0.005)  # Rounding.


@pytest.mark.parametrize(
    "setting",
    [
        *("longest=-5", "longest=15", "fov=0,10", "fov=90,60", "crop=2,3", "crop=0,1"),
        *("enlargement=0,2", "blur=-1", "repeats=0", "native=1.5", "jpeg=3", "ordinary=-0.1"),
    ],
)
def test_settings_of_pictures_that_make_no_sense_are_refused(setting):
    name = setting.partition("=")[0]
    with pytest.raises(ValueError, match=rf"^--set pictures\.{setting}: [^\n]*{name}[^\n]*$"):
        configs.with_overrides(CONFIG, [f"pictures.{setting}"])
