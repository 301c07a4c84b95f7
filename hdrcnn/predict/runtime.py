"""Choice of device, tile size and precision.

bfloat16 keeps the range of float32 and 8 of its 24 significand bits. Processors with AVX512_BF16 or
AMX multiply it faster, all others several times more slowly. Logarithms, the last layers, mask and
blend always stay float32: rounding a log value to bfloat16 is an error of up to 0.045 stops.
Not yet tested on a GPU.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hdrcnn.files import UserError

BACKENDS = ("auto", "tensorflow", "jax", "onnx")
"""Libraries that compute the networks; see `predict.backend`."""
DEVICES = ("auto", "cpu", "gpu")
BYTES = 20
"""Approximate memory per pixel of a tile and per channel of the network's first block."""
CPU_BYTES = 2_200_000_000
"""Largest amount of main memory for the network."""
MAX_TILE_PIXELS = 1 << 24
"""Largest number of pixels per tile on a GPU; more gain nothing."""


class DeviceError(UserError):
    """A device that is unknown or not available."""


def free_gpu_bytes() -> int | None:
    """Free memory, in bytes, of the first NVIDIA GPU that CUDA_VISIBLE_DEVICES allows.

    None if it allows none, or if nvidia-smi reports none.
    """
    tool, visible = shutil.which("nvidia-smi"), os.environ.get("CUDA_VISIBLE_DEVICES")
    first = None if visible is None else visible.split(",")[0].strip()
    if tool is None or first in ("", "-1"):
        return None
    query = [tool, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    query += [] if first is None else [f"--id={first}"]  # nvidia-smi ignores the variable.
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        return int(said.stdout.split()[0]) << 20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def tile_pixels(free_gpu: int | None, width: int, usual: int) -> int:
    """Number of pixels of a tile.

    free_gpu: free GPU memory in bytes, of which half is used, or None without a GPU; then the
    result is `usual`, or fewer for wide networks. width: channels of the network's first block.
    """
    if free_gpu is None:
        return min(usual, CPU_BYTES // (BYTES * width))
    return max(usual // 4, min(MAX_TILE_PIXELS, free_gpu // 2 // (BYTES * width)))


def tile_size(asked: int | None, on_gpu: bool, width: int) -> int:
    """Number of pixels of a tile: `asked`, or chosen by the available memory if that is None.

    on_gpu: result of `prepare`; width: as for `tile_pixels`.
    """
    if asked is not None:
        return asked
    from hdrcnn.tiles.tiling import (
        TILE_PIXELS,
    )  # It needs NumPy, the parsing of arguments does not.

    return tile_pixels(free_gpu_bytes() if on_gpu else None, width, TILE_PIXELS)


def check_device(device: str) -> None:
    """Raise DeviceError unless the device is one of `DEVICES`."""
    if device not in DEVICES:
        raise DeviceError(f"unknown device {device!r}; known: {', '.join(DEVICES)}")


def prepare(device: str) -> bool:
    """Choose a device for Keras before the first computation. Returns True for a GPU.

    device: one of `DEVICES`. TensorFlow allocates GPU memory only as needed. Raises DeviceError if
    a GPU is requested and missing, or the device is unknown.
    """
    check_device(device)
    import keras

    if keras.config.backend() == "jax":
        return _prepare_jax(device)
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise DeviceError(
            "--device=gpu: TensorFlow finds none; use cpu, or pip install tensorflow[and-cuda]"
        )
    try:
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
            return False
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        pass  # TensorFlow has already computed something and cannot change its devices any more.
    return bool(gpus)


def _prepare_jax(device: str) -> bool:
    import jax

    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    found = jax.default_backend() != "cpu"
    if device == "gpu" and not found:
        raise DeviceError("--device=gpu: JAX finds none; use cpu, or pip install jax[cuda13]")
    return found


PRECISIONS = ("auto", "float32", "bfloat16", "int8")
CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Processor features, by their Linux names, either of which makes bfloat16 fast."""


def cpu_has_bfloat16(cpuinfo: str | None = None) -> bool:
    """Whether the processor multiplies bfloat16 natively; False if that is unknown.

    cpuinfo: text of Linux's /proc/cpuinfo. Default: this machine's.
    """
    if cpuinfo is None:
        with contextlib.suppress(OSError):
            cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    lines = (cpuinfo or "").splitlines()
    return any(CPU_FLAGS & set(line.split()) for line in lines if line.startswith("flags"))


def resolve_precision(precision: str, backend: str, on_gpu: bool = False) -> str:
    """Resolve one of `PRECISIONS` to float32, bfloat16 or int8.

    auto: bfloat16 if TensorFlow runs on a processor that supports it. JAX would convert to float32
    and back there, which gains nothing. Raises ValueError for an unknown name.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}; known: {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision
    fast = backend == "tensorflow" and not on_gpu and cpu_has_bfloat16()
    return "bfloat16" if fast else "float32"


@contextlib.contextmanager
def building_in(precision: str) -> Iterator[None]:
    """Build Keras layers inside that compute in float32 or bfloat16; their weights are float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
