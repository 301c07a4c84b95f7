"""In which precision the convolutions of a network run.

bfloat16 keeps the range of float32 and 8 of its 24 bits. Processors with AVX512_BF16 or AMX
multiply it faster, all others several times more slowly. Logarithms, the last layers, mask and
blend stay float32 whatever is chosen: a log value rounded to bfloat16 is off by up to 0.045 stops.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

PRECISIONS = ("auto", "float32", "bfloat16")
CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Either of them makes bfloat16 fast, by the names Linux gives them."""


def cpu_has_bfloat16(cpuinfo: str | None = None) -> bool:
    """Whether the processor multiplies bfloat16 itself; False where it does not say.

    cpuinfo: the text of Linux' /proc/cpuinfo. Default: this machine's.
    """
    if cpuinfo is None:
        with contextlib.suppress(OSError):
            cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    lines = (cpuinfo or "").splitlines()
    return any(CPU_FLAGS & set(line.split()) for line in lines if line.startswith("flags"))


def chosen(precision: str, backend: str, on_gpu: bool = False) -> str:
    """float32 or bfloat16, for one of `PRECISIONS`.

    auto: bfloat16 where TensorFlow runs on a processor that has it; JAX converts to float32 and
    back there, which gains nothing. Raises ValueError for an unknown name.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}; known: {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision
    fast = backend == "tensorflow" and not on_gpu and cpu_has_bfloat16()
    return "bfloat16" if fast else "float32"


@contextlib.contextmanager
def building_in(precision: str) -> Iterator[None]:
    """Keras layers built inside compute in float32 or bfloat16; their weights are float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
