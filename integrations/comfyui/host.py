"""What ComfyUI hands over and takes: tensors, its output folder, its progress bar.

Its modules, and torch, are imported when they are used: nothing of them is needed to load a node.
"""

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.predict.backend import VARIABLE


@contextlib.contextmanager
def onnx_alone() -> Iterator[None]:
    """Networks are computed by onnxruntime inside, whatever else is installed or asked for; the
    environment of the host is as it was after it.
    """
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "onnx"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def array(images: Any, name: str) -> np.ndarray:
    """An IMAGE as [B, H, W, C] float32, on the CPU, finite. name: of the input.

    Raises ValueError, one line.
    """
    found = np.asarray(images.cpu().numpy(), np.float32)
    if found.ndim != 4 or 0 in found.shape or found.shape[-1] not in (1, 3, 4):
        raise ValueError(f"{name}: pictures of shape [B, H, W, 3] are needed, not {found.shape}")
    if not all(np.isfinite(picture).all() for picture in found):
        raise ValueError(f"{name}: holds values that are not finite")
    return found


def colours(picture: np.ndarray) -> np.ndarray:
    """[H, W, C] to [H, W, 3]: grey three times, without alpha."""
    return np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture[..., :3]


def codes(picture: np.ndarray) -> np.ndarray:
    """[H, W, C] to [H, W, 3] within 0..1, as ComfyUI's own nodes save a picture: what lies outside,
    as upscalers and sharpeners leave it, is held.
    """
    return np.clip(colours(picture), 0.0, 1.0)


def alpha(picture: np.ndarray) -> np.ndarray | None:
    """[H, W] within 0..1, or None for a picture without one."""
    return np.clip(picture[..., 3], 0.0, 1.0) if picture.shape[-1] == 4 else None


def tensor(pictures: np.ndarray) -> Any:
    """[B, H, W, 3] float32 as an IMAGE."""
    return importlib.import_module("torch").from_numpy(np.ascontiguousarray(pictures, np.float32))


def progress(total: int) -> Callable[[], None]:
    """To be called after each picture: moves ComfyUI's progress bar, which is also where ComfyUI
    stops a batch that was cancelled.
    """
    try:
        bar = importlib.import_module("comfy.utils").ProgressBar(total)
    except ImportError:  # Used by something else than ComfyUI.
        return lambda: None

    def step() -> None:
        bar.update(1)

    return step


def output_place(prefix: str, columns: int, rows: int) -> tuple[Path, str, int, str]:
    """Where files of a prefix go, in ComfyUI's manner: folder, name, the next free number, and the
    folder within that of all results. Prefixes may name folders, and %width%, %height%, %year% ...
    """
    folder_paths = importlib.import_module("folder_paths")
    folder, name, number, below, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory(), columns, rows
    )
    return Path(folder), name, int(number), below
