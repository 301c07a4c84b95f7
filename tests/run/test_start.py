"""Start weights: VGG16 from every kind of file, ours and the published one; all or nothing."""

import importlib
import pickle
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.models.hdrcnn import build
from hdrcnn.weights import WeightsError
from tests.models.tiny import TINY
from tests.weights.published import published_arrays, save_published
from training_code.run import start as starts, vgg16

CAFFE = [
    f"conv{block}_{n}"
    for block, count in enumerate((2, 2, 3, 3, 3), 1)
    for n in range(1, count + 1)
]


@pytest.fixture(scope="module")
def theirs() -> keras.Model:
    """Keras' VGG16 with random weights and biases."""
    keras.utils.set_random_seed(2)
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(None, None, 3))
    rng = np.random.default_rng(2)
    for variable in model.variables:
        if variable.path.endswith("bias"):
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return model


@pytest.fixture(scope="module")
def arrays(theirs) -> dict[str, np.ndarray]:
    return {variable.path: np.asarray(variable) for variable in theirs.variables}


def write_keras1(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            layer, part = name.split("/")
            letter = {"kernel": "W", "bias": "b"}[part]
            file[f"{layer}/{layer}_{letter}_1:0"] = array
        file.create_group("block1_pool")


def write_keras2(path: Path, arrays: dict[str, np.ndarray], top: str = "") -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[f"{top}{name.split('/')[0]}/{name}:0"] = array
        file[f"optimizer_weights/training/Adam/{next(iter(arrays))}/m:0"] = np.zeros((3, 3, 3, 64))
        file[f"{top}fc1/fc1/kernel:0"] = np.zeros((8, 4), np.float32)


def layers(arrays: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    values = list(arrays.values())
    return list(zip(values[::2], values[1::2], strict=True))


def write_dictionary(path: Path, arrays: dict[str, np.ndarray], pairs: bool = False) -> None:
    content: dict = {
        name: [kernel, bias] if pairs else {"weights": kernel, "biases": bias}
        for name, (kernel, bias) in reversed(list(zip(CAFFE, layers(arrays), strict=True)))
    }
    content["fc8"] = [np.zeros((4, 2), np.float32), np.zeros(2, np.float32)]
    np.save(path, np.array(content, dtype=object), allow_pickle=True)


def write_rgb(path: Path, arrays: dict[str, np.ndarray]) -> None:
    content: dict = {"fc8_W": np.zeros((4, 2))}
    for name, (kernel, bias) in zip(CAFFE, layers(arrays), strict=True):
        content[f"{name}_W"] = kernel[:, :, ::-1] if name == "conv1_1" else kernel
        content[f"{name}_b"] = bias
    np.savez(path, **content)


WRITERS = {
    "keras1.h5": write_keras1,
    "keras2.h5": write_keras2,
    "full.h5": lambda path, arrays: write_keras2(path, arrays, "model_weights/"),
    "dictionary.npy": write_dictionary,
    "pairs.npy": lambda path, arrays: write_dictionary(path, arrays, pairs=True),
    "rgb.npz": write_rgb,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_layout_gives_the_same_arrays(tmp_path, arrays, name):
    WRITERS[name](tmp_path / name, arrays)
    start = starts.load(tmp_path / name)
    assert (start.options, start.whole) == ({"width": 64}, False)
    assert list(start.arrays) == list(arrays)
    for key, array in arrays.items():
        assert start.arrays[key].dtype == np.float32
        np.testing.assert_array_equal(start.arrays[key], array)


def test_the_encoder_matches_vgg16_of_keras(tmp_path, theirs):
    """Weights saved by Keras in both formats are compared on the input that Keras' preprocessing
    gives. The rest of the network does not change.
    """
    theirs.save_weights(tmp_path / "vgg.weights.h5")
    theirs.save(tmp_path / "vgg.h5")
    keras.utils.set_random_seed(3)
    ours = build(64)
    before = weights.collect(ours)
    code = np.random.default_rng(4).random((1, 32, 64, 3), np.float32)
    expected = keras.Model(theirs.input, theirs.get_layer("block5_conv3").output)(
        keras.applications.vgg16.preprocess_input(255.0 * code)
    )
    encoder = keras.Model(ours.input, ours.get_layer("block5_conv3").output)
    for name in ("vgg.weights.h5", "vgg.h5"):
        weights.assign(ours, before, "before")
        assert np.abs(np.asarray(encoder(code)) - expected).max() > 0.1 * np.max(expected)
        starts.assign(ours, starts.load(tmp_path / name), name, {"width": 64})
        scale = float(np.max(expected))
        np.testing.assert_allclose(encoder(code), expected, atol=1e-5 * scale)
        for path, array in weights.collect(ours).items():
            assert (array == before[path]).all() == (path not in vgg16.expected()), path


def test_other_widths_are_refused(tmp_path, arrays):
    write_keras1(tmp_path / "vgg.h5", arrays)
    model = build(4)
    before = weights.collect(model)
    with pytest.raises(WeightsError, match=r"^f: VGG16 [^\n]*width [^\n]*$"):
        starts.assign(model, starts.load(tmp_path / "vgg.h5"), "f", {"width": 4})
    for path, array in weights.collect(model).items():
        np.testing.assert_array_equal(array, before[path])


def test_ours_and_the_published_file_are_whole(tmp_path, tiny_weights):
    model = build(4)
    start = starts.load(tiny_weights)
    assert (start.options, start.whole) == ({"width": 4}, True)
    starts.assign(model, start, "tiny", {"width": 4})
    for path, array in weights.collect(model).items():
        np.testing.assert_array_equal(array, start.arrays[path])
    published = starts.load(save_published(tmp_path / "p.npz", published_arrays(2)))
    assert (published.options, published.whole) == ({"width": 2}, True)
    with pytest.raises(WeightsError, match=r"^p: width 2[^\n]*$"):
        starts.assign(build(5), published, "p", {"width": 5})


def test_partial_weights_are_assigned_completely_or_not_at_all():
    model = build(2)
    bias = np.array([1.0, 2.0], np.float32)
    starts.assign_partly(model, {"block1_conv1/bias": bias}, "f")
    before = weights.collect(model)
    np.testing.assert_array_equal(before["block1_conv1/bias"], bias)
    for wrong in (
        {"block1_conv1/bias": 2 * bias, "block9/bias": bias},
        {"block1_conv1/bias": 2 * bias, "block1_conv2/bias": bias[:1]},
        {"block1_conv1/bias": bias * np.float32(np.nan)},
    ):
        with pytest.raises(WeightsError, match=r"^f: [^\n]*$"):
            starts.assign_partly(model, wrong, "f")
        np.testing.assert_array_equal(weights.collect(model)["block1_conv1/bias"], bias)


def drop_one(arrays):
    return {name: array for name, array in arrays.items() if name != "block3_conv2/bias"}


def transpose_one(arrays):
    return arrays | {"block4_conv1/kernel": arrays["block4_conv1/kernel"].T}


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("keras1.h5", drop_one, r"not VGG16: block3_conv2/bias is missing"),
        ("keras2.h5", transpose_one, r"block4_conv1/kernel has shape \(512, 256, 3, 3\)"),
        ("dictionary.npy", transpose_one, r"block4_conv1/kernel has shape \(512, 256, 3, 3\)"),
        ("rgb.npz", transpose_one, r"block4_conv1/kernel has shape \(512, 256, 3, 3\)"),
    ],
)
def test_missing_arrays_and_wrong_shapes_are_named(tmp_path, arrays, name, change, reason):
    WRITERS[name](tmp_path / name, change(arrays))
    with pytest.raises(WeightsError, match=rf"^[^\n]*{name}: [^\n]*{reason}[^\n]*$"):
        starts.load(tmp_path / name)


def test_a_dictionary_of_python_2_is_read(tmp_path, arrays):
    """Pickle protocol 2 with NumPy's old module names, as Python 2 wrote it."""
    write_dictionary(tmp_path / "new.npy", arrays)
    content = np.load(tmp_path / "new.npy", allow_pickle=True)
    header = (tmp_path / "new.npy").read_bytes()
    start = 10 + int.from_bytes(header[8:10], "little")
    payload = pickle.dumps(content, protocol=2).replace(b"numpy._core", b"numpy.core")
    (tmp_path / "old.npy").write_bytes(header[:start] + payload)
    for name, array in vgg16.read(tmp_path / "old.npy").items():
        np.testing.assert_array_equal(array, arrays[name])


def test_weights_of_another_network_are_refused(tmp_path):
    """The error names the network, not settings that the task does not have."""
    for name in ("film_curves", "exposure_stack"):
        record = TINY[name]
        model = importlib.import_module(f"hdrcnn.models.{name}").build(**record.options())
        weights.save(tmp_path / f"{name}.npz", weights.collect(model), record)
        start = starts.load(tmp_path / f"{name}.npz")
        with pytest.raises(WeightsError, match=f"s.npz: for a network '{name}'; 'hdrcnn'"):
            starts.check(start, "s.npz", "hdrcnn", {"width": 2})
        starts.check(start, "s.npz", name, record.options())
