"""bfloat16: chosen by the flags of the processor, and close to float32."""

import keras
import numpy as np
import pytest

import hdrcnn
from hdrcnn.colour.transfer import log_decode
from hdrcnn.predict import runtime
from tests.conftest import ROOT
from tests.weights.published import published_arrays, save_published


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 gfni", True),
        ("flags\t\t: fpu amx_tile amx_bf16", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("model name\t: avx512_bf16", False),
        ("", False),
    ],
)
def test_the_flags_of_the_processor_decide(monkeypatch, line, expected):
    assert runtime.cpu_has_bfloat16(f"processor\t: 0\n{line}\n") is expected
    monkeypatch.setattr(runtime, "cpu_has_bfloat16", lambda: expected)
    assert runtime.resolve_precision("auto", "tensorflow") == (
        "bfloat16" if expected else "float32"
    )
    assert runtime.resolve_precision("auto", "jax") == "float32"
    assert runtime.resolve_precision("auto", "tensorflow", on_gpu=True) == "float32"
    assert runtime.resolve_precision("bfloat16", "jax") == "bfloat16"
    with pytest.raises(ValueError, match=r"precision .*half"):
        runtime.resolve_precision("half", "tensorflow")


def test_the_policy_is_restored():
    with runtime.building_in("bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_a_published_file_is_computed_in_float32_by_default(tmp_path, tiny_weights, monkeypatch):
    monkeypatch.setattr(runtime, "cpu_has_bfloat16", lambda: True)
    published = save_published(tmp_path / "p.npz", published_arrays(2))

    def computed_in(params, asked):
        return (
            hdrcnn.load(params, precision=asked)
            .network.source.get_layer("block1_conv2")
            .compute_dtype
        )

    assert computed_in(published, "auto") == "float32"
    assert computed_in(published, "bfloat16") == "bfloat16"
    assert computed_in(tiny_weights, "auto") == "bfloat16"


def test_bfloat16_is_close_to_float32_in_highlights():
    """RMS error in stops over the highlights of all computed sample scenes."""
    full, low = (hdrcnn.load(precision=name) for name in ("float32", "bfloat16"))
    assert low.network.source.get_layer("block1_conv2").compute_dtype == "bfloat16"
    squares = []
    for truth in sorted((ROOT / "data" / "truth").glob("*.exr")):
        code = hdrcnn.read(ROOT / "data" / f"{truth.stem}.png")
        light = [np.maximum(log_decode(p.log_hdr(code)), 1e-3) for p in (full, low)]
        squares.append(np.square(np.log2(light[1] / light[0]))[code.max(axis=-1) > 0.95])
    error = np.sqrt(np.concatenate(squares).mean())
    assert 0.0 < error < 0.01
