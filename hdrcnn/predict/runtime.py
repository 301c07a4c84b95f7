"""Which device computes, how much of a picture fits into its memory, and in which precision.

bfloat16 keeps the range of float32 and 8 of its 24 bits. Processors with AVX512_BF16 or AMX
multiply it faster, all others several times more slowly. Logarithms, the last layers, mask and
blend stay float32 whatever is chosen: a log value rounded to bfloat16 is off by up to 0.045 stops.
Untested on a GPU so far.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hdrcnn.files import UserError

BACKENDS = ("auto", "tensorflow", "jax", "onnx")
"""Libraries that compute the networks: `predict.backend`."""
DEVICES = ("auto", "cpu", "gpu")
BYTES = 20
"""Of a pixel worked on at once, for each channel of the network's first block, about."""
CPU_BYTES = 2_200_000_000
"""What the network may take of a computer's own memory."""
LARGEST = 1 << 24
"""Pixels at once on a GPU; more gain nothing."""


class DeviceError(UserError):
    """A device that is not there."""


def free_gpu_bytes() -> int | None:
    """Memory free on the first NVIDIA GPU, or None if none says so."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = [tool, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        return int(said.stdout.split()[0]) << 20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def tile_pixels(free_gpu: int | None, width: int, usual: int) -> int:
    """Pixels of a picture to work on at once.

    free_gpu: bytes of the GPU's memory, of which half is taken; None without one: then `usual`,
    fewer for wide networks. width: channels of the network's first block.
    """
    if free_gpu is None:
        return min(usual, CPU_BYTES // (BYTES * width))
    return max(usual // 4, min(LARGEST, free_gpu // 2 // (BYTES * width)))


def check_device(device: str) -> None:
    """Raises DeviceError for one that is not of `DEVICES`."""
    if device not in DEVICES:
        raise DeviceError(f"unknown device {device!r}; known: {', '.join(DEVICES)}")


def prepare(device: str) -> bool:
    """Settle on a device before the first computation; True if it is a GPU.

    device: one of `DEVICES`. A GPU is left what it does not need. Raises DeviceError if one is
    asked for and missing, or the device is unknown.
    """
    check_device(device)
    import keras

    if keras.config.backend() == "jax":
        return _prepare_jax(device)
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise DeviceError("--device=gpu: TensorFlow finds none; use cpu, or see the README")
    try:
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
            return False
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        pass  # Something has been computed already, with the devices as they are.
    return bool(gpus)


def _prepare_jax(device: str) -> bool:
    import jax

    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    found = jax.default_backend() != "cpu"
    if device == "gpu" and not found:
        raise DeviceError("--device=gpu: JAX finds none; use cpu, or see the README")
    return found


PRECISIONS = ("auto", "float32", "bfloat16", "int8")
CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Either of them makes bfloat16 fast, by the names Linux gives them."""


def cpu_has_bfloat16(cpuinfo: str | None = None) -> bool:
    """Whether the processor multiplies bfloat16 itself; False if it does not say.

    cpuinfo: the text of Linux' /proc/cpuinfo. Default: this machine's.
    """
    if cpuinfo is None:
        with contextlib.suppress(OSError):
            cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    lines = (cpuinfo or "").splitlines()
    return any(CPU_FLAGS & set(line.split()) for line in lines if line.startswith("flags"))


def chosen(precision: str, backend: str, on_gpu: bool = False) -> str:
    """float32, bfloat16 or int8, for one of `PRECISIONS`.

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
