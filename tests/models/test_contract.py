"""Contract of every network: building, saving, loading, low precision, backends and tiles."""

import re

import keras
import numpy as np
import pytest
from keras import ops

from hdrcnn import weights
from hdrcnn.models.metadata import MODELS, read
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.keras_graph import network, total_stride
from hdrcnn.tiles.tiling import Tiling
from tests.models.tiny import IMAGE_NETWORKS, TINY, random_input

AUTOMATIC_NAME = re.compile(
    r"(conv2d|dense|batch_normalization|re_lu|concatenate|max_pooling2d)(_\d+)?$"
)


@pytest.fixture(scope="module", params=TINY)
def record(request):
    return TINY[request.param]


@pytest.fixture(scope="module")
def model(record):
    keras.utils.set_random_seed(3)
    return record.build()


def test_every_network_is_tested():
    assert {record.model for record in TINY.values()} == set(MODELS)
    assert all(kind.takes and kind.gives for kind in MODELS.values())


def test_output_is_float32_and_finite(model, record):
    y = np.asarray(model(random_input(record), training=False))
    assert y.dtype == np.float32
    assert np.isfinite(y).all()
    if record in IMAGE_NETWORKS:
        assert y.shape == (2, 64, 64, 3)


def test_every_layer_is_named_by_hand(model):
    assert not [layer.name for layer in model.layers if AUTOMATIC_NAME.match(layer.name)]
    paths = [variable.path for variable in model.weights]
    assert len(set(paths)) == len(paths)


def test_low_precision_affects_only_the_convolutions(model, record):
    keras.config.set_dtype_policy("mixed_bfloat16")
    low = record.build()
    weights.assign(low, weights.collect(model), "the same")
    assert low.get_layer(index=-1).compute_dtype == "float32"
    assert all(variable.dtype == "float32" for variable in low.weights)
    batch = random_input(record)
    exact, rounded = (np.asarray(m(batch, training=False)) for m in (model, low))
    assert rounded.dtype == np.float32
    # bfloat16 has eight bits.
    assert np.abs(rounded - exact).max() < 0.05 * max(1.0, np.abs(exact).max())


def test_every_weight_has_a_finite_gradient(model, record):
    tf = pytest.importorskip("tensorflow")
    with tf.GradientTape() as tape:
        loss = ops.mean(ops.square(model(random_input(record), training=True) - 0.3))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(np.asarray(gradient)).all(), variable.path


def test_a_saved_and_loaded_network_computes_the_same(model, record, tmp_path):
    weights.save(tmp_path / "w.npz", weights.collect(model), record, half=False)
    arrays, found = weights.load(tmp_path / "w.npz")
    assert found == record == read(record.as_record())
    other = found.build()
    weights.assign(other, arrays, "w.npz")
    batch = random_input(record)
    np.testing.assert_array_equal(
        np.asarray(other(batch, training=False)), np.asarray(model(batch, training=False))
    )
    del arrays[next(iter(arrays))]
    with pytest.raises(weights.WeightsError, match="missing"):
        weights.assign(other, arrays, "w.npz")


def test_weights_of_another_network_are_refused(record):
    other = next(kind for name, kind in MODELS.items() if name != record.model)
    with pytest.raises(weights.WeightsError, match=record.model):
        weights.expect_kind({}, record, other, "w.npz")


@pytest.mark.slow
def test_both_backends_agree(tmp_path, run_python):
    pytest.importorskip("jax")
    script = (
        "import sys, jax, keras, numpy as np\nfrom hdrcnn import weights\n"
        # All weights are assigned below; JAX would compile random initial values for every shape.
        "start = keras.initializers.VarianceScaling\n"
        "start.__call__ = lambda self, shape, dtype=None: np.zeros(shape, dtype)\n"
        "for path in sys.argv[1:]:\n"
        "    arrays, record = weights.load(__import__('pathlib').Path(path))\n"
        "    model = record.build()\n    weights.assign(model, arrays, path)\n"
        "    batch = np.load(path + '.npy')\n"
        # Compiled as a whole, because single operations take ten times as long.
        "    whole = jax.jit(lambda batch: model(batch, training=False))\n"
        "    np.save(path + '.out.npy', np.asarray(whole(batch)))\n"
    )
    expected = {}
    for name, record in TINY.items():
        keras.utils.set_random_seed(5)
        model, path = record.build(), tmp_path / f"{name}.npz"
        weights.save(path, weights.collect(model), record, half=False)
        np.save(f"{path}.npy", random_input(record))
        expected[path] = np.asarray(model(random_input(record), training=False))
    run_python("-c", script, *expected, cwd=tmp_path, KERAS_BACKEND="jax")
    for path, values in expected.items():
        found = np.load(f"{path}.out.npy")
        np.testing.assert_allclose(found, values, atol=1e-4 * max(1.0, np.abs(values).max()))


@pytest.mark.parametrize("record", IMAGE_NETWORKS, ids=lambda record: record.model)
def test_tiles_equal_the_whole(record):
    keras.utils.set_random_seed(7)
    model = record.build()
    code = np.random.default_rng(7).random((160, 480, 3), np.float32)
    whole = np.asarray(model.predict_on_batch(code[None]))[0]
    tiling = Tiling(network(model), 160 * 448)
    frame = Frame(code, tiling.cell)
    everything = np.ones(tuple(side // tiling.cell for side in code.shape[:2]), bool)
    count = 0
    for part, values in tiling.predict(frame, everything):
        count += 1
        np.testing.assert_allclose(values, whole[part.within(frame.bounds)], atol=1e-4)
    assert count > 1


def test_the_stride_is_that_of_the_network_and_of_its_description(model, record):
    told = re.search(r"multiples of (\d+)", record.takes)
    assert record.stride == (int(told[1]) if told else 1)
    if record in IMAGE_NETWORKS:
        assert total_stride(model) == record.stride
