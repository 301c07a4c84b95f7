"""The accelerator's camera, compared with the host's and between both backends."""

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from hdrcnn import weights
from hdrcnn.predict.blend import saturation
from tests.camera.on_device.on_device import (
    DEVELOPMENT,
    SIZE,
    VIEWS,
    device_camera,
    shot_batches,
    smooth_scenes,
)
from tests.conftest import ROOT
from training_code.camera import (
    Camera,
    Development,
    RandomStream,
    Sensor,
    Tones,
    generator,
    shots as host,
)
from training_code.camera.batches import Pairs
from training_code.camera.on_device import atlas
from training_code.camera.on_device.batches import ShotBatches
from training_code.camera.on_device.camera import DeviceCamera
from training_code.scenes.collection import Scene


def take(camera: DeviceCamera, shots: list[host.Shot]) -> tuple[np.ndarray, np.ndarray]:
    """Code values, whole numbers in float32, and targets of `shots`."""
    stacked = {name: ops.convert_to_tensor(x) for name, x in host.stack(shots).items()}
    picture, target = (np.asarray(tensor) for tensor in camera.take(stacked))
    assert picture.dtype == target.dtype == np.float32
    codes = np.round(255.0 * picture)
    np.testing.assert_allclose(255.0 * picture, codes, atol=1e-4)
    return codes, target


def drawn(count: int, development: Development = DEVELOPMENT, noise_sd: float = 0.0):
    batches = shot_batches(noise_sd, development)
    return [batches.draw((5, 0, 0, item, 0)) for item in range(count)]


@pytest.mark.parametrize("development", [Development(), DEVELOPMENT])
def test_a_shot_is_the_same_picture_as_on_the_host(development):
    shots = drawn(12, development)
    assert {shot.scene for shot in shots} == {0, 1, 2}
    codes, target = take(device_camera(development), shots)
    scenes = smooth_scenes()
    taken = [host.take(scenes[shot.scene], shot, SIZE) for shot in shots]
    np.testing.assert_allclose(target, [each[1] for each in taken], rtol=2e-3)
    # Only the order of float32 operations differs: it may round a code, and so its JPEG block,
    # differently.
    difference = np.abs(codes - np.array([each[0] for each in taken], np.float32))
    assert (difference == 0).mean() > 0.98
    assert (difference <= 2).mean() > 0.998


def test_tones_are_changed_as_on_the_host():
    scenes = smooth_scenes()
    photograph = np.minimum(scenes[2].pixels, np.float16(1.0)) * np.float16(0.98)
    scenes[2] = Scene("2", "2", photograph, ceiling=1.0, linearised=True)
    tones = Tones(compressed=0.6, expanded=0.5, held=0.6)
    batches = shot_batches(scenes=scenes, tones=tones)
    shots = [batches.draw((5, 0, 0, item, 0)) for item in range(24)]
    shots = [dataclasses.replace(shot, unclipped=0.7) for shot in shots]
    kinds = {
        (shot.knee < 1.0, shot.shoulder_unclipped > 0.0, shot.highlight_scale < 1.0)
        for shot in shots
    }
    none, on = (False, False, False), (True, True, False)
    assert kinds == {none, on, (True, False, False), (False, False, True)}
    camera = DeviceCamera(atlas.build(scenes, VIEWS, SIZE), SIZE, DEVELOPMENT, tones)
    codes, target = take(camera, shots)
    taken = [host.take(scenes[shot.scene], shot, SIZE) for shot in shots]
    np.testing.assert_allclose(target, [each[1] for each in taken], rtol=5e-3)
    difference = np.abs(codes - np.array([each[0] for each in taken], np.float32))
    assert (difference == 0).mean() > 0.97


def test_noise_has_the_deviation_and_seed_of_its_shot():
    shots = [
        dataclasses.replace(shot, hue=0.0, saturation=0.0, noise_sd=deviation, noise_seed=seed)
        for shot in drawn(1, Development())
        for deviation, seed in ((0.0, 1), (0.01, 1), (0.01, 1), (0.01, 2), (0.02, 3))
    ]
    _, target = take(device_camera(Development()), shots)
    noise = target[1:] - target[0]
    np.testing.assert_array_equal(noise[0], noise[1])
    for index, deviation in ((0, 0.01), (2, 0.01), (3, 0.02)):
        assert noise[index].std() == pytest.approx(deviation, rel=0.05)
        assert noise[index].mean() == pytest.approx(0.0, abs=4 * deviation / np.sqrt(noise[0].size))
    assert abs(np.corrcoef(noise[0].ravel(), noise[2].ravel())[0, 1]) < 0.1


def test_a_view_too_black_to_be_exposed_is_a_black_picture_without_highlights():
    pixels = np.zeros((64, 128, 3), np.float16)
    pixels[30:33, 60:64] = 1000.0
    laid_out = atlas.build([Scene("a", "a", pixels)], VIEWS, SIZE)
    camera = DeviceCamera(laid_out, SIZE, Development())
    shots = [dataclasses.replace(shot, scene=0, yaw=0.0, pitch=0.0) for shot in drawn(4)]
    shots = [dataclasses.replace(shot, fov=90.0, top=0, side=0) for shot in shots]
    codes, target = take(camera, shots)
    assert (codes == 0).all()
    assert (target == 0).all()
    noisy = [dataclasses.replace(shot, noise_sd=0.01) for shot in shots]
    codes, target = take(camera, noisy)
    assert (codes == 0).all()
    assert (target == 0).all()
    assert (saturation(target) == 0).all()


def test_targets_are_limited_to_the_peak_of_their_shot():
    shots = [dataclasses.replace(shot, peak=1.25 + index) for index, shot in enumerate(drawn(3))]
    _, target = take(device_camera(), shots)
    for index, image in enumerate(target):
        assert image.max() <= 1.25 + index
    assert target[0].max() == 1.25


def test_scenes_stay_float16_and_outside_the_network_under_any_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    camera = device_camera()
    network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3)])

    class Around(keras.Model):
        def __init__(self):
            super().__init__(autocast=False)
            self.camera, self.network = camera, network

        def call(self, shots):
            picture, target = self.camera.take(shots)
            return picture, target, self.network(picture)

    shots = {name: ops.convert_to_tensor(x) for name, x in host.stack(drawn(2)).items()}
    around = Around()
    picture, target, _ = around(shots)
    assert [v.dtype for v in around.variables if v.path == "pixels"] == ["float16"]
    assert len(around.trainable_variables) == 2
    assert len(weights.collect(network)) == 2
    keras.config.set_dtype_policy("float32")
    expected = device_camera().take(shots)
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected[0]))
    np.testing.assert_array_equal(np.asarray(target), np.asarray(expected[1]))


def test_shots_rounded_by_a_policy_are_refused():
    stacked = {name: ops.convert_to_tensor(x) for name, x in host.stack(drawn(2)).items()}
    stacked["yaw"] = ops.cast(stacked["yaw"], "bfloat16")
    with pytest.raises(TypeError, match=r"bfloat16.*autocast=False"):
        device_camera().take(stacked)


class Counting:
    """Stand-in for motion settings: draws two random numbers."""

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return rng.random(2).astype(np.float32)


def test_batches_contain_the_same_shots_as_pairs():
    camera = Camera(sensor=Sensor(noise_sd=(0.0, 0.0)), development=DEVELOPMENT)
    settings: dict[str, Any] = {"size": SIZE, "batch": 3, "steps": 5, "seed": 7}
    settings |= {"epoch": 2, "first": 1, "motion": Counting()}
    batches = ShotBatches(smooth_scenes(), camera, VIEWS, **settings)
    pairs = Pairs(smooth_scenes(), camera, VIEWS, **settings)
    assert len(batches) == len(pairs) == 4
    batch = batches[2]
    np.testing.assert_array_equal(batch["motion"], pairs[2]["motion"])
    expected = [pairs.draw((7, 2, 3, item, 0)) for item in range(3)]
    for name, values in host.stack(expected).items():
        np.testing.assert_array_equal(batch[name], values)
    assert batch["motion"][1] == pytest.approx(
        generator((7, 2, 3, 1, 0), RandomStream.MOTION).random(2)
    )
    batches.on_epoch_begin()
    batches.on_epoch_end()
    assert len(batches) == 5
    assert (batches[2]["yaw"] != batch["yaw"]).any()


@pytest.mark.slow
def test_backends_take_the_same_pictures_in_one_graph(run_python, tmp_path):
    """Also: JAX imports no TensorFlow, and one trace serves all batches of both epochs."""
    results = {}
    for backend in ("jax", "tensorflow"):
        path = tmp_path / f"{backend}.npz"
        run_python(
            ROOT / "tests/camera/on_device/on_device.py", path, cwd=tmp_path, KERAS_BACKEND=backend
        )
        with np.load(path) as archive:
            results[backend] = dict(archive)
    one, other = results["jax"], results["tensorflow"]
    assert bool(one["without_tensorflow"])
    assert one["traced"].tolist() == [1, 1]
    np.testing.assert_allclose(one["target"], other["target"], rtol=2e-3, atol=1e-4)
    difference = np.abs(one["picture"] - other["picture"]) * 255.0
    assert (difference < 0.5).mean() > 0.99
    assert difference.mean() < 0.05
    assert one["level"] == pytest.approx(float(other["level"]), rel=1e-3)
    assert one["level"] > 0.1


def test_light_that_the_source_clipped_is_unknown():
    """The same pixels are NaN as on the host, except for a few at the threshold."""
    plain = smooth_scenes()
    scenes = [
        dataclasses.replace(scene, ceiling=float(np.quantile(scene.pixels, 0.8))) for scene in plain
    ]
    camera = DeviceCamera(atlas.build(scenes, VIEWS, SIZE), SIZE, DEVELOPMENT)
    shots = drawn(12)
    _, target = take(camera, shots)
    taken = [host.take(scenes[shot.scene], shot, SIZE)[1] for shot in shots]
    missing, expected = np.isnan(target), np.isnan(taken)
    assert 0.05 < expected.mean() < 0.9
    assert (missing == expected).mean() > 0.999
    both = ~missing & ~expected
    np.testing.assert_allclose(target[both], np.array(taken)[both], rtol=2e-3)
