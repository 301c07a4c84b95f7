"""ColorVideoVDP gets the arguments it expects; the real package is tested if it is installed."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training_code.evaluation import colorvideovdp


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """The metric is cached per process: clear it before and after each test."""
    colorvideovdp._metric.cache_clear()
    yield
    colorvideovdp._metric.cache_clear()


REFERENCE = np.random.default_rng(0).uniform(1.0, 500.0, (32, 48, 3))


def test_none_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            if name == "pycvvdp":
                raise ModuleNotFoundError("No module named 'pycvvdp'", name=name)

    monkeypatch.delitem(sys.modules, "pycvvdp", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    assert colorvideovdp.colorvideovdp_jod(REFERENCE, REFERENCE) is None


def test_the_prediction_is_the_first_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Recorder:
        def __init__(self, display_name: str) -> None:
            calls.append(display_name)

        def predict(self, test: Any, reference: Any, dim_order: str) -> tuple[Any, None]:
            calls.append((test, reference, dim_order))
            return np.float32(7.5), None

    monkeypatch.setitem(sys.modules, "pycvvdp", SimpleNamespace(cvvdp=Recorder))
    prediction = REFERENCE - 2.0
    assert colorvideovdp.colorvideovdp_jod(prediction, REFERENCE) == 7.5
    display, (test, reference, order) = calls
    assert (display, order) == ("standard_hdr_linear", "HWC")
    assert test.dtype == reference.dtype == np.float32
    np.testing.assert_array_equal(test, np.maximum(prediction, 0.0).astype(np.float32))
    np.testing.assert_array_equal(reference, REFERENCE.astype(np.float32))


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="images"):
        colorvideovdp.colorvideovdp_jod(REFERENCE, REFERENCE[:-1])


def test_the_real_metric() -> None:
    pytest.importorskip("pycvvdp")
    same = colorvideovdp.colorvideovdp_jod(REFERENCE, REFERENCE)
    noise = np.random.default_rng(1).normal(0.0, 0.5, REFERENCE.shape)
    worse = colorvideovdp.colorvideovdp_jod(REFERENCE * np.exp(noise), REFERENCE)
    assert same == pytest.approx(10.0, abs=1e-3)
    assert worse is not None
    assert worse < 9.9
