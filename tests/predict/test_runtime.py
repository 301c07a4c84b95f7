"""Devices: free memory reported by the driver, and the size of tiles that fit."""

import subprocess

import pytest

import hdrcnn
from hdrcnn.predict import runtime


def test_tiles_grow_with_the_memory_and_shrink_with_the_width():
    usual = 1 << 21
    assert runtime.tile_pixels(None, 16, usual) == usual
    assert usual / 2 < runtime.tile_pixels(None, 64, usual) < usual
    sizes = [runtime.tile_pixels(gigabytes << 30, 64, usual) for gigabytes in (0, 8, 24, 4000)]
    assert sizes == sorted(sizes)
    assert sizes[0] > 0
    assert sizes[-1] == runtime.MAX_TILE_PIXELS
    assert runtime.tile_pixels(8 << 30, 16, usual) > sizes[1]


@pytest.mark.parametrize(
    ("said", "expected"), [("8192\n16384\n", 8192 << 20), ("N/A\n", None), ("", None)]
)
def test_free_memory_is_read_from_the_driver(monkeypatch, said, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(runtime.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(
        runtime.subprocess,
        "run",
        lambda command, **options: subprocess.CompletedProcess(command, 0, stdout=said),
    )
    assert runtime.free_gpu_bytes() == expected
    monkeypatch.setattr(runtime.shutil, "which", lambda name: None)
    assert runtime.free_gpu_bytes() is None


def test_a_missing_gpu_is_reported(run_python, tmp_path):
    done = run_python(
        "-c", "from hdrcnn.predict import runtime; runtime.prepare('gpu')",
        cwd=tmp_path, status=1,
        CUDA_VISIBLE_DEVICES="-1",
    )  # fmt: skip
    assert "DeviceError: --device=gpu: TensorFlow finds none" in done.stderr


def test_an_unknown_device_is_refused(tiny_weights):
    with pytest.raises(runtime.DeviceError, match=r"device .*banana.*cpu"):
        hdrcnn.load(tiny_weights, device="banana")


@pytest.mark.parametrize(
    ("visible", "expected"),
    [(None, 8192 << 20), ("1", 16384 << 20), ("1,0", 16384 << 20), ("GPU-5c", 512 << 20),
     ("", None), ("-1", None), ("7", None)],
)  # fmt: skip
def test_free_memory_is_that_of_the_gpu_that_is_used(monkeypatch, visible, expected):
    """In place of the driver's tool, which knows GPUs by number and by name."""
    free = {"0": "8192", "1": "16384", "GPU-5c": "512"}

    def answer(command, **options):
        (asked,) = [word.split("=")[1] for word in command if word.startswith("--id=")] or [None]
        if asked is not None and asked not in free:
            raise subprocess.CalledProcessError(6, command)
        found = [free[asked]] if asked else [free["0"], free["1"]]
        return subprocess.CompletedProcess(command, 0, stdout="\n".join(found))

    monkeypatch.setattr(runtime.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(runtime.subprocess, "run", answer)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert runtime.free_gpu_bytes() == expected
