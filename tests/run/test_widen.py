"""A widened network computes the same, and its copied channels diverge in training."""

import dataclasses
import importlib

import keras
import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.models.hdrcnn import build
from hdrcnn.models.metadata import Hdrcnn
from hdrcnn.weights import SHIPPED, WeightsError
from tests.models.tiny import TINY, random_input
from training_code.run import start, widen


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.clip(rng.normal(0.8, 0.3, (1, 64, 96, 3)), 0, 1).astype(np.float32)


@pytest.mark.parametrize("times", [2, 3])
def test_a_wider_network_computes_the_same(picture, times):
    arrays, metadata = weights.load(SHIPPED)
    assert isinstance(metadata, Hdrcnn)
    narrow = build(metadata.width)
    weights.assign(narrow, arrays, "narrow")
    wide = build(metadata.width * times)
    start.assign(wide, start.load(SHIPPED), "wide", {"width": metadata.width * times})
    expected, found = (np.asarray(model(picture)) for model in (narrow, wide))
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("name", TINY)
def test_every_network_computes_the_same_when_widened(name):
    """Including transposed convolutions, whatever their names, and dense layers."""
    record = TINY[name]
    module = importlib.import_module(f"hdrcnn.models.{record.model}")
    wide = dataclasses.replace(
        record, **{record.width_field: 3 * getattr(record, record.width_field)}
    )
    narrow, wider = (module.build(**own.options()) for own in (record, wide))
    rng = np.random.default_rng(5)
    for variable in narrow.weights:
        low = 0.5 if "variance" in variable.path else -0.2
        variable.assign(rng.uniform(low, low + 0.4, variable.shape))
    begun = start.Start(
        weights.collect(narrow), record.options(), True, {}, record.model, record.width_field
    )
    start.assign(wider, begun, "wide", wide.options())
    seen = random_input(record)
    pairs = zip(*(keras.tree.flatten(model(seen)) for model in (narrow, wider)), strict=True)
    for expected, found in pairs:
        assert np.std(expected) > 1e-3
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_copies_have_gradients_of_their_own(tiny_weights, picture):
    model = build(8)
    start.assign(model, start.load(tiny_weights), "wide", {"width": 8})
    before = np.asarray(model.get_layer("block1_conv1").kernel)
    np.testing.assert_array_equal(before[..., ::2], before[..., 1::2])
    model.compile(keras.optimizers.SGD(1e-4), "mse")
    model.train_on_batch(picture, np.zeros_like(picture))
    after = np.asarray(model.get_layer("block1_conv1").kernel)
    assert np.abs(after[..., ::2] - after[..., 1::2]).max() > 0


def test_widths_that_are_not_multiples_are_refused(tiny_weights):
    for width in (2, 6):
        with pytest.raises(WeightsError, match="width 4"):
            start.assign(build(width), start.load(tiny_weights), "t.npz", {"width": width})
    with pytest.raises(ValueError, match="a: "):
        widen.widened({"a": np.zeros((3, 3, 2, 2))}, {"a": (3, 3, 2, 3)})
    with pytest.raises(ValueError, match="b"):
        widen.widened({"a": np.zeros(2)}, {"b": (2,)})
