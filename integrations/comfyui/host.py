"""Interface to ComfyUI: tensors, its output folder, its progress bar.

ComfyUI's modules and torch are imported when they are used, so loading a node needs none of them.
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
    """Compute networks inside by onnxruntime, whatever else is installed or configured.

    The environment of the host is restored afterwards.
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
    """A tensor of any device and type, including bfloat16, as float32.

    Do not write to it: it may share the tensor's memory.
    """
    return np.asarray(tensor.detach().cpu().float().numpy())


def array(images: Any, name: str) -> np.ndarray:
    """Convert an IMAGE to [B, H, W, C] float32 on the CPU. name: of the input, for messages.

    Raises ValueError for a wrong shape or values that are not finite.
    """
    found = _values(images)
    if found.ndim != 4 or 0 in found.shape or found.shape[-1] not in (1, 3, 4):
        raise ValueError(f"{name}: pictures of shape [B, H, W, 3] are needed, not {found.shape}")
    if not all(np.isfinite(picture).all() for picture in found):
        raise ValueError(f"{name}: holds values that are not finite")
    return found


def colours(picture: np.ndarray) -> np.ndarray:
    """[H, W, C] to [H, W, 3]: grey is repeated, alpha is dropped."""
    return np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture[..., :3]


def codes(picture: np.ndarray) -> np.ndarray:
    """[H, W, C] to [H, W, 3], clipped to [0, 1] as ComfyUI's own nodes do when they save an image.

    Upscalers and sharpeners leave values outside that range.
    """
    return np.clip(colours(picture), 0.0, 1.0)


def alpha(picture: np.ndarray) -> np.ndarray | None:
    """Alpha, [H, W] in [0, 1], or None for an image without it."""
    return np.clip(picture[..., 3], 0.0, 1.0) if picture.shape[-1] == 4 else None


def alphas(pictures: np.ndarray, mask: Any, names: tuple[str, str]) -> list[np.ndarray | None]:
    """Alpha, [H, W] in [0, 1], of each of [B, H, W, C], or None if it is opaque.

    It is 1 - mask if there is a mask, else the fourth channel. mask: a MASK or None; names: of both
    inputs, for messages. Load Image returns a mask [B, H, W] that is 1 where an image is
    transparent, and zeros [1, 64, 64] for one without alpha. Raises ValueError for a mask of a
    wrong shape.
    """
    count, size = len(pictures), pictures.shape[1:3]
    values = None if mask is None else _values(mask)
    if values is None or not values.any():
        return [alpha(picture) for picture in pictures]
    masks = values[None] if values.ndim == 2 else values
    if masks.shape[1:] != size or len(masks) not in (1, count):
        raise ValueError(
            f"{names[1]}: has shape {masks.shape}; {names[0]} needs {(count, *size)}; connect the "
            "mask of the same Load Image"
        )
    shown = 1.0 - np.clip(np.nan_to_num(masks), 0.0, 1.0)
    return list(np.broadcast_to(shown, (count, *size)))


def tensor(pictures: np.ndarray) -> Any:
    """Convert [B, H, W, 3] float32 to an IMAGE."""
    return importlib.import_module("torch").from_numpy(np.ascontiguousarray(pictures, np.float32))


def progress(total: int) -> Callable[[], None]:
    """Return a function to call after each image, which advances ComfyUI's progress bar.

    ComfyUI also stops a cancelled batch in that call.
    """
    try:
        bar = importlib.import_module("comfy.utils").ProgressBar(total)
    except ImportError:  # Not running inside ComfyUI.
        return lambda: None

    def step() -> None:
        bar.update(1)

    return step


def output_place(prefix: str, columns: int, rows: int) -> tuple[Path, str, int, str]:
    """Where files with a prefix are saved, by ComfyUI's rules.

    Returns the folder, the name, the next free number, and the subfolder of the output folder. A
    prefix may contain folders and %width%, %height%, %year% ...
    """
    folder_paths = importlib.import_module("folder_paths")
    folder, name, number, below, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory(), columns, rows
    )
    return Path(folder), name, int(number), below
