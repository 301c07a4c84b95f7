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


def _values(tensor: Any) -> np.ndarray:
    """A tensor of any device and kind, bfloat16 too, as float32. Not to be written to: it may be
    the tensor's own memory.
    """
    return np.asarray(tensor.detach().cpu().float().numpy())


def array(images: Any, name: str) -> np.ndarray:
    """An IMAGE as [B, H, W, C] float32, on the CPU, finite. name: of the input.

    Raises ValueError, one line.
    """
    found = _values(images)
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


def alphas(pictures: np.ndarray, mask: Any, names: tuple[str, str]) -> list[np.ndarray | None]:
    """[H, W] within 0..1 for each of [B, H, W, C], or None for an opaque one: 1 - mask, else the
    fourth channel. mask: a MASK or None; names: of both inputs.

    Load Image gives [B, H, W], 1 where a picture is transparent, and [1, 64, 64] zeros for one
    without alpha. Raises ValueError, one line.
    """
    count, size = len(pictures), pictures.shape[1:3]
    values = None if mask is None else _values(mask)
    if values is None or not values.any():
        return [alpha(picture) for picture in pictures]
    masks = values[None] if values.ndim == 2 else values
    if masks.shape[1:] != size or len(masks) not in (1, count):
        raise ValueError(
            f"{names[1]}: of shape {masks.shape}; {names[0]} needs {(count, *size)}, as of the "
            "Load Image that it is from"
        )
    shown = 1.0 - np.clip(np.nan_to_num(masks), 0.0, 1.0)
    return list(np.broadcast_to(shown, (count, *size)))


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
